"""Recipes: one composition a paper, loaded when it is asked for."""

from __future__ import annotations

__all__ = ["RECIPES", "names", "recipe"]

import importlib
from typing import Any

# name: (file, what it is, in one line)
RECIPES: dict[str, tuple[str, str]] = {
    "pca": ("pearson1901", "principal components, at their closed form"),
    "ppca": ("tipping1999", "probabilistic PCA: the linear VAE at its closed form"),
    "linear_autoencoder": ("baldi1989", "a linear autoencoder, trained by gradient: PCA's subspace, not its axes"),
    "autoencoder": ("hinton2006", "a deep autoencoder: no prior, no rate, holes in the latent space"),
    "vae": ("kingma2014", "the VAE with fully connected networks"),
    "vae_conv": ("kingma2014", "the VAE with convolutional networks, for pictures of any size"),
    "beta_vae": ("higgins2017", "the VAE with its rate weighed by beta"),
    "conditional_vae": ("sohn2015", "a VAE given a class or covariates: draws what you ask for"),
    "conditional_prior_vae": ("sohn2015", "a VAE given a class or covariates, with a prior learned from them"),
    "ivae": ("khemakhem2020", "latents made identifiable by a variable that decides their prior"),
    "m2": ("kingma2014b", "a VAE and a classifier, from few labels and many items without"),
    "iwae": ("burda2016", "the importance-weighted bound, tighter with every draw"),
    "vq_vae": ("oord2017", "codes from a codebook in place of real latents: compression, and priors over codes"),
    "fsq_vae": ("mentzer2023", "codes by rounding a few numbers: no codebook, all codes in use"),
    "lfq_vae": ("yu2023", "codes by signs, kept in use by their entropy"),
    "bsq_vae": ("zhao2024", "codes by signs on the unit sphere: many bits a place"),
    "sim_vq_vae": ("zhu2024", "a codebook that moves as one, by a linear map"),
    "rotation_vq_vae": ("fifty2024", "a VQ-VAE whose gradient is turned, not passed straight through"),
    "rvq_vae": ("lee2022", "several codes a place, each of what those before it left"),
    "grouped_vq_vae": ("jegou2011", "several codes a place, each for a part of the vector"),
    "sq_vae": ("takida2022", "codes drawn at random, less and less so by themselves"),
    "vq_vae_2": ("razavi2019vq", "codes on two maps, the fine one's given the coarse one's"),
    "multiply_iwae": ("rainforth2018", "several importance-weighted bounds, averaged"),
    "ciwae": ("rainforth2018", "a mixture of the ELBO and the importance-weighted bound"),
    "piwae": ("rainforth2018", "a tight bound for the decoder, a quiet one for the encoder"),
    "renyi_vae": ("li2016", "the variational Renyi bound, between IWAE and the ELBO"),
    "tvo_vae": ("masrani2019", "the thermodynamic objective"),
    "stl_vae": ("roeder2017", "a gradient that is still where the posterior is exact"),
    "dreg": ("tucker2019", "IWAE with an encoder gradient that keeps its signal"),
    "free_bits_vae": ("kingma2016", "some nats of every latent are free, which keeps it in use"),
    "annealed_vae": ("burgess2018", "a rate led to a capacity that grows"),
    "beta_tc_vae": ("chen2018", "the total correlation alone is weighed by beta"),
    "dip_vae_i": ("kumar2018", "uncorrelated posterior means"),
    "dip_vae_ii": ("kumar2018", "an aggregate posterior of covariance I"),
    "info_vae": ("zhao2019", "the prior is met as a whole, by MMD"),
    "wae_mmd": ("tolstikhin2018", "a deterministic encoder matched to the prior by MMD"),
    "wae_gan": ("tolstikhin2018", "a deterministic encoder matched to the prior by a discriminator"),
    "aae": ("makhzani2015", "codes that a discriminator cannot tell from the prior"),
    "avb": ("mescheder2017", "a posterior of any form: a network of the item and of noise"),
    "sivi_vae": ("yin2018", "a posterior of any form without a discriminator: Gaussians mixed by a network of noise"),
    "importance_weighted_sivi_vae": ("yin2018", "the same on its importance-weighted bound"),
    "vae_gan": ("larsen2016", "sharp pictures: judged in a discriminator's features, which they have to fool"),
    "sliced_wae": ("kolouri2019", "a deterministic encoder matched in every projection"),
    "sinkhorn_ae": ("patrini2020", "a deterministic encoder matched to the prior by optimal transport"),
    "rae_l2": ("ghosh2020", "a deterministic autoencoder with small codes and weights"),
    "rae_gp": ("ghosh2020", "a deterministic autoencoder with a smooth decoder"),
    "rae_sn": ("ghosh2020", "a deterministic autoencoder whose decoder's layers stretch nothing"),
    "denoising_autoencoder": ("vincent2008", "items made whole from noisy ones"),
    "contractive_autoencoder": ("rifai2011", "codes that hardly move when the item does"),
    "sparse_autoencoder": ("ranzato2007", "few codes in use for an item"),
    "dfc_vae": ("hou2017", "pictures compared in the layers of a frozen network, not in pixels"),
    "ms_ssim_vae": ("snell2017", "pictures compared by their structure at several scales"),
    "focal_frequency_vae": ("jiang2021", "the VAE that also pays for the frequencies it misses"),
    "log_cosh_vae": ("chen2019", "the VAE with the log-cosh likelihood, robust to outliers"),
    "geco_vae": ("rezende2018", "the least rate at a distortion that you allow"),
    "control_vae": ("shao2020", "a rate held by a controller"),
    "vampprior": ("tomczak2018", "the prior is the mean of posteriors of learned pseudo-inputs"),
    "mixture_vae": ("dilokthanakul2016", "the prior is a learned mixture of Gaussians"),
    "planar_vae": ("rezende2015", "a posterior bent by planar flows"),
    "radial_vae": ("rezende2015", "a posterior bent around centres"),
    "householder_vae": ("tomczak2016", "a posterior with a covariance, turned by Householder reflections"),
    "iaf_vae": ("kingma2016", "a posterior bent by inverse autoregressive flows"),
    "naf_vae": ("huang2018", "a posterior bent by monotone networks of each latent, into any form"),
    "sylvester_vae": ("berg2018", "a posterior bent along several directions at once, by Sylvester flows"),
    "householder_sylvester_vae": ("berg2018", "Sylvester flows in all directions, turned by Householder reflections"),
    "flow_prior_vae": ("chen2017", "the prior is an autoregressive flow, learned with the model"),
    "realnvp_prior_vae": ("xu2019", "the prior is a flow of affine couplings, learned with the model"),
    "spline_prior_vae": ("durkan2019", "the prior is a flow of monotone splines, learned with the model"),
    "logistic_normal_vae": ("srivastava2017", "latents are shares of a whole, about Dirichlet"),
    "lars_vae": ("bauer2019", "the prior is what is left of N(0, I) by learned rejection"),
    "gmvae": ("dilokthanakul2016", "clusters: the component of the mixture is inferred, all of them summed over"),
    "vade": ("jiang2017", "clusters: the component of the mixture is inferred from the latents"),
    "ml_vae": ("bouchacourt2018", "groups of items with some latents in common, by the product of their posteriors"),
    "group_vae": ("hosoya2019", "groups of items with some latents in common, by the average of their posteriors"),
    "ada_gvae": ("locatello2020", "pairs that share some factors, nobody knows which: what agrees is averaged"),
    "ada_ml_vae": ("locatello2020", "pairs that share some factors: what agrees is multiplied"),
    "factor_vae": ("kim2018", "a VAE whose latents are pushed to be independent, by a discriminator"),
    "ladder_vae": ("sonderby2016", "several levels of latents, inferred from the top down"),
    "vamp_hvae": ("tomczak2018", "two levels of latents under a prior of learned pseudo-inputs"),
    "vdvae": ("child2021", "many levels of latent maps, from coarse to fine, for pictures"),
    "nvae": ("vahdat2020", "many levels of latent maps, each posterior a residual of its prior, for pictures"),
    "pixel_vae": ("gulrajani2017", "pixels that see those before them, and latents for what is far apart"),
    "gumbel_vae": ("jang2017", "categorical latents, relaxed while they are trained"),
    "straight_through_gumbel_vae": ("jang2017", "categorical latents, one-hot with the relaxed gradient"),
    "categorical_vae": ("kool2019", "categorical latents without relaxation, draws compared with each other"),
    "reinforce_vae": ("kool2019", "binary latents without relaxation, draws compared with each other"),
    "vimco_vae": ("mnih2016", "binary latents on the importance-weighted bound, without relaxation"),
    "disarm_vae": ("dong2020", "binary latents without relaxation, draws compared with antithetic ones"),
    "relax_vae": ("grathwohl2018", "binary latents without relaxation, with a learned control variate"),
    "rebar_vae": ("tucker2017", "binary latents without relaxation, the relaxed model as control variate"),
    "wake_sleep": ("hinton1995", "the Helmholtz machine: an encoder that learns from the model's dreams"),
    "reweighted_wake_sleep": ("bornschein2015", "an encoder that learns from weighed draws"),
    "cyclical_vae": ("fu2019", "the rate's weight rises from 0 to 1 again and again"),
    "bn_vae": ("zhu2020", "means normalised over the batch, which hold the rate up"),
    "delta_vae": ("razavi2019", "a correlated prior, against which some rate is always paid"),
    "joint_vae": ("dupont2018", "Gaussian and categorical latents, each kind with a capacity of its own"),
    "chi_vae": ("dieng2017", "a posterior that minimises an upper bound on log p(x)"),
    "lagging_vae": ("he2019", "an encoder that moves several times for each move of the decoder"),
    "sa_vae": ("kim2018sa", "posteriors improved by some steps of inference an item"),
    "svae": ("davidson2018", "latents on a sphere, where no place is the centre"),
    "power_spherical_vae": ("decao2020", "latents on a sphere, drawn without rejection"),
    "poincare_vae": ("mathieu2019", "latents in a hyperbolic space, for data with a hierarchy"),
    "hyperbolic_vae": ("nagano2019", "latents in a hyperbolic space, read off the hyperboloid"),
    "hamiltonian_vae": ("caterini2018", "draws that take steps along the model's own gradients"),
    "riemannian_hvae": ("chadebec2020", "Hamiltonian steps in a learned metric: lengths differ from place to place"),
    "miwae": ("mattei2019", "a VAE for tables with missing values, by the importance-weighted bound"),
    "mvae": ("wu2018", "several modalities, any of them missing: a product of experts"),
    "mmvae": ("shi2019", "several modalities: a mixture of experts, by an importance-weighted bound"),
    "mopoe_vae": ("sutter2021", "several modalities: a mixture of products of experts, of all subsets"),
    "mvtcae": ("hwang2021", "several modalities: what they have in common, by their total correlation"),
    "jmvae": ("suzuki2016", "several modalities: an encoder of all, and one of each that is drawn to it"),
    "telbo_vae": ("vedantam2018", "several modalities: an encoder of all, and one of each with a bound of its own"),
    "dmvae": ("lee2021", "several modalities: shared latents, and latents of each one's own"),
    "mmvae_plus": ("palumbo2023", "several modalities: a mixture of experts with latents of each one's own"),
}


def names() -> list[str]:
    """The names of all recipes."""
    return list(RECIPES)


def __getattr__(name: str) -> Any:
    if name in RECIPES:
        return getattr(importlib.import_module(f"vaekit.recipes.{RECIPES[name][0]}"), name)
    if name == "recipe":
        return importlib.import_module("vaekit.recipes.choose").recipe
    raise AttributeError(f"vaekit.recipes has no {name!r}; it has {', '.join(RECIPES)}")


def __dir__() -> list[str]:
    return sorted([*RECIPES, *__all__])
