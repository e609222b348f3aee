"""Where a training step's time goes: torch's profiler over the steps of a case, by operation.

VAEKIT_DATA=... python benchmarks/speed/profiled.py
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from cases import CASES, images
from contenders import CONTENDERS
from table import keep
from torch.profiler import ProfilerActivity, profile

NAMES = ("MLP, batch 32", "MLP, batch 128", "MLP, batch 1024")
WHAT = {
    "matrix products": ("aten::addmm", "aten::mm", "aten::linear"),
    "Adam": ("aten::_fused_adam_", "aten::_foreach_add_"),
    "likelihood": ("aten::binary_cross_entropy_with_logits", "aten::sigmoid", "aten::sub"),
    "ReLU": ("aten::relu", "aten::threshold_backward", "aten::clamp_min"),
    "batch": ("aten::index_select", "aten::to", "aten::_to_copy", "aten::copy_", "aten::randperm"),
}


def shares(contender: str, name: str, steps: int) -> tuple[float, dict[str, float]]:
    """(microseconds a step, what -> share), of the time on the main thread without the profiler's own."""
    case = CASES[name]
    case = replace(case, items=min(case.items, steps * case.batch))
    timed = CONTENDERS[contender](case, *images(case))
    timed.train()
    spent = timed.train()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        timed.train()
    events = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    scale = case.items / case.batch
    each = {what: sum(events.get(key, 0.0) for key in keys) / scale for what, keys in WHAT.items()}
    each["other operations"] = sum(events.values()) / scale - sum(each.values())
    return 1e6 * spent / scale, each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    rows = []
    for name in NAMES:
        for contender in ("vaekit", "by hand"):
            step, each = shares(contender, name, given.steps)
            rows.append([name, contender, f"{step:,.0f}", *(f"{value:,.0f}" for value in each.values())])
    text = (
        f"Microseconds of a training step ({given.steps} steps without the profiler), and of its operations under "
        "torch's profiler, which adds a few to each: the columns do not quite add up to the step."
    )
    keep("profile", "Where a step goes", text, ["case", "contender", "a step", *WHAT, "other operations"], rows)


if __name__ == "__main__":
    main()
