"""The floors: a file imports only from a lower floor or inside its own folder; and the thermometers and hygiene."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "vaekit"

# The second number orders what shares a floor: report < run < estimator, and what reports mistakes < what makes them.
FLOORS: dict[str, tuple[int, int]] = {
    "messages": (0, 0),
    "references": (0, 0),
    "version": (0, 0),
    "memory": (0, 0),
    "noise": (0, 0),
    "maths": (0, 1),
    "part": (0, 1),
    "conditional": (0, 2),
    "distributions": (1, 0),
    "networks": (1, 0),
    "data": (1, 0),
    "storage": (1, 0),
    "datasets": (1, 1),
    "priors": (2, 0),
    "posteriors": (2, 0),
    "likelihoods": (2, 0),
    "models": (3, 0),
    "objectives": (4, 0),
    "evaluation": (4, 0),
    "recipes": (5, 0),
    "training": (5, 0),
    "measure": (5, 1),
    "doctor": (5, 2),
    "studies": (5, 2),
    "report": (6, 0),
    "run": (6, 1),
    "ex_post": (6, 2),
    "maps": (6, 2),
    "estimator": (6, 2),
    "reproductions": (6, 3),
    "cli": (7, 0),
    "studio": (7, 0),
    "__main__": (8, 0),
    "__init__": (9, 0),
}
# The command line may read the lazy face `vaekit` itself: this costs no import until a name is used.
FACE_READERS = {"cli", "studio", "__main__"}

MAX_LINES = 300
MAX_ARGUMENTS = 8
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
HEAVY = ("torch", "pandas", "sklearn", "scipy", "matplotlib")

Import = tuple[ast.AST, str]  # where, and the full name of a module


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(root: Path, path: Path, node: ast.AST | None = None) -> str:
    where = path.relative_to(root.parent).as_posix()
    return where if node is None else f"{where}:{getattr(node, 'lineno', 0)}"


def unit_of_file(root: Path, path: Path) -> str:
    """The folder, or the single file, under the root that a file belongs to."""
    first = path.relative_to(root).parts[0]
    return first.removesuffix(".py")


def unit_of_module(root: Path, module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def at_module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported: no function bodies, nothing that is for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if is_type_checking(node):
            for other in node.orelse:  # type: ignore[attr-defined]
                yield other
                yield from at_module_level(other)
            continue
        yield node
        yield from at_module_level(node)


def in_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (inner for statement in node.body for inner in ast.walk(statement))


def resolve(root: Path, path: Path, node: ast.AST) -> list[Import]:
    """The full names of the modules that one import statement, or import_module("..."), reads."""
    if isinstance(node, ast.Import):
        return [(node, alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = path.relative_to(root.parent).parts[:-1]
            package = package[: len(package) - (node.level - 1)]
            base = ".".join((*package, *filter(None, [node.module])))
        if base != root.name:
            return [(node, base)]
        units = {unit_of_file(root, other) for other in files(root)} | set(FLOORS) - {"__init__"}
        return [(node, f"{base}.{alias.name}" if alias.name in units else base) for alias in node.names]
    if isinstance(node, ast.Call) and node.args:
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0]
        if (
            function in ("import_module", "__import__")
            and isinstance(name, ast.Constant)
            and isinstance(name.value, str)
        ):
            return [(node, name.value)]
    return []


def is_own(root: Path, module: str) -> bool:
    return module.split(".")[0] == root.name


def upward_imports(root: Path) -> list[str]:
    """Imports from the same or a higher floor, outside the file's own folder; also units without a floor."""
    found = []
    for path in files(root):
        source = unit_of_file(root, path)
        if source not in FLOORS:
            found.append(f"{place(root, path)}: {source!r} has no floor")
            continue
        for node in ast.walk(parse(path)):
            for where, module in resolve(root, path, node):
                if not is_own(root, module):
                    continue
                target = unit_of_module(root, module)
                if target == source or (target == "__init__" and source in FACE_READERS):
                    continue
                if target not in FLOORS:
                    found.append(f"{place(root, path, where)}: {module} has no floor")
                elif FLOORS[target] >= FLOORS[source]:
                    found.append(
                        f"{place(root, path, where)}: {source} (floor {FLOORS[source][0]}) imports {module} "
                        f"(floor {FLOORS[target][0]})"
                    )
    return found


