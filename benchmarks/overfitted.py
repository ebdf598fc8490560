"""A generator overfitted on purpose, and whether the privacy audit catches it: the audit's positive control.

    pip install 'ecgsdk[cpu,train]'
    python benchmarks/overfitted.py run/ ptb-xl/ --out overfitted/

Takes a finished training run, as `ecgsdk train` leaves it (it is only read), and goes on training its flow on a few
hundred of the run's records and nothing else, until it knows them by heart. Then both generators, the run's own and
the overfitted one, are asked for ECGs with the conditions of those members and of as many records of fold 9: with the
members' alone, a generator that has memorised nothing would come nearer to them, by their heart rates and
statements. The attacks of `ecgsdk validate` are tried on each. The area under the ROC curve of the overfitted one
must come out above 0.7, or the exit code is 1: an audit that misses it says nothing about any other generator.

The same call goes on where an earlier one was stopped. The defaults take some ten minutes.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json
from tqdm import tqdm

import ecgsdk
from ecgsdk.quality import quality_options
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.fidelity.encoder import load_encoder
from ecgsdk.validation.measure import measure_profile
from ecgsdk.validation.privacy.audit import section
from ecgsdk.validation.records import load_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.conditions import Condition
    from ecgsdk.readers import ECGSource
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared
    from ecgsdk.training.loop import Stage
    from ecgsdk.validation.profile import Profile
    from ecgsdk.validation.results import Section

CAUGHT = 0.7
"""The area under the ROC curve above which the overfitted generator counts as caught."""

TRAINING_FOLDS, TEST_FOLD = tuple(range(1, 9)), 9
_HEART_RATE, _AGE = (35.0, 170.0), (15.0, 90.0)
_MEASURES = ("membership_auc", "membership_tpr_1", "membership_auc_excess", "memorisation_ratio", "nearer_to_members")
_CHECKPOINTS = ("autoencoder.pt", "adversarial.pt", "rhythm.pt")


def askable(conditions: Sequence[Condition]) -> np.ndarray:
    """Positions of the conditions that a generator may be asked for as they are."""
    return np.array([i for i, condition in enumerate(conditions) if _may_be_asked(condition)], dtype=int)


def _may_be_asked(condition: Condition) -> bool:
    spans = ((condition.heart_rate, _HEART_RATE), (condition.age, _AGE))
    with suppress(ecgsdk.ConditionError):
        condition.check()
        return all(value is None or low <= float(value) <= high for value, (low, high) in spans)  # type: ignore[arg-type]
    return False


def prepare(run: Path, out: Path, *, members: int, seed: int, **settings: float) -> TrainConfig:
    """A run's folder in `out` that holds only the members, the run's other networks, and its flow to begin with.

    What is there already stays, so that an interrupted training goes on.

    Args:
        settings: of the flow's training that differ from the run's.
    """
    from ecgsdk.training.data import load_prepared
    from ecgsdk.training.train import run_config

    config = replace(run_config(run), seed=seed, flow_dropout=0.0, flow_ema=0.99, **settings)  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    if (out / "config.json").exists():
        return run_config(out, config)
    whole = load_prepared(run / "train.npz", config)
    usable = askable(whole.conditions(config.statements))
    chosen = np.random.default_rng(seed).choice(usable, min(members, len(usable)), replace=False)
    write_prepared(out / "train.npz", whole, np.sort(chosen), config)
    for name in _CHECKPOINTS:
        if (run / name).exists():
            shutil.copyfile(run / name, out / name)
    (out / "config.json").write_text(json.dumps(config.as_dict(), indent=2) + "\n")
    return config


def write_prepared(path: Path, prepared: Prepared, rows: np.ndarray, config: TrainConfig) -> None:
    """Some rows of a prepared file as a prepared file of their own."""
    arrays = {name: value[rows] for name, value in vars(prepared).items() if isinstance(value, np.ndarray)}
    scalars = {"resolution_uv": np.array(prepared.resolution_uv), "codes": np.array(config.statements)}
    np.savez(path, **arrays, **scalars)  # type: ignore[arg-type]


def memorising_stage(run: Path, out: Path, config: TrainConfig) -> Stage:
    """The flow's training from the run's averaged weights on, on the latents of the members alone.

    Without the jitter, the dropped conditions and the dropout that keep the real training from doing just this.
    """
    import torch
    from torch import nn

    from ecgsdk.training.autoencoder import load_encoder as load_latent_encoder
    from ecgsdk.training.data import TrainingData, load_prepared
    from ecgsdk.training.flow import build_flow, flow_loss
    from ecgsdk.training.loop import Ema, Stage, load_stage, load_weights

    device = torch.device("cpu")
    data = TrainingData(load_prepared(out / "train.npz", config), config, device)
    encoder = load_latent_encoder(out, config, device)
    with torch.no_grad():
        parts = torch.arange(len(data)).split(64)
        latents = torch.cat([encoder(data.millivolts(part)) for part in parts])
    flow = build_flow(config)
    ema = Ema(flow, config.flow_ema)
    load_weights(ema, load_stage(run, "flow")["networks"]["average"], "flow")
    flow.load_state_dict(ema.average.state_dict())
    optimizer = torch.optim.AdamW(flow.parameters(), lr=config.flow_rate, betas=(0.9, 0.99))

    def step(number: int) -> dict[str, torch.Tensor]:
        rows = torch.randint(len(data), (config.flow_batch,))
        time = torch.sigmoid(torch.randn(len(rows)))
        loss = flow_loss(flow, latents[rows], time, data.conditions[rows], data.beats[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        ema.update(flow, number)
        return {"loss": loss.detach()}

    return Stage("flow", config, {"flow": flow, "average": ema}, {"main": optimizer}, config.flow_steps, step)


def overfit(run: Path, out: Path, config: TrainConfig) -> None:
    """Trains to the end, from where an earlier call was stopped."""
    from ecgsdk.training.loop import run_stage

    began = time.monotonic()
    run_stage(memorising_stage(run, out, config), out, quiet=not sys.stderr.isatty())
    click.echo(f"training: {time.monotonic() - began:.0f} s", err=True)


def measured(source: ECGSource, what: str, cache: Cache) -> Profile:
    """The profile of a source's records."""
    with tqdm(total=len(source), desc=what, leave=False, disable=None) as progress:
        return measure_profile(load_records(source), load_encoder(), cache=cache, advance=progress.update)


