"""Pictures as rows of tokens: attention by sums written out, patches put together, codes by enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf
from tests.laws.tables import numbers
from torch import Tensor

import vaekit as vk
from vaekit import priors, recipes
from vaekit.messages import Mistake
from vaekit.networks import MLP, Codebook, TokenDecoder, TokenEncoder
from vaekit.networks.attention import Attention, Attentive
from vaekit.networks.tokens import as_patches, from_patches
from vaekit.objectives import ELBO, Commitment
from vaekit.posteriors import QuantizedRow

SMALL = {"shape": (4, 5), "tokens": 3, "codes": 4, "code_dim": 2, "patch": 2, "width": 8, "heads": 2, "layers": 2}


def made(**more: Any) -> Any:
    torch.manual_seed(0)
    model: Any = recipes.titok_vae(**{**SMALL, **more}).model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))  # far from where all tokens agree
    model.posterior.before_fit(binary(0, 40, *model.shape), {}, 40)
    return model


def binary(seed: int, *shape: int) -> Tensor:
    return (numbers(seed, *shape) > 0).double()


# -- attention ---------------------------------------------------------------------------------------------------------


def normalised(x: np.ndarray, norm: torch.nn.LayerNorm) -> np.ndarray:
    scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    found: np.ndarray = (x - x.mean()) / np.sqrt(x.var() + norm.eps) * scale + shift
    return found


def linear(x: np.ndarray, layer: Any) -> np.ndarray:
    found: np.ndarray = layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()
    return found


def attended(x: np.ndarray, block: Any) -> np.ndarray:
    """One layer of one row (N, W): each head's weights by exponentials of products, place by place."""
    n, width = x.shape
    size = width // block.heads
    asked = np.stack([linear(normalised(row, block.first), block.ask) for row in x])  # (N, 3 W)
    out = np.zeros_like(x)
    for i in range(n):
        joined = []
        for h in range(block.heads):
            query, key, value = (asked[:, k * width + h * size : k * width + (h + 1) * size] for k in range(3))
            seen = range(i + 1) if block.causal else range(n)
            weight = np.array([math.exp(query[i] @ key[j] / math.sqrt(size)) for j in seen])
            joined.append(sum(w * value[j] for w, j in zip(weight / weight.sum(), seen, strict=True)))
        middle = x[i] + linear(np.concatenate(joined), block.give)
        wide = linear(normalised(middle, block.second), block.alone[0])
        out[i] = middle + linear(wide * 0.5 * (1 + erf(wide / math.sqrt(2))), block.alone[2])
    return out


@pytest.mark.parametrize("causal", [True, False])
def test_attention_against_sums_written_out(causal: bool) -> None:
    torch.manual_seed(0)
    block, x = Attention(6, 3, causal=causal).double(), 2 * numbers(1, 2, 5, 6)
    want = np.stack([attended(row, block) for row in x.numpy()])
    np.testing.assert_allclose(block(x).detach().numpy(), want, rtol=1e-10, atol=1e-12)


def test_a_stack_knows_places_by_their_embeddings_alone() -> None:
    """Places in another order with their embeddings: the same vectors in that order. Without: others."""
    torch.manual_seed(0)
    net, x = Attentive(5, width=8, heads=2, layers=2).double(), numbers(1, 3, 5, 8)
    order = torch.tensor([3, 0, 4, 1, 2])
    want = net(x)[:, order]
    assert not torch.allclose(net(x[:, order]), want)
    with torch.no_grad():
        net.positions.copy_(net.positions[order].clone())
    torch.testing.assert_close(net(x[:, order]), want, rtol=1e-10, atol=1e-12)


