"""Saved models: what goes in comes out, what is wrong is refused by file and field, whatever the bytes."""

from __future__ import annotations

import json
import resource
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import vaekit as vk
from vaekit.messages import Mistake
from vaekit.part import Part
from vaekit.storage import load_model, save_model

GOLDEN = Path(__file__).parent / "golden"


def test_the_golden_model_gives_its_recorded_numbers() -> None:
    model, expected = load_model(GOLDEN), json.loads((GOLDEN / "expected.json").read_text())
    x = torch.tensor(expected["x"])
    with torch.no_grad():
        q = model.encode(x, expected["y"])
        p = model.decode(q.mean, expected["y"])
    for got, name in ((q.mean, "mean"), (q.stddev, "scale"), (p.mean, "decoded"), (p.log_prob(x), "log_prob")):
        torch.testing.assert_close(got, torch.tensor(expected[name]), rtol=1e-6, atol=1e-6)
    assert not model.training and sum(f.stat().st_size for f in GOLDEN.iterdir()) < 12_000


@pytest.mark.parametrize("name", ["vae", "pca", "factor_vae", "ladder_vae", "iwae", "miwae", "vae_conv"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    shape = (8, 8) if name == "vae_conv" else (6,)
    model = getattr(vk.recipes, name)(shape=shape).model.to(dtype).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    save_model(model, tmp_path, version="x")
    loaded = load_model(tmp_path)
    state = loaded.state_dict()
    assert list(state) == list(model.state_dict()) and type(loaded) is type(model)
    assert all(torch.equal(v, state[k]) and v.dtype == state[k].dtype for k, v in model.state_dict().items())
    assert all(v.stride() == state[k].stride() for k, v in model.state_dict().items())  # as fast as it was trained
    x = torch.rand(3, *shape, dtype=dtype)
    assert torch.equal(model.reconstruct(x, mean=True), loaded.reconstruct(x, mean=True))
    (tmp_path / "again").mkdir()
    save_model(loaded, tmp_path / "again", version="x")
    for file in ("spec.json", "model.safetensors"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def saved(folder: Path, model: nn.Module | None = None) -> Path:
    torch.manual_seed(0)
    small: Any = vk.recipes.vae(shape=(4,), latent_dim=2, hidden=[5]).model if model is None else model
    save_model(small, folder, version="x")
    return folder


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    edit(spec)
    (folder / "spec.json").write_text(json.dumps(spec))


def test_parts_of_the_users_load_where_they_are_imported(tmp_path: Path) -> None:
    module = types.ModuleType("my_own_parts")
    source = (
        "import torch\nfrom vaekit.part import Part\n"
        "class Doubling(Part):\n"
        "    features = (4,)\n"
        "    def __init__(self, factor=2.0):\n"
        "        super().__init__()\n"
        "        self.factor = factor\n"
        "    def forward(self, x):\n"
        "        return self.factor * x\n"
    )
    exec(source, module.__dict__)
    sys.modules["my_own_parts"] = module
    try:
        model = vk.recipes.vae(shape=(4,), latent_dim=2, encoder=module.Doubling(factor=3.0)).model
        saved(tmp_path, model)
        assert load_model(tmp_path).posterior.net.factor == 3.0
    finally:
        del sys.modules["my_own_parts"]
    with pytest.raises(Mistake) as error:
        load_model(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'spec.json'}, field 'posterior.net': unknown part 'my_own_parts:Doubling': "
        "import my_own_parts first (--import my_own_parts)."
    )


def test_plain_modules_are_refused_by_path_and_filled(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    saved(tmp_path, vk.recipes.vae(shape=(4,), latent_dim=2, encoder=net).model)
    with pytest.raises(Mistake, match=r"field 'posterior.net': it is a torch module of your own \(Sequential\)"):
        load_model(tmp_path)
    fresh = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    loaded = load_model(tmp_path, modules={"posterior.net": fresh})
    assert loaded.posterior.net is fresh and torch.equal(fresh[0].weight, net[0].weight)
    with pytest.raises(Mistake, match=r"'posterior.net.0.weight': got .*\(3, 4\) and the spec wants \(9, 4\)"):
        load_model(tmp_path, modules={"posterior.net": nn.Sequential(nn.Linear(4, 9), nn.Tanh())})


PARTS = [
    "os:system", "builtins:eval", "vaekit.messages:Mistake", "vaekit.nowhere:Thing", "vaekit.models.vae:Nothing",
    "vaekit.__main__:main", "subprocess:Popen", "torch.nn:Linear", "no_such_module:X", "", ":", "vaekit", "vaekit:fit",
    "vaekit..x:y", "vaekit.a\x00b:c", 7, None, ["vaekit"],
]  # fmt: skip


@pytest.mark.parametrize("kind", PARTS, ids=str)
def test_what_is_no_part_is_refused(tmp_path: Path, kind: Any) -> None:
    change(saved(tmp_path), lambda spec: spec["model"].update({"$part": kind}))
    with pytest.raises(Mistake, match=r"spec.json, field 'model': unknown part "):
        load_model(tmp_path)


def nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


SPECS: list[tuple[Callable[[Any], object], str]] = [
    (lambda s: s.update(schema=99), r"field 'schema': got 99 and this vaekit reads up to 1: install a newer one"),
    (lambda s: s.update(schema="1"), r"field 'schema': got '1'"),
    (lambda s: s.pop("schema"), r"field 'schema': missing"),
    (lambda s: s.update(dtype="int8"), r"field 'dtype': got 'int8' and wanted one of float32"),
    (lambda s: s.update(dtype=[]), r"field 'dtype': got \[\]"),
    (lambda s: s.update(dtype="float64"), r"model.safetensors, .*got torch.float32 and the spec wants torch.float64"),
    (lambda s: s.update(model=3), r"field 'model': it holds no model"),
    (lambda s: s.update(model={}), r"field 'model': it is none of the known forms"),
    (lambda s: s["model"].pop("arguments"), r"field 'model': its arguments are missing"),
    (lambda s: s["model"]["arguments"].update(colour=1), r"field 'model': VAE cannot be built from these arguments"),
    (lambda s: s["model"]["arguments"].update(prior=None), r"VAE cannot be built|model.safetensors, field"),
    (lambda s: s["model"]["arguments"].update(prior={"$same": 77}), r"field 'prior': it refers to part 77, which"),
    (lambda s: s["model"]["arguments"].update(prior={"$same": []}), r"field 'prior': it refers to part \[\]"),
    (lambda s: s["model"]["arguments"].update(prior={"$torch": "Linear"}), r"field 'prior': unknown activation"),
    (lambda s: s["model"]["arguments"].update(prior={"$map": 3}), r"field 'prior': it is none of the known forms"),
    (lambda s: s["model"]["arguments"].update(prior=nest(200)), r"field 'prior.*': parts are nested too deeply"),
    (
        lambda s: s["model"]["arguments"].update(transform={
            "$part": "vaekit.data.transforms:Levels", "number": 50, "arguments": {"top": 0.0, "low": 0.0},
        }),
        r"field 'transform': Levels cannot be built from these arguments",
    ),
    (
        lambda s: s["model"]["arguments"]["posterior"]["arguments"]["net"]["arguments"].update(hidden=[10**400]),
        r"field 'posterior.net': MLP cannot be built from these arguments",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "message"), SPECS, ids=range(len(SPECS)))
def test_wrong_specs_are_refused_by_field(tmp_path: Path, edit: Callable[[Any], object], message: str) -> None:
    change(saved(tmp_path), edit)
    with pytest.raises(Mistake, match=message):
        load_model(tmp_path)


def test_gigantic_layers_cost_no_memory(tmp_path: Path) -> None:
    def grow(spec: Any) -> None:
        spec["model"]["arguments"]["posterior"]["arguments"]["net"]["arguments"]["hidden"] = [10**7, 10**5]

    change(saved(tmp_path), grow)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Mistake, match="model.safetensors, field 'posterior.net.layers"):
        load_model(tmp_path)  # 4 TB of weights
    assert time.perf_counter() - began < 2 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="spec.json does not exist: give a run's folder or a saved model's"):
        load_model(tmp_path)
    (saved(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(Mistake, match="model.safetensors does not exist: the folder is no complete saved model"):
        load_model(tmp_path)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    class Odd(Part):
        def __init__(self, thing: Any) -> None:
            super().__init__()

    with pytest.raises(Mistake, match=r"model.thing.1 holds a set, which cannot be saved"):
        save_model(Odd([1, {2}]), tmp_path, version="x")
    assert not (tmp_path / "model.safetensors").exists()
