"""Part: a torch module that remembers its constructor arguments, so that a model is rebuilt from JSON."""

from __future__ import annotations

__all__ = ["Part"]

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from vaekit.references import bibtex


class Part(nn.Module):
    """The base of all that a model or an objective is made of.

    A Part's constructor only stores; what it was called with stays in `arguments` and is what the
    store writes. `cites` names the papers (keys of `vaekit.references.PAPERS`) that it comes from, `leads`
    the hooks that it calls itself for the parts in it, such as those that see a piece of each item only. `compiles`
    is False for what differentiates inside its own pass, which compilers get wrong. `settled`: see `settle`.

    Example:
        >>> class Scale(Part):
        ...     def __init__(self, factor: float, *, shift: float = 0.0) -> None:
        ...         super().__init__()
        ...         self.factor, self.shift = factor, shift
        >>> Scale(2.0).arguments
        {'factor': 2.0, 'shift': 0.0}
    """

    cites: ClassVar[tuple[str, ...]] = ()
    leads: ClassVar[tuple[str, ...]] = ()
    compiles: ClassVar[bool] = True
    settled: bool = False
    arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Part:
        self = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
        except TypeError:  # copying calls without arguments; a wrong call is reported by __init__ itself
            object.__setattr__(self, "arguments", {})
            return self
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                arguments.update(value)
            elif kind is not inspect.Parameter.VAR_POSITIONAL or value:
                arguments[name] = list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value
        object.__setattr__(self, "arguments", arguments)
        return self

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Called once before the first step, never on resume.

        Args:
            x: a large batch of the training data in the model's units, (B, *X), NaN where missing.
            y: the encoded context, a field each, (B, width).
            n: the number of training items.
        """

    def after_step(self, step: int) -> None:
        """Called after every optimiser step: what moves without a gradient (schedules, codebooks)."""

    def settle(self) -> None:
        """Stay as it is from now on: without gradients, in evaluation mode, and passed over by every hook.

        Example:
            >>> part = Part()
            >>> part.settle()
            >>> part.train().training
            False
        """
        for module in self.modules():
            if isinstance(module, Part):
                module.settled = True
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Part:
        super().train(mode and not self.settled)
        return self

    @property
    def moves_by_hand(self) -> bool:
        """Whether its `after_step` has anything to do."""
        return type(self).after_step is not Part.after_step

    def forget(self) -> None:
        """Drop what was gathered for the next `after_step`, as if no batch had been seen."""

    def papers(self) -> list[str]:
        """The keys of the papers behind this part and the parts in it, each once."""
        return list(dict.fromkeys(key for module in self.modules() for key in getattr(module, "cites", ())))

    def citation(self) -> str:
        """The same papers as BibTeX."""
        return "\n\n".join(map(bibtex, self.papers()))

    def walk(self, hook: str) -> list[Part]:
        """The parts in here, this one first, that define the hook themselves; not those that another one leads.

        Example:
            >>> Part().walk("after_step")
            []
        """
        inherited = getattr(Part, hook)
        leaders = [m for m in self.modules() if m is not self and isinstance(m, Part) and hook in m.leads]
        led = {id(m) for leader in leaders for m in leader.modules() if m is not leader}
        parts = [m for m in self.modules() if isinstance(m, Part) and not m.settled and id(m) not in led]
        return [m for m in parts if getattr(type(m), hook) is not inherited]
