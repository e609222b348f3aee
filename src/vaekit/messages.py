"""What a user reads when something is wrong: one sentence with what was got, what was wanted and what to do."""

from __future__ import annotations

__all__ = [
    "ArgumentMistake", "Mistake", "count_of", "near_miss", "optional", "reject_unknown", "require_count",
    "require_counts", "require_positive",
]  # fmt: skip

import difflib
import importlib
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

# What other libraries call the same thing; difflib alone would not find these.
ALIASES = {
    "latent": "latent_dim",
    "latents": "latent_dim",
    "z_dim": "latent_dim",
    "n_latents": "latent_dim",
    "n_components": "latent_dim",
    "learning_rate": "lr",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "num_steps": "steps",
    "bs": "batch_size",
    "batch": "batch_size",
    "kl_weight": "beta",
    "kld_weight": "beta",
    "random_state": "seed",
    "validation": "valid",
    "val": "valid",
    "num_workers": "workers",
    "hidden_dims": "hidden",
    "hidden_dim": "hidden",
    "hidden_layer_sizes": "hidden",
    "gradient_clip": "clip",
    "grad_clip": "clip",
    "patience": "early_stopping",
    "likelihood_name": "likelihood",
    "num_samples": "samples",
    "k": "samples",
}


class Mistake(ValueError):
    """A mistake of the user's, said in one sentence; the command line prints it and exits with 2."""


class ArgumentMistake(Mistake, TypeError):
    """A mistake in the name or the type of an argument."""


def near_miss(name: str, options: Iterable[str]) -> str | None:
    """The option that was probably meant, or None.

    >>> near_miss("learning_rate", ["lr", "epochs"]), near_miss("latnt_dim", ["latent_dim"]), near_miss("x", ["lr"])
    ('lr', 'latent_dim', None)
    """
    options = list(options)
    alias = ALIASES.get(name.lower())
    if alias in options:
        return alias
    close = difflib.get_close_matches(name.lower(), options, n=1, cutoff=0.6)
    return close[0] if close else None


def reject_unknown(what: str, given: Iterable[str], options: Iterable[str]) -> None:
    """Raise ArgumentMistake for the first given name that is no option, naming the near miss.

    >>> reject_unknown("vae", ["latent"], ["latent_dim", "hidden"])
    Traceback (most recent call last):
    ...
    vaekit.messages.ArgumentMistake: vae takes no 'latent': did you mean 'latent_dim'? It takes latent_dim, hidden.
    """
    options = list(options)
    for name in given:
        if name not in options:
            close = near_miss(name, options)
            hint = f"did you mean {close!r}? It" if close else "it"
            raise ArgumentMistake(f"{what} takes no {name!r}: {hint} takes {', '.join(options)}.")


def require_counts(name: str, given: object) -> list[int]:
    """A list of whole numbers of 1 or more, one at least; what is none is refused."""
    if _is_count(given):
        raise Mistake(f"got {name}={given} and wanted a list of whole numbers: give {name}=[{given}].")
    if not isinstance(given, Sequence) or isinstance(given, str) or not given or not all(map(_is_count, given)):
        raise Mistake(f"got {name}={given!r} and wanted a list of whole numbers, 1 or more each, such as [32, 64].")
    return [int(count) for count in given]


def require_count(name: str, given: object) -> int:
    """A whole number of 1 or more; what is none is refused."""
    if not _is_count(given):
        raise Mistake(f"got {name}={given!r} and wanted a whole number, 1 or more.")
    return int(given)  # type: ignore[call-overload]


def require_positive(name: str, given: object) -> float:
    """A number above 0; what is none is refused."""
    if not isinstance(given, Real) or isinstance(given, bool) or not 0 < float(given) < math.inf:
        raise Mistake(f"got {name}={given!r} and wanted a number above 0.")
    return float(given)


def _is_count(given: object) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= 1


def count_of(number: float, noun: str) -> str:
    """A number and its noun, in the singular for one.

    >>> count_of(1, "epoch"), count_of(2.5, "epoch"), count_of(10_000, "item")
    ('1 epoch', '2.5 epochs', '10,000 items')
    """
    return f"{number:,.5g} {noun}{'' if number == 1 else 's'}"


def optional(module: str, extra: str) -> Any:
    """Import a library that belongs to an extra; where it is missing, name the extra.

    >>> optional("json", extra="none").dumps(1)
    '1'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Mistake(
            f"{module} is not installed and is needed here: install it with `pip install 'vaekit[{extra}]'`."
        ) from error
