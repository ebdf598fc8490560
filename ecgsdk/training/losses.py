"""Losses of the autoencoder: waveform, slope, spectra; and the discriminators of its adversarial stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "Discriminators",
    "adversarial_losses",
    "decoding_losses",
    "difference_powers",
    "discriminator_loss",
    "gradient_penalty",
    "low_pass",
    "reconstruction_loss",
    "spectral_loss",
    "unevenness",
]

_WINDOWS = (32, 64, 128, 256)
_ORDERS = 4


def reconstruction_loss(made: Tensor, real: Tensor) -> Tensor:
    """L1 of the signal, of its differences and of its multi-resolution spectra; signals in mV, (n, 8, samples)."""
    slope = (made.diff(dim=-1) - real.diff(dim=-1)).abs().mean()
    return (made - real).abs().mean() + slope + spectral_loss(made, real)


def spectral_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean L1 between magnitudes of short-time Fourier transforms, 0.32 to 2.56 s long at 100 Hz."""
    terms = [(spectrum(made, w).abs() - spectrum(real, w).abs()).abs().mean() for w in _WINDOWS]
    return torch.stack(terms).mean()


def decoding_losses(made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """How far a decoded ECG is from its source: below about 20 Hz sample by sample, and in spectra."""
    return 10 * (low_pass(made) - low_pass(real)).abs().mean(), 10 * spectral_loss(made, real)


def spectrum(signals: Tensor, window: int) -> Tensor:
    """Complex short-time Fourier transform, scaled to the signal's units; (n, leads, frequencies, frames)."""
    n, leads, samples = signals.shape
    taper = torch.hann_window(window, device=signals.device)
    flat = signals.float().reshape(n * leads, samples)
    transformed = torch.stft(flat, window, window // 4, window=taper, return_complex=True, pad_mode="reflect")
    return transformed.reshape(n, leads, *transformed.shape[1:]) / window**0.5


def low_pass(signals: Tensor) -> Tensor:
    """Signals below about 20 Hz at 100 Hz sampling: a binomial filter of nine taps, edges repeated."""
    taps = torch.tensor([1.0, 8, 28, 56, 70, 56, 28, 8, 1], device=signals.device) / 256
    n, leads, samples = signals.shape
    flat = F.pad(signals.float().reshape(n * leads, 1, samples), (4, 4), mode="replicate")
    return F.conv1d(flat, taps[None, None]).reshape(n, leads, samples)


class Discriminators(nn.Module):
    """Told to tell decoded from real signals: one network a spectral resolution and one on the waveform.

    After the multi-resolution discriminators of neural audio codecs (Défossez et al. 2022, arXiv 2210.13438).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.windows = (24, 48, 96)
        self.spectral = nn.ModuleList([_spectral_network(width) for _ in self.windows])
        self.waveform = _waveform_network(width)

    def forward(self, signals: Tensor) -> list[list[Tensor]]:
        """Features of each network, layer by layer; the last of each are its verdicts."""
        outputs = []
        for window, network in zip(self.windows, self.spectral):
            s = spectrum(signals, window)
            s = torch.cat([s.real, s.imag], dim=1) * 10
            outputs.append(_layers(network, s.sign() * torch.log1p(s.abs() * 5)))
        outputs.append(
            _layers(self.waveform, torch.cat([signals * 2, signals.diff(dim=-1, prepend=signals[..., :1]) * 10], 1))
        )
        return outputs


def _spectral_network(width: int) -> nn.ModuleList:
    norm = nn.utils.parametrizations.weight_norm
    convolutions = [
        norm(nn.Conv2d(16, width, (3, 5), padding=(1, 2))),
        norm(nn.Conv2d(width, width, (3, 5), stride=(1, 2), padding=(1, 2))),
        norm(nn.Conv2d(width, width, (3, 5), stride=(2, 2), padding=(1, 2))),
        norm(nn.Conv2d(width, width, 3, padding=1)),
        norm(nn.Conv2d(width, 1, 3, padding=1)),
    ]
    return nn.ModuleList(convolutions)


def _waveform_network(width: int) -> nn.ModuleList:
    norm = nn.utils.parametrizations.weight_norm
    convolutions = [
        norm(nn.Conv1d(16, width, 9, padding=4)),
        norm(nn.Conv1d(width, 2 * width, 9, stride=2, padding=4)),
        norm(nn.Conv1d(2 * width, 2 * width, 9, stride=2, padding=4)),
        norm(nn.Conv1d(2 * width, 2 * width, 9, stride=2, padding=4)),
        norm(nn.Conv1d(2 * width, 1, 5, padding=2)),
    ]
    return nn.ModuleList(convolutions)


def _layers(network: nn.Module, x: Tensor) -> list[Tensor]:
    features = []
    *inner, last = network.children()
    for layer in inner:
        x = F.leaky_relu(layer(x), 0.2)
        features.append(x)
    return [*features, last(x)]


def discriminator_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Hinge loss of the discriminators (Lim and Ye 2017, arXiv 1705.02894)."""
    terms = [F.relu(1 - r[-1]).mean() + F.relu(1 + m[-1]).mean() for r, m in zip(real, made)]
    return torch.stack(terms).mean()


def gradient_penalty(verdicts: list[list[Tensor]], real: Tensor) -> Tensor:
    """Mean squared norm of the verdicts' gradients by real signals (mV), which keeps critics smooth.

    R1 of Mescheder et al. 2018, arXiv 1801.04406, of each record's verdicts averaged over the networks.
    """
    total = torch.stack([v[-1].float().flatten(1).mean(1).sum() for v in verdicts]).mean()
    (gradient,) = torch.autograd.grad(total, real, create_graph=True)
    return gradient.square().sum(dim=(1, 2)).mean()


def adversarial_losses(real: list[list[Tensor]], made: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
    """What the decoder minimises: the negated verdicts, and the distance of the features (scaled by the real ones)."""
    verdicts = torch.stack([-m[-1].mean() for m in made]).mean()
    distances = [
        (mf - rf.detach()).abs().mean() / rf.detach().abs().mean().clamp_min(1e-4)
        for r, m in zip(real, made)
        for rf, mf in zip(r[:-1], m[:-1])
    ]
    return verdicts, torch.stack(distances).mean()


def difference_powers(signals: Tensor, floor: float) -> Tensor:
    """Logarithm of squared differences of order 1 to 4, the floor (mV²) added.

    Args:
        signals: (n, leads, samples) in mV.
        floor: keeps what is next to nothing from counting.

    Returns:
        (n, 4 · leads, samples − 4).
    """
    orders = range(1, _ORDERS + 1)
    differences = [signals.float().diff(n=order, dim=-1)[..., : signals.shape[-1] - _ORDERS] for order in orders]
    return (torch.cat(differences, dim=1).square() + floor).log()


def unevenness(powers: Tensor) -> Tensor:
    """How far a batch's powers (n, …) are from 0 in the mean over records: the mean product of two halves' means.

    Their squares would count the batch's scatter, too.
    """
    return (powers[::2].mean(0) * powers[1::2].mean(0)).mean()
