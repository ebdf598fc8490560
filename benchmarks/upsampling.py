"""How good 500 Hz is: upsampled held-out real ECGs, and generated ones, beside real ECGs recorded at 500 Hz.

    pip install 'ecgsdk[cpu]' scikit-learn matplotlib ./plugins/ecgsdk-classifiers
    python benchmarks/upsampling.py ptb-xl/ --picture qrs.png

PTB-XL has each ECG at 500 Hz and at 100 Hz. The 100 Hz versions of fold 9 are brought to 500 Hz by the model's
upsampler and by three interpolations, and compared with the recorded 500 Hz: the error within 50 ms of R peaks and
overall, and the power relative to the record's own, as the median over records. "Expected" is the upsampler without its
grain, the noise that it draws. Then two classifiers, trained on folds 1 to 8 and asked about fold 9, tell recorded from
upsampled ECGs, and real from generated ones of the same conditions at 500 and at 100 Hz: boosted trees on band powers,
and a ResNet. Recorded samples are a staircase of steps of about 5 µV with softened edges; both sides get even noise of
that size, or the steps would tell. One table tells recorded from upsampled by parts of the features alone. The last
does by phase: at 400 Hz, where both were made, logarithms of squared differences are averaged by sample number modulo
16. In recordings all sixteen are alike; blocks that a network makes at a time would show there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json

import ecgsdk
from ecgsdk.beats import detect_beats
from ecgsdk.errors import ConditionError
from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.resampling import resample
from ecgsdk.runtime import open_session
from ecgsdk.soundness import fit_for_training
from ecgsdk.validation.scores import auroc

if TYPE_CHECKING:
    from ecgsdk.conditions import Condition

FINE, COARSE = 500, 100
BANDS_HZ = ((40, 60), (60, 100), (100, 150), (40, 150))
FEATURES_HZ = (1, 5, 10, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 240)
DELAY_S = 0.00125
STEP_MV = 0.00488
TREES = {"max_iter": 150, "learning_rate": 0.08, "max_leaf_nodes": 8, "random_state": 0}
EDGE_S = 0.5
SEGMENT_S = 2.0
PHASE_EDGE = 208


@dataclass(frozen=True)
class Real:
    """Records at both rates, (n, 8, samples) in mV, with their conditions."""

    fine: np.ndarray
    coarse: np.ndarray
    conditions: tuple[Condition, ...]


def read_real(folder: Path, folds: list[int]) -> Real:
    """The sound records of some folds; a coarse version is the one that PTB-XL publishes."""
    sides, conditions = [], []
    for rate in (FINE, COARSE):
        batches = list(read_ptbxl(folder, sampling_rate=rate, folds=folds).batches(256))
        sides.append(np.concatenate([to_eight(batch.signals) for batch in batches]))
        conditions = [condition for batch in batches for condition in batch.conditions]
    keep = np.flatnonzero(fit_for_training(sides[0], detect_beats(sides[0], FINE)))
    return Real(sides[0][keep], sides[1][keep], tuple(conditions[i] for i in keep))


def interpolations(coarse: np.ndarray) -> dict[str, np.ndarray]:
    """The coarse signals at 500 Hz: band-limited, the same in the recording's own time, and by cubic splines in it."""
    from scipy.interpolate import CubicSpline

    dense = resample(coarse, COARSE, 8 * FINE)
    times = np.arange(coarse.shape[2]) / COARSE + DELAY_S
    moved = np.roll(dense, round(DELAY_S * 8 * FINE), axis=-1)[..., ::8]
    spline = CubicSpline(times, coarse, axis=-1)(np.arange(moved.shape[2]) / FINE)
    return {"band-limited": dense[..., ::8], "band-limited, 1.25 ms later": moved, "cubic": spline.astype(np.float32)}


