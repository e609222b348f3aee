"""Writes the golden model: run `python tests/storage/make_golden.py` only where a change of the format is meant."""

from __future__ import annotations

import json
from pathlib import Path

import torch

import vaekit as vk
from vaekit.storage import save_model

GOLDEN = Path(__file__).parent / "golden"


def main() -> None:
    torch.manual_seed(0)
    context = vk.data.Context({"kind": {"levels": ["a", "b"]}, "age": {"mean": 40.0, "scale": 10.0}})
    model = vk.recipes.conditional_vae(
        shape=(4,), latent_dim=2, hidden=[5], context=context, likelihood=vk.likelihoods.Gaussian(),
        transform=vk.data.transforms.Standardize((4,), per_feature=True),
    ).model.eval()  # fmt: skip
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, -1.0, 2.0, 0.5], [5.0, 5.0, 5.0, 5.0]])
    y = {"kind": ["a", "b", "b"], "age": [30.0, 45.0, 60.0]}
    model.transform.before_fit(x, {}, 3)
    save_model(model, GOLDEN, version="golden")
    with torch.no_grad():
        q = model.encode(x, y)
        p = model.decode(q.mean, y)
        expected = {
            "x": x.tolist(), "y": y, "mean": q.mean.tolist(), "scale": q.stddev.tolist(),
            "decoded": p.mean.tolist(), "log_prob": p.log_prob(x).tolist(),
        }  # fmt: skip
    (GOLDEN / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
