"""Faults that other libraries were found to have, and the test that was written against each."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaekit as vk
from vaekit.data.write import write
from vaekit.training import Loader, Step

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
HERE = "oracles/test_known_faults.py::"

FAULTS = {
    "P1 another number of draws than was asked": "laws/test_evaluation.py::test_exactly_k_draws",
    "P2 a log-likelihood under the name of NLL": (
        "laws/test_evaluation.py::test_nll_is_minus_log_p_and_positive_for_a_wide_density"),
    "P3 momenta that cancel in a Hamiltonian's weights": (
        "oracles/test_hamiltonian.py::test_weights_without_the_momentum_overstate_p"),
    "P4 leapfrog steps that cannot go back": "oracles/test_hamiltonian.py::test_steps_are_reversible",
    "P5 tempering that never acts": "oracles/test_hamiltonian.py::test_the_volume_is_that_of_the_scales",
    "P6 draws of one scale, scored with another": "oracles/test_hamiltonian.py::test_weights_are_unbiased_for_p",
    "P7 an NLL for pictures of one size, with gradients": (
        "oracles/test_hamiltonian.py::test_pictures_of_any_shape_without_gradients"),
    "pythae #162 Riemannian steps that explode": (
        "oracles/test_riemannian.py::test_steps_that_are_not_solved_are_left_out_and_weights_stay_unbiased"),
    "P8 outer and inner draws exchanged": "oracles/test_multisample.py::test_values_are_their_formulas",
    "P9 a reported loss that is no bound": "laws/test_terms.py::test_signs_and_betas",
    "P10 one term summed over the batch, another averaged": (
        "laws/test_terms.py::test_the_loss_of_a_batch_repeated_is_the_same"),
    "P11 unused codes divided by nothing": "oracles/test_codes.py::test_an_unused_vector_stays_where_it_is",
    "P12 stratified weights in the wrong place": (
        "oracles/test_aggregate.py::test_the_estimate_of_q_is_unbiased_over_batches"),
    "P13 samples of another prior than was trained": HERE + "test_vampprior_s_samples_are_of_its_own_density",
    "P14 an encoder trained to help the discriminator": (
        "oracles/test_factor_vae.py::test_the_discriminators_loss_does_not_reach_the_model"),
    "P15 a penalty on the wrong gradient": (
        "oracles/test_penalties.py::test_the_penalty_is_on_the_decoder_and_reaches_its_weights"),
    "P16, A9 a structural similarity that is NaN or weighs its scales wrongly": (
        "oracles/test_perceptual.py::test_opposed_pictures_have_values_and_slopes"),
    "P17 whites that wrap around to black": HERE + "test_pictures_outside_their_range_are_cut_and_do_not_wrap",
    "P18 a last batch of one": HERE + "test_no_batch_is_left_with_one_item",
    "P19 a planar map that folds over": "oracles/test_flows.py::test_planar_maps_are_one_to_one_at_any_parameters",
    "P20 means of batches' means": "training/test_metrics.py::test_means_are_over_all_items",
    "A1 a reconstruction averaged over pixels beside a rate summed over latents": (
        "laws/test_recipes.py::test_an_item_is_nats_summed_over_its_dimensions"),
    "A3 weights that prefer the worst draws": "oracles/test_importance.py::test_iwae_rises_with_k_to_log_p",
    "A4 a Gaussian density with its scale in the wrong place": "oracles/test_mixture.py::test_a_mixture_is_torchs",
    "A5 a covariance over latents, not items": "oracles/test_aggregate.py::test_covariances_are_those_written_out",
    "A6 log weights counted once a dimension": (
        "oracles/test_aggregate.py::test_with_all_items_in_the_batch_q_of_z_is_exact"),
    "A7 a discrepancy averaged twice": "oracles/test_aggregate.py::test_mmd_is_the_mean_over_pairs",
    "A8 an exponential that overflows": "oracles/test_perceptual.py::test_log_cosh_does_not_overflow",
    "A10 the caller's list of widths changed": HERE + "test_arguments_are_left_as_they_are",
    "A11 a rate of the wrong sign": "laws/test_evaluation.py::test_bound_is_distortion_and_rate_and_below_log_p",
    "M1 a scale that a saved model has lost": (
        "oracles/test_modalities.py::test_a_template_is_left_as_it_was_and_serves_each_modality_apart"),
    "S1 sums of one number of draws over another": "laws/test_evaluation.py::test_exactly_k_draws_by_products",
    "D1, D2 scores that hang on a library's version": (
        "oracles/test_disentanglement.py::test_informations_are_those_of_scikit_learn_on_the_published_bins"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_has_a_test(fault: str) -> None:
    file, _, name = FAULTS[fault].partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_vampprior_s_samples_are_of_its_own_density() -> None:
    """All pseudo-inputs are drawn from, with the scales that are scored: moments of samples are the density's."""
    torch.manual_seed(0)
    model = vk.recipes.vampprior(shape=(6,), latent_dim=2, hidden=[8], pseudo=5).model
    with torch.no_grad():
        p = model.prior()
        z = p.sample((200_000,))
        error = 5 * (p.variance / len(z)).sqrt()
        assert bool(((z.mean(0) - p.mean).abs() < error).all())
        torch.testing.assert_close(z.var(0), p.variance, rtol=0.03, atol=0)
        grid = torch.cartesian_prod(torch.linspace(-8, 8, 161), torch.linspace(-8, 8, 161))
        assert float(p.log_prob(grid).exp().sum() * 0.01) == pytest.approx(1, abs=1e-3)


def test_pictures_outside_their_range_are_cut_and_do_not_wrap(tmp_path: Path) -> None:
    x = np.stack([np.full((4, 4), 255 * 1.02), np.full((4, 4), -0.02 * 255)]).astype(np.float32)
    write(str(tmp_path / "pictures") + "/", x)
    found = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "pictures").iterdir())]
    assert [int(picture.mean()) for picture in found] == [255, 0]


def test_no_batch_is_left_with_one_item() -> None:
    """65 items in batches of 64 are 33 and 32, so that what compares items has some to compare."""
    recipe = vk.recipes.wae_mmd(shape=(6,), latent_dim=2, hidden=[8])
    loader = Loader(torch.randn(65, 6), None, recipe.model, batch_size=64, seed=0, device=CPU)
    sizes = [len(loader.batch(i)) for i in range(loader.batches)]
    assert sorted(sizes) == [32, 33]
    alone = Step(recipe.model, recipe.objective)(torch.randn(1, 6))  # a loop of the user's may still give one
    assert np.isfinite(float(alone["loss"])) and all(p.isfinite().all() for p in recipe.model.parameters())


def test_arguments_are_left_as_they_are() -> None:
    hidden, channels = [8, 4], [4, 8]
    vk.recipes.vae(shape=(6,), hidden=hidden)
    vk.recipes.vae_conv(shape=(1, 8, 8), channels=channels, width=8)
    assert hidden == [8, 4] and channels == [4, 8]
