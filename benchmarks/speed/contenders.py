"""The same training, sampling, encoding and scoring by vaekit, pythae, a loop written by hand and a jitted JAX scan.

Each contender is a function of a case and its images that returns a `Timed`: callables that do one round and return
its seconds, and the held-out bound afterwards, by which all are compared.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cases import Case, discriminator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, logsigmoid, softplus


@dataclass
class Timed:
    """What a contender can do.

    Attributes:
        train: all passes over the items with a new model, after which `bound` is asked: seconds.
        bound: the held-out bound of the model that was trained last, nats an item.
        sample: that many items from the prior: seconds, or None.
        encode: the means of all training items' latents: seconds, or None.
        items: seen by train, where they are not the case's.
    """

    train: Callable[[], float]
    bound: Callable[[], float]
    sample: Callable[[int], float] | None = None
    encode: Callable[[], float] | None = None
    items: int | None = None


def seconds_of(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def parts_of(n: int) -> list[int]:
    """n in parts of at most 1,000."""
    return [min(1000, n - start) for start in range(0, n, 1000)]


# -- vaekit ---------------------------------------------------------------------------------------------------


class Logits(nn.Module):
    """In place of a likelihood's head, where the network's own last layer gives the logits."""

    pictures = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, leading: Any = None) -> tuple[Tensor, ...]:
        return (x if leading is None else x.unflatten(0, leading),)

    def start_at(self, which: int, values: Tensor) -> None:
        """Leaves the layer as it is, as the others do."""


def of_vaekit(case: Case, x: Tensor, held: Tensor, **settings: Any) -> Timed:
    import vaekit as vk
    from vaekit.objectives import ELBO, IWAE, Recipe
    from vaekit.training import Fitter, Loader, Settings

    kept: list[Any] = []

    def made() -> Recipe:
        torch.manual_seed(0)
        objective = IWAE(samples=case.samples) if case.samples > 1 else ELBO()
        if case.kind == "vq":
            return vq_vae()
        if case.dense:
            shape = {"shape": case.shape, "latent_dim": case.latents, "hidden": [case.features]}
            shape["likelihood"] = vk.likelihoods.Bernoulli()
            if case.kind == "game":
                return vk.recipes.factor_vae(**shape, discriminator=discriminator(case.latents))
            return Recipe(vk.recipes.vae(**shape).model, objective)
        likelihood = vk.likelihoods.Bernoulli(case.decoder(case.latents), case.shape, features=case.shape)
        likelihood.head = Logits(case.shape)
        posterior = vk.posteriors.Gaussian(case.encoder(), case.latents, features=case.features)
        model = vk.VAE(vk.priors.StandardNormal(case.latents), posterior, likelihood)
        return Recipe(model, objective)

    def vq_vae() -> Recipe:
        """A code for each latent, as pythae has it: its flat encoders give as many places, of one number each.

        The squared error is -log p(x|z) of variance 1/2 but for a constant, what ties the codes a mean over places.
        """
        codebook = vk.networks.Codebook(512, 1, decay=None)
        flat = vk.likelihoods.Gaussian(
            vk.networks.MLP(case.latents, [case.features]), case.shape,
            scale=vk.likelihoods.FixedScale(0.5), link=nn.Sigmoid,
        )  # fmt: skip
        posterior = vk.posteriors.Quantized(vk.networks.MLP(case.shape, [case.features]), codebook, case.latents)
        model = vk.VAE(vk.priors.UniformCodes(codebook, case.latents), posterior, flat)
        return Recipe(model, vk.objectives.Reconstruction() + vk.objectives.Commitment() * (1 / case.latents))

    def train() -> float:
        recipe = made()
        loader = Loader(x, None, recipe.model, batch_size=case.batch, seed=0, device=torch.device("cpu"))
        wanted = Settings(epochs=case.passes, batch_size=case.batch, lr=case.lr, lr_schedule="constant", **settings)
        fitter = Fitter(recipe, loader, None, wanted, show=False)
        fitter.run()
        kept[:] = [recipe.model.eval(), recipe.objective]
        return fitter.seconds

    @torch.no_grad()
    def bound() -> float:
        model, objective = kept
        torch.manual_seed(1)
        parts = held.float().split(100)
        if case.kind == "vq":
            errors = [(model.reconstruct(p, mean=True) - p).square().flatten(1).sum(1) for p in parts]
            return -float(torch.cat(errors).mean())
        if not case.dense:
            model.train()  # after a few steps the averages of batch normalisation still hold their start
        objective = objective.first.parts[0] if case.kind == "game" else objective
        return float(torch.cat([objective.bound(model, model.trace(p, samples=case.samples)) for p in parts]).mean())

    def sample(n: int) -> float:
        return seconds_of(lambda: [kept[0].sample(m) for m in parts_of(n)])

    def encode() -> float:
        with torch.no_grad():
            return seconds_of(lambda: [kept[0].encode(part).mean for part in x.split(1000)])

    return Timed(train, bound, sample, encode)


# -- by hand --------------------------------------------------------------------------------------------------


class ByHand(nn.Module):
    """The same networks and bound, nothing else."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.samples, self.latents = case.samples, case.latents
        self.encoder, self.decoder = case.encoder(), case.decoder(case.latents)
        self.head = nn.Linear(case.features, (1 if case.kind == "vq" else 2) * case.latents)
        if case.kind == "vq":
            self.codes = nn.Parameter(torch.empty(512, 1).uniform_(-1 / 512, 1 / 512))
        if case.kind == "game":
            self.discriminator = discriminator(case.latents)

    def forward(self, x: Tensor) -> Tensor:
        """The bound of each item, (B,)."""
        return self.traced(x)[0]

    def quantized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The squared error and the terms of the codebook, (B,) each."""
        f = self.head(self.encoder(x))
        with torch.no_grad():
            apart = torch.addmm(self.codes.square().sum(1), f.reshape(-1, 1), self.codes.T, alpha=-2)
        e = self.codes[apart.argmin(1)].view_as(f)
        lost = (self.decoder(f + (e - f).detach()).sigmoid() - x).square().flatten(1).sum(1)
        return -lost, (0.25 * (f - e.detach()).square() + (e - f.detach()).square()).mean(1)

    def traced(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The bound and z."""
        mean, log_scale = self.head(self.encoder(x)).chunk(2, -1)
        if self.samples == 1:
            z = torch.addcmul(mean, log_scale.exp(), torch.randn_like(mean))
            logits = self.decoder(z).float()  # scores are float32 whatever the networks' precision
            lost = binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
            return -lost - 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1), z
        noise = torch.randn(self.samples, *mean.shape)
        z = torch.addcmul(mean, log_scale.exp(), noise)
        logits = self.decoder(z.flatten(0, 1)).float().view(*z.shape[:2], -1)  # (K, B, D)
        log_px = torch.einsum("kbd,bd->kb", logits, x.flatten(1)) + logsigmoid(-logits).sum(-1)
        log_w = log_px + 0.5 * (noise.square() - z.square()).sum(-1) + log_scale.sum(-1)
        return torch.logsumexp(log_w, 0) - torch.log(torch.tensor(float(self.samples))), z


