r"""Improving Multimodal Joint Variational Autoencoders through Normalizing Flows and Correlation Analysis: Senellart,
Chadebec and Allassonnière 2023, https://arxiv.org/abs/2305.11832.

.. math:: \mathrm{ELBO}(x), \quad \text{and for the flows alone } \sum_m KL(q(z|x) \| q_m(z|x_m))
"""

from __future__ import annotations

__all__ = ["jnf"]

import functools
from collections.abc import Mapping

from vaekit.data import Modalities
from vaekit.messages import require_count
from vaekit.networks.flows import Autoregressive, Reversed
from vaekit.objectives import ExpertFit, Recipe, Schedule
from vaekit.posteriors import Flow, Gaussian, JointOrFlows
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import joint_or_experts, multimodal, rising, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets",))
def jnf(
    *,
    flows: int = 2,
    flow_width: int = 128,
    beta: float | Schedule | None = None,
    weights: dict[str, float] | None = None,
    **mvae_arguments: object,
) -> Recipe:
    """A VAE of several modalities with one encoder of all, and an autoregressive flow of each that is fitted to it.

    The paper trains the flows after the rest. Here all are trained at once, and the flows' loss reaches the flows
    alone, so that the rest learns as it would without them. Not so with clip= and skip=, which go by one norm of all
    gradients; and keep="best" and early stopping go by valid_loss, which has the flows' loss in it. The projections of
    the paper's JNF-DCCA are not here.

    Args:
        flows: how many maps for each modality, each in the other order.
        flow_width: of the masked network of each.
        beta, weights, mvae_arguments: as for `mvae`.
    """
    combine = functools.partial(_joint_or_flows, flows=require_count("flows", flows), width=flow_width)
    model = multimodal(combine, **mvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, weighed(rising(beta), weights) + ExpertFit())


def _joint_or_flows(experts: Mapping[str, Gaussian], modalities: Modalities, *, flows: int, width: int) -> JointOrFlows:
    """The networks of JMVAE, each expert pushed through maps whose densities take one pass."""
    (latents,) = experts[modalities.names[0]].latent_shape
    bent = {
        name: Flow(q, [Reversed(Autoregressive(latents, hidden=[width], backwards=i % 2 == 1)) for i in range(flows)])
        for name, q in experts.items()
    }
    return JointOrFlows(joint_or_experts(experts, modalities).joint, bent, modalities)
