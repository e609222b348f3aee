"""Speed beside pythae, a loop written by hand and a JAX scan: writes RESULTS.md and results.json beside this file.

Every contender of a case lives in a process of its own and they take turns, A B C A B C ..., so that the machine's
drift falls on all alike; the medians of the rounds are compared, after one round each to warm up. `make bench` builds
the environment and runs it; it needs mnist.npz in $VAEKIT_DATA.

    python benchmarks/speed/run.py --rounds 5 --only "MLP, batch 128"
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from cases import CASES, Case
from table import processor

from report import FASTEST, page

HERE = Path(__file__).parent
EVERYONE = ("vaekit", "by hand", "pythae 0.1.2", "JAX scan")
FASTER: dict[str, dict[str, Any]] = {  # vaekit's own settings beside float32 and eager steps
    "vaekit, bf16": {"precision": "bf16"},
    "vaekit, compiled": {"compile": "on"},
    "vaekit, bf16, compiled": {"precision": "bf16", "compile": "on"},
}
BY_HAND: dict[str, dict[str, Any]] = {label.replace("vaekit", "by hand"): given for label, given in FASTER.items()}
QUIET = 0.3  # seconds before a turn: threads of the one before may still spin
AGREE = 3.0  # nats that vaekit's held-out bound after a pass may be below the others', which begin with other weights


class Worker:
    """A contender's process."""

    def __init__(self, contender: str, case: str, settings: dict[str, Any]) -> None:
        command = [sys.executable, str(HERE / "worker.py"), contender, case, json.dumps(settings)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE, stderr=subprocess.DEVNULL
        )

    def ask(self, action: str) -> dict[str, Any]:
        """What it answers."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{action}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a contender died: {' '.join(map(str, self.process.args))}")  # type: ignore[arg-type]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def matrix_peak() -> float:
    """GFLOP/s of float32 matrix products, the best of a few sizes, with all threads."""
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = torch.randn(n, n), torch.randn(n, n)
        for _ in range(8):
            began = time.perf_counter()
            a @ b
            best = max(best, 2 * n**3 / (time.perf_counter() - began) / 1e9)
    return best


def contenders(name: str, case: Case) -> list[tuple[str, str, dict[str, Any]]]:
    """(name in the table, contender, settings of the engine)."""
    found: list[tuple[str, str, dict[str, Any]]] = [(who, who, {}) for who in EVERYONE[:3]]
    slow = case.shape[0] == 3  # compiling its net takes minutes a time
    if not slow and case.samples == 1 and case.kind == "vae":
        found.append((EVERYONE[3], EVERYONE[3], {}))
    faster = {label: settings for label, settings in FASTER.items() if not (slow and "compile" in settings)}
    hand = BY_HAND if case.kind == "vae" and name in FASTEST else {}  # the ceiling of those bars
    fastest = [(label, "by hand", hand[label]) for label in hand if label.replace("by hand", "vaekit") in faster]
    return found + [(label, "vaekit", settings) for label, settings in faster.items()] + fastest


def measured(name: str, case: Case, rounds: int) -> dict[str, Any]:
    """contender -> its median seconds of each action, all rounds, its bound and its peak memory."""
    workers = {label: Worker(who, name, settings) for label, who, settings in contenders(name, case)}
    found: dict[str, Any] = {label: {"first": worker.ask("first")["seconds"]} for label, worker in workers.items()}
    peaks = []
    for turn in range(rounds + 1):
        peaks.append(matrix_peak())
        first = turn % len(workers)
        order = [*workers][first:] + [*workers][:first]  # nobody is always the one after the same
        for action in ("train", "sample", "encode"):
            for label in order if action == "train" else EVERYONE[:3]:
                time.sleep(QUIET)
                answer = workers[label].ask(action)
                if turn and "seconds" in answer:
                    items = answer["items"]
                    found[label].setdefault(action, []).append(items / answer["seconds"])
                found[label] |= {k: answer[k] for k in ("bound", "peak_gib") if k in answer}
    for worker in workers.values():
        worker.close()
    agree = found["vaekit"]["bound"] > max(row["bound"] for row in found.values()) - AGREE
    return {"contenders": found, "matrix_gflops": statistics.median(peaks), "agree": agree}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=list(CASES), help="a case; all where nothing is given")
    given = parser.parse_args()
    file = HERE / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {"cases": {}}
    results["machine"] = {
        "processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "kernels": torch.backends.cpu.get_cpu_capability(),
    }  # fmt: skip
    for name in given.only or CASES:
        results["cases"][name] = measured(name, CASES[name], given.rounds)
        file.write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(page(results))
    print(page(results))


if __name__ == "__main__":
    main()
