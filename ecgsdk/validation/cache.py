"""Cache: arrays kept under a name made from all that they depend on, so that an interrupted validation goes on."""

from __future__ import annotations

import hashlib
import json
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.writers.atomic import discard, staging_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Cache"]

_LAYOUT = 1


@dataclass(frozen=True)
class Cache:
    """A folder of arrays.

    Attributes:
        folder: is made when something is kept.
    """

    folder: Path

    def is_empty(self) -> bool:
        """Whether nothing has been kept; a file that is not whole yet, and so hidden, does not count."""
        return not self.folder.is_dir() or all(entry.name.startswith(".") for entry in self.folder.iterdir())

    def path(self, kind: str, facts: Mapping[str, object], suffix: str = ".npz") -> Path:
        """Where the result of `kind` that depends on `facts` (JSON-ready) is kept."""
        text = json.dumps({"layout": _LAYOUT, **facts}, sort_keys=True)
        return self.folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}{suffix}"

    def arrays(
        self, kind: str, facts: Mapping[str, object], make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """What was kept, or what `make` gives, which is then kept. A damaged file is made anew."""
        path = self.path(kind, facts)
        with suppress(OSError, ValueError, EOFError, zipfile.BadZipFile):
            return _kept(path)
        arrays = make()
        self._keep(path, arrays)
        return arrays

    def _keep(self, path: Path, arrays: dict[str, np.ndarray]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = staging_path(path)
        try:
            with staged.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            staged.replace(path)
        finally:
            discard(staged)


def _kept(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
