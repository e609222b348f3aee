"""The diagram of a model: from x down to its latents and from these down to p(x|z), with sizes and contexts."""

from __future__ import annotations

__all__ = ["diagram"]

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from vaekit.models import Model, Upward
from vaekit.networks import ClassAside, InnerProducts, ZeroFill
from vaekit.report.html import escape

WIDTH, MAIN, SIDE = 460, 268, 142  # of the drawing, of the boxes in the middle, and of those at the side
ROW, HIGH = 76, 50  # from box to box, and the height of a box
LOOKS = {
    "given": 'fill="none" stroke="currentColor"',
    "net": 'fill="#3f86c9" fill-opacity=".16" stroke="#3f86c9"',
    "random": 'fill="#dd7a24" fill-opacity=".16" stroke="#dd7a24"',
}


@dataclass
class Drawing:
    """Boxes and arrows in SVG; `row` is the last box of the middle, `words` says what is in them."""

    row: int = -1
    parts: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def add(self, name: str, about: str, kind: str) -> None:
        """A box below the last one, with an arrow to it."""
        if self.row >= 0:
            x = 2 + MAIN / 2
            self._line(f"M{x:g} {self.row * ROW + 2 + HIGH}V{(self.row + 1) * ROW + 1}")
        self.row += 1
        self._box(2, MAIN, name, about, kind)
        self.words.append(f"{name}: {about}")

    def beside(self, name: str, about: str, kind: str, *, dashed: bool = False) -> None:
        """A box at the side of the last one, with an arrow into it."""
        self._box(WIDTH - SIDE - 2, SIDE, name, about, kind)
        self._line(f"M{WIDTH - SIDE - 2} {self.row * ROW + 2 + HIGH // 2}H{MAIN + 3}", dashed)
        self.words[-1] += f" (with {name}: {about})"

    def _box(self, x: int, width: int, name: str, about: str, kind: str) -> None:
        y = self.row * ROW + 2
        radius = HIGH // 2 if kind == "random" else 5
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{HIGH}" rx="{radius}" {LOOKS[kind]}/>')
        for text, at, size, weight in ((name, 21, 15, 600), (about, 39, 13, 400)):
            most = round(width / (size * 0.55))
            text = text if len(text) <= most else text[: most - 1] + "…"
            place = f'x="{x + width / 2:g}" y="{y + at}" font-size="{size}" font-weight="{weight}"'
            self.parts.append(f"<text {place}>{escape(text)}</text>")

    def _line(self, path: str, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path d="{path}" fill="none" stroke="currentColor"{dash} marker-end="url(#vk-arrow)"/>')

    def svg(self) -> str:
        """The drawing as inline SVG."""
        label = escape(f"The model from top to bottom. {'; '.join(self.words)}.")
        arrow = (
            '<defs><marker id="vk-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>'
        )
        return (
            f'<svg class="panel" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {self.row * ROW + HIGH + 4}" '
            f'style="max-width:{WIDTH}px" font-family="system-ui, sans-serif" text-anchor="middle" fill="currentColor">'
            f"{arrow}{''.join(self.parts)}</svg>"
        )


def diagram(model: Model) -> str:
    """The model as inline SVG."""
    any_model: Any = model
    draw = Drawing()
    context = "" if model.context is None else ", ".join(model.context.widths)

    def network(what: str, net: nn.Module, reads: tuple[str, ...]) -> None:
        draw.add(f"{what}: {_kind(net, what)}", _size(net), "net")
        if reads:
            draw.beside("y", context, "given")

    draw.add("x", f"an item of {' × '.join(map(str, model.shape))} numbers", "given")
    if hasattr(model, "levels"):
        network("encoder", any_model.encoder, any_model.reads)
        upward = [i for i, block in enumerate(any_model.levels) if isinstance(block, Upward)]
        for i, block in enumerate(any_model.levels):
            up = i in upward
            seen = [*([] if up else range(i)), *(j for j in upward if j > (i if up else i + 1))]
            draw.add(f"q(z{i + 1} | {_named(seen)}x)", f"{_latents(block.latent_dim)}, {_count(block)}", "random")
            given = f" | {_named(range(i - up))[:-2]}" if i else ""
            draw.beside(f"p(z{i + 1}{given})", "Gaussian" if i else "standard normal", "random", dashed=True)
    else:
        posterior, prior = any_model.posterior, any_model.prior
        network("encoder", posterior.net, posterior.reads)
        family = _words(type(posterior).__name__)
        own = _count(posterior, without=posterior.net)
        draw.add("q(z | x, y)" if posterior.reads else "q(z | x)", f"{family}, {own}", "random")
        draw.add("z", _latents(int(posterior.latent_shape[0])), "given")
        if model.has_density:
            name = "prior p(z | y)" if prior.reads else "prior p(z)"
            draw.beside(name, _words(type(prior).__name__), "random", dashed=True)
    likelihood = any_model.likelihood
    network("decoder", likelihood.net, likelihood.reads)
    draw.add("p(x | z, y)" if likelihood.reads else "p(x | z)", likelihood.describe(), "random")
    return draw.svg()


def _named(levels: Iterable[int]) -> str:
    """Latents of some levels, each with a comma behind it."""
    return "".join(f"z{i + 1}, " for i in levels)


def _latents(n: int) -> str:
    return f"{n} latent{'s' * (n != 1)}"


def _count(module: nn.Module, without: nn.Module | None = None) -> str:
    apart = set() if without is None else set(without.parameters())
    return f"{sum(p.numel() for p in module.parameters() if p not in apart):,} parameters"


def _kind(net: nn.Module, what: str) -> str:
    """The kind of a network in words, without what is said already."""
    net = net.net if isinstance(net, (ZeroFill, ClassAside)) else net
    if isinstance(net, nn.ModuleList):
        return f"{len(net)} networks"
    if not any(True for _ in net.parameters()) and not isinstance(net, InnerProducts):
        return "linear"
    return _words(type(net).__name__).removesuffix(f" {what}")


def _size(net: nn.Module) -> str:
    """The widths of the layers, where they are few, and the parameters."""
    layers = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
    if not any(True for _ in net.parameters()):
        return "no hidden layer"
    widths = [str(m.out_features if isinstance(m, nn.Linear) else m.out_channels) for m in layers]
    shown = " → ".join(widths) if len(widths) <= 3 and not isinstance(net, nn.ModuleList) else f"{len(widths)} layers"
    return f"{shown}, {_count(net)}" if widths else _count(net)


def _words(name: str) -> str:
    """The name of a class in words.

    Example:
        >>> _words("StandardNormal"), _words("MLP")
        ('Standard normal', 'MLP')
    """
    letters = [
        f" {c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c for i, c in enumerate(name)
    ]  # fmt: skip
    return "".join(letters)
