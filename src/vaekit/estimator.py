"""The scikit-learn face: a recipe as a transformer that also scores items."""

from __future__ import annotations

__all__ = ["Autoencoder"]

import copy
import math
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor

from vaekit.data import check, read, split
from vaekit.evaluation.shared import shared_log_likelihoods
from vaekit.measure import loader
from vaekit.messages import ArgumentMistake, Mistake, reject_unknown
from vaekit.models import Model
from vaekit.noise import derive, forked
from vaekit.recipes.choose import binarization
from vaekit.recipes.choose import recipe as choose
from vaekit.recipes.traits import traits
from vaekit.training import Fitter, Loader, Settings, binarize_tensor

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn 1.5

    def validate_data(estimator: Any, X: Any, *, ensure_all_finite: Any, **how: Any) -> Any:
        return estimator._validate_data(X, force_all_finite=ensure_all_finite, **how)


PREFIXES = ("recipe__", "training__")
DTYPES = [np.float64, np.float32]
ROWS = 512  # encoded or decoded at a time
NOISE = 0  # one seed for all estimators: the candidates of a search are scored with the same noise
CPU = torch.device("cpu")


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A recipe as a scikit-learn transformer; all rows are trained on, and y is ignored, as PCA does.

    Args:
        recipe: the name of a recipe, "auto", or a function that returns a Recipe.
        latent_dim, epochs, batch_size, lr: None for the recipe's own defaults.
        samples: K, the draws of z for each row in `score_samples`.
        random_state: an int, a RandomState or None; an int gives the model of `vk.fit(..., seed=random_state)`.
        verbose: 1 shows progress on stderr.
        arguments: `recipe__NAME`, an argument of the recipe, such as recipe__beta=4.0; with recipe__shape=(8, 8)
            rows are read as pictures, channels first. `training__NAME`, one of vk.training.Settings, or
            training__valid, the fraction held out for early stopping. Both work in `set_params` and in grids too.

    Attributes:
        model_: the trained Model, on the CPU.
        history_: a DataFrame, a row an epoch.

    NaN is taken where the recipe takes it ("miwae", and "auto" fitted to rows with NaN). Results are computed in the
    floating type of X, and a row's do not depend on its companions. `score` and `score_samples` exist where there is
    a density, so not for "pca" and "autoencoder". Unknown names and impossible values are said in `fit`.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(60, 4))
        >>> vae = Autoencoder("vae", latent_dim=2, epochs=2, random_state=0, recipe__beta=4.0).fit(X)
        >>> vae.transform(X).shape, vae.score_samples(X).shape, vae.inverse_transform(np.zeros((1, 2))).shape
        ((60, 2), (60,), (1, 4))
    """

    def __init__(
        self,
        recipe: Any = "vae",
        *,
        latent_dim: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        samples: int = 64,
        random_state: Any = None,
        verbose: int = 0,
        **arguments: Any,
    ) -> None:
        self.recipe, self.latent_dim = recipe, latent_dim
        self.epochs, self.batch_size, self.lr = epochs, batch_size, lr
        self.samples, self.random_state, self.verbose = samples, random_state, verbose
        self._arguments = arguments  # replaced and never changed, so that copies may share it

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name, `recipe__*` and `training__*` among them."""
        return {**super().get_params(deep=False), **self._arguments}

    def set_params(self, **params: Any) -> Autoencoder:
        """Set arguments by name; `recipe__*` and `training__*` are checked in `fit`, where the recipe is known."""
        nested = {k: v for k, v in params.items() if k.startswith(PREFIXES) or k in self._arguments}
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        self._arguments = {**self._arguments, **nested}
        return self

    def _gather(self, prefix: str, *own: str) -> dict[str, Any]:
        """The arguments under a prefix, with those of the constructor that belong to them."""
        found = {k.removeprefix(prefix): v for k, v in self._arguments.items() if k.startswith(prefix)}
        given = {name: value for name in own if (value := getattr(self, name)) is not None}
        for name in given.keys() & found.keys():
            raise ArgumentMistake(f"got {name}={given[name]!r} and {prefix}{name}={found[name]!r}: give one of them.")
        # grids often hold numpy's numbers
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in {**found, **given}.items()}

    def _traits(self, *, fitted: bool = True) -> tuple[bool, bool]:
        """Whether the fitted model, or one of the recipe to be fitted, has a density, and whether it takes NaN."""
        if fitted and hasattr(self, "model_"):
            return self.model_.has_density, self.model_.takes_missing
        named = isinstance(self.recipe, str) or callable(self.recipe)
        density, missing = traits(self.recipe) if named else (True, False)
        return density and getattr(self._arguments.get("recipe__posterior"), "has_density", True), missing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = self._traits()[1]
        return tags

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn 1.5
        return {"preserves_dtype": DTYPES, "allow_nan": self._traits()[1]}

    def fit(self, X: Any, y: Any = None) -> Autoencoder:
        """Train on the rows of X (N, D), two or more; y is ignored. A Mistake says what cannot be."""
        known = [*self._get_param_names(), *(f"{prefix}..." for prefix in PREFIXES)]
        reject_unknown("Autoencoder", [k for k in self._arguments if not k.startswith(PREFIXES)], known)
        if not isinstance(self.recipe, str) and not callable(self.recipe):
            raise ArgumentMistake(f"got recipe={self.recipe!r:.60} and wanted a recipe's name, such as 'vae'.")
        if not isinstance(self.samples, Integral) or self.samples < 1:
            raise Mistake(f"got samples={self.samples!r} and wanted a whole number, 1 or more.")
        X = self._checked(X, self._traits(fitted=False)[1], reset=True, ensure_min_samples=2)
        state = self.random_state
        seed = int(state) if isinstance(state, Integral) else int(check_random_state(state).randint(2**31 - 1))
        try:
            with forked(seed, self._device()):  # the caller's own generators stay as they are
                self._fit(X, seed)
        except Mistake as error:
            if X.shape[1] > 1:
                raise
            raise type(error)(f"{error} X has n_features=1.") from error  # which is mostly why
        return self

    def _fit(self, X: Any, seed: int) -> None:
        given = self._gather("recipe__", "latent_dim")
        training = self._gather("training__", "epochs", "batch_size", "lr")
        if "seed" in training:
            raise ArgumentMistake("got training__seed: give random_state instead.")
        valid = training.pop("valid", None) or 0.0
        dataset = read(_items(X, given.get("shape")))
        check(dataset)
        with forked(derive(seed, 6), CPU):  # as vk.fit builds; of copies, so that the user's modules stay as they are
            plan = choose(self.recipe, dataset, **copy.deepcopy(given))
        settings = Settings.of(plan.defaults, {**training, "seed": seed})
        device = settings.chosen_device()
        model = plan.model.to(device)
        how = binarization(dataset, getattr(model, "likelihood", None), None)
        parts = split(dataset, valid=valid, test=0.0, seed=seed)
        train = Loader(
            dataset.x, None, model, batch_size=settings.batch_size, seed=seed, device=device,
            rows=torch.from_numpy(parts["train"]) if valid else None,
            change=None if how is None else lambda x: binarize_tensor(x, how),
        )  # fmt: skip
        held = loader(model, dataset.take(parts["valid"]), how, batch_size=ROWS, device=device) if valid else None
        fitter = Fitter(plan, train, held, settings, show=bool(self.verbose))
        fitter.run()
        self.model_, self._binarize = model.cpu(), how  # on the CPU, so that a pickle opens on any machine
        self.history_ = pd.DataFrame(fitter.history.rows)
        with torch.no_grad():
            self._n_features_out = _flat(self.model_.encode(dataset.x[:1]).mean).shape[1]

    def _device(self) -> torch.device:
        return Settings.of({}, {"device": self._arguments.get("training__device")}).chosen_device()

    def _checked(self, X: Any, takes_missing: bool, **how: Any) -> Any:
        return validate_data(self, X, dtype=DTYPES, ensure_all_finite="allow-nan" if takes_missing else True, **how)

    @torch.no_grad()
    def transform(self, X: Any) -> Any:
        """The posterior means of the rows, (N, latent_dim); the levels of a hierarchy side by side."""
        model, x = self._ready(X)
        means = (model.encode(rows).mean for rows in x.split(ROWS))
        return torch.cat([_flat(mean).cpu() for mean in means]).numpy()

    @torch.no_grad()
    def inverse_transform(self, X: Any) -> Any:
        """The likelihood's means for latents X (N, latent_dim): items (N, D) in the units that were fitted."""
        check_is_fitted(self)
        z = _items(check_array(X, dtype=DTYPES))
        if z.shape[1] != self._n_features_out:
            raise Mistake(f"got {z.shape[1]} latents a row and wanted {self._n_features_out}, as transform gives.")
        model = self._model(z.dtype)
        z = z.to(next(model.parameters()).device)
        means = (model.decode(rows).mean for rows in z.split(ROWS))
        return torch.cat([mean.flatten(1).cpu() for mean in means]).numpy()

    @available_if(lambda self: self._traits()[0])
    def score_samples(self, X: Any) -> Any:
        """An estimate of log p(x) of each row in nats, (N,): high for normal rows, low for strange ones.

        By importance sampling (Burda et al. 2016, arXiv:1509.00519), a lower bound in the mean; the noise is the same
        for every row and every call.

        Raises:
            Mistake: for values that the likelihood cannot produce, such as 0.5 where 0/1 data were fitted.
        """
        model, x = self._ready(X)
        found = shared_log_likelihoods(model, model.to_model(x), int(self.samples), seed=NOISE)
        return found.to(x.dtype).cpu().numpy()

    @available_if(lambda self: self._traits()[0])
    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples` over the rows, in nats; y is ignored."""
        return float(np.mean(self.score_samples(X)))

    def _ready(self, X: Any) -> tuple[Model, Tensor]:
        """The model in the floating type of X, and X as items that it takes."""
        check_is_fitted(self)
        x = _items(self._checked(X, self.model_.takes_missing, reset=False), self.model_.shape)
        if self._binarize is not None:  # grey rows share the draw that makes them 0/1: a row keeps its results
            level = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(NOISE))
            x = torch.where(x.isnan(), x, (level < x).to(x.dtype))
        return self._model(x.dtype), x

    def _model(self, dtype: torch.dtype) -> Model:
        """The model on the device that is asked for, a copy where it differs from the stored one."""
        device = self._device()
        if device.type == "mps" and dtype == torch.float64:  # which MPS has not
            device = CPU
        as_it_is = device == CPU and dtype == torch.float32
        return self.model_ if as_it_is else copy.deepcopy(self.model_).to(device, dtype)


def _items(X: Any, shape: Any = None) -> Tensor:
    """Rows as items of a shape, without a copy where none is needed."""
    shape = X.shape[1:] if shape is None else tuple(shape)
    if math.prod(shape) != X.shape[1]:
        raise Mistake(f"got recipe__shape={shape} for rows of {X.shape[1]} features: the product must be that number.")
    return torch.from_numpy(np.require(X, requirements=["C", "W"])).reshape(len(X), *shape)


def _flat(z: Any) -> Tensor:
    return torch.cat([part.flatten(1) for part in z], -1) if isinstance(z, tuple) else z.flatten(1)
