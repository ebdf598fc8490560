"""Builds a data set: ECGs, table, gallery and descriptions into a hidden folder, which gets its name at the end."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.dataset.checksums import SUMS, file_sha256, write_checksums
from ecgsdk.dataset.contents import describe_dataset
from ecgsdk.dataset.croissant import croissant
from ecgsdk.dataset.datasheet import datasheet
from ecgsdk.dataset.licence import licence_text
from ecgsdk.dataset.origin import open_origin
from ecgsdk.dataset.readme import FILES, readme
from ecgsdk.dataset.table import TABLE, columns, write_table
from ecgsdk.errors import WriteError
from ecgsdk.readers import read_ecgs
from ecgsdk.workers import stopped
from ecgsdk.writers import open_writer
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from ecgsdk.dataset.contents import Dataset
    from ecgsdk.dataset.origin import Origin
    from ecgsdk.dataset.plan import Plan
    from ecgsdk.validation.progress import Progress

__all__ = ["build_dataset"]

_PLACES = {"hdf5": "ecg.h5", "wfdb": "wfdb"}
_SHOWN_PER_GROUP = 6


def build_dataset(
    folder: str | Path,
    plan: Plan,
    *,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Dataset, str]:
    """Builds the data set of a plan in `folder`, which appears only when it is complete.

    Args:
        folder: is made; its own folder must exist.
        plan: what the data set holds. The same plan on the same machine gives the same bytes.
        device: "auto", "cpu" or "cuda".
        threads: on the CPU; default: one for each core that the process may use.
        overwrite: whether an earlier data set is replaced.
        progress: shows how far it is; default: nothing.

    Returns:
        The data set, and the SHA-256 of its SHA256SUMS, which stands for all of it.

    Raises:
        WriteError: the folder exists, holds something else, or cannot be written.
        ModelError, ConditionError, DataError, RuntimeSetupError: as `ecgsdk.dataset.origin.open_origin` says.
    """
    from ecgsdk.validation.progress import no_progress

    target, shown = Path(folder), progress or no_progress
    check_target(target, overwrite=overwrite, folder=True, ours=lambda entry: entry.name in FILES)
    staged = staging_path(target)
    try:
        origin = open_origin(plan, device=device, threads=threads, progress=shown)
        discard(staged)
        staged.mkdir()
        dataset, digest = _fill(staged, plan, origin, shown)
        publish(staged, target)
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        discard(staged)
    return dataset, digest


def _fill(folder: Path, plan: Plan, origin: Origin, progress: Progress) -> tuple[Dataset, str]:
    from ecgsdk.gallery import write_gallery

    _write_ecgs(folder, plan, origin, progress)
    written = read_ecgs(folder / _PLACES[plan.formats[0]])
    dataset = describe_dataset(plan, origin, written, progress)
    names = (folder / "wfdb" / "RECORDS").read_text().split() if "wfdb" in plan.formats else []
    chosen = columns(dataset, names)
    write_table(folder / TABLE, dataset, chosen)
    with progress("drawing the gallery", 1) as advance:
        # The folder still has its temporary name, which must not come into the page.
        shown = replace(written, name=dataset.name)
        write_gallery(folder / "gallery.html", shown, per_group=_SHOWN_PER_GROUP, title=dataset.name)
        advance(1)
    data_files = [name for name in ("ecg.h5", TABLE) if (folder / name).exists()]
    texts = {
        "README.md": readme(dataset, chosen),
        "DATASHEET.md": datasheet(dataset, {name: file_sha256(folder / name) for name in data_files}),
        "LICENSE": licence_text(dataset),
    }
    for name, text in texts.items():
        _write_text(folder / name, text)
    hashes = {name: file_sha256(folder / name) for name in FILES if (folder / name).is_file() and name != SUMS}
    description = croissant(dataset, chosen, folder, hashes)
    _write_text(folder / "croissant.json", json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return dataset, write_checksums(folder)


def _write_ecgs(folder: Path, plan: Plan, origin: Origin, progress: Progress) -> None:
    """One pass over the model's batches, into all formats."""
    facts = {"sampling_rate": origin.sampling_rate, "total": plan.total, "provenance": origin.provenance}
    with stopped(origin.batches), ExitStack() as stack, progress("making ECGs", plan.total) as advance:
        writers = [
            stack.enter_context(open_writer(folder / _PLACES[name], name, **facts))  # type: ignore[arg-type]
            for name in plan.formats
        ]
        for batch in origin.batches:
            for writer in writers:
                writer.write(batch)
            advance(len(batch))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
