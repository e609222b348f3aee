"""The watch: the decision made on the host and the flag kept on the device are one rule."""

from __future__ import annotations

import torch
from torch import nn

from vaekit.training.watch import Watch


def watches() -> tuple[Watch, Watch, nn.Parameter]:
    parameter = nn.Parameter(torch.zeros(3))
    made = [Watch({"a": [parameter]}, torch.device("cpu"), skip=10.0, all_of_them=True) for _ in range(2)]
    made[1].here = False  # as on an accelerator
    return made[0], made[1], parameter


def test_host_and_device_decide_alike() -> None:
    host, device, parameter = watches()
    generator = torch.Generator().manual_seed(0)
    scales = torch.randn(200, generator=generator).mul(2).exp()
    scales[50] = 1e6
    scales[180] = float("nan")
    left_out = []
    for step, scale in enumerate(scales):
        parameter.grad = torch.ones(3) * scale
        one = host.stay(step, torch.tensor(1.0), host.norms(["a"]))["a"]
        two = device.stay(step, torch.tensor(1.0), device.norms(["a"]))["a"]
        assert bool(one) == bool(two), step
        left_out.append(bool(one))
        torch.testing.assert_close(host.usual["a"], device.usual["a"], rtol=1e-5, atol=0)
    assert left_out[50] and all(left_out[180:])
    assert int(host.bad) == int(device.bad) == 180
    assert int(host.skipped) == int(device.skipped) > 0


def test_a_loss_that_is_not_finite_halts_too() -> None:
    host, device, parameter = watches()
    parameter.grad = torch.ones(3)
    for watch in (host, device):
        assert bool(watch.stay(7, torch.tensor(float("inf")), watch.norms(["a"]))["a"])
        assert int(watch.bad) == 7


def test_small_parameters_are_read_where_there_are_some() -> None:
    small, large = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(5000))
    quick = Watch({"a": [small, large], "b": [large]}, torch.device("cpu"), skip=10.0, all_of_them=False)
    assert quick.read["a"] == [small] and quick.read["b"][0] is large
