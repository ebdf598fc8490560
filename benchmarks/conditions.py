"""Whether generated ECGs show what was asked for: heart rate, RR variation, QRS and PR beside real fold 9.

    pip install 'ecgsdk[cpu,measure]'
    python benchmarks/conditions.py ptb-xl/ -n 200 --rates 45,60,80,110

Beats are found by SleepECG's detector (Brunner and Hofer 2023, doi 10.21105/joss.05411), which shares nothing with
ecgsdk's own; from there `ecgsdk.validation.physiology.intervals` measures. The first table has what was measured at
each heart rate asked for, the second the other figures with heart rates drawn by the generator, beside real ECGs of the
same group; the third says whether the bounds are met.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json
from tqdm import tqdm

import ecgsdk
from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.leads import LEADS
from ecgsdk.validation.physiology.intervals import measure_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecgsdk.readers import ECGSource

FIGURES = ("heart_rate", "rr_variation", "pr_ms", "qrs_ms")
RATE_BOUND_BPM = 5.0
RR_RATIO_BOUND = 3.0
QRS_BOUND_MS = 25.0
PR_BOUND_MS = 40.0
_NO_PR = ("afib",)
_DETECTION_LEADS = ("II", "V2", "V5")


@click.command()
@click.argument("ptbxl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("-n", "n", type=click.IntRange(min=3), default=200, show_default=True, help="Records a group and rate.")
@click.option("--rates", default="45,60,80,110", show_default=True, help="Heart rates to ask for, in bpm.")
@click.option("--steps", type=click.IntRange(min=1), help="Flow evaluations; default: the model's.")
@click.option("--guidance", type=click.FloatRange(min=0), help="Guidance weight; default: the model's.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--real-only", is_flag=True, help="Only the real ECGs: needs no model.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    ptbxl: Path,
    model: str | None,
    n: int,
    rates: str,
    steps: int | None,
    guidance: float | None,
    seed: int,
    real_only: bool,
    json_file: Path | None,
) -> None:
    """Measure generated ECGs beside the real ones of PTB-XL's fold 9."""
    asked_rates = [float(rate) for rate in rates.split(",")]
    real = {name: medians(found) for name, found in real_groups(ptbxl, n, seed).items()}
    figures: dict[str, object] = {"n": n, "seed": seed, "real": real}
    if real_only:
        click.echo(interval_table({}, real))
    else:
        settings = {"seed": seed, "steps": steps, "guidance": guidance}
        at_rates, drawn = generated_groups(model, n, asked_rates, settings)
        checks = bounds(at_rates, drawn)
        click.echo(f"{rate_table(at_rates)}\n\n{interval_table(drawn, real)}\n\n{check_table(checks)}")
        figures |= {"model": model, **settings, "rates": at_rates, "drawn": drawn, "checks": checks}
    write_json(json_file, figures)


