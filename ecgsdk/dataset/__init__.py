"""Data sets: synthetic ECGs as a folder to publish, with table, datasheet, checksums and a Croissant description.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecgsdk.dataset.build import build_dataset
    from ecgsdk.dataset.checksums import Fault, verify_dataset
    from ecgsdk.dataset.contents import Dataset
    from ecgsdk.dataset.plan import Plan

__all__ = ["Dataset", "Fault", "Plan", "build_dataset", "verify_dataset"]

_HOMES = {
    "Dataset": "contents",
    "Fault": "checksums",
    "Plan": "plan",
    "build_dataset": "build",
    "verify_dataset": "checksums",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ecgsdk.dataset' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ecgsdk.dataset.{home}"), name)
    globals()[name] = value
    return value
