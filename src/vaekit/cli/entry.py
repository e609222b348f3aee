"""main: the verb's module is loaded, its options are read, and what goes wrong becomes a sentence and an exit code."""

from __future__ import annotations

__all__ = ["VERBS", "main"]

import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vaekit.messages import Mistake, near_miss
from vaekit.version import VERSION

# verb: (module of vaekit.cli, one line)
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "train on the embedded digits and write a report, in under a minute"),
    "train": ("train", "train a recipe on data"),
    "evaluate": ("evaluate", "measure ELBO and likelihood on held-out or new data"),
    "sample": ("produce", "draw new items"),
    "encode": ("produce", "write the latents of items"),
    "decode": ("decode", "write the items of latents"),
    "reconstruct": ("produce", "write items as the model makes them again"),
    "impute": ("produce", "write items with their gaps filled"),
    "interpolate": ("decode", "walk in a straight line from one item's latents to another's"),
    "score": ("score", "write how strange each item is"),
    "report": ("report", "write the HTML report anew"),
    "doctor": ("doctor", "say what is wrong with a run, with the evidence and the remedy"),
    "compare": ("compare", "put runs side by side, or train several recipes on the same split"),
    "reproduce": ("reproduce", "run a paper's experiment again, its figure beside the published one"),
    "recipes": ("lists", "list the recipes"),
    "datasets": ("lists", "list the built-in data sets"),
    "citation": ("lists", "print the BibTeX of a run's papers"),
}
HELP = ("-h", "--help", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: the words after `vaekit`; those of the process where nothing is given.

    Returns:
        the exit code: 0, 1 for a fault of ours, 2 for a mistake of the user's, 130 after an interruption.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable():
            code = _dispatch(words)
            sys.stdout.flush()
            return code
    except Mistake as error:
        return _say(f"error: {error}", 2)
    except KeyboardInterrupt as error:
        return _say(str(error) or "interrupted", 130)
    except BrokenPipeError:
        _silence()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"error: {where}{error.strerror or error}.", 2)
    except SystemExit as error:  # argparse after --help
        return error.code if isinstance(error.code, int) else 0
    except Exception:
        traceback.print_exc()
        return _say("this should not happen: if the lines above are not from parts of your own, please report them.", 1)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in HELP:
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"vaekit {VERSION}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        close = near_miss(verb, VERBS)
        meant = f"did you mean {close!r}? " if close else ""
        raise Mistake(f"vaekit has no verb {verb!r}: {meant}It has {', '.join(VERBS)}.")
    module: Any = importlib.import_module(f"vaekit.cli.{VERBS[verb][0]}")
    parser, work = module.PARSERS[verb]()
    code: int = work(parser.read(words[1:]))
    return code


def _overview() -> str:
    lines = [f"  {verb:<12} {line}" for verb, (_, line) in VERBS.items()]
    return "\n".join([
        "usage: vaekit VERB ...", "", "Variational autoencoders, composed from a prior, a posterior and a likelihood.",
        "", "verbs:", *lines, "", "`vaekit VERB --help` shows a verb's options; `vaekit --version` the version.", "",
        "examples:", "  vaekit demo", "  vaekit train digits --recipe vae --set latent_dim=8 --labels digit",
        "  vaekit sample runs/digits-vae-1 -n 64 --out samples.png",
    ])  # fmt: skip


def _say(text: str, code: int) -> int:
    print(f"vaekit: {' '.join(text.split())}", file=sys.stderr)
    return code


def _silence() -> None:
    """Whoever read our output has gone; the interpreter's own flush at the end must not complain either."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGUSR1 as Ctrl-C, also where nothing is being trained."""
    old: dict[int, Any] = {}

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(f"interrupted by {signal.Signals(number).name}")

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGUSR1"):
            number = getattr(signal, name, None)
            if number is not None:
                old[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
