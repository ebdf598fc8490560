"""Synthetic 12-lead ECGs, and a validation suite that says how good they are.

Names are imported when they are first used: `import ecgsdk` alone loads neither NumPy nor a runtime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ecgsdk.errors import (
    ConditionError,
    DataError,
    EcgsdkError,
    ModelError,
    PluginError,
    RuntimeSetupError,
    TrainingError,
    WriteError,
)

if TYPE_CHECKING:
    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.cohort import Cohort
    from ecgsdk.conditions import GROUPS, STATEMENTS, Condition
    from ecgsdk.generator import Generator, load_generator
    from ecgsdk.leads import LEADS
    from ecgsdk.models import find_model, list_models
    from ecgsdk.readers import read_ecgs
    from ecgsdk.synthesiser import Synthesiser, load_synthesiser
    from ecgsdk.writers import open_writer

__all__ = [
    "GROUPS",
    "LEADS",
    "STATEMENTS",
    "Cohort",
    "Condition",
    "ConditionError",
    "DataError",
    "ECGBatch",
    "EcgsdkError",
    "Generator",
    "ModelError",
    "PluginError",
    "Provenance",
    "RuntimeSetupError",
    "Synthesiser",
    "TrainingError",
    "WriteError",
    "__version__",
    "find_model",
    "list_models",
    "load_generator",
    "load_synthesiser",
    "open_writer",
    "read_ecgs",
]

__version__ = "0.1.0"

_HOMES = {
    "GROUPS": "ecgsdk.conditions",
    "LEADS": "ecgsdk.leads",
    "STATEMENTS": "ecgsdk.conditions",
    "Cohort": "ecgsdk.cohort",
    "Condition": "ecgsdk.conditions",
    "ECGBatch": "ecgsdk.batch",
    "Generator": "ecgsdk.generator",
    "Provenance": "ecgsdk.batch",
    "Synthesiser": "ecgsdk.synthesiser",
    "find_model": "ecgsdk.models",
    "list_models": "ecgsdk.models",
    "load_generator": "ecgsdk.generator",
    "load_synthesiser": "ecgsdk.synthesiser",
    "open_writer": "ecgsdk.writers",
    "read_ecgs": "ecgsdk.readers",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ecgsdk' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
