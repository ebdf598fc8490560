"""The folder of a report: report.json, report.html and the cache that lets an interrupted validation go on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import WriteError
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.report.html import render
from ecgsdk.writers.atomic import discard, publish, staging_path

if TYPE_CHECKING:
    from ecgsdk.validation.results import Report

__all__ = ["ReportFolder"]

_FILES = ("report.json", "report.html")
_CACHE = "cache"


@dataclass(frozen=True)
class ReportFolder:
    """A folder that is, or may become, a report.

    Attributes:
        path: of the folder.
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path, *, overwrite: bool = False) -> ReportFolder:
        """The folder at `path`, which need not be there. One with only a cache is an interrupted run, which goes on.

        Raises:
            WriteError: it holds a report already and `overwrite` is off, it holds other files, or it cannot be one.
        """
        path = Path(path)
        entries = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        foreign = sorted(name for name in entries if name not in (*_FILES, _CACHE) and not name.startswith("."))
        if foreign:
            raise WriteError(f"{path} holds other files, such as {foreign[0]}; name an empty or a new folder")
        if not overwrite and entries & set(_FILES):
            raise WriteError(f"{path} holds a report already; name another folder, or replace it with --force")
        nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            raise WriteError(f"cannot write a report into {path}: {nearest} is no folder or not writable; name another")
        return cls(path)

    def cache(self) -> Cache:
        """The cache in the folder."""
        return Cache(self.path / _CACHE)

    def write(self, report: Report) -> Path:
        """Writes report.json and report.html, each complete or not at all; returns the folder.

        Raises:
            WriteError: they cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        texts = (json.dumps(report.as_dict()) + "\n", render(report))
        for name, text in zip(_FILES, texts):
            target = self.path / name
            staged = staging_path(target)
            try:
                staged.write_text(text, encoding="utf-8")
                publish(staged, target)
            except OSError as error:
                raise WriteError(f"cannot write {target}: {error.strerror}; free some space and run again") from error
            finally:
                discard(staged)
        return self.path
