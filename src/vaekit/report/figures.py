"""Plots: the figures of a run, as matplotlib Figures."""

from __future__ import annotations

__all__ = ["Plots", "panels"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vaekit.messages import Mistake
from vaekit.report.columns import effect_panels, histogram_panels, recovery_panels
from vaekit.report.curves import history_panels, rate_panels
from vaekit.report.latent_map import latent_panels
from vaekit.report.panels import Panel, grid
from vaekit.report.sheets import reconstruction_panels, sample_panels, sheet_panels, traversal_panels
from vaekit.report.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 2000  # samples of a table that histograms are made of


class Plots:
    """The figures of a run; each is the same whenever it is made, and none disturbs the noise of a run.

    Args:
        subject: a trained model with its record and, where it is at hand, its data.

    Raises:
        Mistake: by each method where the run has not what its figure shows.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __repr__(self) -> str:
        return "Plots: latent(), manifold(), samples(), reconstructions(), history(), rates(), traversals()"

    def latent(self, split: str | None = None) -> Figure:
        """The posterior means as points, coloured by label; of all items or of one part, at most 5,000.

        More than two latents are shown by their two leading principal components.
        """
        return grid(panels(self.subject, "latent", split=split), 1)

    def manifold(self, n: int = 20) -> Figure:
        """The sheet of n x n images decoded from latents over the prior's quantiles, 1 % to 99 %.

        Of many latents the two of largest KL move and the others stay at 0; a conditional model has a sheet for each
        level. Of a table: heat maps of what each of these latents does to the columns.
        """
        return grid(panels(self.subject, "manifold", n=n), 4)

    def samples(self, n: int | None = None) -> Figure:
        """n new images (64), or of a table the histograms of n new rows (2,000) beside those of the data."""
        return grid(panels(self.subject, "samples", n=n), 4)

    def reconstructions(self, n: int = 10) -> Figure:
        """n held-out images above their reconstructions; of a table the values against their reconstructions."""
        return grid(panels(self.subject, "reconstructions", n=n), 3)

    def history(self) -> Figure:
        """ELBO, rate, distortion and loss by epoch, in training and in validation."""
        return grid(panels(self.subject, "history"), 2)

    def rates(self) -> Figure:
        """The KL of each latent in descending order, the active ones coloured."""
        return grid(panels(self.subject, "rates"), 2)

    def traversals(self, n: int = 9) -> Figure:
        """A row of n images for each of the ten latents of largest KL, which moves alone."""
        return grid(panels(self.subject, "traversals", n=n), 1)


def panels(subject: Subject, name: str, **how: Any) -> Sequence[Panel]:
    """The panels of a figure."""
    image = len(subject.model.shape) > 1
    n = how.get("n")
    if n is not None and n < 1:
        raise Mistake(f"got n={n} and wanted at least 1.")
    if name == "latent":
        return latent_panels(subject, how.get("split"))
    if name == "history":
        return history_panels(subject, how.get("names"))
    if name == "rates":
        return rate_panels(subject)
    if name == "samples":
        return sample_panels(subject, n or 64) if image else histogram_panels(subject, n or ROWS)
    if name == "reconstructions":
        return reconstruction_panels(subject, n or 10) if image else recovery_panels(subject)
    if name == "manifold":
        return sheet_panels(subject, n or 20) if image else effect_panels(subject, n or 20)
    if not image:
        raise Mistake("traversals show images and these items are columns: use manifold().")
    return traversal_panels(subject, n or 9)
