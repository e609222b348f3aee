"""Data: reading what the user has, splitting it, encoding its context, and writing results."""

from __future__ import annotations

__all__ = [
    "Bars",
    "BlockModel",
    "ByModality",
    "Context",
    "Dataset",
    "FactorData",
    "Modalities",
    "Scenes",
    "Sprites",
    "check",
    "datasets",
    "frame_like",
    "graphs",
    "hold_out_links",
    "image_grid",
    "join",
    "karate_club",
    "read",
    "restore",
    "split",
    "write",
]

from vaekit.data.adjacency import BlockModel, graphs, hold_out_links, karate_club
from vaekit.data.builtin import datasets
from vaekit.data.context import Context
from vaekit.data.dataset import Dataset, check, frame_like, restore
from vaekit.data.factors import Bars, FactorData
from vaekit.data.grid import image_grid
from vaekit.data.modalities import Modalities
from vaekit.data.pieces import ByModality
from vaekit.data.scenes import Scenes
from vaekit.data.sources import read
from vaekit.data.splits import join, split
from vaekit.data.sprites import Sprites
from vaekit.data.write import write