def hidden_imports(root: Path) -> list[str]:
    """Import statements inside functions that read the package's own modules."""
    found = set()
    for path in files(root):
        for node in in_functions(parse(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for where, module in resolve(root, path, node):
                    if is_own(root, module):
                        found.add(f"{place(root, path, where)}: imports {module} inside a function")
    return sorted(found)


def eager_imports(root: Path, package: str = "") -> list[str]:
    """What makes a package's __init__ not lazy: imports beyond the standard library and two files, or no PEP 562."""
    path = root / package / "__init__.py"
    if not path.exists():
        return [f"{place(root, path)}: is missing"]
    tree = parse(path)
    found = []
    for node in at_module_level(tree):
        for where, module in resolve(root, path, node):
            light = (f"{root.name}.messages", f"{root.name}.version")
            if module.split(".")[0] not in sys.stdlib_module_names and module not in light:
                found.append(f"{place(root, path, where)}: imports {module} when it is imported")
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found += [f"{place(root, path)}: defines no {name}" for name in ("__getattr__", "__dir__") if name not in defined]
    return found


def forbidden(root: Path) -> list[str]:
    """Pickles, and code made from strings."""
    found = []
    for path in files(root):
        for node in ast.walk(parse(path)):
            for where, module in resolve(root, path, node):
                if module.split(".")[0] in PICKLES:
                    found.append(f"{place(root, path, where)}: {module}")
            if isinstance(node, ast.Attribute) and node.attr in ("pickle", "read_pickle", "to_pickle"):
                found.append(f"{place(root, path, node)}: .{node.attr}")
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                    found.append(f"{place(root, path, node)}: {node.func.id}(")
                for keyword, bad in (("allow_pickle", True), ("weights_only", False)):
                    for given in node.keywords:
                        if given.arg == keyword and isinstance(given.value, ast.Constant) and given.value.value is bad:
                            found.append(f"{place(root, path, node)}: {keyword}={bad}")
    return found


def long_files(root: Path, limit: int = MAX_LINES) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(root)}
    return [f"{place(root, path)}: {n} lines, at most {limit}" for path, n in lengths.items() if n > limit]


def wide_constructors(root: Path, limit: int = MAX_ARGUMENTS) -> list[str]:
    found = []
    for path in files(root):
        for kind in ast.walk(parse(path)):
            for node in kind.body if isinstance(kind, ast.ClassDef) else ():
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    a = node.args
                    n = len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) - 1
                    if n > limit:
                        found.append(f"{place(root, path, node)}: {kind.name} takes {n} arguments, at most {limit}")
    return found


def untidy(root: Path) -> list[str]:
    """Public modules without a docstring or without __all__."""
    found = []
    for path in files(root):
        names = path.relative_to(root).with_suffix("").parts
        if any(name.startswith("_") and name != "__init__" for name in names):
            continue
        tree = parse(path)
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        if not ast.get_docstring(tree):
            found.append(f"{place(root, path)}: no docstring")
        if "__all__" not in assigned:
            found.append(f"{place(root, path)}: no __all__")
    return found


# The source.

RULES: list[Callable[[Path], list[str]]] = [
    upward_imports,
    hidden_imports,
    eager_imports,
    forbidden,
    long_files,
    wide_constructors,
    untidy,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_source(rule: Callable[[Path], list[str]]) -> None:
    assert files(SOURCE), f"no source under {SOURCE}"
    found = rule(SOURCE)
    assert not found, "\n" + "\n".join(found)


def test_recipes_are_lazy() -> None:
    assert not eager_imports(SOURCE, "recipes")


def loaded_by(code: str, watched: tuple[str, ...]) -> list[str]:
    """Which of the watched libraries a fresh interpreter has loaded after the code."""
    report = f"import sys; print('LOADED', *[name for name in {watched!r} if name in sys.modules], file=sys.stderr)"
    path = os.pathsep.join(filter(None, [str(SOURCE.parent), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("LOADED")]
    assert result.returncode == 0 and lines, result.stderr
    return lines[-1].split()[1:]


HELP = """
import sys
from vaekit.cli import main
sys.argv = ["vaekit", "--help"]
try:
    code = main()
except SystemExit as stop:
    code = stop.code
assert not code, code
"""


@pytest.mark.parametrize(
    "code",
    ["import vaekit", "import vaekit; dir(vaekit)", "import vaekit.recipes", "import vaekit.cli", HELP],
    ids=["vaekit", "dir", "recipes", "cli", "help"],
)
def test_light(code: str) -> None:
    assert loaded_by(code, HEAVY) == []


SCORES = """
import numpy as np
from vaekit.evaluation.disentanglement import disentanglement_numbers, udr
factors = np.indices((3, 4, 20)).reshape(3, -1).T[:, :2]
disentanglement_numbers(factors, factors)
udr([factors * 1.0, factors[:, ::-1] * 1.0])
"""


def test_scores_of_disentanglement_are_nobody_elses() -> None:
    """No version of scikit-learn changes a number that is taken without it."""
    assert loaded_by(SCORES, ("sklearn",)) == []


# The rules themselves, on small trees with one thing planted.


def plant(folder: Path, **sources: str) -> Path:
    """A package of files; `models__vae` is models/vae.py."""
    root = folder / "vaekit"
    for name, text in sources.items():
        path = root / (name.strip("_").replace("__", "/") + ".py" if name != "init" else "__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("models__vae", "from vaekit.training.fit import fit"),
        ("models__vae", "import vaekit.objectives"),
        ("models__vae", "from vaekit import objectives"),
        ("models__vae", "from vaekit import fit"),
        ("models__vae", "from ..objectives import ELBO"),
        ("models__deep__vae", "from ...objectives.term import Term"),
        ("models__vae", "if True:\n    import vaekit.run"),
        ("models__vae", "def f():\n    from vaekit.run import Run"),
        ("models__vae", "import importlib\nimportlib.import_module('vaekit.run')"),
        ("priors__normal", "from vaekit.posteriors import Gaussian"),
        ("likelihoods__normal", "from vaekit.priors import Normal"),
        ("evaluation__samples", "from vaekit.objectives import ELBO"),
        ("objectives__elbo", "from vaekit.evaluation import samples"),
        ("recipes__kingma2014", "from vaekit.training import fit"),
        ("training__fit", "from vaekit.recipes import vae"),
        ("report__page", "from vaekit.run import Run"),
        ("run", "from vaekit.estimator import Autoencoder"),
        ("messages", "from vaekit.maths import logs"),
        ("distributions__normal", "import vaekit.surprise"),
        ("surprise", "import math"),
    ],
)
def test_upward_is_found(tmp_path: Path, name: str, text: str) -> None:
    assert len(upward_imports(plant(tmp_path, **{name: text}))) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("models__vae", "from vaekit.models.trace import Trace\nfrom .trace import Trace\nfrom . import trace"),
        ("models__vae", "from vaekit.part import Part\nfrom vaekit import maths\nfrom ..priors import Normal"),
        ("models__vae", "import torch\nfrom torch import nn\nimport vaekitten.training"),
        ("part", "from vaekit.references import bibtex"),
        ("run", "from vaekit.report import page\nfrom vaekit.training import fit\nfrom vaekit.recipes import vae"),
        ("estimator", "from vaekit.run import Run"),
        ("cli__train", "import vaekit\nimport vaekit as vk\nfrom vaekit import Run, estimator"),
        ("init", "from vaekit.run import Run\nfrom vaekit import cli"),
    ],
)
def test_downward_is_allowed(tmp_path: Path, name: str, text: str) -> None:
    assert upward_imports(plant(tmp_path, **{name: text})) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    from vaekit.part import Part",
        "def f():\n    import vaekit.part",
        "def f():\n    from ..part import Part",
        "class A:\n    async def f(self):\n        if self:\n            from vaekit import part",
        "def f():\n    def g():\n        import vaekit.part",
    ],
)
def test_hidden_is_found(tmp_path: Path, text: str) -> None:
    assert len(hidden_imports(plant(tmp_path, models__vae=text))) == 1


