"""The numbers of a run: each with its unit, its error and one plain sentence."""

from __future__ import annotations

__all__ = ["numbers", "table"]

from typing import Any

from vaekit.messages import count_of


def numbers(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value with unit and error, one sentence) for each number of a record's metrics."""
    m = record["metrics"]
    split, items = m.get("split"), m.get("items")
    on = f"{items:,} {split} items" if items else "no held-out items"

    def nats(name: str, error: str | None = None) -> str:
        value, spread = m.get(name), m.get(error) if error else None
        if value is None:
            return "undefined"
        return f"{value:,.2f} ± {spread:,.2f} nats" if spread is not None else f"{value:,.2f} nats"

    rows = [
        ("ELBO", nats("elbo", "elbo_se"), f"The lower bound on log p(x), mean over {on}; higher is better."),
        ("rate", nats("rate"), "KL(q(z|x) || p(z)): what the latents say about an item."),
        ("distortion", nats("distortion"), "-log p(x|z): what is lost in reconstruction."),
    ]
    if m.get("nll") is not None:
        which = f"{m['nll_items']:,} random" if m["nll_items"] != items else f"all {items:,}"
        units = "" if m.get("bits_per_dim") is not None else " It is a density: compare it on the same data only."
        rows.append((
            f"NLL (K = {m['nll_samples']:,})", nats("nll", "nll_se"),
            f"-log p(x) by importance sampling on {which} {split} items; the error is over items, "
            f"over draws it is {m['nll_mc_se'] or 0:.3f} nats.{units}",
        ))  # fmt: skip
    else:
        rows.append(("NLL", "undefined", f"{m.get('nll_why') or 'there was no data to measure it on'}."))
    if m.get("ess_warning"):
        rows.append(("draws that count", f"{m['ess']:,.1f} of {m['nll_samples']:,}", f"Too few: {m['ess_warning']}"))
    if m.get("prior_warning"):
        rows.append(("prior", "in doubt", f"{m['prior_warning'][:1].upper()}{m['prior_warning'][1:]}"))
    if m.get("bits_per_dim") is not None:
        rows.append(("bits/dim", f"{m['bits_per_dim']:.4f}", "The NLL in bits for each dimension of an item."))
    if m.get("active_units") is not None:
        rows.append(("active units", str(m["active_units"]), "Latents whose posterior mean varies by more than 0.01."))
    if m.get("steps"):
        rows.append((
            "training", f"{m['seconds']:.1f} s",
            f"{count_of(m['epochs'], 'epoch')}, {count_of(m['steps'], 'step')}, {m['items_per_second']:,.0f} items/s "
            f"on {m['device']}.",
        ))  # fmt: skip
    return rows


def table(record: dict[str, Any]) -> str:
    """The numbers as text for a terminal."""
    binarized = f", binarised ({record['binarization']})" if record.get("binarization") else ""
    head = (
        f"{record['recipe']} on {record['data']['name']}: {record['parameters']:,} parameters, "
        f"{record['likelihood']} likelihood{binarized}"
    )
    if "metrics" not in record:
        return head
    return "\n".join([head, *(f"  {name:<16} {value:<22} {why}" for name, value, why in numbers(record))])
