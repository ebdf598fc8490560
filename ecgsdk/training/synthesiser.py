"""The paper's synthesiser: a CNN + Bi-LSTM from one real ECG to one synthetic, with noise in between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgsdk.training.autoencoder import compare, jittered
from ecgsdk.training.loop import Ema, Stage, load_stage
from ecgsdk.training.losses import reconstruction_loss
from ecgsdk.training.networks import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["NOISE_RANGE", "SynthesiserNetwork", "build_synthesiser", "synthesiser_stage"]

NOISE_RANGE = (0.02, 0.6)
"""Standard deviations of the latent noise that the network learns to live with; a latent channel has 1."""

_TYPICAL_MV = 0.2
_SMALLEST_MV = 0.03
_EVALUATED = 512


class SynthesiserNetwork(nn.Module):
    """8 leads × samples (mV) → latent channels × samples / 8, plus noise → 8 leads × samples (mV).

    The decoder is told how much noise was added, so it gives the ECG that fits best to what is left of the source: the
    more noise, the less of the source's detail comes through and the nearer the result is to a typical ECG.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.latent_channels = config.synthesiser_channels
        self.encoder = Encoder(config.encoder_widths, self.latent_channels)
        inputs = self.latent_channels + 1
        self.decoder = Decoder(config.decoder_widths, inputs, config.decoder_blocks, config.decoder_noise)

    def forward(self, signals: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Signals (n, 8, samples), standard normal noise (n, channels, samples / 8), noise level (n, 1)."""
        latents = self.encoder(signals) + level[:, :, None] * noise
        told = (level + NOISE_RANGE[0]).log()[:, :, None].expand(-1, -1, latents.shape[-1])
        grain = torch.zeros_like(noise[:, : self.decoder.noise_channels]).repeat(1, 1, 2)
        return self.decoder(torch.cat([latents, told], dim=1), grain)


def build_synthesiser(config: TrainConfig) -> SynthesiserNetwork:
    """An untrained synthesiser."""
    return SynthesiserNetwork(config)


def synthesiser_stage(
    config: TrainConfig, folder: Path, train: TrainingData, validation: TrainingData, device: torch.device
) -> Stage:
    """The synthesiser, trained to give back its source at noise levels drawn evenly on a logarithmic scale.

    It begins as the run's autoencoder with more latent channels, which do nothing yet.
    """
    network = build_synthesiser(config)
    _begin_as_autoencoder(network, load_stage(folder, "autoencoder")["networks"])
    network.to(device)
    ema = Ema(network, config.synthesiser_ema).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.synthesiser_rate, weight_decay=1e-3)

    def step(number: int) -> dict[str, Tensor]:
        signals = jittered(train.millivolts(train.draw(config.synthesiser_batch)), config)
        noise, level = _noise(network, signals)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            made = network(signals, noise, level).float()
        size = _size(signals)
        loss = reconstruction_loss(made / size, signals / size) + config.synthesiser_error * _error(made, signals)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
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


def _begin_as_autoencoder(network: SynthesiserNetwork, stored: dict[str, dict[str, Tensor]]) -> None:
    """Weights of the autoencoder where it has them; what leads from the new channels into the decoder is zero."""
    with torch.no_grad():
        entry = network.decoder.coarse[0]
        entry.weight.zero_()  # type: ignore[operator, union-attr]
        for part, weights in ((network.encoder, stored["encoder"]), (network.decoder, stored["decoder"])):
            for name, target in part.state_dict().items():
                known = weights[name]
                target[tuple(slice(size) for size in known.shape)] = known


def _noise(network: SynthesiserNetwork, signals: Tensor) -> tuple[Tensor, Tensor]:
    n, device = len(signals), signals.device
    low, high = (math.log(level) for level in NOISE_RANGE)
    level = torch.exp(low + (high - low) * torch.rand(n, 1, device=device))
    return torch.randn(n, network.latent_channels, signals.shape[-1] // 8, device=device), level


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
    """RMSE, median cosine a lead and power on held-out records at the least noise, and at 0.1."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        network = ema.average.eval()
        rows = torch.arange(min(len(validation), _EVALUATED), device=validation.signals.device)
        signals = validation.millivolts(rows)
        figures: dict[str, float] = {}
        for name, value in (("", 0.0), ("_noisy", 0.1)):
            noise, level = _noise(network, signals)  # type: ignore[arg-type]
            made = network(signals, noise, torch.full_like(level, value))
            figures |= {f"{key}{name}": figure for key, figure in compare(made, signals).items()}
        return figures

    return evaluate
