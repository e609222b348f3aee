"""vaekit's Adam against torch's fused Adam, bit for bit, through everything that takes another way inside."""

from __future__ import annotations

import torch
from torch import nn

from vaekit.training.optim import Adam


def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    two = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    two.load_state_dict(one.state_dict())
    return one, two


def walk(net: nn.Module, optimizer: torch.optim.Optimizer, step: int, *, frozen: bool = False) -> None:
    optimizer.zero_grad()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    net(x).square().sum().backward()
    if frozen:
        net[0].bias.grad = None  # type: ignore[index]
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 / (step + 1)
    optimizer.step()


def test_it_is_torchs_fused_adam() -> None:
    one, two = pair()
    ours, theirs = Adam(list(one.parameters()), 1e-2), torch.optim.Adam(two.parameters(), lr=1e-2, fused=True)
    called = []
    for i in range(12):
        if i == 4:  # a checkpoint, loaded by each from the other
            held = [ours.state_dict(), theirs.state_dict()]
            ours, theirs = Adam(list(one.parameters()), 1.0), torch.optim.Adam(two.parameters(), lr=1.0, fused=True)
            theirs.load_state_dict(held[0])
            ours.load_state_dict(held[1])
        if i == 8:
            ours.register_step_post_hook(lambda *given: called.append(1))
        walk(one, ours, i, frozen=i == 6)
        walk(two, theirs, i, frozen=i == 6)
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            assert torch.equal(a, b), i
    assert len(called) == 4, "a hook was passed over"


def test_a_mask_on_the_device_is_obeyed() -> None:
    one, _ = pair()
    ours = Adam(list(one.parameters()), 1e-2)
    walk(one, ours, 0)
    before = [p.detach().clone() for p in one.parameters()]
    ours.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    walk(one, ours, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, one.parameters(), strict=True))
