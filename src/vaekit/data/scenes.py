r"""Scenes: 480,000 pictures of an object in a room, ray-cast here on the grid of factors of 3D Shapes.

A ray from the eye o in direction d meets a sphere where

.. math:: |o + t d - c|^2 = r^2, \qquad t = -b - \sqrt{b^2 - |o - c|^2 + r^2}, \quad b = d^\top (o - c)
"""

from __future__ import annotations

__all__ = ["Scenes"]

import colorsys
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.factors import FactorData, Levels

SIDE = 64
FINE = 2  # rays across each pixel
ROOM = 2.6  # half the room's width
EYE = (2.3, 1.3)  # how far from the middle, how high
TARGET = 0.45  # the height looked at
VIEW = 0.62  # the tangent of half the angle of view
LIGHT = (0.35, -0.75, 0.85)
AMBIENT = 0.45

Vectors = NDArray[np.floating[Any]]  # float32
Hit = tuple[Vectors, Vectors]  # how far (..., ), infinite for a miss; the normal there (..., 3)


class Scenes(FactorData):
    """A cube, cylinder, sphere or capsule in a room, (3, 64, 64) uint8, channels first.

    The factors and their order are those of 3D Shapes (Burgess and Kim 2018, github.com/google-deepmind/3d-shapes):
    10 hues each of floor, wall and object, 8 scales from 0.75 to 1.25, 4 shapes, and 15 places of the eye from -30 to
    30 degrees round the room. The pictures are drawn here and are not those of the published file; no two are equal.

    Example:
        >>> data = Scenes()
        >>> len(data), data.items([0]).shape, data.factors([479_999]).tolist()
        (480000, torch.Size([1, 3, 64, 64]), [[9, 9, 9, 7, 3, 14]])
    """

    name: ClassVar[str] = "scenes"
    factor_names: ClassVar[tuple[str, ...]] = (
        "floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation",
    )  # fmt: skip
    factor_sizes: ClassVar[tuple[int, ...]] = (10, 10, 10, 8, 4, 15)
    shape: ClassVar[tuple[int, ...]] = (3, SIDE, SIDE)
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {"shape": ("cube", "cylinder", "sphere", "capsule")}
    label: ClassVar[str | None] = "shape"

    def draw(self, factors: Levels) -> Tensor:
        """(n, 6) -> (n, 3, 64, 64): each surface's light, cast once for each view, times its colour."""
        colours = torch.from_numpy(_palette()[factors[:, :3]])  # (n, surfaces, 3)
        out = torch.empty((len(factors), *self.shape), dtype=torch.uint8)
        for view in np.unique(factors[:, 5]):
            rows = np.flatnonzero(factors[:, 5] == view)
            light = torch.from_numpy(_lights(int(view))[factors[rows, 3], factors[rows, 4]])  # (m, surfaces, H W)
            out[rows] = (colours[rows].mT @ light).round_().to(torch.uint8).view(-1, *self.shape)
        return out


def _palette() -> Vectors:
    """Ten hues, (10, 3), 0 to 255."""
    return np.array([colorsys.hsv_to_rgb(hue / 10, 0.85, 1.0) for hue in range(10)], dtype=np.float32) * 255


@cache
def _lights(view: int) -> Vectors:
    """How bright floor, wall and object are in each pixel from one place: (scale, shape, surface, H W), 0 to 1."""
    lights = np.empty((8, 4, 3, SIDE * SIDE), dtype=np.float32)
    eye, rays = _camera(float(np.deg2rad(np.linspace(-30, 30, 15)[view])))
    room, normal, floor = _room(eye, rays)
    for i, scale in enumerate(np.linspace(0.75, 1.25, 8, dtype=np.float32)):
        for j, thing in enumerate((_cube, _cylinder, _ball, _capsule)):
            lights[i, j] = _seen(thing(eye / scale, rays), scale, room, normal, floor)  # the eye moves, not the thing
    return lights


def _seen(hit: Hit, scale: float, room: Vectors, normal: Vectors, floor: NDArray[np.bool_]) -> Vectors:
    """The light of floor, wall and object, each in its own plane, in the mean over the rays of a pixel, (3, H W)."""
    ours = hit[0] * scale < room
    light = np.where(ours, _shade(hit[1]), _shade(normal))
    planes = np.stack([~ours & floor, ~ours & ~floor, ours]) * light
    fine = planes.reshape(3, SIDE, FINE, SIDE, FINE).mean((2, 4))
    return fine.reshape(3, -1).astype(np.float32)