def by_hand(case: Case, x: Tensor, held: Tensor, *, precision: str = "float32", compile: str = "off") -> Timed:
    kept: list[ByHand] = []

    def batches() -> Iterator[Tensor]:
        for _ in range(case.passes):
            yield from torch.randperm(len(x)).split(case.batch)

    def train() -> float:
        torch.manual_seed(0)
        model = ByHand(case).train()
        score: Any = torch.compile(model, dynamic=False) if compile == "on" else model
        narrow = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        optimizer = torch.optim.Adam(model.parameters(), lr=case.lr, fused=True)
        theirs = list(model.discriminator.parameters()) if case.kind == "game" else []
        own = [p for p in model.parameters() if id(p) not in set(map(id, theirs))]
        began = time.perf_counter()
        for rows in batches():
            optimizer.zero_grad()
            if case.kind == "vq":
                bound, tied = model.quantized(x[rows].float())
                (tied - bound).mean().backward()
            elif case.kind == "game":
                bound, z = model.traced(x[rows].float())
                loss = (6 * model.discriminator(z).squeeze(1) - bound).mean()
                loss.backward(inputs=own)
                apart = z.detach().gather(0, torch.rand_like(z).argsort(0))
                a, b = model.discriminator(torch.cat([z.detach(), apart])).squeeze(1).chunk(2)
                (0.5 * (softplus(-a) + softplus(b)).mean()).backward(inputs=theirs)
            else:
                with narrow:
                    loss = -score(x[rows].float()).mean()
                loss.backward()
            optimizer.step()
        spent = time.perf_counter() - began
        kept[:] = [model.eval()]
        return spent

    @torch.no_grad()
    def bound() -> float:
        torch.manual_seed(1)
        model = kept[0].train(not case.dense)
        score = (lambda part: model.quantized(part)[0]) if case.kind == "vq" else model
        return float(torch.cat([score(part) for part in held.float().split(100)]).mean())

    @torch.no_grad()
    def sample(n: int) -> float:
        model = kept[0]
        return seconds_of(lambda: [model.decoder(torch.randn(m, case.latents)).sigmoid() for m in parts_of(n)])

    @torch.no_grad()
    def encode() -> float:
        model = kept[0]
        return seconds_of(lambda: [model.head(model.encoder(part.float())).chunk(2, -1)[0] for part in x.split(1000)])

    return Timed(train, bound, sample, encode)


