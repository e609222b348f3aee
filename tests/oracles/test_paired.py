"""Paired differences against the variance of a difference, and what pairing is for."""

from __future__ import annotations

import pytest
import torch

from vaekit.evaluation import paired_differences
from vaekit.messages import Mistake


def test_the_error_is_that_of_the_difference() -> None:
    generator = torch.Generator().manual_seed(0)
    hard = 100 + 20 * torch.randn(2000, generator=generator)  # items differ far more than models
    a = hard + 0.5 * torch.randn(2000, generator=generator)
    b = hard + 0.3 + 0.5 * torch.randn(2000, generator=generator)
    found = paired_differences({"a": a, "b": b})
    assert found["a"].value == 0 and found["a"].se is None
    # the difference has variance 0.5^2 + 0.5^2; the error of an error of 2,000 items is 1.6 %, five of them
    assert found["b"].se == pytest.approx((0.5 / 2000) ** 0.5, rel=0.08)
    assert abs(found["b"].value - 0.3) < 4 * found["b"].se  # type: ignore[operator]
    assert found["b"].se < float(b.std() / 2000**0.5) / 20


def test_other_items_are_refused() -> None:
    with pytest.raises(Mistake, match="same items"):
        paired_differences({"a": torch.zeros(3), "b": torch.zeros(4)})
