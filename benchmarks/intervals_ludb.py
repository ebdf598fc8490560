"""How far ecgsdk's intervals are from LUDB's cardiologists: heart rate, PR, QRS, QT and QTc, at 500 and at 100 Hz.

LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181; physionet.org/content/ludb) marks P, QRS and T lead by lead.
Intervals of a record are compared with two readings of these marks: "any lead", from the earliest onset to the latest
offset of all leads, and "usual lead", the median lead's. Records with a pacemaker are left out. QRS and P constants of
`ecgsdk.validation.physiology.delineation` were chosen on all of LUDB, those of T on its even numbers: `--odd` has the
others alone. `ecgsdk.validation.physiology.intervals.MEASUREMENT_ERROR` holds what this prints for the usual lead at
100 Hz: of QT and QTc on the odd numbers, of the others on all.

    python benchmarks/intervals_ludb.py ludb/
    python benchmarks/intervals_ludb.py ludb/ --odd
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json

from ecgsdk.leads import LEADS
from ecgsdk.resampling import resample
from ecgsdk.validation.physiology.intervals import measure_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SAMPLES_PER_MS = 0.5
RATES = (500.0, 100.0)
TRUTHS = {
    "heart_rate": "heart rate (bpm)",
    "qrs_ms": "QRS (ms), usual lead",
    "qrs_ms, any": "QRS (ms), any lead",
    "pr_ms": "PR (ms), usual lead",
    "pr_ms, any": "PR (ms), any lead",
    "qt_ms": "QT (ms), usual lead",
    "qt_ms, any": "QT (ms), any lead",
    "qtc_ms": "QTc (ms), usual lead",
}
INTERVALS = ("qrs_ms", "pr_ms", "qt_ms")
_NEAR = 50
_PR_SAMPLES, _T_SAMPLES = 250, 350
_LEAST_QRS, _LEAST_WAVES = 8, 4


@dataclass(frozen=True)
class Mark:
    """A wave as annotated in one lead: samples at 500 Hz, None where a boundary is not given."""

    kind: str
    onset: int | None
    peak: int
    offset: int | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--odd", is_flag=True, help="Only odd record numbers, on which nothing of QT was chosen.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(folder: Path, odd: bool, json_file: Path | None) -> None:
    """Bias and spread of the interval measurements against the annotations of LUDB in FOLDER."""
    records = unpaced_records(folder, odd)
    truths = [annotated(record) for record in records]
    rows = []
    for rate in RATES:
        measured = measured_at(records, rate)
        for name, title in TRUTHS.items():
            theirs = np.array([truth[name] for truth in truths])
            rows.append((f"{title}, {rate:g} Hz", *summary(measured[name.split(",")[0]], theirs)))
    head = ("measured against", "records", "bias", "SD", "correlation", "median", "mean abs.", "95 % within")
    click.echo(markdown(head, rows))
    write_json(json_file, {"rows": [dict(zip(head, row)) for row in rows]})


def summary(ours: np.ndarray, theirs: np.ndarray) -> tuple[int | float, ...]:
    """Number, mean, SD, correlation, and median, mean absolute and 95th percentile of the absolute difference."""
    known = np.isfinite(ours) & np.isfinite(theirs)
    difference = (ours - theirs)[known]
    correlation = np.corrcoef(ours[known], theirs[known])[0, 1]
    absolute = np.abs(difference)
    figures = (np.median(difference), absolute.mean(), np.percentile(absolute, 95))
    return (
        int(known.sum()),
        round(float(difference.mean()), 1),
        round(float(difference.std()), 1),
        round(float(correlation), 3),
        *(round(float(value), 1) for value in figures),
    )


def unpaced_records(folder: Path, odd: bool = False) -> list[Path]:
    """The records whose header does not speak of a pacemaker, by number; only odd numbers if asked."""
    headers = sorted((folder / "data").glob("*.hea"), key=lambda path: int(path.stem))
    return [h.with_suffix("") for h in headers if not paced(h) and (int(h.stem) % 2 or not odd)]


def paced(header: Path) -> bool:
    """Whether the header speaks of a pacemaker."""
    text = header.read_text(encoding="utf-8", errors="replace").lower()
    return "pacing" in text or "pacemaker presence" in text


def measured_at(records: Sequence[Path], rate: float) -> dict[str, np.ndarray]:
    """Our figures of records brought to `rate`."""
    signals = np.stack([resample(raw_millivolts(record), 500, rate) for record in records])
    return measure_records(signals, rate)[0]


def raw_millivolts(record: Path) -> np.ndarray:
    """Signals of a LUDB record, shape (12, samples); its integers are µV, whatever the gains in its header say."""
    import wfdb

    read = wfdb.rdrecord(str(record), physical=False)
    order = [[name.lower() for name in read.sig_name].index(lead.lower()) for lead in LEADS]
    return read.d_signal.T[order].astype(np.float64) / 1000


def annotated(record: Path) -> dict[str, float]:
    """A record's intervals as annotated, by the keys of `TRUTHS`; QTc after Fridericia."""
    leads = [marks(record, lead.lower()) for lead in LEADS]
    peaks = np.array([mark.peak for mark in leads[1] if mark.kind == "N"])
    beats = [intervals for peak in peaks if (intervals := beat_intervals(leads, int(peak)))]
    rate = 60 * 500 * (len(peaks) - 1) / (peaks[-1] - peaks[0]) if len(peaks) > 1 else math.nan
    found = {name: known_median(beat[name] for beat in beats) for name in TRUTHS if name.split(",")[0] in INTERVALS}
    return {"heart_rate": rate, **found, "qtc_ms": found["qt_ms"] * (rate / 60) ** (1 / 3)}


