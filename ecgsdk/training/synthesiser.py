"""The paper's synthesiser: a CNN + Bi-LSTM from one real ECG to one synthetic, with noise in between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ecgsdk.training.autoencoder import compare, jittered
from ecgsdk.training.loop import Ema, Stage, descend
from ecgsdk.training.losses import reconstruction_loss
from ecgsdk.training.networks import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = [
    "BLOCK",
    "NOISE_RANGE",
    "SynthesiserNetwork",
    "build_synthesiser",
    "principal_components",
    "synthesiser_stage",
]

BLOCK = 8
"""Samples of a block, which becomes one step of the latent signal."""

NOISE_RANGE = (0.02, 1.5)
"""Standard deviations of the latent noise that the network learns to live with; a latent channel has 1."""

_LEADS = 8
_TYPICAL_MV = 0.2
_SMALLEST_MV = 0.03
_EVALUATED = 512
_RECORDS_FOR_COMPONENTS = 4000


class SynthesiserNetwork(nn.Module):
    """8 leads × samples (mV) → latent channels × samples / 8, plus noise → 8 leads × samples (mV).

    The latent signal holds the first principal components of blocks of eight samples of eight leads, each with a
    standard deviation of 1. Of what noise leaves of it, a CNN + Bi-LSTM, told how much noise there is, makes the ECG
    that fits best; it corrects what the best linear estimate of white signals would be, latents / (1 + level²).
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.latent_channels = config.synthesiser_channels
        self.analysis = nn.Conv1d(_LEADS, self.latent_channels, BLOCK, stride=BLOCK, bias=False)
        self.synthesis = nn.ConvTranspose1d(self.latent_channels, _LEADS, BLOCK, stride=BLOCK, bias=False)
        for linear in (self.analysis, self.synthesis):
            linear.requires_grad_(False)
        inputs = self.latent_channels + 1
        self.decoder = Decoder(config.decoder_widths, inputs, config.decoder_blocks, config.decoder_noise)
        last = cast("nn.Conv1d", self.decoder.finest[-1])
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def set_components(self, vectors: Tensor, deviations: Tensor) -> None:
        """Takes principal components: vectors (leads × block, channels), standard deviations (channels,), mV."""
        kernels = vectors.T.reshape(self.latent_channels, _LEADS, BLOCK)
        self.analysis.weight.data = kernels / deviations[:, None, None]
        self.synthesis.weight.data = kernels * deviations[:, None, None]

    def forward(self, signals: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Signals (n, 8, samples), standard normal noise (n, channels, samples / 8), noise level (n, 1)."""
        latents = self.analysis(signals) + level[:, :, None] * noise
        told = (level + NOISE_RANGE[0]).log()[:, :, None].expand(-1, -1, latents.shape[-1])
        linear = self.synthesis(latents / (1 + level[:, :, None] ** 2))
        grain = torch.zeros_like(noise[:, : self.decoder.noise_channels]).repeat(1, 1, 2)
        return linear + self.decoder(torch.cat([latents, told], dim=1), grain)


def build_synthesiser(config: TrainConfig) -> SynthesiserNetwork:
    """An untrained synthesiser."""
    return SynthesiserNetwork(config)


def principal_components(signals: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Principal components of blocks of eight samples of eight leads, the largest first.

    Args:
        signals: mV, shape (n, 8, samples).
        channels: how many, up to 64.

    Returns:
        Vectors of shape (64, channels), and the standard deviations along them in mV, shape (channels,).
    """
    blocks = signals.unfold(2, BLOCK, BLOCK).transpose(1, 2).reshape(-1, _LEADS * BLOCK).double()
    values, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
    order = values.argsort(descending=True)[:channels]
    return vectors[:, order].float(), values[order].clamp_min(1e-12).sqrt().float()


def synthesiser_stage(
    config: TrainConfig, train: TrainingData, validation: TrainingData, device: torch.device
) -> Stage:
    """The synthesiser, trained to give back its source at noise levels drawn evenly on a logarithmic scale."""
    network = build_synthesiser(config)
    rows = torch.arange(0, len(train), max(1, len(train) // _RECORDS_FOR_COMPONENTS), device=device)
    network.set_components(*principal_components(train.millivolts(rows).cpu(), network.latent_channels))
    network.to(device)
    ema = Ema(network, config.synthesiser_ema).to(device)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.synthesiser_rate, weight_decay=1e-3)

    def step(number: int) -> dict[str, Tensor]:
        signals = jittered(train.millivolts(train.draw(config.synthesiser_batch)), config)
        noise, level = _noise(network, signals)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            made = network(signals, noise, level).float()
        size = _size(signals)
        loss = reconstruction_loss(made / size, signals / size) + config.synthesiser_error * _error(made, signals)
        descend(optimizer, trained, loss)
        ema.update(network, number)
        _copy_statistics(network, ema.average)
        return {"loss": loss.detach(), "rmse": (made - signals).pow(2).mean().sqrt().detach()}

    return Stage(
        "synthesiser",
        config,
        {"synthesiser": network, "average": ema},
        {"main": optimizer},
        config.synthesiser_steps,
        step,
        _evaluation(ema, validation),
        evaluate_every=250,
    )


def _noise(network: SynthesiserNetwork, signals: Tensor) -> tuple[Tensor, Tensor]:
    n, device = len(signals), signals.device
    low, high = (math.log(level) for level in NOISE_RANGE)
    level = torch.exp(low + (high - low) * torch.rand(n, 1, device=device))
    return torch.randn(n, network.latent_channels, signals.shape[-1] // BLOCK, device=device), level


def _size(signals: Tensor) -> Tensor:
    """What a record is divided by for the loss, so that ECGs of low voltage count as much: its RMS over 0.2 mV."""
    rms = (signals - signals.mean(dim=-1, keepdim=True)).square().mean(dim=(1, 2), keepdim=True).sqrt()
    return rms.clamp_min(_SMALLEST_MV) / _TYPICAL_MV


def _error(made: Tensor, signals: Tensor) -> Tensor:
    """Mean over records of the RMSE over the source's RMS: what the cosine similarity is lost by."""
    return ((made - signals).square().mean(dim=(1, 2)).sqrt() * (_TYPICAL_MV**-1) / _size(signals).flatten()).mean()


def _copy_statistics(network: nn.Module, average: nn.Module) -> None:
    """The averaged network takes the running statistics of batch normalisation as they are."""
    for mine, theirs in zip(average.buffers(), network.buffers()):
        mine.copy_(theirs)


def _evaluation(ema: Ema, validation: TrainingData) -> Callable[[], dict[str, float]]:
    """RMSE, median cosine a lead and power on held-out records, at noise levels of 0.1 and 0.3."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        network = cast("SynthesiserNetwork", ema.average.eval())
        rows = torch.arange(min(len(validation), _EVALUATED), device=validation.signals.device)
        signals = validation.millivolts(rows)
        figures: dict[str, float] = {}
        for value in (0.1, 0.3):
            noise, level = _noise(network, signals)
            made = network(signals, noise, torch.full_like(level, value))
            figures |= {f"{key}_{value:g}": figure for key, figure in compare(made, signals).items()}
        return figures

    return evaluate