@dataclass(frozen=True, eq=False)
class Tested:
    """The records on which the attacks are tried.

    Attributes:
        members, others: names of the records learned by heart, and of as many of fold 9.
        asked: the conditions of both, of which the synthetic records are asked.
    """

    members: tuple[str, ...]
    others: tuple[str, ...]
    asked: tuple[Condition, ...]


def choose_tested(run: Path, out: Path, config: TrainConfig, seed: int) -> Tested:
    """The members, and held-out records drawn at random."""
    from ecgsdk.training.data import load_prepared

    members, held_out = load_prepared(out / "train.npz", config), load_prepared(run / "validation.npz", config)
    known = members.conditions(config.statements), held_out.conditions(config.statements)
    rows = np.random.default_rng(seed).permutation(askable(known[1]))[: len(members)]
    return Tested(
        members=tuple(members.identifiers.tolist()),
        others=tuple(held_out.identifiers[rows].tolist()),
        asked=(*known[0], *(known[1][i] for i in rows)),
    )


def real_profiles(
    ptbxl: Path, tested: Tested, *, reference: int, seed: int, cache: Cache
) -> tuple[Profile, Profile, Profile]:
    """Members, records of fold 9, and further training records."""
    trained, held_out = (ecgsdk.read_ecgs(ptbxl, folds=folds) for folds in (TRAINING_FOLDS, (TEST_FOLD,)))
    further = sorted(set(trained.identifiers) - set(tested.members))
    drawn = np.random.default_rng(seed).permutation(further)[:reference].tolist()
    return (
        measured(named(trained, tested.members), "members", cache),
        measured(named(held_out, tested.others), "fold 9", cache),
        measured(named(trained, drawn), "further training records", cache),
    )


def named(source: ECGSource, names: Sequence[str]) -> ECGSource:
    """The records of these names, in this order."""
    position = {name: i for i, name in enumerate(source.identifiers)}
    return source.select([position[name] for name in names])


