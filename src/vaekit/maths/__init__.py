"""Pure functions on tensors."""

from __future__ import annotations

__all__ = [
    "SCALES", "CentredMetric", "annealed_log_mean", "ball_exp", "ball_log", "increasing_root", "inside", "langevin",
    "log_bessel", "log_conformal", "log_mean_exp", "log_mean_exp_error", "log_spread", "mean_over_items", "mobius_add",
    "rational_quadratic", "riemannian_leapfrog", "rotated", "shrunk", "similarity", "similarity_scales",
    "similarity_window", "straight_through", "sum_event", "tempered_leapfrog", "turned", "vmf_gap",
]  # fmt: skip

from vaekit.maths.annealing import annealed_log_mean
from vaekit.maths.bessel import log_bessel
from vaekit.maths.directions import vmf_gap
from vaekit.maths.langevin import langevin
from vaekit.maths.leapfrog import tempered_leapfrog
from vaekit.maths.logs import log_mean_exp, log_mean_exp_error
from vaekit.maths.planes import shrunk, turned
from vaekit.maths.poincare import ball_exp, ball_log, inside, log_conformal, log_spread, mobius_add
from vaekit.maths.riemannian import CentredMetric, riemannian_leapfrog
from vaekit.maths.roots import increasing_root
from vaekit.maths.splines import rational_quadratic
from vaekit.maths.structure import SCALES, similarity, similarity_scales, similarity_window
from vaekit.maths.tensors import mean_over_items, rotated, straight_through, sum_event
