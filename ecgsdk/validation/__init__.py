"""The validation suite: how good synthetic ECGs are, beside real ones.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.progress import no_progress, terminal_progress
    from ecgsdk.validation.report.folder import ReportFolder
    from ecgsdk.validation.results import Report
    from ecgsdk.validation.settings import Settings
    from ecgsdk.validation.suite import validate

__all__ = ["Cache", "Report", "ReportFolder", "Settings", "no_progress", "terminal_progress", "validate"]

_HOMES = {
    "Cache": "cache",
    "Report": "results",
    "ReportFolder": "report.folder",
    "Settings": "settings",
    "no_progress": "progress",
    "terminal_progress": "progress",
    "validate": "suite",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ecgsdk.validation' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ecgsdk.validation.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
