"""How well a classifier does on real ECGs that was trained on synthetic ones, beside the same one trained on real.

    pip install 'ecgsdk[cpu,train]'
    python benchmarks/utility.py ptb-xl/ --synthetic synthetic.h5 --cache cache/

The same rows of PTB-XL's folds 1–8 serve both sides: once with their real signals, once with synthetic ones that were
asked for with the rows' statements, age and sex (heart rates are drawn by the generator, as for any user). Both
networks are tested on the real fold 9: the area under the ROC curve for 15 labels, and balanced accuracy of five
binary tasks, norm against a group, each decided at even odds after the share of the group in training is taken out.
`--cache` keeps the scores of the network trained on real ECGs, so that several models need it only once. A file
given as `--synthetic` is taken again only if the same model, settings and rows made it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from metrics import auroc, balanced_accuracy, log_odds
from tables import markdown, write_json
from utility_data import LABELS, TASKS, Rows, choose_rows, eight_leads, fitted, label_matrix, write_synthetic

import ecgsdk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.readers import ECGSource

TRAINING_FOLDS, TEST_FOLD = tuple(range(1, 9)), 9


@dataclass(frozen=True)
class Scores:
    """What networks said of the test records.

    Attributes:
        logits: shape (seeds, records, labels).
        odds: log odds of each binary task among the training records, shape (tasks,).
    """

    logits: np.ndarray
    odds: np.ndarray


@dataclass(frozen=True)
class Fit:
    """How networks are trained."""

    epochs: int
    seeds: tuple[int, ...]
    device: str = "cpu"
    threads: int | None = None

    def scores(self, source: ECGSource, test: np.ndarray) -> Scores:
        """What networks trained on `source` say of the test signals."""
        # Late: PyTorch takes seconds to import, and `--help` does without it.
        import torch
        from network import predict, train

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        signals, labels = eight_leads(source, "training records"), label_matrix(source.conditions)
        began = time.monotonic()
        logits = []
        for seed in self.seeds:
            network = train(signals, labels, epochs=self.epochs, seed=seed, device=self.device)
            logits.append(predict(network, test))
        click.echo(f"{len(self.seeds)} × {self.epochs} epochs in {time.monotonic() - began:.0f} s", err=True)
        odds = [log_odds(group[norm ^ group]) for norm, group in task_labels(labels)]
        return Scores(np.stack(logits), np.array(odds))


@click.command()
@click.argument("ptbxl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("--records", type=click.IntRange(min=64), default=12_000, show_default=True, help="To train on.")
@click.option("--epochs", type=click.IntRange(min=1), default=15, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Networks on each side.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of rows, records, networks.")
@click.option("--steps", type=click.IntRange(min=1), help="Flow evaluations; default: the model's.")
@click.option("--guidance", type=click.FloatRange(min=0), help="Guidance weight; default: the model's.")
@click.option(
    "--synthetic",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HDF5 file of the synthetic records: read if it is there, written if not.",
)
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Keeps the real network's scores.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="To train on.")
@click.option("--threads", type=click.IntRange(min=1), help="To train with; fewer where other work runs beside it.")
@click.option("--real-only", is_flag=True, help="Only the network trained on real ECGs: needs no model.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    ptbxl: Path,
    model: str | None,
    records: int,
    epochs: int,
    seeds: int,
    seed: int,
    steps: int | None,
    guidance: float | None,
    synthetic: Path | None,
    cache: Path | None,
    device: str,
    threads: int | None,
    real_only: bool,
    json_file: Path | None,
) -> None:
    """Train on synthetic and on real ECGs of PTB-XL, test on the real fold 9."""
    training = ecgsdk.read_ecgs(ptbxl, folds=TRAINING_FOLDS)
    test = ecgsdk.read_ecgs(ptbxl, folds=(TEST_FOLD,))
    rows = choose_rows(training.conditions, records, seed)
    chosen = training.select(rows.positions.tolist())
    truth, signals = label_matrix(test.conditions), eight_leads(test, "fold 9")
    fit = Fit(epochs, tuple(range(seed, seed + seeds)), device, threads)

    key = f"real-n{len(chosen)}-e{epochs}-s{seeds}-{seed}-{fingerprint(chosen, test)[:16]}.npz"
    with tempfile.TemporaryDirectory() as folder:
        made = None
        if not real_only:  # before the training: a file of other records is found out at once, not in an hour
            path = synthetic or Path(folder) / "synthetic.h5"
            made = synthetic_source(path, rows, model=model, seed=seed, steps=steps, guidance=guidance)
        scores = {"real": cached(cache and cache / key, lambda: fit.scores(chosen, signals))}
        if made is not None:
            scores["synthetic"] = fit.scores(made, signals)
    figures = {name: evaluated(truth, one) for name, one in scores.items()}
    click.echo(report(figures, rows, truth))
    settings = {"records": len(rows.positions), "skipped": rows.skipped, "epochs": epochs, "seeds": seeds, "seed": seed}
    write_json(json_file, {"model": model, **settings, "test": len(truth), **figures})


def synthetic_source(
    path: Path, rows: Rows, *, model: str | None, seed: int, steps: int | None, guidance: float | None
) -> ECGSource:
    """The synthetic records of the rows: from the file, which is written if it is not there.

    Raises:
        click.ClickException: the file is there, but holds other records.
    """
    if not path.exists():
        write_synthetic(path, rows.asked, model=model, seed=seed, steps=steps, guidance=guidance)
        return ecgsdk.read_ecgs(path)
    source, generator = ecgsdk.read_ecgs(path), ecgsdk.load_generator(model)
    asked = [fitted(condition, generator.card) for condition in rows.asked]
    wrong = difference(source, asked, generator.provenance(seed=seed, steps=steps, guidance=guidance))
    if wrong:
        raise click.ClickException(f"{path} is not what would be written: {wrong}; name another file or remove it")
    return source


def difference(source: ECGSource, asked: Sequence[Condition], provenance: Provenance) -> str:
    """In what the records differ from those asked for with this provenance; empty if in nothing."""
    if source.provenance is None:
        return "it holds real ECGs"
    for name in ("model_sha256", "seed", "steps", "guidance"):
        found, wanted = getattr(source.provenance, name), getattr(provenance, name)
        if found != wanted:
            return f"its {name} is {found}, not {wanted}"
    if len(source) != len(asked):
        return f"it holds {len(source)} records, not {len(asked)}"
    for i, (made, row) in enumerate(zip(source.conditions, asked)):
        if made.statements != row.statements:
            return f"record {i} has the statements {'+'.join(made.statements)}, not {'+'.join(row.statements)}"
    return ""


def fingerprint(*sources: ECGSource) -> str:
    """SHA-256 over the identifiers and labels of all records, in order."""
    records = [[source.identifiers, label_matrix(source.conditions).tolist()] for source in sources]
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()


def cached(path: Path | None, make: Callable[[], Scores]) -> Scores:
    """The scores in the file, or made and kept there."""
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Scores(stored["logits"], stored["odds"])
    scores = make()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, logits=scores.logits, odds=scores.odds)
    return scores


def task_labels(labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each binary task, which records are normal and which of the group."""
    names = list(LABELS)
    return [(labels[:, names.index("NORM")], labels[:, names.index(name)]) for name in TASKS.values()]


