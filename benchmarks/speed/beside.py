"""Two trainings side by side on one machine: each with its share of the threads, and each with all of them.

VAEKIT_DATA=... python benchmarks/speed/beside.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import replace

from cases import CASES, images
from contenders import of_vaekit
from table import keep

from vaekit.training.threads import Threads

NAME, ITEMS, RUNS, ROUNDS = "MLP, batch 128", 30_000, 2, 5


def child(shared: bool) -> None:
    """Warm up, wait for the word, train, say how long it took."""
    if not shared:
        Threads.share = lambda self: None  # type: ignore[method-assign]
    case = replace(CASES[NAME], items=ITEMS, passes=1)
    timed = of_vaekit(case, *images(case))
    timed.train()
    print("ready", flush=True)
    sys.stdin.readline()
    print(timed.train(), flush=True)


def together(shared: bool, runs: int) -> float:
    """Items/s of all runs, which begin at once."""
    command = [sys.executable, __file__, "shared" if shared else "all"]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(runs)]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = [float(process.communicate()[0]) for process in started]
    return sum(ITEMS / spent for spent in seconds)


def main() -> None:
    if len(sys.argv) > 1:
        child(sys.argv[1] == "shared")
        return
    found: dict[str, list[float]] = {"one run": [], "two, all threads each": [], "two, threads shared": []}
    for _ in range(ROUNDS):
        for speeds, (shared, runs) in zip(found.values(), ((True, 1), (False, RUNS), (True, RUNS)), strict=True):
            speeds.append(together(shared, runs))
    medians = {what: statistics.median(speeds) for what, speeds in found.items()}
    plain = medians["two, all threads each"]
    keep(
        "beside", "Runs side by side",
        f"{NAME}, {ITEMS:,} images, {RUNS} processes that begin at once; interleaved, medians of {ROUNDS}.",
        ["runs", "items/s in all", "over all threads each"],
        [[what, f"{speed:,.0f}", f"{speed / plain:.2f}"] for what, speed in medians.items()],
    )  # fmt: skip


if __name__ == "__main__":
    main()
