"""report.json: the schema holds every field of the report and nothing else, and so does its documentation."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from pathlib import Path

import jsonschema
import pytest
from example_report import example_report

from ecgsdk.validation import results
from ecgsdk.validation.report.rules import RULES
from ecgsdk.validation.report.schema import report_schema
from ecgsdk.validation.results import SCHEMA_VERSION, Chart, Finding, Measure, Report, Section, Series

CLASSES = [getattr(results, name) for name in results.__all__ if dataclasses.is_dataclass(getattr(results, name))]
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "report.md"


@pytest.fixture(scope="module")
def validator():
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_read(report):
    return json.loads(json.dumps(report.as_dict(), allow_nan=False))


def test_a_full_report_keeps_to_the_schema(validator, real_batch):
    validator.validate(as_read(example_report(real_batch, real_batch)))


def test_an_empty_report_keeps_to_the_schema(validator):
    validator.validate(
        as_read(Report("2024-05-17T09:30:00+00:00", "0.1.0", {"name": "a"}, {"name": "b"}, {}, (), (), ()))
    )


def test_what_is_no_number_keeps_to_the_schema(validator):
    measure = Measure("a", "A", float("nan"), low=float("-inf"))
    chart = Chart("c", "C", "x", "y", (Series("s", (1.0, "b"), (float("nan"), None)),))
    section = Section("s", "S", measures=(measure,), charts=(chart,))
    report = Report("", "", {"name": "a"}, {"name": "b"}, {}, (), (Finding("s", "poor", "So."),), (section,))
    validator.validate(as_read(report))


def test_what_is_not_in_the_schema_is_refused(validator, real_batch):
    whole = as_read(example_report(real_batch, real_batch))
    for spoil in (
        lambda report: report.update(more=1),
        lambda report: report.pop("findings"),
        lambda report: report["findings"][0].update(level="excellent"),
        lambda report: report["sections"][0]["measures"][0].update(value="0.9"),
        lambda report: report["sections"][-1]["samples"][0]["microvolts"][0].append(0.5),
        lambda report: report.update(schema_version=SCHEMA_VERSION + 1),
    ):
        broken = json.loads(json.dumps(whole))
        spoil(broken)
        assert not validator.is_valid(broken)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_schema_has_the_fields_of_each_class(cls):
    described = report_schema()["$defs"][cls.__name__]
    names = [field.name for field in dataclasses.fields(cls)]
    assert list(described["properties"]) == names
    assert described["required"] == names
    assert described["additionalProperties"] is False
    assert all(field.get("description", "").endswith(".") for field in described["properties"].values())
    for name, hint in typing.get_type_hints(cls).items():
        if typing.get_origin(hint) is typing.Literal:
            assert described["properties"][name]["enum"] == list(typing.get_args(hint))


def test_the_schema_tells_units():
    fields = report_schema()["$defs"]
    assert "Hz" in fields["Sample"]["properties"]["sampling_rate"]["description"]
    assert "µV" in fields["Sample"]["properties"]["microvolts"]["description"]
    assert "seconds" in fields["Section"]["properties"]["seconds"]["description"]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_field_is_documented(cls):
    text = DOCUMENT.read_text(encoding="utf-8")
    (part,) = re.findall(rf"^### {cls.__name__}\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == [field.name for field in dataclasses.fields(cls)]


def test_every_bound_of_the_verdict_is_documented():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: (reading, good, fair) for name, reading, good, fair in rows}
    for rule in RULES:
        sign = "≥" if rule.good > rule.fair else "≤"
        assert told[rule.measure] == (rule.reading, f"{sign} {rule.good:g}", f"{sign} {rule.fair:g}")
