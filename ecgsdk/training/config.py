"""TrainConfig: every setting of a training run in one place, saved with each checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ecgsdk.conditions import STATEMENTS
from ecgsdk.errors import TrainingError

__all__ = ["CONFIGS", "TrainConfig"]

_MAY_BE_ZERO = (
    "adversarial_steps",
    "distil_steps",
    "tuning_steps",
    "ectopic_steps",
    "noise_floor_steps",
    "beat_flow_steps",
    "refiner_steps",
    "judge_steps",
    "seed",
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of all stages. The defaults are sized for two CPU cores and an afternoon, `CONFIGS["gpu"]` for a GPU."""

    statements: tuple[str, ...] = tuple(STATEMENTS)
    sampling_rate: int = 100
    samples: int = 1000
    resolution_uv: int = 1
    seed: int = 20_23

    latent_channels: int = 16
    encoder_widths: tuple[int, int] = (64, 128)
    decoder_widths: tuple[int, int] = (64, 128)
    decoder_blocks: int = 2
    decoder_noise: int = 8
    latent_noise: float = 0.05
    autoencoder_steps: int = 3000
    autoencoder_batch: int = 64
    autoencoder_rate: float = 2e-3

    adversarial_steps: int = 0
    adversarial_rate: float = 2e-4
    adversarial_weight: float = 1.0
    feature_weight: float = 2.0

    flow_widths: tuple[int, int, int] = (80, 144, 256)
    flow_dropout: float = 0.05
    flow_steps: int = 6500
    flow_batch: int = 96
    flow_rate: float = 1e-3
    flow_ema: float = 0.9995
    amplitude_jitter: float = 0.06
    drop_each: float = 0.1
    drop_all: float = 0.08
    rare_power: float = 0.35

    distil_pairs: int = 49_152
    distil_teacher_steps: int = 6
    distil_depth: int = 1
    distil_steps: int = 6600
    distil_batch: int = 96
    distil_rate: float = 6e-4
    distil_ema: float = 0.999
    distil_alone: float = 0.55
    distil_features: float = 0.2
    distil_adversarial: float = 0.02
    distil_power: float = 0.3

    tuning_steps: int = 2500
    tuning_batch: int = 40
    tuning_rate: float = 2e-4
    tuning_copies: float = 0.2
    tuning_adversarial: float = 0.4
    tuning_evenness: float = 10.0
    tuning_penalty: float = 0.3
    tuning_ema: float = 0.998

    ectopic_steps: int = 1200
    ectopic_batch: int = 24
    ectopic_rate: float = 2e-4
    ectopic_hold: float = 20.0
    ectopic_ema: float = 0.995

    noise_floor_steps: int = 64

    beat_flow_width: int = 256
    beat_flow_steps: int = 3000
    beat_flow_batch: int = 256
    beat_flow_rate: float = 1e-3
    beat_flow_ema: float = 0.997

    refiner_steps: int = 32

    reader_steps: int = 1500
    reader_batch: int = 96
    reader_rate: float = 2e-3

    judge_passes: int = 2
    judge_steps: int = 1000
    judge_batch: int = 256
    judge_rate: float = 1e-3

    rhythm_width: int = 128
    rhythm_mixtures: int = 8
    rhythm_steps: int = 4000
    rhythm_batch: int = 256
    rhythm_rate: float = 3e-3

    synthesiser_channels: int = 56
    synthesiser_steps: int = 1200
    synthesiser_batch: int = 48
    synthesiser_rate: float = 2e-3
    synthesiser_error: float = 1.0
    synthesiser_ema: float = 0.995

    upsampler_width: int = 16
    upsampler_blocks: int = 2
    upsampler_grain_width: int = 16
    upsampler_grain_weight: float = 0.02
    upsampler_steps: int = 1200
    upsampler_batch: int = 16
    upsampler_rate: float = 2e-3
    upsampler_ema: float = 0.998
    upsampler_tuning_steps: int = 1600
    upsampler_tuning_rate: float = 1e-3
    upsampler_tuning_ema: float = 0.99
    upsampler_error: float = 0.95

    checkpoint_seconds: int = 120

    def as_dict(self) -> dict[str, object]:
        """The settings as JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> TrainConfig:
        """A config from JSON values; raises TrainingError for a name that is no setting."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise TrainingError(f"unknown setting {unknown[0]!r}; the settings are the fields of TrainConfig")
        for field in dataclasses.fields(cls):
            if field.name in values:
                _check_setting(field.name, values[field.name], field.default)
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**settings)


def _check_setting(name: str, value: object, default: object) -> None:
    """Raises TrainingError when a value is not of the default's kind, or not positive where it must be."""
    if isinstance(default, tuple):
        kind = type(default[0])
        fits = isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(item, kind) for item in value)
        fits = fits and (kind is str or len(value) == len(default))  # type: ignore[arg-type]
    else:
        kinds = (int, float) if isinstance(default, float) else (int,)
        least = 0 if isinstance(default, float) or name in _MAY_BE_ZERO else 1
        fits = isinstance(value, kinds) and not isinstance(value, bool) and least <= value < 2**32
    if not fits:
        raise TrainingError(f"setting {name} cannot be {value!r}; the default is {default!r}")


CONFIGS = {
    "cpu": TrainConfig(),
    "gpu": TrainConfig(
        encoder_widths=(96, 192),
        autoencoder_steps=16_000,
        autoencoder_batch=256,
        adversarial_steps=5_000,
        flow_steps=20_000,
        flow_batch=512,
        flow_ema=0.9998,
        flow_dropout=0.1,
    ),
}
