"""Freed memory stays: blocks that are taken and given back again and again meet no page faults."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from vaekit.memory import keep_freed_memory
assert keep_freed_memory()
def step():
    blocks = [torch.ones(400_000) for _ in range(6)]  # 1.6 MB each
for _ in range(20):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_used_again() -> None:
    told = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True).stdout
    assert float(told) < 5, "each step met page faults; without the setting there are hundreds"
