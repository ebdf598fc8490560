"""`ecgsdk validate`: how good synthetic ECGs are, beside real ones, as a report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ecgsdk.errors import ConditionError, WriteError
from ecgsdk_cli.options import (
    FoldList,
    NameList,
    Threshold,
    check_quality,
    left_out_line,
    quality_option,
    reading_options,
    skip_damaged_option,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.validation import ReportFolder
    from ecgsdk.validation.results import Report
    from ecgsdk.validation.settings import Settings

__all__ = ["command"]

_EPILOG = """\b
Exit codes:
  0  the report was written, and every --fail-under and --fail-over holds
  1  an error: no report was written
  2  wrong usage, such as a bound for a figure that the report would not have
  3  the report was written, and a bound is missed or could not be measured

\b
Bounds name a figure of report.json (docs/report.md lists them); tstr, trtr, trts, tsts: their macro-AUROC.

\b
Examples:
  ecgsdk validate --real ptb-xl/ --out report/
  ecgsdk validate --synthetic dataset.h5 --real ptb-xl/ --out report/
  ecgsdk validate --synthetic theirs/ --name "their GAN" --real ptb-xl/ --out report/
  ecgsdk validate --generator ptbxl-flow --real ptb-xl/ --classifier minirocket --protocols tstr,trtr --seeds 5 --out r/
  ecgsdk validate --real ptb-xl/ --classifier onnx:model.onnx --sections agreement --out report/
  ecgsdk validate --real ptb-xl/ --out report/ --fail-under tstr=0.85 --fail-over membership_auc_excess=0.05