def _shade(normal: Vectors) -> Vectors:
    """Lambert's law with some light from everywhere."""
    light = _vector(*LIGHT) / np.linalg.norm(_vector(*LIGHT))
    shade: Vectors = AMBIENT + (1 - AMBIENT) * np.maximum(normal @ light, 0)
    return shade


def _camera(angle: float) -> tuple[Vectors, Vectors]:
    """The eye (3,) and unit vectors through the pixels, (rays, 3), row by row from the top left."""
    eye = np.array([EYE[0] * np.sin(angle), -EYE[0] * np.cos(angle), EYE[1]])
    ahead = np.array([0.0, 0.0, TARGET]) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.array([np.cos(angle), np.sin(angle), 0.0])
    up = np.cross(right, ahead)
    line = VIEW * ((np.arange(SIDE * FINE) + 0.5) / (SIDE * FINE / 2) - 1)
    rays = ahead + line[None, :, None] * right - line[:, None, None] * up  # (rows, columns, 3)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    return eye.astype(np.float32), rays.reshape(-1, 3).astype(np.float32)


def _room(eye: Vectors, rays: Vectors) -> tuple[Vectors, Vectors, NDArray[np.bool_]]:
    """Where each ray meets the floor or one of the four walls: how far, the normal there, whether it is the floor."""
    with np.errstate(divide="ignore"):
        walls = (np.sign(rays[:, :2]) * ROOM - eye[:2]) / rays[:, :2]  # (rays, 2)
        down = np.where(rays[:, 2] < 0, -eye[2] / rays[:, 2], np.inf)
    far = np.concatenate([walls, down[:, None]], 1)
    which = far.argmin(1)
    normal = np.eye(3, dtype=np.float32)[which] * -np.sign(np.take_along_axis(rays, which[:, None], 1))
    return far.min(1), normal, which == 2


def _cube(eye: Vectors, rays: Vectors, half: float = 0.42) -> Hit:
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (_vector(-half, -half, 0) - eye) / rays
        high = (_vector(half, half, 2 * half) - eye) / rays
    near, far = np.minimum(low, high), np.maximum(low, high)
    which = near.argmax(1)
    normal = np.eye(3, dtype=np.float32)[which] * -np.sign(np.take_along_axis(rays, which[:, None], 1))
    return np.where(near.max(1) < far.min(1), near.max(1), np.inf).astype(np.float32), normal


def _cylinder(eye: Vectors, rays: Vectors) -> Hit:
    return _first(_tube(eye, rays, 0.45, 0.0, 0.95), _lid(eye, rays, 0.45, 0.95))


def _ball(eye: Vectors, rays: Vectors) -> Hit:
    return _sphere(eye, rays, 0.55, 0.55)


def _capsule(eye: Vectors, rays: Vectors) -> Hit:
    ends = _first(_sphere(eye, rays, 0.32, 0.32), _sphere(eye, rays, 0.32, 0.98))
    return _first(_tube(eye, rays, 0.32, 0.32, 0.98), ends)


def _sphere(eye: Vectors, rays: Vectors, radius: float, height: float) -> Hit:
    apart = eye - _vector(0, 0, height)
    b = rays @ apart
    inside = b**2 - apart @ apart + radius**2
    far = np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0)), np.inf)
    return far, (apart + _finite(far)[:, None] * rays) / radius


def _tube(eye: Vectors, rays: Vectors, radius: float, low: float, high: float) -> Hit:
    """The side of an upright cylinder."""
    flat = rays[:, :2]
    a, b = (flat**2).sum(1), flat @ eye[:2]
    inside = b**2 - a * (eye[:2] @ eye[:2] - radius**2)
    far = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
    place = eye + _finite(far)[:, None] * rays
    far = np.where((low <= place[:, 2]) & (place[:, 2] <= high), far, np.inf)
    return far, place * _vector(1, 1, 0) / radius


def _lid(eye: Vectors, rays: Vectors, radius: float, height: float) -> Hit:
    far = np.where(rays[:, 2] < 0, (height - eye[2]) / np.minimum(rays[:, 2], -1e-9), np.inf)
    place = eye + _finite(far)[:, None] * rays
    far = np.where((place[:, :2] ** 2).sum(1) <= radius**2, far, np.inf)
    return far, np.broadcast_to(_vector(0, 0, 1), rays.shape)


def _first(a: Hit, b: Hit) -> Hit:
    nearer = a[0] <= b[0]
    return np.where(nearer, a[0], b[0]), np.where(nearer[:, None], a[1], b[1])


def _vector(*numbers: float) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def _finite(far: Vectors) -> Vectors:
    return np.where(np.isfinite(far), far, 0)
