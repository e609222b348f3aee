"""Arguments of the wrong kind are refused in one sentence that says what to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vaekit as vk
from vaekit.networks import ResidualDecoder, ResidualEncoder
from vaekit.recipes import names
from vaekit.storage import load_model, save_model

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("vae_conv", {"channels": 8}, "got channels=8 and wanted a list of whole numbers: give channels=[8]."),
    ("vae_conv", {"channels": []}, "got channels=[] and wanted a list of whole numbers, 1 or more each"),
    ("vae_conv", {"channels": "ab"}, "got channels='ab' and wanted a list of whole numbers, 1 or more each"),
    ("vae_conv", {"channels": [8, 0]}, "got channels=[8, 0] and wanted a list of whole numbers, 1 or more each"),
    ("vae_conv", {"width": "a"}, "got width='a' and wanted a whole number, 1 or more."),
    ("ladder_vae", {"hidden": 8}, "got hidden=8 and wanted a list of whole numbers: give hidden=[8]."),
    ("ladder_vae", {"latent_dims": 4}, "got latent_dims=4 and wanted a list of whole numbers: give latent_dims=[4]."),
    ("ladder_vae", {"latent_dims": [4, 2.5]}, "got latent_dims=[4, 2.5] and wanted a list of whole numbers"),
    ("ladder_vae", {"latent_dims": [4]}, "got 1 latent_dims and 2 hidden widths: give one each a level."),
    ("miwae", {"hidden": 8}, "got hidden=8 and wanted a list of widths: give hidden=[8]."),
    ("miwae", {"samples": "a"}, "got samples='a' and wanted a whole number, 1 or more."),
    ("vae", {"latent_dim": True}, "got latent_dim=True and wanted a whole number, 1 or more."),
]


@pytest.mark.parametrize(("name", "given", "said"), WRONG, ids=[f"{name} {given}" for name, given, _ in WRONG])
def test_a_wrong_kind_of_argument(name: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(vk.Mistake) as caught:
        getattr(vk.recipes, name)(shape=(8, 8), **given)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("shape", [28, "ab", 2.5, [], [0], [4, -1], None], ids=str)
def test_a_shape_is_a_list(name: str, shape: Any) -> None:
    with pytest.raises(vk.Mistake, match="got shape=.* and wanted a list of whole numbers"):
        getattr(vk.recipes, name)(shape=shape)


@pytest.mark.parametrize("given", [{"channels": 8}, {"blocks": "a"}, {"blocks": 0}], ids=str)
def test_residual_networks(given: dict[str, Any]) -> None:
    for make in (lambda: ResidualEncoder((8, 8), **given), lambda: ResidualDecoder((8, 8), 2, **given)):
        with pytest.raises(vk.Mistake, match=f"got {next(iter(given))}="):
            make()


def test_numbers_of_numpy_are_whole_numbers(tmp_path: Path) -> None:
    model = vk.recipes.vae_conv(
        shape=np.zeros((3, 8, 6)).shape, channels=[np.int64(4)], width=np.int64(5), latent_dim=np.int64(2)
    ).model
    assert model.sample(2).shape == (2, 3, 8, 6)
    save_model(model, tmp_path / "model", version="0")
    assert load_model(tmp_path / "model").posterior.latent_shape == (2,)