def upsampled(graph: bytes, coarse: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What the upsampler makes, without and with its grain."""
    session = open_session(graph, device="cpu")
    noise = np.random.default_rng(seed).standard_normal((len(coarse), *session.get_inputs()[1].shape[1:]), np.float32)
    return {
        name: np.concatenate(
            [
                session.run(None, {"signals": coarse[i : i + 16], "noise": scale * noise[i : i + 16]})[0]
                for i in range(0, len(coarse), 16)
            ]
        )
        for name, scale in (("expected", np.float32(0)), ("upsampler", np.float32(1)))
    }


def near_beats(fine: np.ndarray) -> np.ndarray:
    """Which samples lie within 50 ms of an R peak, (n, 1, samples)."""
    near = np.zeros((len(fine), 1, fine.shape[2]), dtype=bool)
    for row, beats in zip(near, detect_beats(fine, FINE)):
        for beat in beats:
            row[0, max(0, round((beat - 0.05) * FINE)) : round((beat + 0.05) * FINE) + 1] = True
    return near


def spectra(signals: np.ndarray, rate: float, where: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Power by frequency of frames of 0.2 s, (n, leads, frequencies), of those whose middle is in `where`."""
    length = round(0.2 * rate)
    starts = np.arange(0, signals.shape[2] - length + 1, length // 4)
    frames = np.lib.stride_tricks.sliding_window_view(signals, length, axis=2)[:, :, starts]
    power = np.square(np.abs(np.fft.rfft((frames - frames.mean(-1, keepdims=True)) * np.hanning(length))))
    weight = np.ones((len(signals), 1, len(starts))) if where is None else where[:, :, starts + length // 2]
    weight = weight / np.maximum(weight.sum(axis=2, keepdims=True), 1)
    return np.fft.rfftfreq(length, 1 / rate), (power * weight[..., None]).sum(axis=2)


def paired(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Errors in µV and ratios of power of made and recorded signals at 500 Hz, without their edges."""
    edge = round(EDGE_S * FINE)
    real, made = real[..., edge:-edge], made[..., edge : real.shape[2] - edge]
    near = np.broadcast_to(near_beats(real), real.shape)
    error = 1000 * (made - real)
    row = {"RMSE at QRS": rms(error[near]), "RMSE": rms(error)}
    for place, where in (("QRS", near[:, :1]), ("rest", ~near[:, :1])):
        (frequency, ours), (_, theirs) = spectra(made, FINE, where), spectra(real, FINE, where)
        for low, high in BANDS_HZ:
            chosen = (frequency >= low) & (frequency < high)
            ratio = ours[..., chosen].sum(axis=(1, 2)) / theirs[..., chosen].sum(axis=(1, 2))
            row[f"{place} {low}–{high}"] = float(np.median(ratio))
    return row


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def features(signals: np.ndarray, rate: float) -> np.ndarray:
    """Logarithms of band powers around R peaks and elsewhere, lead by lead, and how alike leads are above 40 Hz."""
    limits = [limit for limit in FEATURES_HZ if limit <= rate / 2]
    near, columns = near_beats(resample(signals, rate, FINE) if rate != FINE else signals), []
    near = near[..., :: round(FINE / rate)]
    for where in (near, ~near):
        frequency, power = spectra(signals, rate, where)
        for low, high in pairwise(limits):
            columns.append(np.log(power[..., (frequency >= low) & (frequency < high)].sum(axis=2) + 1e-9))
    high = np.diff(signals, n=2, axis=2)
    size = high.std(axis=2) + 1e-9
    alike = np.einsum("nit,njt->nij", high, high) / high.shape[2] / (size[:, :, None] * size[:, None])
    upper = np.triu_indices(signals.shape[1], 1)
    return np.concatenate([*columns, np.log(size), alike[:, upper[0], upper[1]]], axis=1)


def segments(signals: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Records without edges, dithered, in pieces; (n, pieces, 8, samples)."""
    edge, length = round(EDGE_S * rate), round(SEGMENT_S * rate)
    inner = signals[..., edge:-edge]
    inner = inner[..., : inner.shape[2] // length * length]
    dither = np.random.default_rng(seed).uniform(-0.5, 0.5, inner.shape).astype(np.float32) * np.float32(STEP_MV)
    return (inner + dither).reshape(*inner.shape[:2], -1, length).swapaxes(1, 2)


def told_apart(learned: list[np.ndarray], asked: list[np.ndarray], rate: float, *, epochs: int) -> dict[str, float]:
    """Areas under the ROC curve, by record, of two classifiers that learn from [real, made] and are asked others."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    test, pieces, labels = _pieces(learned, asked, rate)
    truth = np.repeat([False, True], [len(side) for side in test])
    trees = HistGradientBoostingClassifier(**TREES)
    trees.fit(features(pieces[0], rate), labels[0])
    told = {"boosted trees": trees.predict_proba(features(pieces[1], rate))[:, 1]}
    if epochs:
        from ecgsdk_classifiers.network_classifier import NetworkClassifier
        from ecgsdk_classifiers.resnet import ResNet

        classifier = NetworkClassifier("ResNet", ResNet, epochs=epochs)
        classifier.fit(to_twelve(pieces[0]), labels[0][:, None], seed=0)
        told["ResNet"] = classifier.predict_proba(to_twelve(pieces[1]))[:, 0]
    return {name: float(auroc(truth, _by_record(scores, test))) for name, scores in told.items()}


def given_away(learned: list[np.ndarray], asked: list[np.ndarray]) -> dict[str, float]:
    """Areas under the ROC curve of boosted trees that see a part of the features at 500 Hz."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    test, pieces, labels = _pieces(learned, asked, FINE)
    truth = np.repeat([False, True], [len(side) for side in test])
    seen, asked_about = (features(side, FINE) for side in pieces)
    told = {}
    for name, columns in parts_of_features().items():
        trees = HistGradientBoostingClassifier(**TREES).fit(seen[:, columns], labels[0])
        told[name] = float(auroc(truth, _by_record(trees.predict_proba(asked_about[:, columns])[:, 1], test)))
    return told


def parts_of_features() -> dict[str, np.ndarray]:
    """Which columns of `features` at 500 Hz belong to what: places, bands, leads, and how leads go together."""
    bands = np.arange(2 * (len(FEATURES_HZ) - 1) * 8).reshape(2, -1, 8)
    first = np.array(FEATURES_HZ[:-1])
    pairs = bands.size + 8 + np.arange(28)
    return {
        "at QRS, 50–100 Hz": bands[0, (first >= 50) & (first < 100)].ravel(),
        "at QRS, from 100 Hz": bands[0, first >= 100].ravel(),
        "between, below 50 Hz": bands[1, first < 50].ravel(),
        "between, 50–100 Hz": bands[1, (first >= 50) & (first < 100)].ravel(),
        "between, 100–150 Hz": bands[1, (first >= 100) & (first < 150)].ravel(),
        "between, from 150 Hz": bands[1, first >= 150].ravel(),
        "how leads go together": pairs,
        "lead I": bands[:, :, 0].ravel(),
        "lead V3": bands[:, :, 4].ravel(),
    }


def phases(fine: np.ndarray) -> np.ndarray:
    """Powers of differences of order 1 to 4 at 400 Hz by sample number modulo 16, mean over leads, (n, 4, 16)."""
    import torch

    from ecgsdk.training.upsampler_critics import phase_powers
    from ecgsdk.training.upsampler_rates import STEP_MV as STEP
    from ecgsdk.training.upsampler_rates import recorded

    steps = torch.from_numpy(recorded(fine)[..., PHASE_EDGE:-PHASE_EDGE]).float() * STEP
    powers = torch.cat([phase_powers(part) for part in steps.split(32)])
    return powers.unflatten(1, (-1, fine.shape[1])).mean(dim=2).numpy()


def told_by_phase(learned: list[np.ndarray], asked: list[np.ndarray]) -> dict[str, float]:
    """How uneven recorded and made are, and the area under the ROC curve of logistic regression on `phases`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen, asked_about = ([phases(side) for side in part] for part in (learned, asked))
    labels, truth = (np.repeat([False, True], [len(side) for side in part]) for part in (learned, asked))
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    regression.fit(np.concatenate(seen).reshape(len(labels), -1), labels)
    scores = regression.decision_function(np.concatenate(asked_about).reshape(len(truth), -1))
    uneven = {
        f"{name}, order {order + 1}": float(np.ptp(np.concatenate(sides)[:, order].mean(axis=0)))
        for name, *sides in zip(("recorded", "upsampled"), seen, asked_about)
        for order in range(seen[0].shape[1])
    }
    return {**uneven, "AUC": float(auroc(truth, scores))}


def _pieces(
    learned: list[np.ndarray], asked: list[np.ndarray], rate: float
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Segments of the asked sides; all pieces, and which are made, to learn from and to ask about."""
    sides = [[segments(side, rate, 2 * k + i) for i, side in enumerate(s)] for k, s in enumerate((learned, asked))]
    pieces = [np.concatenate([side.reshape(-1, *side.shape[2:]) for side in part]) for part in sides]
    labels = [np.repeat([False, True], [side.shape[0] * side.shape[1] for side in part]) for part in sides]
    return sides[1], pieces, labels


def _by_record(scores: np.ndarray, sides: list[np.ndarray]) -> np.ndarray:
    odds = np.log(np.clip(scores, 1e-6, 1 - 1e-6) / (1 - np.clip(scores, 1e-6, 1 - 1e-6)))
    return odds.reshape(sum(len(side) for side in sides), -1).mean(axis=1)


def generated(generator: ecgsdk.Generator, conditions: tuple[Condition, ...], rate: float, seed: int) -> np.ndarray:
    """ECGs of the same conditions."""
    cohort = ecgsdk.Cohort.from_conditions([askable(generator, condition) for condition in conditions])
    batches = generator.generate(cohort, len(conditions), seed=seed, sampling_rate=rate)
    return np.concatenate([to_eight(batch.signals) for batch in batches])


def askable(generator: ecgsdk.Generator, condition: Condition) -> Condition:
    """What of a real record's condition the generator can be asked for: no statement that contradicts one before it."""
    asked = ecgsdk.Condition()
    for code in condition.statements:
        more = ecgsdk.Condition((*asked.statements, code))
        with suppress(ConditionError):
            more.check()
            generator.card.check(more)
            asked = more
    low, high = generator.card.age
    age = None if condition.age is None else min(max(condition.age, low), high)
    return replace(asked, age=age, sex=condition.sex)


def picture(path: Path, real: np.ndarray, made: dict[str, np.ndarray]) -> None:
    """QRS complexes of six records in lead V2 and II: recorded, interpolated, upsampled."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    beats = detect_beats(real, FINE)
    figure, axes = pyplot.subplots(2, 6, figsize=(18, 7))
    for column, record in enumerate(np.linspace(2, len(real) - 3, 6).astype(int)):
        middle = round(beats[record][len(beats[record]) // 2] * FINE)
        cut = slice(middle - 50, middle + 50)
        times = (np.arange(100) - 50) * 1000 / FINE
        for row, lead in enumerate((1, 3)):
            axis = axes[row, column]
            axis.plot(times, real[record, lead, cut], "k", lw=1.4, label="recorded")
            for name, colour in (("band-limited, 1.25 ms later", "C0"), ("upsampler", "C3")):
                axis.plot(times, made[name][record, lead, cut], colour, lw=0.9, label=name)
            axis.set_title(f"record {record}, lead {('I', 'II', 'V1', 'V2')[lead]}", fontsize=8)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


@click.command()
@click.argument("ptbxl", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME|FOLDER", help="A model with an upsampler; default: the shipped one.")
@click.option("--seed", default=1, show_default=True, help="Of the grain and the generated ECGs.")
@click.option("--network/--no-network", default=True, show_default=True, help="Whether the ResNet is asked as well.")
@click.option("--epochs", default=6, show_default=True, help="How often the ResNet goes through the pieces.")
@click.option("--generated/--no-generated", "with_generated", default=True, show_default=True, help="Ask of them too.")
@click.option("--picture", "picture_file", type=click.Path(dir_okay=False, path_type=Path), help="QRS complexes.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    ptbxl: Path,
    model: str | None,
    seed: int,
    network: bool,
    epochs: int,
    with_generated: bool,
    picture_file: Path | None,
    json_file: Path | None,
) -> None:
    """Print how 500 Hz ECGs compare with recorded ones; PTBXL has records500 and records100."""
    generator = ecgsdk.load_generator(model, device="cpu")
    graph = generator.model.graph("upsampler")
    learned, asked = read_real(ptbxl, list(range(1, 9))), read_real(ptbxl, [9])
    made = {**interpolations(asked.coarse), **upsampled(graph, asked.coarse, seed)}
    rows = {name: paired(asked.fine, signals) for name, signals in made.items()}
    click.echo(f"{len(asked.fine)} records of fold 9: recorded at 500 Hz, and made of 100 Hz (µV; ratio of power)\n")
    names = list(next(iter(rows.values())))
    click.echo(markdown(("", *names), [(n, *(round(row[k], 2) for k in names)) for n, row in rows.items()]))
    if picture_file is not None:
        picture(picture_file, asked.fine, made)
    ours = upsampled(graph, learned.coarse, seed + 1)["upsampler"]
    asker = generator if with_generated else None
    tests = tell_all(asker, learned, asked, ours, made, seed, epochs=epochs if network else 0)
    click.echo(f"\nAUC of telling: learned from {len(learned.fine)} records, asked about {len(asked.fine)}\n")
    tellers = list(next(iter(tests.values())))
    click.echo(markdown(("", *tellers), [(name, *(round(row[t], 3) for t in tellers)) for name, row in tests.items()]))
    parts = given_away([learned.fine, ours], [asked.fine, made["upsampler"]])
    click.echo("\nThe trees on parts of the features: recorded, or upsampled from 100 Hz\n")
    click.echo(markdown(("", "AUC"), [(name, round(area, 3)) for name, area in parts.items()]))
    uneven = told_by_phase([learned.fine, ours], [asked.fine, made["upsampler"]])
    click.echo("\nBy phase at 400 Hz: largest less smallest of 16, natural logarithms, and how well that tells\n")
    click.echo(markdown(("", ""), [(name, round(value, 3)) for name, value in uneven.items()]))
    figures = {"records": len(asked.fine), "paired": rows, "told_apart": tests, "given_away": parts, "phases": uneven}
    write_json(json_file, figures)


def tell_all(
    generator: ecgsdk.Generator | None,
    learned: Real,
    asked: Real,
    ours: np.ndarray,
    made: dict[str, np.ndarray],
    seed: int,
    *,
    epochs: int,
) -> dict[str, dict[str, float]]:
    """What can be told from what, and how well; of generated ECGs only where there is a generator."""
    moved, made_name = "band-limited, 1.25 ms later", "upsampler"
    others = {"interpolated": interpolations(learned.coarse)[moved], "upsampled": ours}
    theirs = {"interpolated": made[moved], "upsampled": made[made_name]}
    tests = {
        f"recorded, or {name} from 100 Hz": told_apart(
            [learned.fine, others[name]], [asked.fine, theirs[name]], FINE, epochs=epochs
        )
        for name in others
    }
    for rate in (FINE, COARSE) if generator else ():
        real = [side.fine if rate == FINE else side.coarse for side in (learned, asked)]
        sides = enumerate((learned, asked), start=seed + 2)
        synthetic = [generated(generator, side.conditions, rate, own_seed) for own_seed, side in sides]
        tests[f"real, or generated at {rate} Hz"] = told_apart(
            [real[0], synthetic[0]], [real[1], synthetic[1]], rate, epochs=epochs
        )
    return tests


if __name__ == "__main__":
    main()
