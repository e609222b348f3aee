"""Parser: argparse with one sentence for an error, the near miss of an option, and examples below the help.

tyro prints an error as a box and exits; only a private hook of its latest release could turn that into the one
sentence that is promised here.
"""

from __future__ import annotations

__all__ = ["Parser", "fraction_or_path", "key_value", "parse_value"]

import argparse
import json
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

from vaekit.messages import Mistake, near_miss

WIDTH = 110


class Parser(argparse.ArgumentParser):
    """The options of one verb.

    Args:
        verb: its name.
        summary: one sentence.
        examples: command lines that work as they stand.
        hint: added to the message about an unknown option.
    """

    def __init__(self, verb: str, summary: str, *, examples: Sequence[str] = (), hint: str = "") -> None:
        self.verb, self.hint = verb, hint
        super().__init__(
            prog=f"vaekit {verb}",
            description=summary,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples) if examples else None,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=28, width=min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns - 2)
            ),
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise Mistake(f"{message.removeprefix('argument ')}; see `vaekit {self.verb} --help`.")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The options given; positions and options may come in any order."""
        given, rest = self.parse_known_intermixed_args(list(argv))
        for word in rest:
            if word.startswith("-"):
                raise Mistake(self._unknown(word.partition("=")[0]))
        if rest:
            raise Mistake(
                f"vaekit {self.verb} does not know what to do with {rest[0]!r}; see `vaekit {self.verb} --help`."
            )
        return given

    def _unknown(self, option: str) -> str:
        known = {name.lstrip("-").replace("-", "_"): name for name in self._option_string_actions if name[:2] == "--"}
        close = near_miss(option.lstrip("-").replace("-", "_"), known)
        meant = f"did you mean {known[close]}? " if close else ""
        return f"vaekit {self.verb} takes no {option}: {meant}{self.hint}See `vaekit {self.verb} --help`."


def parse_value(text: str) -> Any:
    """A value as JSON where it is JSON, else as the text it is.

    Example:
        >>> parse_value("[512,256]"), parse_value("8"), parse_value("conv"), parse_value("true")
        ([512, 256], 8, 'conv', True)
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def key_value(text: str) -> tuple[str, Any]:
    """name=value as a pair, the value read by `parse_value`.

    Example:
        >>> key_value("latent_dim=8")
        ('latent_dim', 8)
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"got {text!r} and wanted name=value, such as latent_dim=8")
    return name.strip().replace("-", "_"), parse_value(value)


def fraction_or_path(text: str) -> float | str:
    """A number, or else the name of data.

    Example:
        >>> fraction_or_path("0.1"), fraction_or_path("held_out.csv")
        (0.1, 'held_out.csv')
    """
    try:
        return float(text)
    except ValueError:
        return text
