"""Autoencoder stage, and the adversarial stage that gives the decoder the grain of real recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ecgsdk.training.loop import Ema, Stage, descend, load_stage, load_weights
from ecgsdk.training.losses import (
    Discriminators,
    adversarial_losses,
    decoding_losses,
    discriminator_loss,
    reconstruction_loss,
)
from ecgsdk.training.networks import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = [
    "adversarial_stage",
    "autoencoder_stage",
    "build_decoder",
    "build_encoder",
    "decoder_noise",
    "freeze_statistics",
    "jittered",
    "load_encoder",
]


def build_encoder(config: TrainConfig) -> Encoder:
    """An untrained encoder."""
    return Encoder(config.encoder_widths, config.latent_channels)


def build_decoder(config: TrainConfig) -> Decoder:
    """An untrained decoder."""
    return Decoder(config.decoder_widths, config.latent_channels, config.decoder_blocks, config.decoder_noise)


def load_encoder(folder: Path, config: TrainConfig, device: torch.device) -> Encoder:
    """The trained encoder, frozen."""
    encoder = build_encoder(config)
    load_weights(encoder, load_stage(folder, "autoencoder")["networks"]["encoder"], "autoencoder")
    return encoder.to(device).eval().requires_grad_(False)


def decoder_noise(decoder: Decoder, latents: Tensor) -> Tensor:
    """Fresh noise of the shape that the decoder takes beside these latents."""
    return torch.randn(len(latents), decoder.noise_channels, 2 * latents.shape[-1], device=latents.device)


def autoencoder_stage(
    config: TrainConfig, train: TrainingData, validation: TrainingData, device: torch.device
) -> Stage:
    """Encoder and decoder, trained to give back the signal from noisy latents."""
    encoder, decoder = build_encoder(config).to(device), build_decoder(config).to(device)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.autoencoder_rate, weight_decay=1e-3)

    def step(_: int) -> dict[str, Tensor]:
        signals = jittered(train.millivolts(train.draw(config.autoencoder_batch)), config)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            latents = encoder(signals)
            latents = latents + config.latent_noise * torch.randn_like(latents)
            made = decoder(latents, decoder_noise(decoder, latents)).float()
        loss = reconstruction_loss(made, signals)
        descend(optimizer, parameters, loss)
        return {"loss": loss.detach(), "rmse": (made - signals).pow(2).mean().sqrt().detach()}

    networks = {"encoder": encoder, "decoder": decoder}
    return Stage(
        "autoencoder",
        config,
        networks,
        {"main": optimizer},
        config.autoencoder_steps,
        step,
        _evaluation(encoder, decoder, validation),
    )


def adversarial_stage(
    config: TrainConfig, folder: Path, train: TrainingData, validation: TrainingData, device: torch.device
) -> Stage:
    """The decoder alone, against discriminators; the encoder and so the latent space stay as they are.

    Only the band below about 20 Hz must follow the source sample by sample: above it, only spectra and the
    discriminators' features must agree, so that the decoder may draw its own noise.
    """
    encoder, decoder = load_encoder(folder, config, device), build_decoder(config).to(device)
    load_weights(decoder, load_stage(folder, "autoencoder")["networks"]["decoder"], "autoencoder")
    freeze_statistics(decoder)
    ema = Ema(decoder, 0.999).to(device)
    critics = Discriminators().to(device)
    optimizers = {
        "decoder": torch.optim.AdamW(decoder.parameters(), lr=config.adversarial_rate, betas=(0.5, 0.9)),
        "critics": torch.optim.AdamW(critics.parameters(), lr=config.adversarial_rate, betas=(0.5, 0.9)),
    }

    def step(number: int) -> dict[str, Tensor]:
        signals = jittered(train.millivolts(train.draw(config.autoencoder_batch)), config)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            latents = encoder(signals)
            latents = latents + config.latent_noise * torch.randn_like(latents)
            made = decoder(latents, decoder_noise(decoder, latents)).float()
            critic_loss = discriminator_loss(critics(signals), critics(made.detach()))
        optimizers["critics"].zero_grad(set_to_none=True)
        critic_loss.backward()
        optimizers["critics"].step()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            verdicts, features = adversarial_losses(critics(signals), critics(made))
        waveform, spectra = decoding_losses(made, signals)
        loss = waveform + spectra + config.adversarial_weight * verdicts + config.feature_weight * features
        descend(optimizers["decoder"], decoder.parameters(), loss)
        ema.update(decoder, number)
        return {
            "critics": critic_loss.detach(),
            "features": features.detach(),
            "waveform": waveform.detach(),
            "spectra": spectra.detach(),
        }

    networks = {"decoder": decoder, "average": ema, "critics": critics}
    return Stage(
        "adversarial",
        config,
        networks,
        optimizers,
        config.adversarial_steps,
        step,
        _evaluation(encoder, cast("Decoder", ema.average), validation),
    )


def freeze_statistics(decoder: Decoder) -> None:
    """Batch normalisation keeps its running statistics; only the LSTM stays in training mode, as cuDNN demands."""
    decoder.eval()
    for module in decoder.modules():
        if isinstance(module, nn.LSTM):
            module.train()


def jittered(signals: Tensor, config: TrainConfig) -> Tensor:
    """Signals with their amplitude changed by a few per cent, one factor a record."""
    spread = torch.rand(len(signals), 1, 1, device=signals.device) * 2 - 1
    return signals * torch.exp(config.amplitude_jitter * spread)


def _evaluation(encoder: Encoder, decoder: Decoder, validation: TrainingData) -> Callable[[], dict[str, float]]:
    """RMSE (mV), median cosine a lead, and power relative to the source in three bands, on held-out records."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        modes = {module: module.training for network in (encoder, decoder) for module in network.modules()}
        encoder.eval()
        decoder.eval()
        real, made = [], []
        for start in range(0, min(len(validation), 2048), 256):
            indices = torch.arange(start, min(start + 256, len(validation)), device=validation.signals.device)
            signals = validation.millivolts(indices)
            latents = encoder(signals)
            real.append(signals)
            made.append(decoder(latents, decoder_noise(decoder, latents)))
        for module, mode in modes.items():
            module.training = mode
        return compare(torch.cat(made), torch.cat(real))

    return evaluate


def compare(made: Tensor, real: Tensor) -> dict[str, float]:
    """Paired figures of decoded and real signals, (n, 8, samples) in mV at 100 Hz."""
    cosine = nn.functional.cosine_similarity(
        made - made.mean(-1, keepdim=True), real - real.mean(-1, keepdim=True), dim=-1
    )
    power = [torch.fft.rfft(x).abs().square().mean(dim=(0, 1)) for x in (made, real)]
    bands = {"0_5": (1, 50), "5_20": (50, 200), "35_45": (350, 450)}
    figures = {f"power_{name}": float(power[0][a:b].sum() / power[1][a:b].sum()) for name, (a, b) in bands.items()}
    rmse = float((made - real).square().mean().sqrt())
    return {"val_rmse": round(rmse, 5), "val_cosine": round(float(cosine.median()), 5)} | {
        key: round(value, 4) for key, value in figures.items()
    }