"""

_BOUND_MISSED = 3


@click.command("validate", epilog=_EPILOG)
@click.option("--real", required=True, metavar="PATH", help="Real ECGs: a PTB-XL folder, WFDB records, HDF5 …")
@click.option("--synthetic", metavar="PATH", help="Synthetic ECGs of any origin, in any format that is read.")
@click.option("--name", metavar="TEXT", help="What made them, where they do not say it.")
@click.option("--generator", metavar="NAME|FOLDER", help="Makes twins of the real ECGs; default: the shipped model.")
@click.option("--out", "-o", required=True, metavar="FOLDER", help="Gets report.html, report.json and cache/.")
@click.option(
    "--classifier",
    "classifiers",
    multiple=True,
    metavar="NAME|onnx:FILE",
    help="Repeatable; default: all installed.",
)
@click.option("--protocols", type=NameList(), default="trtr,tstr,trts,tsts", show_default=True, help="Train → test.")
@click.option(
    "--sections",
    type=NameList(),
    default="utility,fidelity,physiology,privacy,agreement,plugins",
    show_default=True,
    help="Parts of the report.",
)
@click.option(
    "--records",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    help="To train on, of each kind.",
)
@click.option(
    "--task-records", type=click.IntRange(min=10), default=1_000, show_default=True, help="A class of a binary task."
)
@click.option("--augmentation", metavar="NAME", help="Classifier of the augmentation curve; default: no curve.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings of each classifier.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is drawn.")
@click.option("--train-folds", type=FoldList(), default="1-8", show_default=True, help="Of the real ECGs.")
@click.option("--test-folds", type=FoldList(), default="9", show_default=True, help="Of the real ECGs.")
@click.option("--real-test", metavar="PATH", help="Real ECGs to test on, where those of --real have no folds.")
@click.option("--members", metavar="PATH", help="ECGs the generator was trained on, where its card does not say.")
@click.option("--sampling-rate", type=click.FloatRange(1, 1e6), metavar="HZ", help="To read the real ECGs at.")
@reading_options
@skip_damaged_option
@quality_option
@click.option("--steps", type=click.IntRange(1, 10_000), help="Flow evaluations, in place of a quality.")
@click.option("--strength", type=click.FloatRange(min=0), help="Of a synthesiser; default: 1.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--fail-under", type=Threshold(), multiple=True, help="Exit 3 if a figure is lower; repeatable.")
@click.option("--fail-over", type=Threshold(), multiple=True, help="Exit 3 if a figure is higher; repeatable.")
@click.option("--force", is_flag=True, help="Replace an earlier report.")
@click.option("--quiet", is_flag=True, help="Neither progress nor verdict.")
@click.option("--json", "as_json", is_flag=True, help="The verdict and all figures as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    out: str,
    force: bool,
    quiet: bool,
    as_json: bool,
    fail_under: tuple[tuple[str, float], ...],
    fail_over: tuple[tuple[str, float], ...],
    **asked: Any,
) -> None:
    """Say how good synthetic ECGs are: utility, fidelity, physiology, privacy.

    Real and synthetic ECGs come in equal numbers, and each figure beside its floor: the same figure of real against
    real ECGs. Run again with the same --out, an interrupted validation goes on where it was.
    """
    from ecgsdk.validation import ReportFolder

    settings = _settings(asked)
    _check_bounds(settings, {"--fail-under": fail_under, "--fail-over": fail_over})
    folder = ReportFolder.open(out, overwrite=force)
    try:
        report = _validated(settings, folder, quiet=quiet)
        written = folder.write(report)
    except KeyboardInterrupt as error:
        raise WriteError(_interrupted(folder)) from error
    missed = [*_missed(report, fail_under, lower=True), *_missed(report, fail_over, lower=False)]
    if as_json:
        click.echo(json.dumps(_summary(report, written, missed), indent=2))
    elif not quiet:
        _print(report, written)
    for line in missed:
        click.echo(line, err=True)
    if missed:
        ctx.exit(_BOUND_MISSED)


def _settings(asked: dict[str, Any]) -> Settings:
    """The settings; a section, protocol or classifier that there is none of is a usage error."""
    from ecgsdk.plugins import installed_plugins
    from ecgsdk.validation import Settings
    from ecgsdk.validation.utility.roster import check_names

    check_quality(asked["quality"], asked["steps"])
    try:
        settings = Settings(**{**asked, "classifiers": asked["classifiers"] or None})
        check_names(asked["classifiers"], installed_plugins())
    except ConditionError as error:
        raise click.UsageError(str(error)) from None
    return settings


def _interrupted(folder: ReportFolder) -> str:
    """What an interruption leaves behind."""
    if folder.cache().is_empty():
        return "interrupted; nothing was kept yet, the same command begins anew"
    return f"interrupted; the same command goes on where it was, from {folder.cache().folder}"


def _validated(settings: Settings, folder: ReportFolder, *, quiet: bool) -> Report:
    from ecgsdk.validation import no_progress, terminal_progress, validate

    return validate(settings, cache=folder.cache(), progress=no_progress if quiet else terminal_progress)


def _check_bounds(settings: Settings, bounds: dict[str, tuple[tuple[str, float], ...]]) -> None:
    """Ends in a usage error for a bound on what no report of these settings will have."""
    from ecgsdk.plugins import installed_plugins
    from ecgsdk.validation.report.figures import check_bound

    for option, given in bounds.items():
        for figure, _ in given:
            try:
                check_bound(figure, settings, installed_plugins())
            except ConditionError as error:
                raise click.UsageError(f"{option}: {error}") from None


def _missed(report: Report, bounds: tuple[tuple[str, float], ...], *, lower: bool) -> list[str]:
    """A line for each bound that does not hold."""
    from ecgsdk.validation.report.figures import full_name, missing

    measures, lines = report.measures(), []
    for given, bound in bounds:
        measure = measures.get(full_name(given))
        value = None if measure is None else measure.value
        if value is None or value != value:
            lines.append(missing(given, measures))
        elif value < bound if lower else value > bound:
            lines.append(f"{given} is {value:.4g}, {'under' if lower else 'over'} the bound of {bound:g}")
    return lines


def _print(report: Report, written: Path) -> None:
    for finding in report.findings:
        click.echo(f"{finding.level:<8} {finding.text}")
    failures = sum(len(section.failures) for section in report.sections)
    if failures:
        click.echo(f"{failures} part{'s' * (failures > 1)} could not be measured; the report says why", err=True)
    for kind, described in (("real", report.real), ("synthetic", report.synthetic)):
        if described.get("left_out"):
            click.echo(f"{kind} ECGs: {left_out_line(described['left_out'])}", err=True)
    click.echo(f"wrote {written / 'report.html'} and report.json")


def _summary(report: Report, written: Path, missed: list[str]) -> dict[str, Any]:
    whole = report.as_dict()
    return {
        "report": str(written / "report.json"),
        "findings": whole["findings"],
        "measures": {measure["name"]: measure for section in whole["sections"] for measure in section["measures"]},
        "failures": [failure for section in whole["sections"] for failure in section["failures"]],
        "missed": missed,
    }
