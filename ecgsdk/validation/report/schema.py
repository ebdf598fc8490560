"""The JSON Schema of report.json, as it is installed with the package."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["report_schema"]


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Report.as_dict()`; docs/report.md says the same in words.

    With the package jsonschema: `jsonschema.validate(json.load(open("report.json")), report_schema())`.
    """
    path = resources.files("ecgsdk.validation.report").joinpath("report.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))
