"""One contender in a process of its own: reads an action a line, does it, answers with a line of JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import replace
from typing import Any


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    from cases import CASES, images
    from contenders import CONTENDERS

    contender, case, settings = sys.argv[1], CASES[sys.argv[2]], json.loads(sys.argv[3])
    timed = CONTENDERS[contender](case, *images(case), **settings)

    def done(action: str) -> dict[str, Any]:
        if action == "first":
            x, held = images(case)
            began = time.perf_counter()
            CONTENDERS[contender](replace(case, items=case.batch), x[: case.batch], held, **settings).train()
            return {"seconds": time.perf_counter() - began}
        if action == "train":
            items = timed.items or case.items * case.passes
            return {"seconds": timed.train(), "bound": timed.bound(), "items": items}
        if action == "sample" and timed.sample is not None:
            return {"seconds": timed.sample(case.sampled), "items": case.sampled}
        if action == "encode" and timed.encode is not None:
            return {"seconds": timed.encode(), "items": case.items}
        return {}

    for line in sys.stdin:
        answer = done(line.strip())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({**answer, "peak_gib": peak}), file=out, flush=True)


if __name__ == "__main__":
    main()