# -- pythae ---------------------------------------------------------------------------------------------------


def of_pythae(case: Case, x: Tensor, held: Tensor) -> Timed:
    logging.disable(logging.WARNING)
    from pythae.data.datasets import BaseDataset
    from pythae.models import IWAE, VAE, VQVAE, FactorVAE, FactorVAEConfig, IWAEConfig, VAEConfig, VQVAEConfig
    from pythae.models.nn.benchmarks.cifar import Decoder_Conv_AE_CIFAR, Encoder_Conv_VAE_CIFAR
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig, BaseTrainer, BaseTrainerConfig

    kept: list[Any] = []
    data = BaseDataset(x.float(), torch.zeros(len(x)))

    def made() -> Any:
        torch.manual_seed(0)
        shared = {"input_dim": case.shape, "latent_dim": case.latents, "reconstruction_loss": "bce"}
        if case.samples > 1:
            return IWAE(IWAEConfig(number_samples=case.samples, **shared))
        if case.kind == "vq":
            return VQVAE(VQVAEConfig(input_dim=case.shape, latent_dim=case.latents, num_embeddings=512))
        if case.kind == "game":
            return FactorVAE(FactorVAEConfig(gamma=6.0, **shared))
        config = VAEConfig(**shared)
        if case.dense:
            return VAE(config)
        if case.shape[0] == 3:
            return VAE(config, encoder=Encoder_Conv_VAE_CIFAR(config), decoder=Decoder_Conv_AE_CIFAR(config))
        return VAE(config, encoder=Encoder_Conv_VAE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))

    def train() -> float:
        game = case.kind == "game"
        rates = ["autoencoder_learning_rate", "discriminator_learning_rate"] if game else ["learning_rate"]
        config = (AdversarialTrainerConfig if game else BaseTrainerConfig)(
            output_dir=tempfile.mkdtemp(), num_epochs=1, no_cuda=True,
            per_device_train_batch_size=case.batch * (2 if game else 1),  # its FactorVAE reconstructs half of a batch
            **dict.fromkeys(rates, case.lr),
        )  # fmt: skip
        trainer = (AdversarialTrainer if game else BaseTrainer)(made(), train_dataset=data, training_config=config)
        trainer.prepare_training()
        trainer.callback_handler.callbacks.clear()
        passes = case.passes * (2 if game else 1)
        spent = sum(seconds_of(lambda e=e: trainer.train_step(epoch=e)) for e in range(1, 1 + passes))
        kept[:] = [trainer.model.eval()]
        return spent

    @torch.no_grad()
    def bound() -> float:
        torch.manual_seed(1)
        model = kept[0].train(not case.dense)

        def lost(part: Tensor) -> float:
            if case.kind == "game":  # the ELBO alone, of all items
                code = model.encoder(part)
                mean, log_variance = code.embedding, code.log_covariance
                z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
                rate = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
                made = model.decoder(z).reconstruction.flatten(1)
                return float((binary_cross_entropy(made, part.flatten(1), reduction="none").sum(1) + rate).mean())
            found = model(BaseDataset(part, part)[slice(None)])
            return float(found.recon_loss if case.kind == "vq" else found.loss)

        parts = held.float().split(100)
        return -sum(lost(part) for part in parts) / len(parts)

    @torch.no_grad()
    def sample(n: int) -> float:
        model = kept[0]
        return seconds_of(lambda: [model.decoder(torch.randn(m, case.latents)).reconstruction for m in parts_of(n)])

    @torch.no_grad()
    def encode() -> float:
        return seconds_of(lambda: [kept[0].encoder(part.float()).embedding for part in x.split(1000)])

    return Timed(train, bound, sample, encode)


