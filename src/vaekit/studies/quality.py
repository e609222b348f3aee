"""How good samples, reconstructions and latents are: studies that want nothing but the model and held-out items."""

from __future__ import annotations

__all__ = ["latents", "reconstruction", "regularity", "representation", "samples"]

import torch

from vaekit.evaluation.clusters import cluster_numbers
from vaekit.evaluation.fidelity import sample_numbers
from vaekit.evaluation.number import Number, mean_number
from vaekit.evaluation.probes import knn_probe, linear_probe
from vaekit.evaluation.regularity import regularity_numbers
from vaekit.evaluation.similarity import feature_distances, reconstruction_numbers
from vaekit.evaluation.surgery import gap_numbers, surgery_numbers
from vaekit.evaluation.tables import table_numbers
from vaekit.messages import Mistake
from vaekit.models.model import latent_mean
from vaekit.studies.material import Material


def samples(given: Material) -> dict[str, Number]:
    """How like the data samples are: of pictures the likelihood's means, of tables draws."""
    unit = given.peak() if given.pictures else 1.0  # pictures on a scale of 1
    real = given.some.x.float() / unit
    made = given.drawn(len(real)).float() / unit
    train = None if given.train is None else given.some_of(given.train, given.limit).x.float() / unit
    found = sample_numbers(real, made, features=given.feature_net(), train=train, seed=given.seed)
    if not given.pictures:
        found |= table_numbers(real, made, columns=given.some.columns, seed=given.seed)
    return found


def reconstruction(given: Material) -> dict[str, Number]:
    """How near the means of reconstructions are to held-out items."""
    x, y = given.encoded
    with torch.no_grad():
        px = given.model._likelihood(latent_mean(given.model._posterior(x, y)), y)
        made = px.mean if given.model.transform is None else given.model.transform.inverse(px.mean)
    features = given.feature_net() if given.pictures else None
    peak = given.peak()
    found = reconstruction_numbers(given.some.x.float(), made.cpu().float(), peak=peak)
    if features is not None:
        lost = feature_distances(given.some.x.float() / peak, made.cpu().float() / peak, features=features)
        found["feature_distance"] = mean_number(lost, "squared distance of unit features", str(features))
    return found


def latents(given: Material) -> dict[str, Number]:
    """Where the rate goes, and whether the latents of all items together follow the prior."""
    x, y = given.encoded
    return {
        **surgery_numbers(given.model, x, y, seed=given.seed),
        **gap_numbers(given.model, x, y, limit=given.limit, seed=given.seed),
    }


def regularity(given: Material) -> dict[str, Number]:
    """Continuity and completeness of the latent space."""
    x, y = given.encoded
    reference = None if given.train is None else given.in_model_units(given.some_of(given.train, given.limit))[0]
    return regularity_numbers(given.model, x, y, reference=reference, seed=given.seed)


def representation(given: Material) -> dict[str, Number]:
    """How much of the labels the posterior means hold.

    Raises:
        Mistake: without labels.
    """
    labels = given.some.labels
    if labels is None:
        raise Mistake("the representation is measured against labels and this data has none: train with labels=.")
    return {
        **linear_probe(given.codes, labels, seed=given.seed),
        **knn_probe(given.codes, labels, seed=given.seed),
        **cluster_numbers(given.codes, labels, seed=given.seed),
    }
