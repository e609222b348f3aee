"""HTML: escaped text, tables, and panels as inline SVG that takes the page's ink."""

from __future__ import annotations

__all__ = ["document", "escape", "facts", "figure", "pictures", "section"]

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vaekit.report.panels import Panel, new_figure
from vaekit.report.style import STYLE

INK = "#010203"  # what matplotlib draws with, replaced by the page's own ink
SCREEN = 96  # CSS pixels an inch
RASTER_DPI = 200
MATPLOTLIB: Any = {
    "svg.fonttype": "none", "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "grid.color": INK, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none", "legend.facecolor": "none", "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
}  # fmt: skip


def escape(text: Any) -> str:
    """Text that cannot become markup.

    Example:
        >>> escape("<b>")
        '&lt;b&gt;'
    """
    return html.escape(str(text), quote=True)


def pictures(make: Any) -> list[str]:
    """Each panel that `make()` returns as an inline SVG.

    Everything is made under matplotlib's own defaults, so that a user's style does not change a page.
    """
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the browser has more fonts
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(MATPLOTLIB)
        return [_svg(panel) for panel in make()]


def _svg(panel: Panel) -> str:
    import matplotlib

    figure = new_figure(*panel.size)
    panel.draw(figure.add_subplot())
    stream = io.StringIO()
    # names of clips and markers come from this salt: the same on every run, others in every panel
    matplotlib.rcParams["svg.hashsalt"] = hashlib.sha256(panel.alt.encode()).hexdigest()
    figure.savefig(stream, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)  # it would style the whole page
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # these repeat from panel to panel and nobody refers to them
    body = body.replace(INK, "currentColor")
    width = round(panel.size[0] * SCREEN)
    return (
        f'<svg class="panel" role="img" aria-label="{escape(panel.alt)}" viewBox="{box[1]}" '
        f'style="max-width:{width}px">{body.strip()}'
    )


def figure(panels: Sequence[str], caption: str) -> str:
    """Panels side by side where there is room, with their caption (HTML)."""
    return f'<figure><div class="panels">{"".join(panels)}</div><figcaption>{caption}</figcaption></figure>\n'


def section(name: str, title: str, content: str, *, half: bool = False) -> str:
    """A section with its heading; two halves stand side by side on a wide screen."""
    side = ' class="half"' if half else ""
    head = f'<section id="{name}"{side} aria-labelledby="{name}-h">\n<h2 id="{name}-h">{title}</h2>\n'
    return f"{head}{content}</section>\n"


def facts(title: str, values: Mapping[str, Any] | Iterable[tuple[str, Any]], *, opened: bool = False) -> str:
    """A collapsible table of names and values."""
    pairs = values.items() if isinstance(values, Mapping) else values
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(_words(v))}</td></tr>' for name, v in pairs)
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary><table>{rows}</table></details>\n"


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else str(value)


def document(title: str, body: str) -> str:
    """A whole page that loads nothing from anywhere and runs no script."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<main class="vaekit">\n{body}</main>\n</body>\n</html>\n'
    )
