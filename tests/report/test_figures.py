"""The figures hold the data they claim to hold, are always the same and disturb nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from vaekit.data.transforms import Standardize
from vaekit.messages import Mistake
from vaekit.report import Plots, Subject
from vaekit.report.latent_map import principal
from vaekit.report.panels import plain
from vaekit.report.paths import paths
from vaekit.report.pictures import Ink, mosaic

EVERY = ("latent", "manifold", "samples", "reconstructions", "history", "rates", "traversals")


def picture(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=50, metadata={"Software": None})
    return stream.getvalue()


def shown(figure: Any) -> np.ndarray:
    """The only picture of a figure, (H, W, 4)."""
    (image,) = figure.axes[0].images
    return np.asarray(image.get_array())


def grey(values: torch.Tensor) -> np.ndarray:
    """What values from 0 to 16 are drawn as."""
    return Ink(0.0, 16.0).pictures(values)[..., 0]


def test_latent_map_has_a_point_for_each_item_at_its_posterior_mean(digits: Subject) -> None:
    assert digits.data is not None
    axes = Plots(digits).latent().axes[0]
    (points,) = axes.collections
    found = np.asarray(points.get_offsets())
    with torch.no_grad():
        wanted = digits.model.encode(digits.data.x).mean.double().numpy()
    assert found.shape == (300, 2)
    assert np.allclose(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)], atol=1e-5)
    assert sorted(t.get_text() for t in axes.get_legend().get_texts()) == [str(i) for i in range(10)]
    assert axes.get_legend().get_title().get_text() == "digit"


def test_latent_map_colours_equal_labels_equally(digits: Subject) -> None:
    assert digits.data is not None and digits.data.labels is not None
    (points,) = Plots(digits).latent().axes[0].collections
    order = np.random.default_rng(0).permutation(300)
    colours = np.asarray(points.get_facecolors())
    labels = digits.data.labels[order]
    for digit in range(10):
        assert len(np.unique(colours[labels == digit], axis=0)) == 1
    assert len(np.unique(colours, axis=0)) == 10


def test_latent_map_of_one_part(digits: Subject) -> None:
    (points,) = Plots(digits).latent("test").axes[0].collections
    assert len(points.get_offsets()) == 30
    with pytest.raises(Mistake, match="no 'dev' items"):
        Plots(digits).latent("dev")


def test_latent_map_of_numbers_has_a_colour_bar_and_of_many_classes_an_other(digits: Subject) -> None:
    assert digits.data is not None
    numbers = replace(digits, data=replace(digits.data, labels=np.linspace(0, 1, 300)))
    assert len(Plots(numbers).latent().axes) == 2
    names = np.array([f"c{i % 40}" for i in range(300)])
    legend = Plots(replace(digits, data=replace(digits.data, labels=names))).latent().axes[0].get_legend()
    texts = [t.get_text() for t in legend.get_texts()]
    assert len(texts) == 20 and "other" in texts


def test_many_latents_are_shown_by_principal_components(wide: Subject) -> None:
    z = torch.randn(500, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1, 5, 1, 3, 1]
    )
    flat, shares = principal(z)
    variances = torch.linalg.eigvalsh(z.T.cov()).flip(0)
    assert torch.allclose(flat.var(0), variances[:2])
    assert shares == pytest.approx((variances[:2] / variances.sum()).tolist())
    label = Plots(wide).latent().axes[0].get_xlabel()
    assert label.startswith("principal component 1 of 5 latents (") and label.endswith("%)")


@pytest.mark.parametrize("n", [3, 30])
def test_manifold_corners_are_decoded_quantiles(digits: Subject, n: int) -> None:
    sheet = shown(Plots(digits).manifold(n))
    assert sheet.shape == (n * 9 - 1, n * 9 - 1, 4)
    q = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([0.01, 0.99]))
    corners = torch.stack([torch.stack([x, y]) for y in q.flip(0) for x in q])  # top left, top right, bottom ...
    with torch.no_grad():
        wanted = grey(digits.model.decode(corners).mean).astype(int)
    ends = (0, (n - 1) * 9)
    found = [sheet[r : r + 8, c : c + 8, 0].astype(int) for r in ends for c in ends]
    assert np.abs(np.stack(found) - wanted).max() <= 1


def test_manifold_of_many_latents_moves_those_of_largest_kl(wide: Subject) -> None:
    kl = wide.record["metrics"]["kl_each"]
    path = paths(wide, 4, 2)
    assert list(path.dims) == sorted(range(5), key=lambda i: -kl[i])[:2]
    z = path.at({0: path.values[0], 1: path.values[1]})
    others = [i for i in range(5) if i not in path.dims]
    assert (z[:, others] == 0).all() and z[0, path.dims[0]] == pytest.approx(-2.3263, abs=1e-4)
    title = Plots(wide).manifold(4).axes[0].get_title()
    assert all(name in title for name in path.names) and "others" in title


def test_point_posterior_walks_over_its_own_latents_and_has_no_rates(points: Subject) -> None:
    assert points.data is not None
    with torch.no_grad():
        z = points.model.encode(points.data.x).mean.double()
    path = paths(points, 2, 2)
    assert torch.allclose(path.values[0], z[:, 0].quantile(torch.tensor([0.01, 0.99], dtype=torch.float64)), atol=1e-5)
    with pytest.raises(Mistake, match="Point posterior"):
        Plots(points).rates()
    with pytest.raises(Mistake, match="not at hand"):
        Plots(replace(points, data=None)).manifold()


def test_hierarchy_has_a_map_and_rates_by_level_but_no_sheet(ladder: Subject) -> None:
    assert "of 5 latents" in Plots(ladder).latent().axes[0].get_xlabel()
    assert [len(ax.patches) for ax in Plots(ladder).rates().axes] == [2, 3]
    with pytest.raises(Mistake, match="one level"):
        Plots(ladder).manifold()


def test_rates_are_sorted_and_the_active_ones_coloured(wide: Subject) -> None:
    bars = Plots(wide).rates().axes[0].patches
    heights = [bar.get_height() for bar in bars]
    assert heights == sorted(wide.record["metrics"]["kl_each"], reverse=True)
    colours = [bar.get_facecolor() for bar in bars]
    active = wide.record["metrics"]["active_units"]
    assert len(set(colours[:active])) <= 1 and not set(colours[:active]) & set(colours[active:])


def test_history_lines_equal_the_rows(digits: Subject) -> None:
    axes = Plots(digits).history().axes
    assert [ax.get_title() for ax in axes[:3]] == ["ELBO", "rate", "distortion"]
    for ax, name in zip(axes, ("elbo", "rate", "distortion", "loss"), strict=True):
        lines = {line.get_label(): line for line in ax.lines}
        for label, column in (("training", name), ("validation", f"valid_{name}")):
            assert list(lines[label].get_xdata()) == [row["epoch"] for row in digits.rows]
            assert list(lines[label].get_ydata()) == [row[column] for row in digits.rows]


def test_history_is_not_flattened_by_its_first_epochs(digits: Subject) -> None:
    rows = [{"epoch": i + 1, "elbo": -1e6 if i == 0 else -100.0 - 10 / (i + 1)} for i in range(30)]
    low, high = Plots(replace(digits, rows=rows)).history().axes[0].get_ylim()
    assert -103 < low < -102.5 and -101 < high < -99


def test_history_of_a_closed_form_is_refused(closed: Subject) -> None:
    with pytest.raises(Mistake, match="no history"):
        Plots(closed).history()


def test_reconstructions_show_the_items_above(digits: Subject) -> None:
    assert digits.data is not None
    picture = shown(Plots(digits).reconstructions(4))
    rows = np.sort(np.random.default_rng(0).permutation(30)[:4])
    x = digits.data.take(digits.data.parts["test"]).x[rows]
    above = np.stack([picture[0:8, c * 9 : c * 9 + 8, 0] for c in range(4)])
    assert np.abs(above.astype(int) - grey(x)).max() <= 1
    with torch.no_grad():
        made = grey(digits.model.reconstruct(x))
    below = np.stack([picture[9:17, c * 9 : c * 9 + 8, 0] for c in range(4)])
    assert np.abs(below.astype(int) - made).max() <= 1


def test_conditional_samples_have_a_row_for_each_level(conditional: Subject) -> None:
    ax = Plots(conditional).samples(12).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["animal = numbat", "animal = quokka", "animal = wombat<b>"]
    assert len(Plots(conditional).manifold(4).axes) == 3


def test_tables(table: Subject) -> None:
    assert table.data is not None
    assert len(Plots(table).samples(100).axes) == 3
    scatters = Plots(table).reconstructions().axes
    observed = (~table.data.take(table.data.parts["test"]).x.isnan()).sum(0).tolist()
    assert [len(ax.collections[0].get_offsets()) for ax in scatters] == observed
    effects = [ax for ax in Plots(table).manifold(5).axes if ax.images]
    assert isinstance(table.model.transform, Standardize)
    path = paths(table, 5, 2)
    with torch.no_grad():
        z = path.at({0: path.values[0]}).float()
        moved = table.model._likelihood(z, None).mean - table.model._likelihood(z[2:3], None).mean
    assert np.allclose(effects[0].images[0].get_array(), moved.T, atol=1e-5)
    assert np.abs(np.asarray(effects[0].images[0].get_array())[:, 2]).max() < 1e-6  # the middle is the middle
    with pytest.raises(Mistake, match="traversals"):
        Plots(table).traversals()


@pytest.mark.parametrize("name", EVERY)
def test_the_same_figure_every_time_and_no_trace_of_it(digits: Subject, name: str) -> None:
    torch.manual_seed(1)
    first = picture(getattr(Plots(digits), name)())
    after = torch.rand(1)
    np_state = np.random.get_state()[1].copy()
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    digits.model.train()
    assert picture(getattr(Plots(digits), name)()) == first
    assert digits.model.training
    digits.model.eval()
    assert (np.random.get_state()[1] == np_state).all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in digits.model.parameters())


@pytest.mark.parametrize("name", ["latent", "reconstructions"])
def test_figures_of_items_want_the_data(digits: Subject, name: str) -> None:
    with pytest.raises(Mistake, match="not at hand"):
        getattr(Plots(replace(digits, data=None)), name)()


def test_small_numbers_are_refused(digits: Subject) -> None:
    with pytest.raises(Mistake, match="n=0"):
        Plots(digits).samples(0)
    with pytest.raises(Mistake, match="at least 2"):
        Plots(digits).manifold(1)


def test_notebooks_get_a_png(digits: Subject) -> None:
    assert Plots(digits).rates()._repr_png_().startswith(b"\x89PNG")


def test_names_are_no_mathematics() -> None:
    assert plain("a $x$\nb") == r"a \$x\$ b"


def test_mosaic_keeps_every_picture() -> None:
    pictures = np.arange(1, 6, dtype=np.uint8).repeat(2 * 2 * 4).reshape(5, 2, 2, 4)
    whole = mosaic(pictures, 3, 1)
    assert whole.shape == (5, 8, 4)
    assert [whole[r * 3, c * 3, 0] for r in range(2) for c in range(3)] == [1, 2, 3, 4, 5, 0]
    assert (whole[2] == 0).all()


def test_colour_pictures_and_large_ones() -> None:
    x = torch.zeros(2, 3, 200, 150)
    x[:, 0] = 255.0
    small = Ink(0.0, 255.0, 64).pictures(x)
    assert small.shape == (2, 50, 38, 4)
    assert (small == np.array([255, 0, 0, 255])).all()