def evaluated(truth: np.ndarray, scores: Scores) -> dict[str, dict[str, float]]:
    """AUROC a label and balanced accuracy a task, each the mean over seeds, with their means over labels and tasks."""
    aurocs = {
        name: float(np.mean([auroc(truth[:, k], logits[:, k]) for logits in scores.logits]))
        for k, name in enumerate(LABELS)
    }
    names = list(LABELS)
    chances = -np.logaddexp(0, -scores.logits)
    accuracies = {}
    for (task, label), (norm, group), odds in zip(TASKS.items(), task_labels(truth), scores.odds):
        margins = chances[:, :, names.index(label)] - chances[:, :, names.index("NORM")] - odds
        one_of_them = norm ^ group
        accuracies[task] = float(np.mean([balanced_accuracy(group[one_of_them], m[one_of_them] > 0) for m in margins]))
    macro = [np.nanmean([auroc(truth[:, k], logits[:, k]) for k in range(len(names))]) for logits in scores.logits]
    return {
        "auroc": aurocs,
        "macro_auroc": {"mean": float(np.nanmean(list(aurocs.values()))), "sd": float(np.std(macro))},
        "balanced_accuracy": accuracies,
        "mean_balanced_accuracy": {"mean": float(np.nanmean(list(accuracies.values())))},
    }


def report(figures: dict[str, dict[str, dict[str, float]]], rows: Rows, truth: np.ndarray) -> str:
    """The tables as they are printed."""
    sides = list(figures)
    said = f"{len(rows.positions)} records to train on ({rows.skipped} passed over: their statements contradict)"
    labels = [
        (f"{name} ({int(truth[:, k].sum())})", *compared([figures[side]["auroc"][name] for side in sides]))
        for k, name in enumerate(LABELS)
    ]
    labels.append(("**macro**", *compared([figures[side]["macro_auroc"]["mean"] for side in sides])))
    tasks = [
        (f"norm against {task}", *compared([figures[side]["balanced_accuracy"][task] for side in sides]))
        for task in TASKS
    ]
    tasks.append(("**mean**", *compared([figures[side]["mean_balanced_accuracy"]["mean"] for side in sides])))
    columns = [f"trained on {side}" for side in sides] + (["ratio"] if len(sides) == 2 else [])
    auroc_table = markdown(("AUROC, fold 9 (positives)", *columns), labels)
    return f"{said}\n\n{auroc_table}\n\n{markdown(('balanced accuracy, fold 9', *columns), tasks)}"


def compared(values: list[float]) -> list[float]:
    """The values, rounded, and what share of the first the second is."""
    ratio = [round(values[1] / values[0], 4)] if len(values) == 2 else []
    return [round(value, 4) for value in values] + ratio


if __name__ == "__main__":
    main()
