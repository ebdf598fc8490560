"""Critics of whole ECGs: what tuning asks whether generated records pass as recorded ones."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import BEAT_CHANNELS
from ecgsdk.training.losses import Discriminators, difference_powers, low_pass
from ecgsdk.training.networks import TOKEN
from ecgsdk.usual_beats import EARLY

__all__ = ["Critics", "EctopicCritic", "Given", "TokenCritic", "beat_windows", "early_beats", "token_powers"]

_LEVELS_COUNT = 3
_SPREAD_COUNT = 2
_EDGES_HZ = (0.05, 0.25, 0.5, 1, 3, 8, 15, 25, 38, 44, 48)
_BEFORE, _AFTER = 28, 36
_PARTS = ((0, 20), (20, 38), (38, 64))
_REACH = 4
_MOST_BEATS_SEEN = 12
_EARLY_SEEN, _OTHERS_SEEN = 4, 8
_LEADS_COUNT = 2
_QUIET_COUNT = 2
_QUIET = 32
_QUIET_SEEN = 10
_QUIET_BANDS = ((1, 3), (3, 5), (5, 8), (8, 11), (11, 13), (13, 15))
_BANDS_HZ = ((0.5, 5), (5, 20), (20, 45))
_norm = nn.utils.parametrizations.weight_norm


class Given(NamedTuple):
    """What a record was asked for, on the device.

    Attributes:
        condition: (n, condition width).
        beats: beat channels, (n, channels, tokens).
        times: beat times in seconds, NaN-padded, (n, most beats).
    """

    condition: Tensor
    beats: Tensor
    times: Tensor

    def first(self, n: int) -> Given:
        """Those of the first `n` records."""
        return Given(*(x[:n] for x in self))

    def and_then(self, other: Given) -> Given:
        """Those of these records and then of others."""
        return Given(*(torch.cat(pair) for pair in zip(self, other)))


class Critics(nn.Module):
    """All critics of ECGs: stretches and levels, spectra, the whole in depth, beats side by side, leads, and quiet."""

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.stretches = StretchCritic(condition)
        self.spectra = Discriminators(24)
        self.depth = DeepCritic(condition)
        self.beats = BeatCritic()
        self.leads = LeadCritic()
        self.quiet = QuietCritic()

    def forward(self, signals: Tensor, given: Given) -> list[list[Tensor]]:
        """Verdicts on (n, 8, samples) in mV as the losses take them: the last of each list."""
        stretches = self.stretches(signals, given.condition, given.beats)
        seen = [*stretches, *self.spectra(signals), *self.depth(signals, given.condition), *self.beats(signals, given)]
        return [*seen, *self.leads(signals), *self.quiet(signals)]


class StretchCritic(nn.Module):
    """Told to tell generated from real ECGs, given condition and beats.

    It sees the signals, their differences and what lies above 20 Hz, where ECGs are faint. Its verdicts: one every 320
    ms, one on the record, and one on how much power the record has in each lead and band, which counts three times. The
    condition enters by projection (Miyato and Koyama 2018, arXiv 1802.05637).
    """

    def __init__(self, condition: int, width: int = 32) -> None:
        super().__init__()
        self.early = nn.ModuleList(
            [
                _norm(nn.Conv1d(24, width, 9, stride=2, padding=4)),
                _norm(nn.Conv1d(width, 2 * width, 9, stride=2, padding=4)),
                _norm(nn.Conv1d(2 * width, 3 * width, 9, stride=2, padding=4)),
            ]
        )
        self.late = nn.ModuleList(
            [
                _norm(nn.Conv1d(3 * width + BEAT_CHANNELS, 4 * width, 5, padding=2)),
                _norm(nn.Conv1d(4 * width, 4 * width, 5, stride=2, padding=2)),
                _norm(nn.Conv1d(4 * width, 4 * width, 5, stride=2, padding=2)),
            ]
        )
        self.moment = _norm(nn.Conv1d(4 * width, 1, 3, padding=1))
        self.whole = _perceptron(8 + 14 * width, 4 * width)
        self.levels = _perceptron(8 * (len(_EDGES_HZ) - 1), 4 * width, 4 * width)
        self.condition = nn.Linear(condition, 4 * width)

    def forward(self, signals: Tensor, condition: Tensor, beats: Tensor) -> list[list[Tensor]]:
        x = _views(signals)
        for layer in self.early:
            x = F.leaky_relu(layer(x), 0.2)
        early = x
        x = torch.cat([x, beats.to(x.dtype)], dim=1)
        for layer in self.late:
            x = F.leaky_relu(layer(x), 0.2)
        projected = (x * self.condition(condition)[:, :, None]).mean(dim=1, keepdim=True)
        whole = self.whole(_figures(signals, early, x)) + projected.mean(-1)
        return [[self.moment(x) + projected], [whole], *_LEVELS_COUNT * [[self.levels(_levels(signals))]]]


class DeepCritic(nn.Module):
    """A residual network, as a classifier of ECGs has it, that sees a random half of the leads or all of them."""

    def __init__(self, condition: int, widths: tuple[int, ...] = (32, 64, 96, 128, 128)) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Residual(i, o) for i, o in pairwise((24, *widths)))
        self.moment = _norm(nn.Conv1d(widths[-1], 1, 3, padding=1))
        self.whole = _perceptron(3 * widths[-1], widths[-1])
        self.condition = nn.Linear(condition, widths[-1])

    def forward(self, signals: Tensor, condition: Tensor) -> list[list[Tensor]]:
        x = _views(signals * _some_leads(signals))
        for block in self.blocks:
            x = block(x)
        x = x.float()
        projected = (x.mean(-1) * self.condition(condition)).mean(dim=1, keepdim=True)
        pooled = torch.cat([x.mean(-1), x.std(-1), x.amax(-1)], dim=1)
        return [[self.moment(x)], [self.whole(pooled) + projected]]


class _Residual(nn.Module):
    """Two convolutions beside a shortcut, half as many steps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _norm(nn.Conv1d(inputs, outputs, 9, stride=2, padding=4))
        self.second = _norm(nn.Conv1d(outputs, outputs, 9, padding=4))
        self.shortcut = _norm(nn.Conv1d(inputs, outputs, 1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu((self.shortcut(x) + self.second(F.leaky_relu(self.first(x), 0.2))) * 0.7, 0.2)


class BeatCritic(nn.Module):
    """Lays a record's beats side by side: recorded ones are more alike than a generator makes them.

    Its verdicts: one on each beat beside the mean of all, one on the record, and one on how far beats are from their
    mean in each lead before, in and after the QRS complex, which counts twice.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.layers = _beat_layers(16, width)
        self.beat = _perceptron(2 * width * (_BEFORE + _AFTER) // 8, 2 * width)
        self.whole = _perceptron(4 * width * (_BEFORE + _AFTER) // 8, 2 * width)
        self.spread = _perceptron(2 * 8 * len(_PARTS), 2 * width, 2 * width)

    def forward(self, signals: Tensor, given: Given) -> list[list[Tensor]]:
        windows, whole = beat_windows(signals, _some_beats(given.times, signals.shape[-1]))
        weights = (whole / whole.sum(1, keepdim=True).clamp_min(1))[:, :, None]
        windows = windows - windows.mean(-1, keepdim=True)
        mean = (windows * weights[..., None]).sum(1, keepdim=True)
        apart = windows - mean
        x = torch.cat([mean.expand_as(apart), 4 * apart], dim=2).flatten(0, 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        x = x.float().flatten(1).unflatten(0, windows.shape[:2])
        centre = (x * weights).sum(1)
        scatter = ((x - centre[:, None]).square() * weights).sum(1).add(1e-6).sqrt()
        seen = (self.beat(x) * whole[:, :, None]).mean(1) * (whole.shape[1] / whole.sum(1, keepdim=True).clamp_min(1))
        spread = torch.cat([_power(apart, weights), _power(mean, torch.ones_like(weights[:, :1]))], dim=1)
        record = self.whole(torch.cat([centre, scatter], dim=1))
        return [[seen], [record], *_SPREAD_COUNT * [[self.spread(spread)]]]


class EctopicCritic(nn.Module):
    """Sees the beats that come early beside the mean of the others: those of recordings are often of another form.

    Its verdict on each of them, given how early it comes and what was asked for (by projection, as above).
    """

    def __init__(self, condition: int, width: int = 64) -> None:
        super().__init__()
        self.layers = _beat_layers(24, width)
        self.hidden = _norm(nn.Linear(2 * width * (_BEFORE + _AFTER) // 8 + 2, 2 * width))
        self.verdict = _norm(nn.Linear(2 * width, 1))
        self.condition = nn.Linear(condition, 2 * width)

    def forward(self, signals: Tensor, given: Given) -> list[list[Tensor]]:
        early = early_beats(given.times)
        times, ratios = _drawn(given.times, early, _EARLY_SEEN)
        windows, whole = beat_windows(signals, times)
        others, known = beat_windows(signals, _drawn(given.times, ~early, _OTHERS_SEEN)[0])
        share = known / known.sum(1, keepdim=True).clamp_min(1)
        mean = (others * share[:, :, None, None]).sum(1, keepdim=True)
        level = mean.mean(-1, keepdim=True)
        windows, mean = windows - level, (mean - level).expand_as(windows)
        x = torch.cat([windows, mean, windows - mean], dim=2).flatten(0, 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        x = torch.cat([x.flatten(1).unflatten(0, windows.shape[:2]), ratios], dim=2)
        x = F.leaky_relu(self.hidden(x), 0.2)
        verdicts = self.verdict(x) + (x * self.condition(given.condition)[:, None]).mean(dim=2, keepdim=True)
        return [[verdicts.squeeze(2) * whole * (whole.numel() / whole.sum().clamp_min(1))]]


class LeadCritic(nn.Module):
    """Sees how a record's leads go together in bands: correlations, and eigenvalues of the covariance.

    The least eigenvalues are what each electrode has of its own noise. Its verdict counts twice.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.seen = _perceptron(len(_BANDS_HZ) * (28 + 8), width, width)

    def forward(self, signals: Tensor) -> list[list[Tensor]]:
        leads, samples = signals.shape[1:]
        spectra = torch.fft.rfft(_tapered(signals))
        covariances = []
        for low, high in _BANDS_HZ:
            band = spectra[..., round(low * samples / 100) : round(high * samples / 100)] / samples**0.5
            covariances.append((band @ band.mH).real)
        covariance = torch.stack(covariances, dim=1) + 1e-5 * torch.eye(leads, device=signals.device)
        deviation = covariance.diagonal(dim1=2, dim2=3).sqrt()
        correlation = covariance / (deviation[..., :, None] * deviation[..., None, :])
        above = torch.triu_indices(leads, leads, 1, device=signals.device)
        figures = torch.atanh(0.999 * correlation[:, :, above[0], above[1]]).flatten(1)
        own = 0.5 * torch.linalg.eigvalsh(covariance).clamp_min(1e-6).log().flatten(1)
        return _LEADS_COUNT * [[self.seen(torch.cat([figures, own], dim=1))]]


class QuietCritic(nn.Module):
    """Sees the power of the quietest stretches of a record, lead by lead and band by band: its noise floor.

    Recordings differ by more in it than in anything else that is faint. Its verdict counts twice.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.seen = _perceptron(8 * len(_QUIET_BANDS), width, width)

    def forward(self, signals: Tensor) -> list[list[Tensor]]:
        slopes = signals.float().diff(dim=-1).unfold(2, _QUIET, _QUIET // 4)
        with torch.no_grad():
            quietest = slopes.abs().amax(-1).topk(_QUIET_SEEN, dim=2, largest=False).indices
        slopes = slopes.gather(2, quietest[..., None].expand(-1, -1, -1, _QUIET))
        taper = torch.hann_window(_QUIET, device=signals.device)
        power = torch.fft.rfft(slopes * taper).abs().square().mean(2)
        bands = torch.stack([power[..., low:high].mean(-1) for low, high in _QUIET_BANDS], dim=1)
        return _QUIET_COUNT * [[self.seen((0.5 * bands.clamp_min(1e-7).log() + 3.5).flatten(1))]]


class TokenCritic(nn.Module):
    """Folds a record by the eight samples of a token: in a recording, the eight are alike."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_norm(nn.Conv1d(24, width, 7)), _norm(nn.Conv1d(width, width, 5))])
        self.found = _perceptron(2 * width * TOKEN, 4 * width, 2 * width)

    def forward(self, signals: Tensor, phase: Tensor) -> list[list[Tensor]]:
        """One verdict on each record; `phase` is the first sample with which a token begins, in a recording any."""
        x = _views(signals)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        x = _folded(x.float(), phase)
        found = torch.cat([x.mean(2), x.abs().add(1e-3).log().mean(2)], dim=1)
        found = (found - found.mean(-1, keepdim=True)) / found.abs().mean(-1, keepdim=True).add(1e-2)
        return [[self.found(8 * found.flatten(1))]]


def _beat_layers(inputs: int, width: int) -> nn.ModuleList:
    """Convolutions of stretches around beats, an eighth as many steps."""
    convolutions = [
        _norm(nn.Conv1d(inputs, width, 7, stride=2, padding=3)),
        _norm(nn.Conv1d(width, 2 * width, 5, stride=2, padding=2)),
        _norm(nn.Conv1d(2 * width, 2 * width, 5, stride=2, padding=2)),
    ]
    return nn.ModuleList(convolutions)


def token_powers(signals: Tensor, phase: Tensor) -> Tensor:
    """Mean logarithm of squared differences at each of a token's eight samples, less the mean over the eight.

    3 µV are added to what is squared, in quadrature.

    Args:
        signals: (n, leads, samples) in mV.
        phase: the first sample with which a token begins, (n,).

    Returns:
        (n, leads · orders, 8), of differences of order 1 to 4. Recordings have 0 in the mean over records.
    """
    powers = _folded(difference_powers(signals, 1e-5), phase).mean(2)
    return powers - powers.mean(-1, keepdim=True)


def _folded(x: Tensor, phase: Tensor) -> Tensor:
    """(n, channels, time) → (n, channels, whole tokens, 8), from the first sample of a token on."""
    tokens = x.shape[-1] // TOKEN - 1
    indices = phase[:, None, None] + torch.arange(tokens * TOKEN, device=x.device)
    return x.gather(2, indices.expand(-1, x.shape[1], -1)).unflatten(2, (tokens, TOKEN))


def beat_windows(signals: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Stretches around beats, 100 Hz, brought to the same place between samples.

    Args:
        signals: (n, leads, samples) at 100 Hz.
        times: seconds, (n, beats); NaN, or too near an end, for a beat that is not to be seen.

    Returns:
        Stretches from 0.28 s before to 0.36 s behind each beat, (n, beats, leads, 64), by a sinc under a Lanczos window
        of eight taps, and 1 or 0 for each that is whole, (n, beats).
    """
    samples = signals.shape[-1]
    places = times * 100
    whole = (places >= _BEFORE + _REACH) & (places < samples - _AFTER - _REACH)
    places = places.where(whole, torch.full_like(places, samples / 2))
    starts = places.floor()
    steps = torch.arange(_BEFORE + _AFTER + 2 * _REACH - 1, device=signals.device)
    indices = starts.long()[:, :, None] - _BEFORE - _REACH + 1 + steps
    n, leads = signals.shape[:2]
    flat = indices.flatten(1)[:, None].expand(n, leads, -1)
    cut = signals.float().gather(2, flat).unflatten(2, indices.shape[1:]).transpose(1, 2)
    away = torch.arange(1 - _REACH, 1 + _REACH, device=signals.device) - (places - starts)[:, :, None]
    taps = torch.sinc(away) * torch.sinc(away / _REACH)
    taps = taps / taps.sum(-1, keepdim=True)
    return torch.einsum("nbltk,nbk->nblt", cut.unfold(3, 2 * _REACH, 1), taps.float()), whole.float()


def _some_beats(times: Tensor, samples: int) -> Tensor:
    """At most twelve of each record's beats that are not too near its ends, drawn anew each time."""
    fit = (times * 100 >= _BEFORE + _REACH) & (times * 100 < samples - _AFTER - _REACH)
    return times.gather(1, _some_of(fit, _MOST_BEATS_SEEN))


def _some_of(chosen: Tensor, most: int) -> Tensor:
    """Positions of up to so many of the chosen, (n, most), in random order; where there are fewer, others follow."""
    order = torch.rand(chosen.shape, device=chosen.device)
    return order.where(chosen, torch.full_like(order, 2.0)).argsort(dim=1)[:, :most]


def early_beats(times: Tensor) -> Tensor:
    """Whether each beat comes after less than 0.85 of the record's median RR interval, (n, beats)."""
    intervals = times.diff(dim=1)
    early = intervals < EARLY * intervals.nanmedian(dim=1, keepdim=True).values
    return F.pad(early, (1, 0))


def _drawn(times: Tensor, chosen: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Up to so many of the chosen beats, drawn anew each time, NaN for none.

    Returns:
        Their times, (n, most), and the logarithms of the RR intervals before and behind each over the record's median,
        0 where there is none, (n, most, 2).
    """
    order = _some_of(chosen & ~times.isnan(), most)
    intervals = times.diff(dim=1)
    ratios = (intervals / intervals.nanmedian(dim=1, keepdim=True).values).clamp_min(0.1).log().nan_to_num(0.0)
    around = torch.stack([F.pad(ratios, (1, 0)), F.pad(ratios, (0, 1))], dim=2)
    drawn = times.gather(1, order).where(chosen.gather(1, order), torch.full_like(times[:, :1], torch.nan))
    return drawn, around.gather(1, order[:, :, None].expand(-1, -1, 2))


def _some_leads(signals: Tensor) -> Tensor:
    """1 or 0 for each lead, (n, 8, 1): all of them in half of the records, a random half of them in the others."""
    n = len(signals)
    every = torch.rand(n, 1, 1, device=signals.device) < 0.5
    return (every | (torch.rand(n, 8, 1, device=signals.device) < 0.5)).float()


def _views(signals: Tensor) -> Tensor:
    """The signals, their differences and what lies above 20 Hz, of sizes alike, (n, 24, samples)."""
    fine = 10 * (signals - low_pass(signals))
    return torch.cat([signals, 5 * signals.diff(dim=-1, prepend=signals[..., :1]), fine], dim=1)


def _perceptron(inputs: int, *widths: int) -> nn.Sequential:
    """Layers of these widths and one verdict."""
    layers: list[nn.Module] = []
    for i, o in pairwise((inputs, *widths)):
        layers += [_norm(nn.Linear(i, o)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, _norm(nn.Linear(widths[-1], 1)))


def _figures(signals: Tensor, *features: Tensor) -> Tensor:
    """What is looked at in the whole: each lead's mean, and each feature's mean and standard deviation over time."""
    spreads = [figure for x in features for figure in (x.float().mean(-1), x.float().std(-1))]
    return torch.cat([100 * signals.mean(-1), *spreads], dim=1)


def _levels(signals: Tensor) -> Tensor:
    """Logarithm of each lead's power in bands, (n, 8 · bands), of a size near 1."""
    samples = signals.shape[-1]
    power = torch.fft.rfft(_tapered(signals)).abs().square()
    edges = [max(1, round(hertz * samples / 100)) for hertz in _EDGES_HZ]
    bands = torch.stack([power[..., low : max(high, low + 1)].sum(-1) for low, high in pairwise(edges)], dim=1)
    return (0.5 * bands.clamp_min(1e-6).log()).flatten(1)


def _tapered(signals: Tensor) -> Tensor:
    """Signals without their mean under a Hann window, float32."""
    taper = torch.hann_window(signals.shape[-1], device=signals.device)
    return (signals - signals.mean(-1, keepdim=True)).float() * taper


def _power(windows: Tensor, weights: Tensor) -> Tensor:
    """Logarithm of the mean power of stretches (n, beats, 8, 64) before, in and after QRS, (n, 24)."""
    parts = [(windows[..., a:b].square().mean(-1) * weights).sum(1) for a, b in _PARTS]
    return (0.5 * torch.cat(parts, dim=1).clamp_min(1e-7).log() + 3).float()
