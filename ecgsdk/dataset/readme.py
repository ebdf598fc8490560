"""README.md of a data set: what is in the folder, how to load it, whom to credit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS, STATEMENTS
from ecgsdk.dataset.checksums import SUMS
from ecgsdk.dataset.licence import terms_of
from ecgsdk.dataset.pages import code, decimal, page, table
from ecgsdk.dataset.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.dataset.contents import Dataset
    from ecgsdk.dataset.table import Column

__all__ = ["FILES", "citation", "group_table", "readme", "summary"]

FILES = {
    "ecg.h5": "the ECGs in HDF5: `signals` (record, lead, sample) in µV as int16, and the table `conditions`",
    "wfdb": "the same ECGs as WFDB records; `RECORDS` lists them",
    TABLE: "one row for each record: group, split, statements, heart rate, age, sex",
    "README.md": "this page",
    "DATASHEET.md": "what the data are, how they were made, what they are for, and their limits",
    "LICENSE": "licence and credits",
    "croissant.json": "description for machines, MLCommons Croissant 1.0",
    "gallery.html": "some ECGs of each group, to look at in a browser",
    SUMS: "SHA-256 of all files",
}
"""Every file that a data set may hold, and the folder of WFDB records."""

_HDF5 = """
import csv

import h5py

with open("records.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
with h5py.File("ecg.h5") as file:
    leads = list(file.attrs["leads"])
    millivolts = file["signals"][:] * file["signals"].attrs["millivolts_per_unit"]  # (record, lead, sample)

test = [int(row["record"]) for row in rows if row["split"] == "test"]
signals, groups = millivolts[test], [rows[i]["group"] for i in test]
"""

_WFDB = """
import wfdb

record = wfdb.rdrecord("wfdb/000000")
millivolts = record.p_signal  # (sample, lead)
leads, rate = record.sig_name, record.fs  # Hz
"""


def readme(dataset: Dataset, columns: Sequence[Column]) -> str:
    """The page."""
    terms = terms_of(dataset)
    link = f"[{terms.name}]({terms.url})" if terms.url else terms.name
    blocks = [f"# {dataset.name}", summary(dataset)]
    blocks += ["[DATASHEET.md](DATASHEET.md) says what the data can be used for and what not."]
    blocks += ["## Files", table(["file", "what it holds"], _files(dataset), text_columns=2)]
    blocks += ["## Groups", group_table(dataset)]
    blocks += [f"## Columns of {TABLE}", table(["column", "meaning"], _meanings(columns), text_columns=2)]
    blocks += ["A cell is empty where the value is not known."]
    blocks += ["## Load", *_loading(dataset)]
    blocks += ["## Check", code(f"sha256sum -c --quiet {SUMS}", "sh")]
    blocks += ["`ecgsdk dataset verify FOLDER` does the same, and finds files that do not belong there."]
    blocks += ["## Build again", code(dataset.command, "sh"), _sameness(dataset)]
    blocks += ["## Licence and citation", f"{link}; see LICENSE. Credit: {terms.credit}", f"Cite: {citation(dataset)}"]
    return page(blocks)


def summary(dataset: Dataset) -> str:
    """What the data set is, in three sentences."""
    seconds, model = dataset.samples / dataset.sampling_rate, dataset.card.name
    asked = "the statement of the group" + (", others that occur with it," if dataset.accompanied else "")
    how = (
        f"Each was made by the model {model} from one real ECG and stays close to it"
        if dataset.resynthesised
        else f"The model {model} made them from {asked} and noise; none has a real source"
    )
    return (
        f"{len(dataset.rows):,} synthetic 12-lead ECGs, {dataset.plan.per_group:,} in each of six groups, of "
        f"{seconds:g} s at {dataset.sampling_rate:g} Hz. {how}. The split into training and test set is fixed."
    )


def citation(dataset: Dataset) -> str:
    """How to cite the data set: enough to make it again."""
    made = dataset.provenance
    parts = [f"{dataset.name}: {len(dataset.rows):,} synthetic 12-lead ECGs", f"seed {made.seed}"]
    parts.append(f"model {made.model} {dataset.card.version} (SHA-256 {made.model_sha256[:16]}…)")
    parts.append(f"ecgsdk {made.version}")
    parts += [f"published {dataset.plan.published}"] if dataset.plan.published else []
    parts += [dataset.plan.url] if dataset.plan.url else []
    return ", ".join(parts) + "."


def group_table(dataset: Dataset) -> str:
    """Each group with its size and medians."""
    head = ["group", "statement", "records", "train", "test", "heart rate, bpm", "age, years", "women, %"]
    sources = ["real sources"] if dataset.resynthesised else []
    rows = []
    for group in dataset.groups():
        codes = GROUPS[group.name] if dataset.resynthesised else GROUPS[group.name][:1]
        row = [group.name, " or ".join(f"{STATEMENTS[c]} ({c})" for c in codes)]
        row += [f"{group.records:,}", f"{group.records - group.test:,}", f"{group.test:,}"]
        row += [decimal(group.heart_rate), decimal(group.age), decimal(group.women)]
        rows.append([*row, *([f"{group.sources:,}"] if sources else [])])
    return table([*head, *sources], rows, text_columns=2)


def _files(dataset: Dataset) -> list[tuple[str, str]]:
    left_out = {"hdf5": "ecg.h5", "wfdb": "wfdb"}
    absent = {name for format, name in left_out.items() if format not in dataset.plan.formats}
    return [(f"`{name}{'/' * (name == 'wfdb')}`", text) for name, text in FILES.items() if name not in absent]


def _meanings(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(f"`{column.name}`", column.meaning) for column in columns]


def _loading(dataset: Dataset) -> list[str]:
    blocks = []
    if "hdf5" in dataset.plan.formats:
        blocks += ["HDF5, with `pip install h5py`:", code(_HDF5, "python")]
    if "wfdb" in dataset.plan.formats:
        blocks += ["WFDB, with `pip install wfdb`:", code(_WFDB, "python")]
    return blocks


def _sameness(dataset: Dataset) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in dataset.versions)
    return (
        f"The same command gives the same bytes on the same machine with the same versions: {versions}; the model ran "
        f"on {dataset.device}. Other versions or processors may change the last digit of a sample, and with it the "
        "checksums."
    )
