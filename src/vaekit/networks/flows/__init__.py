"""Layers of normalizing flows: from features to invertible maps with their log-determinants."""

from __future__ import annotations

__all__ = [
    "Autoregressive",
    "Coupling",
    "Householder",
    "HouseholderSylvester",
    "InverseAutoregressive",
    "Layer",
    "Map",
    "Planar",
    "Radial",
    "Reversed",
    "Sigmoidal",
    "SplineCoupling",
    "Sylvester",
]

from vaekit.networks.flows.autoregressive import Autoregressive, InverseAutoregressive
from vaekit.networks.flows.base import Layer, Map, Reversed
from vaekit.networks.flows.coupling import Coupling, SplineCoupling
from vaekit.networks.flows.householder import Householder
from vaekit.networks.flows.planar import Planar, Radial
from vaekit.networks.flows.sigmoidal import Sigmoidal
from vaekit.networks.flows.sylvester import HouseholderSylvester, Sylvester
