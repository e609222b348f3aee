"""Data sets with a name: those that are drawn here, with the factors behind every item, and the list of all.

The grids are not held in memory: each of their items has an index and is drawn when it is asked for. Sprites has all
737,280 pictures of dSprites, Scenes the 480,000 of the grid of 3D Shapes; Bars has continuous factors whose posterior
is known. `read_builtin(name)` reads any of `BUILTINS` as a Dataset, of what is drawn 20,000 items at random.

Example:
    >>> sprites = Sprites()
    >>> x, factors = sprites.items([0, 737_279]), sprites.factors([0, 737_279])
    >>> x.shape, factors.shape, sprites.factor_names[1:3]
    (torch.Size([2, 64, 64]), (2, 6), ('shape', 'scale'))
    >>> data = sprites.dataset(100, seed=1)  # for vk.fit and vk.evaluate; the factors are its extras
    >>> data.x.shape, sorted(data.extras)
    (torch.Size([100, 64, 64]), ['orientation', 'position_x', 'position_y', 'scale', 'shape'])
    >>> [name for name in BUILTINS if BUILTINS[name].files == ()]
    ['digits', 'dsprites', 'scenes', 'bars', 'blocks']
"""

from __future__ import annotations

__all__ = ["BUILTINS", "Bars", "Builtin", "FactorData", "Scenes", "Sprites", "read_builtin"]

from vaekit.data.builtin import BUILTINS, Builtin, read_builtin
from vaekit.data.factors import Bars, FactorData
from vaekit.data.scenes import Scenes
from vaekit.data.sprites import Sprites
