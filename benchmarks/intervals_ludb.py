"""How far `benchmarks/intervals.py` is from LUDB's cardiologists in heart rate, PR and QRS, at 500 and at 100 Hz.

LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181; physionet.org/content/ludb) marks P, QRS and T lead by lead. QRS
and PR of a record are compared with two readings of these marks: "any lead", from the earliest onset to the latest
offset of all leads, and "usual lead", the median lead's. Records with a pacemaker are left out. The constants of
`intervals.py` were chosen on LUDB, so on other records expect a little more.

    python benchmarks/intervals_ludb.py ludb/
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from intervals import measure
from tables import markdown, write_json

from ecgsdk.leads import LEADS
from ecgsdk.resampling import resample

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLES_PER_MS = 0.5
_NEAR = 50
_PR_SAMPLES = 250


@dataclass(frozen=True)
class Mark:
    """A wave as annotated in one lead: samples at 500 Hz, None where a boundary is not given."""

    kind: str
    onset: int | None
    peak: int
    offset: int | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(folder: Path, json_file: Path | None) -> None:
    """Bias and spread of the interval measurements against the annotations of LUDB in FOLDER."""
    headers = sorted((folder / "data").glob("*.hea"), key=lambda path: int(path.stem))
    records = [header.with_suffix("") for header in headers if not paced(header)]
    truths = [annotated(record) for record in records]
    rows = []
    for rate in (500, 100):
        measured = [measured_at(record, rate) for record in records]
        for name in truths[0]:
            difference = np.array([m[name.split(",")[0]] - t[name] for m, t in zip(measured, truths)])
            rows.append(summary(f"{name}, {rate} Hz", difference))
    click.echo(markdown(("measured against", "records", "bias", "mean", "SD", "mean abs.", "95 % within"), rows))
    write_json(json_file, {"rows": rows})


def summary(name: str, difference: np.ndarray) -> tuple[str | int | float, ...]:
    """Name, number, median, mean, standard deviation, mean and 95th percentile of the absolute difference."""
    known = difference[np.isfinite(difference)]
    figures = (np.median(known), known.mean(), known.std(), np.abs(known).mean(), np.percentile(np.abs(known), 95))
    return (name, len(known), *(round(float(value), 1) for value in figures))


def paced(header: Path) -> bool:
    """Whether the header speaks of a pacemaker."""
    text = header.read_text(encoding="utf-8", errors="replace").lower()
    return "pacing" in text or "pacemaker presence" in text


def measured_at(record: Path, rate: float) -> dict[str, float]:
    """Our intervals of a record brought to `rate`."""
    signals = resample(raw_millivolts(record), 500, rate)
    found = measure(signals, rate)
    return {"heart rate (bpm)": found.heart_rate, "QRS (ms)": found.qrs_ms, "PR (ms)": found.pr_ms}


def raw_millivolts(record: Path) -> np.ndarray:
    """Signals of a LUDB record, shape (12, samples); its integers are µV, whatever the gains in its header say."""
    import wfdb

    read = wfdb.rdrecord(str(record), physical=False)
    order = [[name.lower() for name in read.sig_name].index(lead.lower()) for lead in LEADS]
    return read.d_signal.T[order].astype(np.float64) / 1000


def annotated(record: Path) -> dict[str, float]:
    """A record's intervals as annotated."""
    leads = [marks(record, lead.lower()) for lead in LEADS]
    peaks = np.array([mark.peak for mark in leads[1] if mark.kind == "N"])
    beats = [intervals for peak in peaks if (intervals := beat_intervals(leads, int(peak)))]
    rate = 60 * 500 * (len(peaks) - 1) / (peaks[-1] - peaks[0]) if len(peaks) > 1 else np.nan
    names = ("QRS (ms), any lead", "QRS (ms), usual lead", "PR (ms), any lead", "PR (ms), usual lead")
    return {"heart rate (bpm)": rate, **dict(zip(names, map(known_median, zip(*beats))))}


def known_median(values: Iterable[float]) -> float:
    """The median of what is known, NaN where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def beat_intervals(leads: list[list[Mark]], peak: int) -> tuple[float, ...] | None:
    """QRS of any and of the usual lead, PR likewise, in ms; None where fewer than 8 leads have the QRS marked."""
    near = [m for lead in leads for m in lead if m.kind == "N" and abs(m.peak - peak) < _NEAR]
    whole = [m for m in near if m.onset is not None and m.offset is not None]
    if len(whole) < 8:
        return None
    onsets, offsets = np.array([m.onset for m in whole]), np.array([m.offset for m in whole])
    waves = [m for lead in leads for m in lead if m.kind == "p" and 0 < peak - m.peak < _PR_SAMPLES]
    starts = np.array([m.onset for m in waves if m.onset is not None])
    some = len(starts) >= 4
    samples = (
        offsets.max() - onsets.min(),
        np.median(offsets - onsets),
        onsets.min() - starts.min() if some else np.nan,
        np.median(onsets) - np.median(starts) if some else np.nan,
    )
    return tuple(float(value) / SAMPLES_PER_MS for value in samples)


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