def real_groups(ptbxl: Path, n: int, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Measured real ECGs of fold 9: at most `n` of each group, chosen by `seed`."""
    source = ecgsdk.read_ecgs(ptbxl, folds=(9,))
    random = np.random.default_rng(seed)
    chosen = {}
    for group in GROUPS:
        members = [i for i, condition in enumerate(source.conditions) if group in condition.groups()]
        chosen[group] = np.sort(random.permutation(members)[:n])
    with tqdm(total=sum(map(len, chosen.values())), desc="real", leave=False, mininterval=5) as progress:
        return {name: measured(batches_of(source, where), progress) for name, where in chosen.items()}


def batches_of(source: ECGSource, positions: np.ndarray) -> Iterator[ecgsdk.ECGBatch]:
    """The records at these positions."""
    return source.select(positions.tolist()).batches()


def generated_groups(
    model: str | None, n: int, rates: list[float], settings: dict[str, float | None]
) -> tuple[dict[str, dict[float, dict[str, float]]], dict[str, dict[str, float]]]:
    """Medians of `n` generated ECGs for each group and rate, and for each group with rates drawn."""
    generator = ecgsdk.load_generator(model)
    asked: dict[tuple[str, float | None], Condition] = {}
    for name, statements in GROUPS.items():
        plain = Condition(statements[:1])
        asked |= {(name, rate): replace(plain, heart_rate=rate) for rate in (None, *rates)}
    found: dict[tuple[str, float | None], dict[str, float]] = {}
    with tqdm(total=n * len(asked), desc="generated", leave=False, mininterval=5) as progress:
        for key, condition in asked.items():
            cohort, rate = ecgsdk.Cohort.of(condition), min(generator.sampling_rates)
            batches = generator.generate(cohort, n, sampling_rate=rate, **settings)  # type: ignore[arg-type]
            found[key] = medians(measured(batches, progress))
    at_rates = {name: {rate: found[name, rate] for rate in rates} for name in GROUPS}
    return at_rates, {name: found[name, None] for name in GROUPS}


def measured(batches: Iterable[ecgsdk.ECGBatch], progress: tqdm[object]) -> dict[str, np.ndarray]:
    """Figures of all records, by name."""
    found = []
    for batch in batches:
        beats = [detect_beats(signals, batch.sampling_rate) for signals in batch.signals]
        figures, _ = measure_records(batch.signals, batch.sampling_rate, beats=beats)
        found.append(figures)
        progress.update(len(batch))
    return {name: np.concatenate([figures[name] for figures in found]) for name in FIGURES}


def detect_beats(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    """Times of the QRS complexes in seconds, rising, of one ECG: mV, shape (12, samples).

    Of SleepECG's findings in leads II, V2 and V5 it takes the one with the middle number of beats, so that a lead
    with low voltages or tall T waves is outvoted.
    """
    from sleepecg import detect_heartbeats

    rows = [np.asarray(signals[LEADS.index(lead)], dtype=np.float64) for lead in _DETECTION_LEADS]
    found = [detect_heartbeats(row, sampling_rate) if row.std() > 0 else np.empty(0) for row in rows]
    return np.asarray(sorted(found, key=len)[1], dtype=np.float64) / sampling_rate


def medians(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Median of each figure over the records in which it was measured, and the number of records."""
    known = {name: values[np.isfinite(values)] for name, values in found.items()}
    return {
        "records": len(found["heart_rate"]),
        **{name: float(np.median(column)) if len(column) else float("nan") for name, column in known.items()},
    }


def bounds(
    at_rates: dict[str, dict[float, dict[str, float]]], drawn: dict[str, dict[str, float]]
) -> list[dict[str, object]]:
    """Each thing that must hold, with the figure, the bound, and whether it is met."""
    # NumPy's maximum, for it is NaN where any is, and NaN meets no bound; Python's passes over most of them.
    off = float(np.max([abs(row["heart_rate"] - rate) for rows in at_rates.values() for rate, row in rows.items()]))
    norm = drawn["norm"]
    ratio = drawn["afib"]["rr_variation"] / norm["rr_variation"]
    checks = [
        ("greatest distance of a median heart rate from the rate asked for (bpm)", off, "≤", RATE_BOUND_BPM),
        ("RR variation, afib : norm", ratio, "≥", RR_RATIO_BOUND),
        ("QRS, lbbb − norm (ms)", drawn["lbbb"]["qrs_ms"] - norm["qrs_ms"], "≥", QRS_BOUND_MS),
        ("QRS, rbbb − norm (ms)", drawn["rbbb"]["qrs_ms"] - norm["qrs_ms"], "≥", QRS_BOUND_MS),
        ("PR, 1avb − norm (ms)", drawn["1avb"]["pr_ms"] - norm["pr_ms"], "≥", PR_BOUND_MS),
    ]
    return [
        {"what": what, "value": value, "bound": f"{sign} {bound:g}", "met": _met(value, sign, bound)}
        for what, value, sign, bound in checks
    ]


def _met(value: float, sign: str, bound: float) -> bool:
    return bool(value <= bound if sign == "≤" else value >= bound)


def rate_table(at_rates: dict[str, dict[float, dict[str, float]]]) -> str:
    """Median heart rates, a row a group, a column a rate asked for."""
    rates = list(next(iter(at_rates.values())))
    rows = [(name, *(round(row[rate]["heart_rate"], 1) for rate in rates)) for name, row in at_rates.items()]
    return markdown(("median heart rate (bpm), asked for", *(f"{rate:g}" for rate in rates)), rows)


def interval_table(drawn: dict[str, dict[str, float]], real: dict[str, dict[str, float]]) -> str:
    """Medians a group: generated, and real in fold 9."""
    head = ["group"]
    for name in ("records", "heart rate (bpm)", "RR variation", "QRS (ms)", "PR (ms)"):
        head += [name, "real"] if drawn else [f"{name}, real"]
    rows = []
    for group in real:
        row: list[object] = [group]
        for figure, digits in (("records", 0), ("heart_rate", 1), ("rr_variation", 3), ("qrs_ms", 0), ("pr_ms", 0)):
            blank = figure == "pr_ms" and group in _NO_PR
            sources = (drawn, real) if drawn else (real,)
            row += [None if blank else round(source[group][figure], digits) for source in sources]
        rows.append(row)
    return markdown(head, rows)


def check_table(checks: list[dict[str, object]]) -> str:
    """The bounds."""
    rows = [(c["what"], round(float(c["value"]), 2), c["bound"], c["met"]) for c in checks]  # type: ignore[arg-type]
    return markdown(("what must hold", "measured", "bound", "met"), rows)


if __name__ == "__main__":
    main()
