"""Laws of features: a hash that tells weights apart, batches that change nothing, pictures read in one way only."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from vaekit import evaluation
from vaekit.data import read
from vaekit.evaluation.features import (
    DIGIT_WEIGHTS,
    DigitNet,
    Features,
    digit_features,
    featured,
    identity_features,
    weights_hash,
)
from vaekit.messages import Mistake

SHIPPED = "08c8eee09a2f"  # of the weights that every published number with these features names


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))


def test_the_hash_is_of_all_weights_and_buffers() -> None:
    module = net()
    first = weights_hash(module)
    assert first == weights_hash(net()) and len(first) == 12 and int(first, 16) >= 0
    seen = {first}
    for value in module.state_dict().values():
        value.view(-1)[0] += 1
        seen.add(weights_hash(module))
    assert len(seen) == 1 + len(module.state_dict())
    assert weights_hash(net().half()) != first and weights_hash(net().bfloat16()) != weights_hash(net().half())
    assert weights_hash(nn.Sequential(nn.Identity(), *net())) != first  # other names


def test_the_hash_is_sha_256() -> None:
    layer = nn.Linear(2, 1, bias=False)
    want = hashlib.sha256(b"weight torch.float32 (1, 2);" + layer.weight.detach().numpy().tobytes()).hexdigest()
    assert weights_hash(layer) == want[:12]


def test_names_and_hashes_are_said() -> None:
    features = Features("small", net())
    assert str(features) == f"small {weights_hash(net())}" == str(features.computed())
    assert str(Features("mean", lambda x: x.mean(1, keepdim=True))) == "mean (no weights)"
    assert Features("nothing learned", nn.Flatten()).hash is None


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batches_change_nothing(batch: int) -> None:
    """Dropout and batch statistics would: the network is put in evaluation mode."""
    module = net().train()
    x = numbers(0, 20, 3, 4)
    got = Features("small", module, batch=batch)(x)
    with torch.no_grad():
        want = net().eval()(x)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)  # float32
    assert not got.requires_grad
    assert torch.equal(Features("small", net(), batch=batch).computed()(got), got)


def test_items_come_in_the_networks_own_type() -> None:
    assert Features("double", net().double())(numbers(0, 4, 12)).dtype == torch.float64
    assert Features("single", net())(numbers(0, 4, 12).double()).dtype == torch.float32
    whole = Features("as it is", nn.Sequential(Whole(), net()))
    assert whole((255 * torch.rand(4, 12)).to(torch.uint8)).shape == (4, 3)


class Whole(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.uint8
        return x.float()


def test_feature_maps_are_flattened_and_must_be_finite() -> None:
    x = numbers(0, 5, 1, 6, 6)
    assert Features("map", nn.Conv2d(1, 2, 3))(x).shape == (5, 2 * 4 * 4)
    assert torch.equal(identity_features()(x), x.view(5, 36))
    x[3, 0, 0, 0] = torch.nan
    with pytest.raises(Mistake, match="values as they are .* hold NaN"):
        identity_features()(x)


def test_both_sets_are_float64_and_fit() -> None:
    a, b, name = featured(numbers(0, 6, 3, 4), numbers(1, 4, 3, 4), Features("small", net()))
    assert (a.shape, b.shape, a.dtype, b.dtype) == ((6, 3), (4, 3), torch.float64, torch.float64)
    assert name.startswith("small ")
    with pytest.raises(Mistake, match="got 2 real items"):
        featured(numbers(0, 2, 3), numbers(1, 4, 3), None)
    with pytest.raises(Mistake, match="same shape"):
        featured(numbers(0, 5, 3), numbers(1, 5, 4), None)


# The features that are shipped.


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, np.ndarray]:
    """The digits of scikit-learn, 8x8, as pictures of 20x20 with a margin of 4, uint8: none of them is of MNIST."""
    digits = load_digits()
    x = torch.from_numpy(digits.images).float()[:, None] / 16
    x = nn.functional.interpolate(x, size=(20, 20), mode="bilinear").clamp(0, 1)
    return (255 * nn.functional.pad(x, (4, 4, 4, 4))).round().to(torch.uint8)[:, 0], digits.target


def test_the_shipped_file() -> None:
    assert digit_features().hash == SHIPPED
    assert DIGIT_WEIGHTS.stat().st_size < 500_000
    assert DIGIT_WEIGHTS.parent == Path(evaluation.__file__).parent  # in the package, so in the wheel
    assert 50_000 <= sum(value.numel() for value in load_file(DIGIT_WEIGHTS).values()) <= 100_000


def test_pictures_are_read_in_one_way(pictures: tuple[Tensor, np.ndarray]) -> None:
    features, x = digit_features(), pictures[0][:40]
    want = features(x)
    assert want.shape == (40, 64)
    grey = x.float() / 255
    for same in (grey, grey[:, None], grey.double(), x[:, None]):
        torch.testing.assert_close(features(same), want, rtol=1e-4, atol=1e-4)  # float32
    torch.testing.assert_close(features(x > 127), features((x > 127).float()), rtol=0, atol=0)
    torch.testing.assert_close(features(3 * grey - 1), features((3 * grey - 1).clamp(0, 1)), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.zeros(3, 8, 8), r"shape \(8, 8\) .* grey 28x28 .* pass features="),
        (torch.zeros(3, 3, 28, 28), r"shape \(3, 28, 28\)"),
        (torch.zeros(3, 784), r"shape \(784,\)"),
        (torch.full((3, 28, 28), 255.0), "divide them by 255"),
        (torch.ones(3, 28, 28, dtype=torch.uint8), r"give x.float\(\)"),
    ],
)
def test_other_pictures_are_refused(x: Tensor, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        digit_features()(x)


def test_five_pictures_of_each_digit_are_enough_in_features(pictures: tuple[Tensor, np.ndarray]) -> None:
    """A straight line through the features of coarse digits by other hands generalises better than through pixels."""
    x, y = pictures
    few = np.concatenate([np.flatnonzero(y == digit)[:5] for digit in range(10)])
    rest = np.setdiff1d(np.arange(len(y)), few)

    def probe(values: np.ndarray) -> float:
        return float(LogisticRegression(max_iter=1000).fit(values[few], y[few]).score(values[rest], y[rest]))

    assert probe(digit_features()(x).numpy()) > probe(x.flatten(1).numpy() / 255)


@pytest.mark.skipif(not os.environ.get("VAEKIT_DATA"), reason="needs the files in $VAEKIT_DATA")
def test_the_network_knows_the_test_digits() -> None:
    data = read("mnist")
    test = data.take(data.parts["test"][:2000])
    shipped = DigitNet().eval()
    shipped.load_state_dict(load_file(DIGIT_WEIGHTS))
    x, y = test.x.float() / 255, torch.as_tensor(test.labels)
    binary = torch.bernoulli(x, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for seen in (x, binary):  # small convolutional networks are wrong on 1 % (LeCun et al. 1998)
            assert float((shipped.classify(seen).argmax(1) == y).double().mean()) > 0.97
    assert float(digit_features()(x).square().mean()) == pytest.approx(1, rel=0.05)  # set on the training digits