def test_heavy_inside_a_function_is_allowed(tmp_path: Path) -> None:
    root = plant(tmp_path, models__vae="from vaekit.part import Part\ndef f():\n    import pyarrow")
    assert hidden_imports(root) == []


LAZY = """
import importlib
from typing import TYPE_CHECKING
from vaekit.messages import Mistake
if TYPE_CHECKING:
    from vaekit.run import Run
def __getattr__(name):
    return getattr(importlib.import_module("vaekit.run"), name)
def __dir__():
    return ["Run"]
"""


def test_lazy(tmp_path: Path) -> None:
    assert eager_imports(plant(tmp_path, init=LAZY)) == []
    assert eager_imports(plant(tmp_path, recipes__x=""), "recipes")


@pytest.mark.parametrize(
    "text",
    [
        "import torch",
        "from vaekit.run import Run",
        "from .run import Run",
        "try:\n    import numpy\nexcept ImportError:\n    pass",
    ],
)
def test_eager_is_found(tmp_path: Path, text: str) -> None:
    assert len(eager_imports(plant(tmp_path, init=f"{LAZY}\n{text}"))) == 1


def test_eager_without_getattr_is_found(tmp_path: Path) -> None:
    assert len(eager_imports(plant(tmp_path, init="import math"))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "def f():\n    from pickle import load",
        "import importlib\nimportlib.import_module('pickle')",
        "import pandas as pd\npd.read_pickle('x')",
        "eval('1')",
        "exec('1')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import torch\ntorch.load('x', weights_only=False)",
    ],
)
def test_forbidden_is_found(tmp_path: Path, text: str) -> None:
    assert len(forbidden(plant(tmp_path, storage__read=text))) == 1


def test_module_eval_is_allowed(tmp_path: Path) -> None:
    text = '"""No pickle, no eval(...)."""\nmodel.eval()\nload(x, allow_pickle=False, weights_only=True)'
    assert forbidden(plant(tmp_path, storage__read=text)) == []


def test_long_is_found(tmp_path: Path) -> None:
    root = plant(tmp_path, part="x = 1\n" * MAX_LINES, run="x = 1\n" * (MAX_LINES + 1))
    assert [line.split(":")[0] for line in long_files(root)] == ["vaekit/run.py"]


def test_wide_is_found(tmp_path: Path) -> None:
    text = "class A:\n    def __init__(self, {}):\n        pass"
    eight = "a, b, c, d, *, e, f, g, h"
    root = plant(tmp_path, part=text.format(eight), run=text.format(eight + ", i=1"))
    assert len(wide_constructors(root)) == 1


def test_untidy_is_found(tmp_path: Path) -> None:
    tidy = '"""A module."""\n__all__: list[str] = []'
    root = plant(tmp_path, part=tidy, maths__logs="import math", maths___private="import math")
    assert untidy(root) == ["vaekit/maths/logs.py: no docstring", "vaekit/maths/logs.py: no __all__"]
