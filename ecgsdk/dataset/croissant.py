"""croissant.json: the data set in MLCommons Croissant 1.0 (mlcommons.org/croissant), as JSON-LD.

Croissant has no way to reach into HDF5: `ecg.h5` is described as a file, and its rows by the table's column `record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgsdk.dataset.datasheet import INTENDED, OUT_OF_SCOPE, limits, personal_information
from ecgsdk.dataset.licence import terms_of
from ecgsdk.dataset.readme import FILES, citation, summary
from ecgsdk.dataset.split import TEST, TRAIN
from ecgsdk.dataset.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecgsdk.dataset.contents import Dataset
    from ecgsdk.dataset.table import Column

__all__ = ["croissant"]

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".md": "text/markdown",
}
_SPLIT_URLS = {TRAIN: "cr:TrainingSplit", TEST: "cr:TestSplit"}
_TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "conformsTo": "dct:conformsTo",
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def croissant(dataset: Dataset, columns: Sequence[Column], folder: Path, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The description as JSON-ready values.

    Args:
        dataset: the data set.
        columns: of its table.
        folder: where its files lie, for their sizes.
        hashes: SHA-256 of each single file; those of the WFDB records are in SHA256SUMS.
    """
    terms, plan = terms_of(dataset), dataset.plan
    with_wfdb = "wfdb" in plan.formats
    facts: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": dataset.name,
        "description": summary(dataset),
        "version": "1.0.0",
        "isLiveDataset": False,
        "inLanguage": "en",
        "keywords": ["ECG", "electrocardiogram", "12-lead", "synthetic data", *sorted(set(plan.groups()))],
        "license": terms.url or terms.name,
        "creditText": terms.credit,
        "citeAs": citation(dataset),
        "creator": {"@type": "Organization", "name": "The ecgsdk developers"},
        "rai:dataCollection": f"Made, not collected, by: {dataset.command}",
        "rai:dataUseCases": [f"Meant {use}." for use in INTENDED] + [f"Not meant for {use}." for use in OUT_OF_SCOPE],
        "rai:dataLimitations": limits(dataset),
        "rai:personalSensitiveInformation": personal_information(dataset),
        "distribution": [_file(folder / name, digest) for name, digest in hashes.items()],
        "recordSet": [_splits(), _records(columns)],
    }
    facts |= {"url": plan.url} if plan.url else {}
    facts |= {"datePublished": plan.published} if plan.published else {}
    if with_wfdb:
        facts["distribution"] += [
            _file_set("wfdb-headers", "wfdb/*.hea", "text/plain", "Headers of the WFDB records."),
            _file_set(
                "wfdb-signals", "wfdb/*.dat", "application/octet-stream", "Signals of the WFDB records, format 16."
            ),
        ]
        facts["recordSet"].append(_headers())
    return facts


def _file(path: Path, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": FILES[path.name],
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _MEDIA_TYPES.get(path.suffix, "text/plain"),
        "sha256": digest,
    }


def _file_set(name: str, pattern: str, media_type: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": text,
        "encodingFormat": media_type,
        "includes": pattern,
    }


def _field(record_set: str, name: str, kind: str, text: str, **more: Any) -> dict[str, Any]:
    identity = f"{record_set}/{name}"
    return {
        "@type": "cr:Field",
        "@id": identity,
        "name": identity,
        "description": text,
        "dataType": f"sc:{kind}",
        **more,
    }


def _records(columns: Sequence[Column]) -> dict[str, Any]:
    """The table, whose column split refers to the splits."""
    fields = []
    for column in columns:
        source = {"fileObject": {"@id": TABLE}, "extract": {"column": column.name}}
        more: dict[str, Any] = {"references": {"field": {"@id": "splits/name"}}} if column.name == "split" else {}
        fields.append(_field("records", column.name, column.kind, column.meaning, source=source, **more))
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": f"{FILES[TABLE]}; column record is the first index of `signals` in ecg.h5.",
        "key": {"@id": "records/record"},
        "field": fields,
    }


def _splits() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The fixed split.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            _field("splits", "name", "Text", "train or test."),
            _field("splits", "url", "URL", "What Croissant calls it."),
        ],
        "data": [{"splits/name": name, "splits/url": url} for name, url in _SPLIT_URLS.items()],
    }


def _headers() -> dict[str, Any]:
    """The WFDB headers; which record each belongs to is in its file's name."""
    name = {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"^(.+)\.hea$"}}
    text = {"extract": {"fileProperty": "content"}}
    of_set = {"fileSet": {"@id": "wfdb-headers"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "wfdb_headers",
        "name": "wfdb_headers",
        "description": "The header of each WFDB record: leads, rate, scaling, labels and what made the record.",
        "key": {"@id": "wfdb_headers/name"},
        "field": [
            _field("wfdb_headers", "name", "Text", "Name of the record.", source={**of_set, **name}),
            _field("wfdb_headers", "header", "Text", "Text of the header.", source={**of_set, **text}),
        ],
    }
