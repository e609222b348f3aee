"""What every test of a run needs: short closing measurements, and no report."""

from __future__ import annotations

import pytest

from vaekit.run import Run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaekit.run.fitting.NLL_SAMPLES", 10)
    monkeypatch.setattr(Run, "report", lambda self, *arguments, **more: None)
