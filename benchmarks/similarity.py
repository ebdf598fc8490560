"""How alike resynthesised ECGs and their sources are: the paper's first table, RMSE and cosine similarity on fold 9.

    pip install 'ecgsdk[cpu]'
    python benchmarks/similarity.py ptb-xl/ --strengths 0,0.5,1,2,4,8,15

A figure of a record is taken over its twelve leads and ten seconds at once, after the baseline is removed from both
ECGs (`ecgsdk.validation.similarity`); a lead's figure over that lead alone. For the usual beat, both ECGs are cut at
the source's beats and the median is taken. Means over records.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import numpy as np
from tables import markdown, write_json
from tqdm import tqdm

import ecgsdk
from ecgsdk.beats import detect_beats
from ecgsdk.conditions import GROUPS
from ecgsdk.leads import LEADS, to_eight
from ecgsdk.validation.similarity import cosine, rmse, without_baseline

BEFORE_S, AFTER_S = 0.3, 0.45
"""Reach of a beat around its R peak, in s."""


@click.command()
@click.argument("ptbxl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped synthesiser.")
@click.option("--strengths", default="0,0.5,1,2,4,8,15", show_default=True, help="To compare.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("-n", "n", type=click.IntRange(min=1), help="Records of fold 9; default: all.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(ptbxl: Path, model: str | None, strengths: str, seed: int, n: int | None, json_file: Path | None) -> None:
    """Compare the ECGs of fold 9 with what the synthesiser makes of them."""
    synthesiser = ecgsdk.load_synthesiser(model)
    source = ecgsdk.read_ecgs(ptbxl, folds=[9])
    source = source.select(range(min(n or len(source), len(source))))
    figures = {}
    for strength in [float(text) for text in strengths.split(",")]:
        figures[f"{strength:g}"] = measure(synthesiser, source, strength, seed)
    for strength, found in figures.items():
        print(f"\nStrength {strength}, {found['all']['records']} records of fold 9:\n")
        print(
            markdown(
                ("", "records", *COLUMNS), [(name, row["records"], *row["figures"]) for name, row in found.items()]
            )
        )
    write_json(json_file, {"model": synthesiser.name, "seed": seed, "columns": COLUMNS, "strengths": figures})


COLUMNS = ("RMSE, mV", "cosine", "RMSE of the usual beat, mV", "cosine of the usual beat")


def measure(
    synthesiser: ecgsdk.Synthesiser, source: ecgsdk.readers.ECGSource, strength: float, seed: int
) -> dict[str, dict[str, object]]:
    """Means of the four figures: of all records, of each standard group, and of each lead over all records."""
    rows: dict[str, list[list[float]]] = defaultdict(list)
    batches = synthesiser.resynthesize(source, seed=seed, strength=strength)
    pairs = zip(source.batches(64), batches, strict=True)
    for real, made in tqdm(pairs, total=-(-len(source) // 64), desc=f"strength {strength:g}", leave=False):
        rate = made.sampling_rate
        beats = detect_beats(to_eight(real.signals), rate)
        first, second = (without_baseline(batch.signals.astype(float), rate) for batch in (real, made))
        for i, condition in enumerate(real.conditions):
            usual = [usual_beat(ecg[i], beats[i], rate) for ecg in (first, second)]
            whole = compared((first[i], second[i]), usual, (-2, -1))
            by_lead = compared((first[i], second[i]), usual, -1)
            for name in ("all", *condition.groups()):
                rows[name].append([float(value) for value in whole])
            for k, lead in enumerate(LEADS):
                rows[f"lead {lead}"].append([float(value[k]) for value in by_lead])
    order = ["all", *GROUPS, *(f"lead {lead}" for lead in LEADS)]
    return {name: {"records": len(rows[name]), "figures": means(rows[name])} for name in order if name in rows}


def compared(
    ecgs: tuple[np.ndarray, np.ndarray], usual: list[np.ndarray], axis: int | tuple[int, ...]
) -> list[np.ndarray]:
    """The four figures of two ECGs and their usual beats."""
    return [rmse(*ecgs, axis=axis), cosine(*ecgs, axis=axis), rmse(*usual, axis=axis), cosine(*usual, axis=axis)]


def usual_beat(ecg: np.ndarray, beats: np.ndarray, rate: float) -> np.ndarray:
    """Median over the beats that the record holds whole, shape (12, samples); NaN where there is none."""
    before, after = round(BEFORE_S * rate), round(AFTER_S * rate)
    peaks = np.rint(beats * rate).astype(int)
    whole = peaks[(peaks >= before) & (peaks + after <= ecg.shape[1])]
    if not len(whole):
        return np.full((len(ecg), before + after), np.nan)
    return np.median([ecg[:, peak - before : peak + after] for peak in whole], axis=0)


def means(rows: list[list[float]]) -> list[float]:
    """Mean of each figure over the records that have it."""
    return [round(float(value), 4) for value in np.nanmean(rows, axis=0)]


if __name__ == "__main__":
    main()
