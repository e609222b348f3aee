"""The report's sentences: what was trained, and what each figure shows."""

from __future__ import annotations

__all__ = ["TITLES", "caption", "lead", "title_of"]

import math
from typing import Any

from vaekit.data.transforms import Standardize
from vaekit.messages import count_of
from vaekit.priors import StandardNormal
from vaekit.report.curves import CARRIES
from vaekit.report.html import escape
from vaekit.report.latent_map import has_ring
from vaekit.report.reading import latent_count
from vaekit.report.subject import Subject

TITLES = {
    "numbers": "The numbers",
    "history": "Training",
    "reconstructions": "Reconstructions",
    "samples": "Samples",
    "latent": "Map of the latents",
    "manifold": "The sheet of the latents",
    "traversals": "One latent at a time",
    "rates": "What each latent carries",
    "model": "The model",
    "settings": "All settings",
    "cite": "How to cite",
    "doctor": "What the doctor says",
}


def title_of(subject: Subject, name: str) -> str:
    """The title of a section."""
    return "What the latents do" if name == "manifold" and len(subject.model.shape) == 1 else TITLES[name]


def lead(subject: Subject) -> str:
    """One paragraph of HTML: what was trained on what, and how well it does."""
    record, model = subject.record, subject.model
    m, data = record.get("metrics", {}), record["data"]
    counts = latent_count(subject)
    latents = f"{sum(counts)} latent{'s' * (sum(counts) != 1)}"
    if len(counts) > 1:
        latents = f"{len(counts)} levels of latents ({', '.join(map(str, counts))} from the top down)"
    kind = "a variational autoencoder" if model.has_density else "an autoencoder"
    given = data.get("condition")
    context = f", conditioned on {escape(', '.join(map(str, given)))}" if given else ""
    trained = (record.get("split") or {}).get("items") or {}
    n = trained.get("train") or data["items"]
    sentences = [
        f"<strong>{escape(record['recipe'])}</strong> is {kind} with {latents}, {record['parameters']:,} parameters "
        f"and the likelihood “{escape(record['likelihood'])}”{context}.",
        f"It was fitted to {n:,} items of {escape(data['name'])}, each of "
        f"{' × '.join(map(str, data['shape']))} numbers{_how_long(m)}.",
    ]
    if m.get("items"):
        where = {"test": "held-out test items", "valid": "validation items", "train": "items it was trained on"}
        on = f"On {m['items']:,} {where.get(m['split'], 'items')}"
        if m.get("nll") is not None:
            error = "" if m["nll_se"] is None else f" ± {m['nll_se']:,.2f}"
            sentences.append(
                f"{on} its negative log-likelihood is <strong>{m['nll']:,.2f}{error} nats an item</strong>."
            )
        elif m.get("distortion") is not None:
            sentences.append(f"{on} its distortion is <strong>{m['distortion']:,.2f} nats an item</strong>.")
        if m.get("rate") is not None:
            bits = m["rate"] / math.log(2)
            active = m.get("active_units")
            used = f", with {active} of {sum(counts)} in use" if active is not None and len(counts) == 1 else ""
            sentences.append(f"Its latents carry {m['rate']:,.2f} nats ({bits:,.1f} bits) about an item{used}.")
    return f'<p class="lead">{" ".join(sentences)}</p>\n'


def _how_long(m: dict[str, Any]) -> str:
    if not m.get("steps"):
        return ", in closed form" if "steps" in m else ""
    lasted = f"{count_of(m['steps'], 'step')}, {m['seconds']:,.1f} s on {escape(m['device'])}"
    return f", in {count_of(m['epochs'], 'epoch')} ({lasted})"


def caption(subject: Subject, name: str) -> str:
    """What a figure shows and how to read it, one or two sentences of HTML."""
    model, record = subject.model, subject.record
    image = len(model.shape) > 1
    seen = (
        f" (binarised, {escape(record['binarization'])}, as the model sees them)" if record.get("binarization") else ""
    )
    held = {"test": "test", "valid": "validation"}.get(_part(subject), "")
    if name == "history":
        turn = "A validation curve that turns away from the training curve means overfitting"
        if not model.has_density:
            return f"The distortion is what is lost in reconstruction, in the data’s own units. {turn}."
        return (
            "ELBO = −distortion − rate: the rate is what the latents say about an item, the distortion what is "
            f"lost. {turn}; ELBO and distortion are in the data’s own units."
        )
    if name == "reconstructions":
        if image:
            which = f"Random {held} items" if held else "Random items"
            return f"{which}{seen} above; below, what the model makes of them from the mean of their latents."
        return (
            f"Up to nine columns of {held + ' ' if held else ''}items: each observed value against the value that the "
            "model gives back; on the dashed line they are equal."
        )
    if name == "samples":
        return _samples(subject, image)
    if name == "latent":
        return f"Each point is the posterior mean of one item, {_colour(subject)}.{_ring(subject)}"
    if name == "manifold":
        if not image:
            return (
                "What happens to each column while one latent moves and the others stay in the middle: red is more, "
                f"blue is less, {_unit(subject)}."
            )
        each = (
            "one sheet for each level of the context; "
            if len(model.context.fields if model.context else ()) == 1
            else ""
        )
        return (
            f"Images decoded from points on a grid over the latents: {each}neighbours on the sheet are neighbours "
            "among the latents, so that it should change without jumps."
        )
    if name == "traversals":
        return "Each row moves one latent from low to high: a row that does not change is a latent that is not used."
    text = "KL(q(z|x) || p(z)) of each latent, mean over items: what it carries. A latent near 0 is not used"
    if len(latent_count(subject)) > 1:
        return f"{text}; blue ones carry more than {CARRIES} nats."
    return f"{text}; a latent is active where its posterior mean varies by more than 0.01 (variance)."


def _colour(subject: Subject) -> str:
    data = subject.data
    if subject.model.context is not None:
        return "coloured by label; a conditional model is given its context, so that its latents need not tell it"
    if data is None or data.labels is None:
        return "in one colour, since there are no labels"
    return "coloured by its label; where the classes part, the latents tell them apart without having seen a label"


def _unit(subject: Subject) -> str:
    scaled = isinstance(subject.model.transform, Standardize)
    return "in standard deviations of the column" if scaled else "in the model’s units"


def _ring(subject: Subject) -> str:
    if has_ring(subject):
        return " The dashed circle holds 95 % of the prior."
    return ""


def _samples(subject: Subject, image: bool) -> str:
    model = subject.model
    if image:
        text = "New items: latents drawn from the prior and decoded, the mean of p(x|z) shown."
    else:
        text = "New rows drawn from the model (orange) beside the data (grey), up to twelve columns."
        if subject.data is None:
            text = "New rows drawn from the model, up to twelve columns."
    if model.context is not None and image and len(model.context.fields) == 1:
        text += " Each row has one level of the context."
    elif model.context is not None:
        text += " Their contexts are drawn from the data." if subject.data is not None else ""
    if not model.has_density and isinstance(model.prior, StandardNormal):
        text += (
            " <strong>Mind:</strong> nothing drew this autoencoder’s latents to the prior, so that its samples need "
            "not look like the data."
        )
    return text


def _part(subject: Subject) -> str:
    return str(subject.record.get("metrics", {}).get("split"))
