"""Run: a trained model with its record, its history and its data, in the user's units and kind."""

from __future__ import annotations

__all__ = ["Run"]

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaekit.data import Dataset, frame_like, restore
from vaekit.evaluation import drawn_imputations, mean_imputation
from vaekit.measure import frozen_alike, measure, prepared, score_items
from vaekit.messages import Mistake
from vaekit.models import Model
from vaekit.models.codes import quantized
from vaekit.models.model import UserUnits, latent_mean
from vaekit.noise import forked
from vaekit.report import Plots, Subject, render, table, write_report
from vaekit.run.folder import claim
from vaekit.run.latents import as_latents, column_names, latents_of
from vaekit.run.material import batches_of, is_loader, read_alike, value_like
from vaekit.storage import save_model, write_json
from vaekit.training.history import write_rows
from vaekit.version import VERSION

CHUNK = 512  # items encoded or decoded at a time


class Run:
    """What `vk.fit` returns and `vk.load_run` reads.

    Attributes:
        model: the trained Model, in evaluation mode.
        record: all that run.json holds.
        rows: the history, a dict an epoch.
        metrics: the numbers that --json prints.
        dir: the run's folder, or None.
        data: the Dataset it was trained on with its parts, where it is at hand.
    """

    def __init__(
        self,
        model: Model,
        record: dict[str, Any],
        rows: list[dict[str, Any]],
        *,
        data: Dataset | None = None,
        dir: Path | None = None,
    ) -> None:
        self.model, self.record, self.rows, self.data, self.dir = model, record, rows, data, dir

    # -- what happened -------------------------------------------------------------------------------------

    @property
    def metrics(self) -> dict[str, Any]:
        return self.record["metrics"]

    @property
    def history(self) -> Any:
        """The history as a DataFrame, a row an epoch."""
        import pandas

        return pandas.DataFrame(self.rows)

    @property
    def plot(self) -> Plots:
        """Figures: `latent()`, `manifold(n)`, `samples()`, `reconstructions()`, `history()`, `rates()`."""
        return Plots(self._subject())

    def _subject(self, *, data: bool = True) -> Subject:
        return Subject(self.model, self.record, self.rows, self.data if data else None)

    def _repr_html_(self) -> str:
        return render(self._subject(), brief=True)

    def __repr__(self) -> str:
        return table(self.record)

    # -- data in, the same kind out ------------------------------------------------------------------------

    def read(self, data: Any, y: Any = None, **how: Any) -> Dataset:
        """Data in the form this run was trained on; columns that it does not model are left out.

        Args:
            data: as for `vk.fit`; the run's own where it is None.
            y: their context, for a conditional model.
            how: further arguments of `vk.data.read`: key, layout, id; the recorded ones where nothing is given.
        """
        if isinstance(data, Dataset) and y is None:
            return data
        if data is None:
            return self._own()
        return read_alike(data, y, self.record["data"], self.model.shape, **how)

    def _own(self) -> Dataset:
        if self.data is None:
            raise Mistake("this run's data is not at hand: give data.")
        return self.data

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _chunks(self, data: Any, y: Any = None) -> tuple[Dataset, Any]:
        """The data and its batches, binarised so that what a row gives does not hang on the others."""
        dataset = self.read(data, y)
        alike = dataclasses.replace(dataset, x=frozen_alike(dataset.x, self.record["binarization"]))
        return dataset, prepared(self.model, alike, None, batch_size=CHUNK, device=self.device)

    @torch.no_grad()
    def encode(self, data: Any = None, y: Any = None, *, what: str = "mean") -> Any:
        """The latents of each item: array in, array out; DataFrame in, DataFrame with its index out.

        Args:
            data: items in the user's units, or a DataLoader of them (a tensor out); the run's own data where
                nothing is given.
            y: their context, for a conditional model.
            what: "mean", "sample", "moments" (mean and standard deviation side by side) or, of a model with codes,
                "indices": whole numbers, (items, places) or (items, h, w).
        """
        if what not in ("mean", "sample", "moments", "indices"):
            raise Mistake(f"got what={what!r} and wanted 'mean', 'sample', 'moments' or 'indices'.")
        if is_loader(data):
            if y is not None:
                raise Mistake("got y= with a DataLoader, whose batches are used as they are: let it give (x, y).")
            batches = batches_of(data, conditional=self.model.context is not None)
            return torch.cat([self.encode(x, context, what=what) for x, context in batches])
        dataset, batches = self._chunks(data, y)
        z = torch.cat([latents_of(self.model, batch.x, batch.y, what).cpu() for batch in batches])
        if dataset.columns is not None:
            z = z.flatten(1)
        return frame_like(dataset, z, column_names(z[0].numel(), what))

    @torch.no_grad()
    def decode(self, z: Any, y: Any = None, *, mean: bool | None = None) -> Any:
        """Items from latents, in the user's units; latents as array, tensor or DataFrame."""
        return value_like(self._decoded(as_latents(z, self.model), y, mean), z, self.record["data"])

    def _decoded(self, z: Tensor, y: Any, mean: bool | None) -> Tensor:
        tensor = z.to(self.device)
        like = next(self.model.parameters())
        context = self.model.to_context(y, len(tensor), inferring=False)
        parts = []
        for rows in torch.arange(len(tensor)).split(CHUNK):
            some = None if context is None else {k: v[rows] for k, v in context.items()}
            px = self.model._likelihood(tensor[rows].to(like.dtype), some)
            parts.append(self._value(px, mean))
        return torch.cat(parts)

    @torch.no_grad()
    def decode_indices(self, indices: Any, y: Any = None, *, mean: bool | None = None) -> Any:
        """Items from the indices of their codes, as `encode(what="indices")` gives them; an array or a DataFrame."""
        z = quantized(self.model).vectors(indices.to_numpy(copy=True) if hasattr(indices, "columns") else indices)
        return value_like(self._decoded(z, y, mean), indices, self.record["data"])

    def _value(self, px: Any, mean: bool | None) -> Tensor:
        return self.model._value(UserUnits(px, self.model.transform), mean).cpu()

    @torch.no_grad()
    def reconstruct(self, data: Any = None, y: Any = None, *, mean: bool | None = None) -> Any:
        """Items made again from their posterior means, in the same kind and units."""
        dataset, batches = self._chunks(data, y)
        parts = []
        for batch in batches:
            z = latent_mean(self.model._posterior(batch.x, batch.y))
            parts.append(self._value(self.model._likelihood(z, batch.y), mean))
        return restore(dataset, torch.cat(parts))

    def sample(
        self, n: int = 1, given: Any = None, *, temperature: float = 1.0, mean: bool | None = None,
        seed: int | None = None,
    ) -> Any:  # fmt: skip
        """n new items; `given` is one row of context for all, or n rows; `temperature` scales the prior only."""
        if seed is None:
            x = self.model.sample(n, given, temperature=temperature, mean=mean)
        else:
            with forked(seed, self.device):
                x = self.model.sample(n, given, temperature=temperature, mean=mean)
        return value_like(x.cpu(), None, self.record["data"])

    @torch.no_grad()
    def impute(self, data: Any = None, y: Any = None, *, draws: int = 0, samples: int = 1000, seed: int = 0) -> Any:
        """Items with their gaps filled: by the mean of p(missing | observed), or by several draws from it.

        Args:
            data: items with NaN where values are missing, in the user's units; the run's own where nothing is given.
            y: their context, for a conditional model.
            draws: 0 for the mean; M for a list of M filled copies, whose spread is what is not known.
            samples: K, the draws of z for each item, of which importance weights are taken.
            seed: of the draws.

        Raises:
            Mistake: for a model that cannot read gaps.
        """
        dataset, batches = self._chunks(data, y)
        parts = []
        with forked(seed, self.device):
            for batch in batches:
                if draws:
                    found = drawn_imputations(self.model, batch.x, batch.y, draws=draws, samples=samples)
                else:
                    found = mean_imputation(self.model, batch.x, batch.y, samples=samples).unsqueeze(0)
                parts.append(found.cpu())
        filled = torch.cat(parts, 1)  # (M or 1, N, *X)
        raw = dataset.x.to(filled.dtype)
        copies = [restore(dataset, torch.where(raw.isnan(), copy, raw)) for copy in filled]
        return copies if draws else copies[0]

    def score(self, data: Any = None, y: Any = None, *, samples: int = 64) -> Any:
        """The NLL of each item in nats (high is strange), by K = samples draws, always with the same noise."""
        dataset = self.read(data, y)
        nll = score_items(self.model, dataset, self.record["binarization"], samples=samples, device=self.device)
        found = frame_like(dataset, nll.unsqueeze(1), ["nll"])
        return found["nll"] if hasattr(found, "columns") else found[:, 0]

    def evaluate(
        self, data: Any = None, y: Any = None, *, samples: int = 500, limit: int = 1000, split: str = "test",
        seed: int = 0, show: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """ELBO over all items, and the NLL with K = samples on at most `limit` random ones, with their errors.

        Args:
            data: items; where nothing is given, the run's own `split` ("test", "valid" or "train").
            show: progress on stderr.
        """
        dataset = self.part(split) if data is None else self.read(data, y)
        how, device = self.record["binarization"], self.device
        numbers = measure(self.model, dataset, how, samples=samples, limit=limit, seed=seed, device=device, show=show)
        return {"split": split if data is None else "given", **numbers}

    def part(self, split: str) -> Dataset:
        """The run's own train, valid or test items."""
        data = self._own()
        if not len(data.parts.get(split, ())):
            have = ", ".join(name for name, rows in data.parts.items() if len(rows)) or "none"
            raise Mistake(f"this run has no {split!r} items at hand (it has {have}): name one of these, or give data.")
        return data.take(data.parts[split])

    # -- files ---------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the record, the history and the model into a folder; overwrite replaces a run that is there."""
        with claim(Path(folder), overwrite=overwrite):
            return self._write(Path(folder))

    def _write(self, folder: Path) -> Path:
        save_model(self.model, folder / "model", version=VERSION)
        write_json(folder / "run.json", {**self.record, "status": "finished"})
        write_rows(folder / "history.jsonl", self.rows)
        return folder

    def report(self, path: str | Path | None = None, *, data: bool = True) -> Path:
        """Write the self-contained HTML report; data=False leaves the user's items out."""
        if path is None:
            if self.dir is None:
                raise Mistake("this run has no folder: give report('report.html') a path.")
            path = self.dir / "report.html"
        return write_report(self._subject(data=data), Path(path))

    def citation(self) -> str:
        """BibTeX of the papers behind the model's parts and its recipe."""
        return self._subject().citation()