def known_median(values: Iterable[float]) -> float:
    """The median of what is known, NaN where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def beat_intervals(leads: list[list[Mark]], peak: int) -> dict[str, float] | None:
    """QRS, PR and QT of any and of the usual lead in ms; None where fewer than 8 leads have the QRS marked."""
    near = [m for lead in leads for m in lead if m.kind == "N" and abs(m.peak - peak) < _NEAR]
    whole = [m for m in near if m.onset is not None and m.offset is not None]
    if len(whole) < _LEAST_QRS:
        return None
    onsets, offsets = np.array([m.onset for m in whole]), np.array([m.offset for m in whole])
    waves = [m for lead in leads for m in lead if m.kind == "p" and 0 < peak - m.peak < _PR_SAMPLES]
    p_onsets = np.array([m.onset for m in waves if m.onset is not None])
    t_offsets = np.array([end for lead in leads if (end := end_of_t(lead, peak)) is not None])
    has_p, has_t = len(p_onsets) >= _LEAST_WAVES, len(t_offsets) >= _LEAST_WAVES
    samples = {
        "qrs_ms": np.median(offsets - onsets),
        "qrs_ms, any": offsets.max() - onsets.min(),
        "pr_ms": np.median(onsets) - np.median(p_onsets) if has_p else math.nan,
        "pr_ms, any": onsets.min() - p_onsets.min() if has_p else math.nan,
        "qt_ms": np.median(t_offsets) - np.median(onsets) if has_t else math.nan,
        "qt_ms, any": t_offsets.max() - onsets.min() if has_t else math.nan,
    }
    return {name: float(value) / SAMPLES_PER_MS for name, value in samples.items()}


def end_of_t(lead: list[Mark], peak: int) -> int | None:
    """Where the T wave after the QRS complex at `peak` ends in a lead, None where the next beat comes first."""
    after = [mark for mark in lead if mark.kind in "Nt" and _NEAR <= mark.peak - peak < _T_SAMPLES]
    return after[0].offset if after and after[0].kind == "t" else None


def marks(record: Path, lead: str) -> list[Mark]:
    """The waves annotated in one lead."""
    import wfdb

    read = wfdb.rdann(str(record), lead)
    symbols, samples = ["", *read.symbol, ""], [0, *map(int, read.sample), 0]
    return [
        Mark(
            symbols[i],
            samples[i - 1] if symbols[i - 1] == "(" else None,
            samples[i],
            samples[i + 1] if symbols[i + 1] == ")" else None,
        )
        for i in range(1, len(symbols) - 1)
        if symbols[i] in ("p", "N", "t")
    ]


if __name__ == "__main__":
    main()
