"""The table of a run as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from cases import CASES
from table import tables

WANTED = {  # vaekit's speed over theirs, float32
    "MLP, batch 32": {"pythae 0.1.2": 1.5, "by hand": 0.95, "JAX scan": 0.9},
    "MLP, batch 128": {"pythae 0.1.2": 1.5, "by hand": 0.95, "JAX scan": 0.9},
    "MLP, batch 1024": {"by hand": 0.95, "JAX scan": 0.9},
    "pythae's MNIST conv net": {"pythae 0.1.2": 1.0, "by hand": 0.95, "JAX scan": 5.0},
    "pythae's CIFAR conv net": {"pythae 0.1.2": 1.0, "by hand": 0.95},
    "IWAE, K = 50": {"pythae 0.1.2": 1.15, "by hand": 0.95},
    "VQ-VAE": {"pythae 0.1.2": 1.2, "by hand": 0.95},
    "two players (FactorVAE)": {"pythae 0.1.2": 1.0, "by hand": 0.95},
}
FASTEST = {  # vaekit's speed over theirs at its fastest setting
    "MLP, batch 128": {"pythae 0.1.2": 2.2, "by hand": 1.3, "JAX scan": 1.0},
    "pythae's MNIST conv net": {"pythae 0.1.2": 1.6},
    "pythae's CIFAR conv net": {"pythae 0.1.2": 1.6},
    "IWAE, K = 50": {"pythae 0.1.2": 2.4},
    "VQ-VAE": {"pythae 0.1.2": 1.6},
}
AGREES = 0.1  # nats of the held-out bound after the passes
PEAK = {"MLP, batch 128": 0.7, "MLP, batch 1024": 0.85}


def verdict(ratio: float, wanted: float | None, by_hand: float | None) -> str:
    """What became of a bar; where it was missed, how far the loop by hand comes and vaekit's share of that."""
    if wanted is None:
        return ""
    if ratio >= wanted:
        return f"{wanted}: met"
    ceiling = "" if by_hand is None else f", by hand {by_hand:.2f}: {ratio / by_hand:.0%} of it"
    return f"{wanted}: **missed**{ceiling}"


def page(results: dict[str, Any]) -> str:
    """The results with what was asked for beside them."""
    m = results["machine"]
    lines = [
        "# Speed", "",
        f"{m['processor']}, {m['cores']} cores, {m['kernels']}; torch {m['torch']}, float32, {m['threads']} threads.",
        "Interleaved rounds in turning order, each contender in a process of its own; medians. `make bench` makes it.",
        "The bound is that of 2,000 held-out images afterwards: vaekit has a start of its own, the others torch's.",
        "",
        "| case | contender | items/s | vaekit is | wanted | sampled/s | encoded/s | first batch, s | held-out bound | "
        "peak GiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, found in results["cases"].items():
        own, hand = (statistics.median(found["contenders"][who]["train"]) for who in ("vaekit", "by hand"))
        for label, row in found["contenders"].items():
            if ", " in label:
                continue
            speed = statistics.median(row["train"])
            said = verdict(own / speed, WANTED.get(name, {}).get(label), hand / speed if label != "by hand" else None)
            ratio = "" if label == "vaekit" else f"{own / speed:.2f} times as fast"
            lines.append(
                f"| {name} | {label} | {speed:,.0f} | {ratio} | {said} | {_median(row, 'sample')} | "
                f"{_median(row, 'encode')} | {row.get('first', float('nan')):.2f} | {row['bound']:.2f} | "
                f"{row['peak_gib']:.2f} |"
            )
        if not found["agree"]:
            lines.append(f"| {name} | vaekit's held-out bound is lower | | | | | | | | |")
    lines += ["", "## vaekit's settings", "", *_settings(results)]
    lines += ["", "## The share of the matrix products' peak", "", *_shares(results), "", *tables()]
    return "\n".join(lines)


def _median(row: dict[str, Any], action: str) -> str:
    return f"{statistics.median(row[action]):,.0f}" if action in row else ""


def _settings(results: dict[str, Any]) -> list[str]:
    """How fast each setting is over the others, and what it changes in the held-out bound."""
    lines = [
        f"A setting counts as the fastest where its held-out bound afterwards is within {AGREES} nats of float32's.",
        "",
        "| case | setting | items/s | over float32 | over the same by hand | over others, float32 | "
        "bound - float32's | first batch, s |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, found in results["cases"].items():
        rows = {label: row for label, row in found["contenders"].items() if label.startswith("vaekit, ")}
        plain = found["contenders"]["vaekit"]
        agree = [label for label, row in rows.items() if abs(row["bound"] - plain["bound"]) < AGREES]
        best = max(["vaekit", *agree], key=lambda label: statistics.median(found["contenders"][label]["train"]))
        for label, row in {"vaekit": plain, **rows}.items():
            speed, said = statistics.median(row["train"]), []
            twin = found["contenders"].get(label.replace("vaekit", "by hand"))
            alike = statistics.median(twin["train"]) if twin else None
            for other, theirs in found["contenders"].items():
                if other.startswith("vaekit") or ", " in other:
                    continue
                slower = statistics.median(theirs["train"])
                wanted = FASTEST.get(name, {}).get(other) if label == best else None
                found_out = verdict(speed / slower, wanted, alike / slower if alike else None)
                said.append(f"{speed / slower:.2f} {other}{found_out and f' ({found_out})'}")
            title = label.removeprefix("vaekit, ") if label != "vaekit" else "float32, eager"
            lines.append(
                f"| {name} | {title}{' (fastest)' if label == best else ''} | {speed:,.0f} | "
                f"{speed / statistics.median(plain['train']):.2f} | {f'{speed / alike:.2f}' if alike else ''} | "
                f"{', '.join(said)} | "
                f"{row['bound'] - plain['bound']:+.2f} | {row.get('first', float('nan')):.2f} |"
            )
    return lines


def _shares(results: dict[str, Any]) -> list[str]:
    lines = ["| case | peak, GFLOP/s | contender | GFLOP/s | share | wanted |", "|---|---|---|---|---|---|"]
    for name, found in results["cases"].items():
        weights = CASES[name].weights
        if weights is None:
            continue
        for label, row in found["contenders"].items():
            speed = 6 * weights * statistics.median(row["train"]) / 1e9
            share, wanted = speed / found["matrix_gflops"], PEAK.get(name) if label == "vaekit" else None
            said = "" if wanted is None else f"{wanted:.0%}: {'met' if share >= wanted else '**missed**'}"
            lines.append(f"| {name} | {found['matrix_gflops']:.0f} | {label} | {speed:.0f} | {share:.0%} | {said} |")
    return lines
