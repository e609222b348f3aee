"""The systems of the README's table, each at a small size, through the command line, each against a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

import vaekit as vk
from vaekit.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits as grey 8-bit pictures, 16x16, with their labels."""
    home = tmp_path_factory.mktemp("systems")
    digits = load_digits()
    x = (digits.images * (255 / 16)).astype(np.uint8).repeat(2, 1).repeat(2, 2)
    np.savez(home / "grey.npz", x=x, digit=digits.target)
    return home


def run(home: Path, capsys: pytest.CaptureFixture[str], data: str, *words: str) -> tuple[vk.Run, dict[str, Any]]:
    out = home / f"run{len(list(home.iterdir()))}"
    path = str(home / data) if (home / data).exists() else data
    assert main(["train", path, *words, "--out", str(out), "--json"]) == 0
    return vk.load_run(out), json.loads(capsys.readouterr().out.splitlines()[-1])


def told(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each item whether its five nearest latents tell the digit, cross-validated."""
    return cross_val_predict(KNeighborsClassifier(5), z, labels, cv=5) == labels


def margin(found: vk.Run, axes: int) -> float:
    """How many standard errors better the latents tell the digits than so many principal axes do, item by item."""
    pixels = found.data.x.flatten(1).double().numpy()
    axis = PCA(axes, svd_solver="full").fit_transform(pixels)
    return errors_above_0(told(found.encode(), found.data.labels) * 1.0 - told(axis, found.data.labels))


def errors_above_0(differences: np.ndarray) -> float:
    """The mean in standard errors of the mean."""
    return float(differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences))))


def coins(found: vk.Run) -> float:
    """The mean log-likelihood, in nats, of the test items under a coin of its own for each pixel, without latents."""
    train, test = (found.part(name).x.double() / 255 for name in ("train", "test"))
    p = (train.sum(0) + 0.5) / (len(train) + 1)  # a pixel that was never white is still no certainty
    return float((test * p.log() + (1 - test) * (1 - p).log()).flatten(1).sum(1).mean())


def page(found: vk.Run) -> str:
    return (found.dir / "report.html").read_text(encoding="utf-8")


def test_the_dense_vae_with_two_latents(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, numbers = run(
        home, capsys, "grey.npz", "--set", "latent_dim=2", "--set", "hidden=[128]", "--epochs", "200",
        "--labels", "digit",
    )  # fmt: skip
    assert (numbers["likelihood"], numbers["binarization"]) == ("Bernoulli", "dynamic")
    assert margin(found, axes=2) > 3
    text = page(found)
    assert not [words for words in ("Map of the latents", "The sheet of the latents", "digit") if words not in text]
    corner = found.plot.manifold(30)
    assert corner is not None
    sheet = found.decode(np.array([[-2.0, 0.0], [2.0, 0.0]]))
    assert np.abs(sheet[0] - sheet[1]).mean() > 20  # grey levels: the plane is not all one digit


def test_the_convolutional_vae_with_two_latents(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, numbers = run(
        home, capsys, "grey.npz", "--recipe", "vae_conv", "--set", "latent_dim=2", "--set", "channels=[8,16]",
        "--set", "width=64", "--epochs", "40", "--lr", "5e-3", "--labels", "digit",
    )  # fmt: skip
    assert margin(found, axes=1) > 3  # two latents after 480 steps: more than any one linear axis says
    assert numbers["elbo"] > coins(found) + 3 * numbers["elbo_se"]
    assert numbers["active_units"] == 2


def test_the_gaussian_vae_beats_probabilistic_pca_with_as_many_latents(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, vae = run(home, capsys, "digits", "--set", "latent_dim=2", "--set", "hidden=[128]", "--epochs", "120")
    _, ppca = run(home, capsys, "digits", "--recipe", "ppca", "--set", "latent_dim=2")
    assert vae["likelihood"] == ppca["likelihood"] == "Gaussian, one learned scale"
    assert vae["nll"] < ppca["nll"] - 3 * ppca["nll_se"]


def test_the_conditional_vae_draws_the_digit_that_is_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = run(
        home, capsys, "digits", "--recipe", "conditional_vae", "--condition", "digit", "--set", "beta=4",
        "--set", "hidden=[128]", "--set", "latent_dim=4", "--epochs", "60",
    )  # fmt: skip
    real = load_digits()
    judge = LogisticRegression(max_iter=2000).fit(real.data, real.target)
    asked = np.arange(10).repeat(20)
    drawn = found.sample(200, {"digit": asked}, seed=0).reshape(200, -1)
    assert (judge.predict(drawn) == asked).mean() > 0.95
    out = home / "sevens.npy"
    assert main(["sample", str(found.dir), "-n", "30", "--given", "digit=7", "--out", str(out)]) == 0
    assert (judge.predict(np.load(out).reshape(30, -1)) == 7).mean() > 0.9


def test_photographs_of_any_size_become_a_grid_of_new_ones(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(96):  # a bright disc on a coloured ground, in pictures of several sizes
        h, w = rng.integers(40, 60, 2)
        rows, columns = np.mgrid[0:h, 0:w]
        disc = (rows - h * rng.uniform(0.3, 0.7)) ** 2 + (columns - w * 0.5) ** 2 < (h / 5) ** 2
        picture = np.where(disc[..., None], [230, 200, 180], [40, 70, 160]) + rng.integers(0, 9, (h, w, 3))
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{i}.jpg")
    found, numbers = run(
        home, capsys, "photos", "--recipe", "vae_conv", "--size", "24", "--set", "channels=[8,16]", "--set",
        "width=32", "--set", "latent_dim=4", "--epochs", "40", "--batch-size", "16", "--lr", "5e-3",
    )  # fmt: skip
    assert numbers["likelihood"] == "discretised logistic" and numbers["bits_per_dim"] < 6.5  # 8 would be chance
    out = home / "grid.png"
    assert main(["sample", str(found.dir), "-n", "16", "--out", str(out)]) == 0
    grid = Image.open(out)
    assert grid.mode == "RGB" and min(grid.size) >= 4 * 24
    drawn = found.sample(64, seed=0)  # (N, H, W, C), as the files have it
    assert drawn.shape == (64, 24, 24, 3)
    assert np.abs(drawn.mean((0, 1, 2)) - found.data.x.float().mean((0, 2, 3)).numpy()).max() < 25


def test_four_models_side_by_side(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "side"
    words = ["--recipes", "pca,linear_autoencoder,autoencoder,vae", "--set", "latent_dim=2", "--labels", "digit"]
    assert main(["compare", "digits", *words, "--epochs", "60", "--out", str(out)]) == 0
    runs = {name: vk.load_run(out / name) for name in ("pca", "linear_autoencoder", "autoencoder", "vae")}
    held = runs["pca"].part("test")
    rmse = {n: float(np.sqrt(((r.reconstruct(held) - held.x.numpy()) ** 2).mean())) for n, r in runs.items()}
    assert rmse["pca"] <= rmse["linear_autoencoder"] * 1.001 and rmse["autoencoder"] < 0.95 * rmse["pca"]
    train = runs["vae"].part("train").x.flatten(1).numpy()

    def strangeness(name: str) -> np.ndarray:
        """The energy distance (Székely and Rizzo 2013) between prior samples and the training digits, in 10 lots of
        100, up to what the digits themselves add."""
        lots = runs[name].sample(1000, seed=0, mean=True).reshape(10, 100, -1)
        pairs = 100 / 99  # without the zeros of a sample's distance to itself
        return np.array([2 * cdist(lot, train).mean() - pairs * cdist(lot, lot).mean() for lot in lots])

    # the autoencoder's latent space has holes
    assert errors_above_0(strangeness("autoencoder") - strangeness("vae")) > 3
    compared = (out / "compare.html").read_text(encoding="utf-8")
    assert all(name in compared for name in runs)


def test_the_balance_constant_c(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates, errors = [], []
    for c in ("0.03", "1", "30"):
        found, numbers = run(
            home, capsys, "digits", "--set", "latent_dim=4", "--set", "hidden=[64]", "--epochs", "60",
            "--likelihood", f"gaussian:{c}",
        )  # fmt: skip
        held = found.part("test")
        rates.append(numbers["rate"])
        errors.append(float(((found.reconstruct(held) - held.x.numpy()) ** 2).mean()))
        assert numbers["likelihood"] == f"Gaussian, variance c = {float(c):g}"
    assert rates[0] > 2 * rates[1] > 2 * rates[2]  # a small c buys detail with rate, a large one collapses it
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("posterior", ["relaxed_bernoulli", "straight_through_bernoulli"])
def test_latents_that_are_bits(home: Path, capsys: pytest.CaptureFixture[str], posterior: str) -> None:
    found, numbers = run(
        home, capsys, "digits", "--set", f"posterior={posterior}", "--set", "latent_dim=8", "--set", "hidden=[128]",
        "--epochs", "100",
    )  # fmt: skip
    assert 1 < numbers["rate"] < 8 * np.log(2)  # eight bits carry no more
    assert np.isfinite(numbers["nll"]) and numbers["nll"] <= -numbers["elbo"] + 3 * numbers["elbo_se"]
    codes = found.encode(what="sample")
    assert set(np.unique(codes)) == {0.0, 1.0}
    assert len(np.unique(codes, axis=0)) > 10


def test_kingma_and_welling_s_networks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tanh = ("--set", "activation=tanh", "--set", "latent_dim=3")
    found, _ = run(home, capsys, "grey.npz", *tanh, "--set", "hidden=[500]", "--epochs", "3")
    layers = [type(m).__name__ for m in found.model.modules()]
    assert layers.count("Tanh") == 2 and found.model.posterior.net.features == (500,)
    frames = home / "frames.npy"
    phase = np.linspace(0, 20, 400)[:, None, None]
    rows, columns = np.mgrid[0:14, 0:10]
    np.save(frames, (127 + 90 * np.sin(phase + rows / 3) * np.cos(phase / 2 + columns / 4)).astype(np.uint8))
    found, frey = run(
        home, capsys, "frames.npy", *tanh, "--set", "hidden=[200]", "--likelihood", "gaussian_network",
        "--split-by", "time", "--epochs", "60", "--valid", "0.1",
    )  # fmt: skip
    assert frey["likelihood"] == "Gaussian, scales from the network"
    flat = found.data.x[found.data.parts["train"]].double() / 255
    plain = float(-0.5 * (np.log(2 * np.pi * flat.var(0).numpy()) + 1).sum() - 140 * np.log(255))
    assert frey["elbo"] > plain + 30  # a Gaussian for each pixel alone, in the same units