def synthetic_profile(run: Path, model: Path, asked: Sequence[Condition], *, seed: int, cache: Cache) -> Profile:
    """Exports a run's checkpoints as a model, and measures what it makes with these conditions."""
    from ecgsdk.training.export import export

    about = "for a benchmark of the privacy audit; it may give away whose ECGs it was trained on"
    export(run, model, version="0", description=about, overwrite=True)
    path = model.with_suffix(".h5")
    path.unlink(missing_ok=True)
    generate(model, asked, path, seed=seed)
    return measured(ecgsdk.read_ecgs(path), "synthetic ECGs", cache)


def generate(model: Path, asked: Sequence[Condition], path: Path, *, seed: int) -> None:
    """Writes a record of each condition, made by the model, into an HDF5 file."""
    generator = ecgsdk.load_generator(model)
    settings = {"seed": seed, **quality_options(generator, "high")}
    batches = generator.generate(ecgsdk.Cohort.from_conditions(asked), len(asked), sampling_rate=100, **settings)
    writer = ecgsdk.open_writer(path, sampling_rate=100, total=len(asked), provenance=generator.provenance(**settings))
    with writer as sink, tqdm(total=len(asked), desc="generating", leave=False, mininterval=5) as progress:
        for batch in batches:
            sink.write(batch)
            progress.update(len(batch))


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("ptbxl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Kept; goes on from there."
)
@click.option("--members", type=click.IntRange(min=50), default=256, show_default=True, help="To learn by heart.")
@click.option("--steps", type=click.IntRange(min=1), default=1500, show_default=True, help="Of the training.")
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, show_default=True, help="Highest.")
@click.option("--each", type=click.IntRange(min=1), default=4, show_default=True, help="Synthetic records a condition.")
@click.option("--reference", type=click.IntRange(min=100), default=4000, show_default=True, help="Other training ones.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    run: Path,
    ptbxl: Path,
    out: Path,
    members: int,
    steps: int,
    batch: int,
    rate: float,
    each: int,
    reference: int,
    seed: int,
    json_file: Path | None,
) -> None:
    """Overfit a generator on a few records, and see whether the privacy audit finds out."""
    try:
        config = prepare(run, out, members=members, seed=seed, flow_steps=steps, flow_batch=batch, flow_rate=rate)
        overfit(run, out, config)
        sections = audits(run, ptbxl, out, config, each=each, reference=reference, seed=seed)
    except ecgsdk.EcgsdkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(report(sections))
    write_json(json_file, {name: {m.name: vars(m) for m in one.measures} for name, one in sections.items()})
    if not caught(sections["overfitted"]):
        raise click.ClickException(f"the overfitted generator is not caught: its AUC is not above {CAUGHT}")


def audits(
    run: Path, ptbxl: Path, out: Path, config: TrainConfig, *, each: int, reference: int, seed: int
) -> dict[str, Section]:
    """The privacy section of the run's own generator and of the overfitted one, on the same real records."""
    cache = Cache(out / "cache")
    tested = choose_tested(run, out, config, seed)
    real = real_profiles(ptbxl, tested, reference=reference, seed=seed, cache=cache)
    found = {}
    for name, folder in (("run", run), ("overfitted", out)):
        made = synthetic_profile(folder, out / f"{name}-model", tested.asked * each, seed=seed, cache=cache)
        found[name] = section(real[0], real[1], made, real[2], seed=seed)
    return found


def caught(found: Section) -> bool:
    """Whether the best attack tells the members of this generator."""
    measure = found.measure("membership_auc")
    return measure is not None and measure.value is not None and measure.value > CAUGHT


def report(sections: dict[str, Section]) -> str:
    """A Markdown table of the measures of each generator, each beside its floor."""
    head = ("measure", *(column for name in sections for column in (name, "floor")))
    rows = []
    for name in _MEASURES:
        found = [one.measure(name) for one in sections.values()]
        title = next((measure.title for measure in found if measure), name)
        rows.append((title, *(_rounded(value) for m in found for value in ((m.value, m.floor) if m else (None, None)))))
    return markdown(head, rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


if __name__ == "__main__":
    main()