# -- JAX ------------------------------------------------------------------------------------------------------


def of_jax(case: Case, x: Tensor, held: Tensor) -> Timed:
    """One jitted scan over an epoch: a VAE in Flax, Adam in optax.

    The gradient of its transposed convolutions takes half a minute for a batch on this kind of machine, so that the
    convolutional net makes one jitted step a round.
    """
    import flax.linen as fnn
    import jax
    import jax.numpy as jnp
    import optax

    def halved(h: Any, *channels: int) -> Any:
        for wide in channels:
            h = fnn.Conv(wide, (4, 4), (2, 2), ((1, 1), (1, 1)))(h)
            h = fnn.relu(fnn.BatchNorm(use_running_average=False)(h))
        return h.reshape(len(h), -1)

    def doubled(h: Any) -> Any:
        h = fnn.Dense(1024 * 4 * 4)(h).reshape(-1, 4, 4, 1024)
        for wide, more in ((512, 0), (256, 1)):
            h = fnn.ConvTranspose(wide, (3, 3), (2, 2), ((1, 1 + more), (1, 1 + more)))(h)
            h = fnn.relu(fnn.BatchNorm(use_running_average=False)(h))
        return fnn.ConvTranspose(1, (3, 3), (2, 2), ((1, 2), (1, 2)))(h).reshape(len(h), -1)

    class Vae(fnn.Module):
        @fnn.compact
        def __call__(self, x: Any, key: Any) -> Any:
            h = fnn.relu(fnn.Dense(512)(x)) if case.dense else halved(x.reshape(-1, 28, 28, 1), 128, 256, 512, 1024)
            mean, log_scale = jnp.split(fnn.Dense(2 * case.latents)(h), 2, -1)
            z = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
            logits = fnn.Dense(784)(fnn.relu(fnn.Dense(512)(z))) if case.dense else doubled(z)
            lost = optax.sigmoid_binary_cross_entropy(logits, x).sum(-1)
            return -lost - 0.5 * (mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale).sum(-1)

    model, optimizer = Vae(), optax.adam(case.lr)
    x = x if case.dense else x[: case.batch]
    flat = jnp.asarray(x.flatten(1).numpy())
    steps = len(x) // case.batch
    kept: list[Any] = []

    def scored(weights: Any, x: Any, key: Any) -> Any:
        """The bound of each item; the averages of batch normalisation, which nothing reads here, are dropped."""
        return model.apply({"params": weights}, x.astype(jnp.float32), key, mutable=["batch_stats"])[0]

    def step(state: Any, given: Any) -> Any:
        weights, moments = state
        rows, key = given

        def loss(weights: Any) -> Any:
            return -scored(weights, flat[rows], key).mean()

        value, gradient = jax.value_and_grad(loss)(weights)
        change, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(weights, change), moments), value

    @jax.jit
    def epoch(state: Any, key: Any) -> Any:
        order, noise = jax.random.split(key)
        if not case.dense:
            return step(state, (jax.random.permutation(order, len(flat)), noise))
        rows = jax.random.permutation(order, len(flat))[: steps * case.batch].reshape(steps, case.batch)
        return jax.lax.scan(step, state, (rows, jax.random.split(noise, steps)))

    def train() -> float:
        key = jax.random.PRNGKey(0)
        weights = model.init(key, jnp.zeros((1, 784)), key)["params"]
        state = (weights, optimizer.init(weights))
        began = time.perf_counter()
        for _ in range(case.passes):
            state, _ = jax.block_until_ready(epoch(state, key))
        spent = time.perf_counter() - began
        kept[:] = [state[0]]
        return spent

    def bound() -> float:
        parts = [jnp.asarray(part.flatten(1).numpy()) for part in held.split(100)]
        return float(np.mean([scored(kept[0], part, jax.random.PRNGKey(1)).mean() for part in parts]))

    return Timed(train, bound, items=len(x) * case.passes)


CONTENDERS: dict[str, Callable[..., Timed]] = {
    "vaekit": of_vaekit,
    "by hand": by_hand,
    "pythae 0.1.2": of_pythae,
    "JAX scan": of_jax,
}