# -- patches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7), (2, 4, 11), (1, 2, 2)])
@pytest.mark.parametrize("patch", [1, 3, 4])
def test_a_picture_is_put_together_from_its_patches(shape: tuple[int, int, int], patch: int) -> None:
    x = numbers(1, 2, *shape)
    found = as_patches(x, patch)
    c, h, w = shape
    rows, columns = -(-h // patch), -(-w // patch)
    assert found.shape == (2, rows * columns, c * patch * patch)
    for i, j in itertools.product(range(rows), range(columns)):
        want = torch.zeros(2, c, patch, patch).double()
        part = x[:, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
        want[:, :, : part.shape[2], : part.shape[3]] = part
        assert torch.equal(found[:, i * columns + j], want.flatten(1))
    assert torch.equal(from_patches(found, shape, patch), x)


# -- encoder and decoder -----------------------------------------------------------------------------------------------


def test_every_token_sees_every_pixel_and_every_pixel_every_token() -> None:
    torch.manual_seed(0)
    own: dict[str, int] = {"patch": 4, "width": 8, "heads": 2, "layers": 1}
    encoder, decoder = TokenEncoder((9, 7), 3, **own).double(), TokenDecoder((9, 7), (3, 2), **own).double()
    with torch.no_grad():
        for p in [*encoder.parameters(), *decoder.parameters()]:
            p.add_(0.3 * torch.randn_like(p))
    x, z = numbers(1, 1, 9, 7), numbers(2, 1, 6)
    up = torch.autograd.functional.jacobian(lambda x: encoder(x)[0].sum(-1), x)  # (3, 1, 9, 7)
    down = torch.autograd.functional.jacobian(lambda z: decoder(z)[0].sum(0), z)  # (9, 7, 1, 6)
    assert bool((up.abs() > 1e-9).all()) and bool((down.abs() > 1e-9).all())


def test_the_encoder_is_its_parts_written_out() -> None:
    torch.manual_seed(0)
    net, x = TokenEncoder((2, 3, 5), 2, patch=2, width=6, heads=2, layers=2).double(), numbers(1, 2, 2, 3, 5)
    for item, found in zip(x, net(x), strict=True):
        row = [linear(p, net.seen) for p in as_patches(item[None], 2)[0].numpy()]
        whole = np.stack(row + list(net.tokens.detach().numpy())) + net.layers.positions.detach().numpy()
        for block in net.layers.blocks:
            whole = attended(whole, block)
        want = np.stack([normalised(v, net.layers.norm) for v in whole[-2:]])
        np.testing.assert_allclose(found.detach().numpy(), want, rtol=1e-9, atol=1e-11)


def test_the_decoder_is_its_parts_written_out() -> None:
    torch.manual_seed(0)
    net, z = TokenDecoder((3, 5), (2, 3), patch=2, width=6, heads=2, layers=2).double(), numbers(1, 2, 6)
    for item, found in zip(z, net(z), strict=True):
        row = [net.mask.detach().numpy()] * 6 + [linear(v, net.seen) for v in item.view(2, 3).numpy()]
        whole = np.stack(row) + net.layers.positions.detach().numpy()
        for block in net.layers.blocks:
            whole = attended(whole, block)
        picture = np.zeros((8, 4, 6))
        for place, v in enumerate(whole[:6]):
            i, j = divmod(place, 3)
            picture[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = linear(normalised(v, net.layers.norm), net.out).reshape(
                8, 2, 2
            )
        want = (picture * 0.5 * (1 + erf(picture / math.sqrt(2))))[:, :3, :5]
        np.testing.assert_allclose(found.detach().numpy(), want, rtol=1e-9, atol=1e-11)


# -- the model ---------------------------------------------------------------------------------------------------------


def test_the_bound_is_below_what_enumeration_gives() -> None:
    """log p(x) over all 4^3 rows of codes; the ELBO is log p(x | own codes) - 3 log 4, exactly."""
    model, x = made(), binary(1, 6, 4, 5)
    rows = torch.tensor(list(itertools.product(range(4), repeat=3)))
    every = model.likelihood(model.posterior.vectors(rows).unsqueeze(1)).log_prob(x)  # (64, 6)
    exact = torch.logsumexp(every, 0) - 3 * math.log(4)
    bound = ELBO().bound(model, model.trace(x))
    own = model.encode_indices(x) @ torch.tensor([16, 4, 1])
    torch.testing.assert_close(bound, every[own, torch.arange(6)] - 3 * math.log(4), rtol=1e-12, atol=1e-12)
    assert bool((bound < exact).all()) and len(own.unique()) > 1
    torch.testing.assert_close(model.log_prob(x, samples=3), bound, rtol=1e-12, atol=1e-12)


def test_codes_go_out_and_come_back() -> None:
    model, x = made(), binary(1, 6, 4, 5)
    indices = model.encode_indices(x)
    assert indices.shape == (6, 3) and indices.dtype == torch.int64
    encoded = model.posterior.head.layer(model.posterior.net(x))
    far = (encoded.unsqueeze(-2) - model.posterior.codebook.vectors).square().sum(-1)
    assert torch.equal(indices, far.argmin(-1))
    torch.testing.assert_close(model.decode_indices(indices).mean, model.reconstruct(x), rtol=1e-12, atol=1e-12)
    with pytest.raises(Mistake, match="index 4"):
        model.decode_indices(torch.full((1, 3), 4))


def test_gradients_go_straight_through_and_the_commitment_to_both() -> None:
    model, x = made(decay=None), binary(1, 6, 4, 5)
    trace = model.trace(x)
    gap = (trace.q.encoded - trace.q.quantized).detach()
    (up,) = torch.autograd.grad(trace.log_px.sum(), trace.levels[0][2], retain_graph=True)
    total = (-trace.log_px.sum(0) + Commitment()(model, trace)).sum()
    encoded, vectors = torch.autograd.grad(total, [trace.q.encoded, model.posterior.codebook.vectors])
    torch.testing.assert_close(encoded, -up[0].unflatten(1, (3, 2)) + 0.5 * gap, rtol=1e-10, atol=1e-10)
    wanted = torch.zeros_like(vectors).index_add_(0, trace.q.indices.flatten(), -2 * gap.flatten(0, 1))
    torch.testing.assert_close(vectors, wanted, rtol=1e-10, atol=1e-10)


def test_a_prior_fitted_to_the_rows_costs_what_they_say() -> None:
    """Items of four kinds: the rate falls from 3 log 4 to near the entropy of the rows, and never below."""
    model = made()
    x = binary(1, 4, 4, 5)[torch.arange(80) % 4]
    prior = priors.AutoregressiveCodes(model.posterior.codebook, 3, width=16, heads=2, layers=1)
    found = vk.fit_prior(model, x.numpy(), prior, epochs=60, lr=0.01, verbose=False)
    trace = found.trace(x)
    torch.testing.assert_close(trace.kl, -found.prior().log_prob_indices(trace.q.indices), rtol=1e-12, atol=1e-12)
    _, counts = trace.q.indices.unique(dim=0, return_counts=True)
    entropy = float(torch.special.entr(counts / 80).sum())
    assert len(counts) > 1 and entropy <= float(trace.kl.detach().mean()) + 1e-9
    assert float(trace.kl.detach().mean()) < entropy + 0.3 < 3 * math.log(4) - 1
    assert found.sample(5).shape == (5, 4, 5)


def test_what_is_no_picture_and_no_row_is_refused_in_a_sentence() -> None:
    with pytest.raises(Mistake, match="wants pictures"):
        recipes.titok_vae(shape=(6,))
    with pytest.raises(Mistake, match="row of vectors"):
        QuantizedRow(MLP(4, [6]), Codebook(5, 2))
    with pytest.raises(Mistake, match="heads divide"):
        recipes.titok_vae(shape=(4, 4), width=9, heads=2)
