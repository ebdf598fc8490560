"""How many flow evaluations an ECG needs, and what the integrator's times and order buy.

    pip install 'ecgsdk[cpu]'
    python benchmarks/steps.py

The same noise, beats and conditions are followed to the end with few evaluations and with 120. The table gives the
root mean square difference in standard deviations of the signal, and the power relative to the 120 evaluations'
below 0.5 Hz (baseline wander), at 0.5–5 Hz and at 5–45 Hz.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json

import ecgsdk

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE_STEPS = 120
BANDS_HZ = {"< 0.5 Hz": (0.05, 0.5), "0.5–5 Hz": (0.5, 5), "5–45 Hz": (5, 45)}


def euler(velocity: Callable[[np.ndarray, float], np.ndarray], start: np.ndarray, steps: int) -> np.ndarray:
    """Even Euler steps, to compare with."""
    state = start
    for k in range(steps):
        state = state + np.float32(1 / steps) * velocity(state, k / steps)
    return state


def band_powers(signals: np.ndarray, sampling_rate: float) -> dict[str, float]:
    """Power of signals (n, leads, samples) in each band."""
    power = np.square(np.abs(np.fft.rfft(signals))).mean(axis=(0, 1))
    frequencies = np.fft.rfftfreq(signals.shape[-1], 1 / sampling_rate)
    return {
        name: float(power[(frequencies > low) & (frequencies <= high)].sum()) for name, (low, high) in BANDS_HZ.items()
    }


def signals_of(generator: ecgsdk.Generator, steps: int, n: int, seed: int) -> np.ndarray:
    """ECGs of the six groups in turn."""
    cohort = ecgsdk.Cohort.from_groups(ecgsdk.GROUPS)
    rate = generator.card.decoder_rate
    batches = generator.generate(cohort, n, seed=seed, steps=steps, sampling_rate=rate)
    return np.concatenate([batch.signals for batch in batches])


@click.command()
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("-n", "n", default=96, show_default=True, help="Records.")
@click.option("--seed", default=2, show_default=True)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(model: str | None, n: int, seed: int, json_file: Path | None) -> None:
    """Print the integration error by integrator and number of evaluations."""
    ours, even = ecgsdk.load_generator(model), ecgsdk.load_generator(model)
    even.integrate = euler
    rate = ours.card.decoder_rate
    reference = signals_of(ours, REFERENCE_STEPS, n, seed)
    powers = band_powers(reference, rate)
    rows = []
    for name, generator in (("ours", ours), ("Euler, even steps", even)):
        for steps in (2, 4, 6, 8, 10, 16):
            made = signals_of(generator, steps, n, seed)
            error = float(np.sqrt(np.square(made - reference).mean()) / reference.std())
            relative = {band: value / powers[band] for band, value in band_powers(made, rate).items()}
            rows.append({"integrator": name, "evaluations": steps, "error": error, **relative})
    click.echo(markdown(list(rows[0]), [[_rounded(value) for value in row.values()] for row in rows]))
    write_json(json_file, {"rows": rows})


def _rounded(value: object) -> object:
    return round(value, 2) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
