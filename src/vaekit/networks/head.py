"""Head: the last layer, from a network's features to the parameters of a distribution."""

from __future__ import annotations

__all__ = ["Head", "features_of"]

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vaekit.messages import Mistake
from vaekit.networks.fold import fold
from vaekit.networks.initial import channels_last

QUIET = 0.1  # of a layer's usual first weights
FAINT = 0.1  # of the largest standard deviation: components below are not blown up to the full size of 1


def features_of(net: nn.Module, features: Sequence[int] | int | None) -> tuple[int, ...]:
    """The shape of a network's output: as given, or as the network says in `features`."""
    found = features if features is not None else getattr(net, "features", None)
    if isinstance(found, int):
        return (found,)
    if not isinstance(found, (tuple, list)):
        raise Mistake(
            f"{type(net).__name__} does not say the shape of its output: give features=(...), "
            "or set an attribute `features` on the network."
        )
    return tuple(found)


class Head(nn.Module):
    """A linear layer, or a 3x3 convolution where features and event are pictures of one size; its output is float32.

    Where both are series of one length, features (T, F) and event (T, C, ...), it is one linear layer for all steps.

    Each has a bias for each element of the event: a convolution with one a channel has to draw what all pictures have
    in common from its features, and draws it from those of any latents, noise and all.

    Args:
        features: the shape of one network output, (F,), (C', H, W) or (T, F).
        shape: the shape of the event.
        parameters: how many numbers each element of the event needs.
        narrow: under autocast multiply in its precision too, which leaves errors of 1/256 of a product; else the whole
            layer stays in float32.
        steps: whether an event (T,) is a series too, a number a step; else its T numbers each read all features.

    Forward: (*leading, *features) -> as many tensors (*leading, *shape) as there are parameters; `leading` unfolds
    axes that were folded into one.

    Example:
        >>> mean, log_scale = Head((16,), (3, 4), parameters=2)(torch.zeros(5, 7, 16))
        >>> mean.shape
        torch.Size([5, 7, 3, 4])
    """

    def __init__(
        self,
        features: Sequence[int],
        shape: Sequence[int],
        parameters: int = 1,
        *,
        narrow: bool = False,
        steps: bool = False,
    ) -> None:
        super().__init__()
        self.narrow = narrow
        self.features, self.shape, self.parameters_each = tuple(features), tuple(shape), parameters
        self.pictures = len(self.features) == 3 and self.features[-2:] == self.shape[-2:] and len(self.shape) in (2, 3)
        self.series = len(self.features) == 2 and self.shape[:1] == self.features[:1]
        self.series = self.series and (steps or len(self.shape) > 1)  # T latents of a whole are no steps
        self.layer: nn.Conv2d | nn.Linear
        if self.pictures:
            planes = self.shape[0] if len(self.shape) == 3 else 1
            self.layer = channels_last(nn.Conv2d(self.features[0], parameters * planes, 3, padding=1, bias=False))
            self.places = nn.Parameter(torch.zeros(parameters * planes, *self.shape[-2:]))
        elif self.series:
            each = math.prod(self.shape[1:])
            self.layer = nn.Linear(self.features[1], parameters * each, bias=False)
            self.places = nn.Parameter(torch.zeros(parameters, self.shape[0], each))
        else:
            self.layer = nn.Linear(math.prod(self.features), parameters * math.prod(self.shape))

    def forward(self, x: Tensor, leading: Sequence[int] | None = None) -> tuple[Tensor, ...]:
        out = self._layer(x)
        axis = -3 if self.pictures or self.series else -1
        parts = out.chunk(self.parameters_each, axis) if self.parameters_each > 1 else (out,)
        if len(self.shape) == -axis and leading is None and not self.series:
            return parts  # (F,) or (C, H, W): each part is the event as it comes
        leading = out.shape[:axis] if leading is None else leading
        return tuple(part.reshape(*leading, *self.shape) for part in parts)

    def stacked(self, x: Tensor, leading: Sequence[int] | None = None) -> Tensor:
        """(*leading, *features) -> (*leading, parameters, *shape)."""
        out = self._layer(x)
        leading = out.shape[: -3 if self.pictures or self.series else -1] if leading is None else leading
        return out.reshape(*leading, self.parameters_each, *self.shape)

    def _layer(self, x: Tensor) -> Tensor:
        """(*leading, parameters * prod(shape)), (*leading, parameters * planes, H, W) of pictures, or of series
        (*leading, parameters, T, C)."""
        if torch.is_autocast_enabled(x.device.type) and not self.narrow:
            with torch.autocast(x.device.type, enabled=False):
                return self._layer(x.to(self.layer.weight.dtype))
        if self.pictures:
            return fold(self.layer, x, 3) + self.places
        if self.series:
            return self.layer(x).unflatten(-1, (self.parameters_each, -1)).movedim(-2, -3) + self.places
        x = x.flatten(-len(self.features)) if len(self.features) > 1 else x
        if self.narrow and torch.is_autocast_enabled(x.device.type):
            return linear(x, self.layer.weight) + self.bias(slice(None)).flatten()  # the sum in float32
        out: Tensor = self.layer(x)
        return out

    def bias(self, which: int | slice) -> Tensor:
        """The bias of one parameter, (prod(shape),), or of several, (number, prod(shape)), a view."""
        bias = self.places if self.pictures or self.series else self.layer.bias
        assert bias is not None
        return bias.view(self.parameters_each, -1)[which]

    @torch.no_grad()
    def start_at(self, which: int, values: Tensor) -> None:
        """Let one parameter begin near these values (shape: the event's) whatever the features are.

        With weights at their full size a decoder's first outputs are noise around the data's mean. Where the data has
        fewer directions than the latents, that noise stays in the others and is seen in samples.
        """
        self.bias(which).copy_(values.reshape(-1))
        self._weight(which).mul_(QUIET)

    @torch.no_grad()
    def rescale(self, which: int, shift: Tensor, factor: Tensor) -> None:
        """Let one parameter be (what it was - shift) * factor from now on: a number for each element of the event, or
        for each plane where the head makes pictures, or for each element of a step where it makes series.
        """
        weight = self._weight(which)
        bias = self.bias(which)
        bias = bias.view(-1, len(weight)).mT if self.series else bias.view(len(weight), -1)
        bias.sub_(shift.unsqueeze(1)).mul_(factor.unsqueeze(1))
        weight.mul_(factor.view(-1, *[1] * (weight.ndim - 1)))

    @torch.no_grad()
    def whiten(self, which: int, features: Tensor) -> None:
        """Let one parameter begin as the leading principal components of these features, each with variance 1.

        Args:
            which: the parameter; each of its elements is a component.
            features: (N, *features) of some training items; the steps of series count as items.
        """
        flat = (features.flatten(0, 1) if self.series else features.flatten(1)).cpu().double()
        weight, mean = self._weight(which), flat.mean(0)
        if len(weight) > min(flat.shape) or not bool(flat.isfinite().all()):
            return  # fewer features or items than components, or gaps that a later check names
        _, spread, axes = torch.linalg.svd(flat - mean, full_matrices=False)  # (min(N, F),), (min(N, F), F)
        spread = spread[: len(weight)] / math.sqrt(len(flat))
        if not bool(spread[0] > 0):
            return  # features that never change
        white = axes[: len(weight)] / spread.clamp_min(FAINT * spread[0]).unsqueeze(1)  # (count, F)
        weight.copy_(white)
        self.bias(which).view(-1, len(weight)).copy_(-(white @ mean))

    @torch.no_grad()
    def silence(self, which: int) -> None:
        """Let one parameter begin at 0 for all features."""
        self._weight(which).zero_()
        self.bias(which).zero_()

    def _weight(self, which: int) -> Tensor:
        """The weights of one parameter, a view of the layer's, an output a row."""
        weight = self.layer.weight
        return weight.view(self.parameters_each, -1, *weight.shape[1:])[which]
