"""Batches: every item once, sizes, binarisation, augmentation, DataLoaders."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import vaekit as vk
from vaekit.data import Context
from vaekit.measure import frozen
from vaekit.messages import Mistake
from vaekit.noise import derive, forked, seed_step
from vaekit.training import Batch, ForeignLoader, Loader, binarize_tensor
from vaekit.training.loader import augment

CPU = torch.device("cpu")


def loader(n: int, batch_size: int) -> Loader:
    model = vk.recipes.vae(shape=(1,), latent_dim=1, hidden=[2]).model
    return Loader(torch.arange(float(n))[:, None], None, model, batch_size=batch_size, seed=0, device=CPU)


@pytest.mark.parametrize(("n", "size", "sizes"), [
    (129, 128, [64, 65]), (128, 128, [128]), (10, 4, [3, 3, 4]), (5, 1, [1] * 5), (3, 100, [3]), (1000, 128, [125] * 8),
])  # fmt: skip
def test_every_item_once_an_epoch_in_batches_of_nearly_one_size(n: int, size: int, sizes: list[int]) -> None:
    batches = loader(n, size)
    orders = []
    for epoch in range(3):
        got = [batches.batch(epoch * batches.batches + i) for i in range(batches.batches)]
        assert [len(b) for b in got] == sizes
        orders.append(torch.cat([b.x for b in got]).flatten().tolist())
        assert sorted(orders[-1]) == list(range(n))
        assert [int(i) for b in got for i in b.index] == orders[-1]  # type: ignore[union-attr]
    assert n < 10 or orders[0] != orders[1] != orders[2]
    again = loader(n, size)  # any step by itself, in any order, is the same batch
    last = 3 * batches.batches - 1
    assert torch.equal(again.batch(last).x.flatten(), torch.tensor(orders[2][-sizes[-1] :]))
    assert torch.cat([b.x for b in batches.in_order(7)]).flatten().tolist() == list(range(n))


def test_chunks_keep_rows_together() -> None:
    batch = Batch(torch.arange(10.0)[:, None], {"y": torch.arange(10.0)[:, None]}, torch.arange(10))
    parts = batch.chunks(4)
    assert [len(p) for p in parts] == [3, 3, 2, 2] and len(batch.chunks(99)) == 10 and batch.chunks(1) == [batch]
    for p in parts:
        assert p.y is not None and p.index is not None
        assert torch.equal(p.x, p.y["y"]) and torch.equal(p.x.flatten().long(), p.index)


@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_dynamic_binarisation_has_the_frequency_of_the_grey_value(kind: str) -> None:
    levels = torch.tensor([0, 1, 64, 127, 128, 200, 254, 255], dtype=torch.uint8)
    n = 40_000
    seed_step(5, CPU)
    x, top = levels.expand(n, -1), 255 if kind == "uint8" else 1
    drawn = binarize_tensor(x if top == 255 else x.float() / 255, "dynamic").float() / top
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    for level, count in zip(levels.tolist(), drawn.sum(0).tolist(), strict=True):
        p = level / 255
        # Bernstein: P(|count - np| > t) <= 2 exp(-t^2 / (2 (n p (1-p) + t / 3))) = 1e-9; 0 where p is 0 or 1
        a, variance = math.log(2e9), n * p * (1 - p)
        t = a / 3 + math.sqrt(a * a / 9 + 2 * a * variance) if variance else 0.0
        assert abs(count - n * p) <= t, (level, count)


def test_threshold_and_none() -> None:
    x = torch.tensor([0, 127, 128, 255], dtype=torch.uint8)
    assert binarize_tensor(x, "threshold").tolist() == [0, 0, 255, 255] and binarize_tensor(x, None) is x
    assert binarize_tensor(torch.tensor([0.0, 0.5, 0.51, 1.0]), "threshold").tolist() == [0.0, 0.0, 1.0, 1.0]


def test_held_out_data_is_binarised_once_and_always_the_same() -> None:
    x = torch.randint(0, 256, (50, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seed_step(1, CPU)
    one = frozen(x, "dynamic")
    seed_step(2, CPU)
    state = torch.random.get_rng_state()
    assert torch.equal(one, frozen(x, "dynamic")) and not torch.equal(one, binarize_tensor(x, "dynamic"))
    torch.random.set_rng_state(state)
    frozen(x, "dynamic")
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11)])
def test_crops_and_flips_are_slices(shape: tuple[int, ...]) -> None:
    x = torch.arange(64.0 * math.prod(shape)).reshape(64, *shape)
    seed_step(3, CPU)
    out = augment(x, crop=5, flip=True)
    seed_step(3, CPU)
    tops, lefts = torch.randint(0, 5, (64, 1, 1)).flatten().tolist(), torch.randint(0, 7, (64, 1, 1)).flatten().tolist()
    turned = (torch.rand(64) < 0.5).tolist()
    assert set(tops) == set(range(5)) and set(lefts) == set(range(7)) and 16 < sum(turned) < 48
    for i, (top, left, turn) in enumerate(zip(tops, lefts, turned, strict=True)):
        wanted = x[i, ..., top : top + 5, left : left + 5]
        assert torch.equal(out[i], wanted.flip(-1) if turn else wanted)
    assert torch.equal(augment(x, crop=None, flip=False), x)
    assert augment(x[..., :9], crop=9, flip=False).shape == (64, *shape[:-1], 9)


def test_noise_and_seeds() -> None:
    assert len({derive(a, b) for a in range(50) for b in range(50)}) == 2500
    assert all(0 <= derive(s, 1) < 2**63 for s in (-1, 0, 2**70))
    seed_step(1, CPU)
    a = torch.rand(2)
    with forked(9, CPU):
        inner = torch.rand(2)
    b = torch.rand(2)
    seed_step(1, CPU)
    assert torch.equal(torch.cat([a, b]), torch.rand(4)) and not torch.equal(inner, a)


def test_a_dataloader_of_the_users() -> None:
    context = Context({"y": {"levels": [0, 1]}})
    model = vk.recipes.conditional_vae(shape=(2,), latent_dim=1, hidden=[2], context=context).model
    x, y = torch.arange(20.0).reshape(10, 2), torch.tensor([0, 1] * 5)
    foreign = ForeignLoader(DataLoader(TensorDataset(x, y), 4, shuffle=True), model, seed=0, device=CPU)
    assert (foreign.batches, foreign.items) == (3, 10)
    epochs: list[Tensor] = []
    for step in range(6):
        batch = foreign.batch(step)
        assert batch.y is not None and torch.equal(batch.y["y"].argmax(1), (batch.x[:, 0] / 2).long() % 2)
        epochs.append(batch.x)
    assert sorted(torch.cat(epochs[:3])[:, 0].tolist()) == x[:, 0].tolist()
    assert not torch.equal(torch.cat(epochs[:3]), torch.cat(epochs[3:]))
    again = ForeignLoader(DataLoader(TensorDataset(x, y), 4, shuffle=True), model, seed=0, device=CPU)
    assert torch.equal(again.batch(3).x, epochs[3])  # an epoch is entered at its start, with the same order
    with pytest.raises(Mistake, match="the DataLoader gives no batches"):
        ForeignLoader(DataLoader(TensorDataset(x, y), 20, drop_last=True), model, seed=0, device=CPU)

    class Endless(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(x)

    with pytest.raises(Mistake, match="the DataLoader has no length"):
        ForeignLoader(DataLoader(Endless(), 4), model, seed=0, device=CPU)
