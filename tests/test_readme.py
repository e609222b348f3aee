"""The README: its table is the code's, its Python runs, and its commands are spelled right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import torch

import vaekit as vk
from vaekit.cli.entry import VERBS
from vaekit.cli.lists import markdown
from vaekit.recipes import RECIPES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_table_of_recipes_is_the_code_s() -> None:
    table = README.split("<!-- recipes:")[1].split("-->", 1)[1].split("<!-- /recipes -->")[0]
    assert table.strip() == markdown().strip(), "write `vaekit recipes --markdown` into the README"


def test_the_data_scientist_s_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(b for b in BLOCKS if "run.score(df)" in b)
    numbers = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)).numpy()
    df = pd.DataFrame(numbers, columns=list("abcdef"), index=[f"p{i}" for i in range(200)])
    df["diagnosis"] = ["well", "ill"] * 100
    space = {"df": df}
    exec_block(block.replace("latent_dim=8", "latent_dim=2, hidden=[8]").replace("seed=0", "epochs=2, seed=0"), space)
    run = space["run"]
    encoded, scores = run.encode(df), run.score(df)
    assert list(encoded.index) == list(df.index) and list(encoded.columns) == ["z1", "z2"]
    assert list(scores.index) == list(df.index) and scores.notna().all()
    assert run.metrics["nll"] is not None and run.metrics["nll_se"] > 0


def test_the_researcher_s_bound_lies_between_the_elbo_and_the_importance_weighted_bound() -> None:
    block = next(b for b in BLOCKS if "class Renyi" in b)
    space: dict[str, object] = {}
    exec_block(block.replace("epochs=100", "epochs=2"), space)
    renyi, model = space["Renyi"], space["model"]
    x = model.to_model(vk.data.read("digits").x[:64])
    with torch.no_grad():
        trace = model.trace(x, samples=16)
        half = renyi(0.5).bound(model, trace)
        assert (half <= vk.objectives.IWAE(16).bound(model, trace) + 1e-4).all()
        assert (half >= trace.log_w.mean(0) - 1e-4).all()
    assert space["run"].metrics["steps"] == 24


def test_the_training_loop_of_eight_lines_learns() -> None:
    block = next(b for b in BLOCKS if "step = vk.Step" in b)
    torch.manual_seed(0)
    shown: list[str] = []
    space = {"loader": torch.bernoulli(torch.full((8, 32, 28, 28), 0.2)), "print": lambda *words: shown.append(words)}
    exec_block(block, space)
    assert len([line for line in block.splitlines() if line.strip() and not line.startswith("import")]) <= 8
    best = -28 * 28 * 0.5004  # minus the entropy of coins that fall on 1 a fifth of the time, in nats
    assert len(shown) == 10 and best - 8 < shown[-1][1] < best + 8 and shown[0][1] < shown[-1][1]


def test_the_block_beyond_one_gaussian_runs() -> None:
    block = next(b for b in BLOCKS if "vk.fit_prior" in b)
    numbers = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    numbers[::4, 1] = float("nan")
    space: dict[str, object] = {"df_with_gaps": pd.DataFrame(numbers.numpy(), columns=list("abc"))}
    quick = block.replace('"digits")\n', '"digits", epochs=1)\n')
    quick = quick.replace('"miwae", df_with_gaps)', '"miwae", df_with_gaps, epochs=1)')
    exec_block(quick.replace("codebook, 4))", "codebook, 4), epochs=1)"), space)
    assert tuple(space["indices"].shape) == (1797, 2, 2)  # type: ignore[attr-defined]
    assert tuple(space["better"].sample(3).shape) == (3, 8, 8)  # type: ignore[attr-defined]
    again = space["pair"].reconstruct(space["half"])  # type: ignore[attr-defined]
    assert again.shape == (5, 8, 8) and bool(torch.as_tensor(again).isfinite().all())
    filled = space["table"].impute(space["df_with_gaps"])  # type: ignore[attr-defined]
    assert not filled.isna().any().any()


def test_every_command_names_options_and_recipes_that_exist() -> None:
    commands = re.findall(r"`(vaekit [^`]*)`", README) + re.findall(r"^(vaekit .*)$", README, re.M)
    assert len(commands) > 15
    for command in commands:
        words = shlex.split(command.split("#")[0])
        assert words[1] in VERBS or words[1].startswith("-"), command
        for recipe in [words[i + 1] for i, w in enumerate(words) if w == "--recipe" and words[i + 1][0].isalpha()]:
            assert recipe in RECIPES or ":" in recipe, command


def exec_block(block: str, space: dict[str, object]) -> None:
    code = compile(block, "README.md", "exec")
    exec(code, space)
