"""What holds for every verb: help, version, near misses, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from vaekit.cli import entry
from vaekit.cli.entry import VERBS
from vaekit.cli.options import TRAINING
from vaekit.recipes import RECIPES
from vaekit.training import Settings

HEAVY = ("torch", "pandas", "matplotlib", "sklearn", "numpy")


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vaekit.cli import main\n"
        f"for verb in {list(VERBS)}:\n    assert main([verb, '--help']) == 0\n"
        f"assert main(['--help']) == main([]) == main(['--version']) == main(['recipes']) == 0\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m() -> None:
    done = subprocess.run([sys.executable, "-m", "vaekit", "trian"], capture_output=True, text=True)
    assert done.returncode == 2 and "did you mean 'train'?" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(vaekit: Callable[..., Any], verb: str) -> None:
    done = vaekit(verb, "--help")
    assert done.code == 0 and done.out.startswith(f"usage: vaekit {verb}")
    assert "examples:" in done.out and f"  vaekit {verb}" in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_sentence(verb: str) -> None:
    module: Any = __import__("importlib").import_module(f"vaekit.cli.{VERBS[verb][0]}")
    parser, _ = module.PARSERS[verb]()
    for action in parser._actions:
        if action.dest != "help":
            assert len(action.help) > 12 and action.help.endswith("."), (verb, action.dest)


def test_overview_and_version(vaekit: Callable[..., Any]) -> None:
    out = vaekit("--help").out
    assert all(f"  {verb} " in out for verb in VERBS) and vaekit().out == out
    assert vaekit("--version").out.startswith("vaekit ")


def test_training_arguments_are_those_of_settings() -> None:
    known = {f.name: f for f in fields(Settings) if f.name not in ("optimizer", "callbacks")}
    assert list(TRAINING) == list(known)
    for name, (kind, _, text) in TRAINING.items():
        default = known[name].default
        if default is not None:
            assert type(default) is kind
            shown = text.rstrip(".").rpartition("(")[2].rstrip(")")
            assert kind(shown) == default, name
        Settings(**{name: default})


def test_near_misses(refused: Callable[..., str]) -> None:
    assert "did you mean 'encode'?" in refused("encod", "x")
    assert "takes no --epoch: did you mean --epochs?" in refused("train", "digits", "--epoch", "3")
    assert "did you mean --lr?" in refused("train", "digits", "--learning-rate", "3")
    assert "--set name=value" in refused("train", "digits", "--latent-dim", "3")
    assert "did you mean --temperature?" in refused("sample", "run", "--temprature=2", "--out", "x.npy")


def test_command_line_errors(refused: Callable[..., str]) -> None:
    assert "--epochs: invalid int value: 'many'" in refused("train", "digits", "--epochs", "many")
    assert "expected one argument" in refused("train", "digits", "--epochs")
    assert "required: --out" in refused("sample", "run")
    assert "wanted name=value" in refused("train", "digits", "--set", "latent_dim")
    assert "does not know what to do with 'more'" in refused("train", "digits", "more")
    assert "DATA is missing" in refused("train")


def _verb_that(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(options: Any) -> int:
        raise error

    parser = SimpleNamespace(read=lambda words: None)
    module = SimpleNamespace(PARSERS={"train": lambda: (parser, fail)})
    monkeypatch.setattr(entry, "importlib", SimpleNamespace(import_module=lambda name: module))


def test_exit_codes(vaekit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _verb_that(monkeypatch, RuntimeError("ours"))
    done = vaekit("train")
    assert done.code == 1 and "Traceback" in done.err and "RuntimeError: ours" in done.err
    _verb_that(monkeypatch, KeyboardInterrupt())
    assert (vaekit("train").code, vaekit("train").err) == (130, "vaekit: interrupted\n")
    _verb_that(monkeypatch, BrokenPipeError())
    monkeypatch.setattr(entry, "_silence", lambda: None)
    assert (vaekit("train").code, vaekit("train").err) == (0, "")
    _verb_that(monkeypatch, PermissionError(13, "Permission denied", "/somewhere"))
    assert vaekit("train").err == "vaekit: error: /somewhere: Permission denied.\n"


def test_pipe_closed_early() -> None:
    done = subprocess.run(f"{sys.executable} -m vaekit train --help | true", shell=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_recipes(vaekit: Callable[..., Any]) -> None:
    lines = vaekit("recipes").out.splitlines()
    assert len(lines) == len(RECIPES) + 1
    assert "Kingma and Welling 2014" in next(line for line in lines if line.startswith("vae "))
    assert not any(line.split()[1][-1].isdigit() for line in lines[1:]), "the key of a paper that PAPERS lacks"


def test_datasets(vaekit: Callable[..., Any]) -> None:
    lines = vaekit("datasets").out.splitlines()
    assert lines[1].split()[:3] == ["digits", "1,797", "8x8"] and " yes " in lines[1]
