"""Writing a gallery: choose the ECGs, render the page, give it its name when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError, WriteError
from ecgsdk.gallery.choosing import choose
from ecgsdk.gallery.page import render
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.batch import ECGBatch
    from ecgsdk.readers import ECGSource

__all__ = ["MOST_BYTES", "write_gallery"]

MOST_BYTES = 3_000_000
"""Size that a gallery stays under."""

_SECONDS = 10.0


def write_gallery(
    path: str | Path,
    source: str | Path | ECGSource | ECGBatch | Iterable[ECGBatch],
    *,
    per_group: int = 6,
    seed: int = 0,
    title: str | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Writes one HTML page with samples of each standard group: self-contained, for any browser, without a network.

    Args:
        path: of the page, which ends in .html.
        source: what `ecgsdk.read_ecgs` reads, a source, a batch, or batches one after another, which are gone through
            once. Of each record the first ten seconds are shown.
        per_group: how many records of each group are shown, at most; those of no group are a group of their own.
        seed: of the draw; the same source and seed give the same page.
        title: heading of the page; None: "Synthetic ECGs by group" or what else it shows.
        overwrite: whether a file of that name is replaced.

    Returns:
        How many records of each group the page shows.

    Raises:
        DataError: the source cannot be read or is empty, or so many records are asked for that the page would be larger
            than `MOST_BYTES`.
        WriteError: the page cannot be written, or exists already.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise WriteError(f"{path} is no name of a web page; end it in .html")
    check_target(path, overwrite=overwrite, folder=False)
    if per_group < 1:
        raise DataError(f"{per_group} records of a group cannot be shown; ask for one or more")
    choice = choose(source, per_group, seed, _SECONDS)
    page = render(choice, per_group=per_group, seed=seed, title=title).encode()
    if len(page) > MOST_BYTES:
        fitting = max(1, per_group * MOST_BYTES // len(page))
        raise DataError(
            f"{len(choice.records())} ECGs make a page of {len(page) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:g} MB; "
            f"ask for about {fitting} a group"
        )
    _write(path, page)
    return {group: len(records) for group, records in choice.shown.items()}


def _write(path: Path, page: bytes) -> None:
    staged = staging_path(path)
    try:
        staged.write_bytes(page)
        publish(staged, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        discard(staged)
