"""What a classifier learns from more synthetic ECGs than there are real ones, beside what real ones teach it.

    pip install 'ecgsdk[cpu]' './plugins/ecgsdk-classifiers[torch]'
    python benchmarks/more_records.py ptb-xl/ --out more/ --real 12000 --synthetic 12000,60000

Real ECGs are those of folds 1 to 8, synthetic ones their twins: asked for with the same statements, age and sex, in
random order, all of them once, then all of them again. Both are tested on fold 9, as in `ecgsdk validate`: the
macro-AUROC of fifteen labels. The same call goes on where an earlier one was stopped. The defaults take half an hour of
two cores and 4 GB.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from tables import markdown, write_json

import ecgsdk
from ecgsdk.quality import quality_options
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.datasets import askable, loaded, open_real
from ecgsdk.validation.progress import terminal_progress
from ecgsdk.validation.scores import auroc, macro_auroc
from ecgsdk.validation.settings import Settings
from ecgsdk.validation.twins import twins
from ecgsdk.validation.utility.roster import call_roster
from ecgsdk.validation.utility.tasks import LABELS, label_matrix
from ecgsdk.validation.utility.trainings import Trainer, Training

if TYPE_CHECKING:
    from ecgsdk.hookspecs import ECGGenerator
    from ecgsdk.validation.datasets import Real
    from ecgsdk.validation.records import Records


def sizes(_context: click.Context, option: click.Parameter, text: str) -> list[int]:
    """Numbers of records, smallest first."""
    if not all(part.isdecimal() and int(part) >= 100 for part in text.split(",")):
        raise click.BadParameter("give numbers of 100 or more, such as 12000,60000", param=option)
    return sorted({int(part) for part in text.split(",")})


@click.command()
@click.argument("ptbxl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Keeps what was made.")
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("--quality", type=click.Choice(["standard", "high"]), help="Default: standard.")
@click.option("--classifier", default="resnet1d", show_default=True, metavar="NAME")
@click.option("--real", default="12000", show_default=True, callback=sizes, help="Numbers of real ECGs.")
@click.option(
    "--synthetic", default="12000,60000", show_default=True, callback=sizes, help="Numbers of synthetic ECGs."
)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings on each.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    ptbxl: Path,
    out: Path,
    model: str | None,
    quality: str | None,
    classifier: str,
    real: list[int],
    synthetic: list[int],
    seeds: int,
    json_file: Path | None,
) -> None:
    """Train on many synthetic ECGs, test on real ones."""
    # All real records, so that synthetic ones have each condition once before the first comes again.
    settings = Settings(str(ptbxl), records=10**9, quality=quality, seeds=seeds)
    try:
        trainer, generator = called(classifier), ecgsdk.load_generator(model)
        provenance = generator.provenance(seed=0, **quality_options(generator, quality))
        found = compared(settings, trainer, generator, {"real": real, "synthetic": synthetic}, Cache(out))
    except ecgsdk.EcgsdkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(found))
    figures = {"provenance": provenance.as_dict(), "classifier": classifier, "seeds": seeds, "auroc": found}
    write_json(json_file, figures)


def called(classifier: str) -> Trainer:
    """The trainable classifier of this name; raises ClickException where there is none that works."""
    roster = call_roster((classifier,))
    trainer = roster.preferred()
    if trainer is None:
        reasons = [failure.why for failure in roster.failures]
        raise click.ClickException(f"{classifier}: {'; '.join(reasons) or 'it cannot be trained'}")
    return trainer


def compared(
    settings: Settings, trainer: Trainer, generator: ECGGenerator, numbers: dict[str, list[int]], cache: Cache
) -> dict[str, dict[str, float]]:
    """AUROC of each label and their mean, by what was trained on: the mean over trainings."""
    ours = open_real(settings, terminal_progress)
    if numbers["real"][-1] > ours.multi:
        raise click.ClickException(f"there are {ours.multi} real ECGs to train on; ask for no more (--real)")
    test = loaded(ours.test, "real ECGs to test on", terminal_progress)
    rows = ours.rows[: numbers["real"][-1]].tolist()
    sides = {
        "real": loaded(ours.train.select(rows), "real ECGs to train on", terminal_progress),
        "synthetic": made(ours, generator, numbers["synthetic"][-1], settings, cache),
    }
    found = {}
    for kind, n in [(kind, n) for kind, wanted in numbers.items() for n in wanted]:
        with terminal_progress(f"training on {n} {kind} ECGs", settings.seeds) as advance:
            scores = []
            for seed in range(settings.seeds):
                scores.append(scored(sides[kind].select(range(n)), test, trainer, seed, cache))
                advance(1)
        found[f"{n} {kind}"] = {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}
    return found


def made(ours: Real, generator: ECGGenerator, n: int, settings: Settings, cache: Cache) -> Records:
    """Twins of the real training records, as many as asked for."""
    asked = [askable(ours.train.conditions[i], generator) for i in np.resize(ours.rows[: ours.multi], n)]
    known = [condition for condition in asked if condition is not None]
    if len(known) < n:
        raise click.ClickException(f"{generator.name} cannot be asked for {n - len(known)} of {n} conditions")
    return loaded(twins(generator, known, settings, cache, terminal_progress), "synthetic ECGs", terminal_progress)


def scored(train: Records, test: Records, trainer: Trainer, seed: int, cache: Cache) -> dict[str, float]:
    """AUROC of each label in the test records after one training, and their mean."""
    training = Training(train, label_matrix(train.conditions), {"real": test})
    truth, told = label_matrix(test.conditions), training.probabilities(trainer, seed, cache)["real"]
    apart = {label: auroc(truth[:, k], told[:, k]) for k, label in enumerate(LABELS)}
    return {"macro-AUROC": macro_auroc(truth, told), **apart}


def table(found: dict[str, dict[str, float]]) -> str:
    """A row for each figure, a column for each training set; shares of the first in %."""
    first, *others = found
    head = ["", first, *(column for other in others for column in (other, "%"))]
    rows = []
    for name, value in found[first].items():
        cells = [(round(found[other][name], 4), round(100 * found[other][name] / value, 1)) for other in others]
        rows.append([name, round(value, 4), *(cell for pair in cells for cell in pair)])
    return markdown(head, rows)


if __name__ == "__main__":
    main()
