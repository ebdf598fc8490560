"""Readers: one module a format, each giving an ECGSource; `read_ecgs` picks by looking at the path."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError, PluginError
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.readers.records import Fit
from ecgsdk.readers.source import ECGSource, fitted, without_damaged
from ecgsdk.readers.wfdb import read_wfdb

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np

    from ecgsdk.plugins import Registration
    from ecgsdk.readers.detection import Found
    from ecgsdk.readers.stated import Stated

__all__ = ["FORMATS", "ECGSource", "read_ecgs", "read_ptbxl", "read_wfdb", "without_damaged"]

FORMATS = ("ptbxl", "wfdb", "hdf5", "npz", "parquet", "dicom", "edf", "csv", "clinical")
"""Formats that ecgsdk reads without plugins; "clinical" are XML of GE MUSE, GE CardioSoft and Philips Sierra, HL7 aECG
and SCP-ECG."""

_UNDERSTOOD = (
    "a PTB-XL folder; a folder, or one file, of WFDB records (.hea), DICOM, EDF, CSV, XML of GE MUSE, GE CardioSoft or "
    "Philips Sierra, HL7 aECG or SCP-ECG; ecgsdk's own .h5, .hdf5 or .npz; .parquet"
)


def read_ecgs(
    path: str | Path,
    *,
    sampling_rate: float | None = None,
    seconds: float | None = None,
    folds: Collection[int] | None = None,
    input_rate: float | None = None,
    input_unit: str | None = None,
    input_leads: Sequence[str] | None = None,
    skip_damaged: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> ECGSource:
    """The 12-lead ECGs at `path`, whatever the format.

    Rates, units, gains and the names of leads are those of the files. What a file does not say is asked for by
    `input_rate`, `input_unit` and `input_leads`; a statement that a file contradicts is an error. Files that hold
    more than the twelve leads give these; from those without III, aVR, aVL or aVF they are computed out of I and II
    by Einthoven's and Goldberger's equations (`ecgsdk.leads.to_twelve`).

    Args:
        path: a PTB-XL folder; a folder of WFDB, DICOM, EDF, CSV, HL7 aECG or SCP-ECG records, or XML of GE MUSE, GE
            CardioSoft or Philips Sierra, at every depth, or one such file; an HDF5 or NPZ file that ecgsdk wrote; a
            Parquet file; or what an installed plugin reads.
        sampling_rate: Hz. PTB-XL is read at 100 (default) or 500; everything else is resampled.
        seconds: how much of each record's beginning is taken; None takes all.
        folds: only the records of these folds; PTB-XL alone has them, and what a plugin reads may have.
        input_rate: Hz of files that do not say it: CSV without times, Parquet of other programs.
        input_unit: of files that do not say it: "mV", "uV", "V", or the size of a step, "4.88 uV".
        input_leads: names of the columns of a CSV file, or of the signals of an EDF file, that lacks or miscalls them.
        skip_damaged: leave out the records of a folder whose headers cannot be read, or that are shorter than
            `seconds`; the source's `left_out` names them. Signals are read later: `without_damaged` tries them.
        tell: is told in a line of files of other formats in a folder of WFDB records, which are passed over.

    Raises:
        DataError: nothing that ecgsdk understands, or see the reader of the format.
        RuntimeSetupError: the package that reads the format is not installed; the message names ecgsdk's extra.
        PluginError: the plugin that reads the format fails.
    """
    from ecgsdk.readers.detection import find_format
    from ecgsdk.readers.stated import Stated

    path = Path(path)
    stated = Stated(input_rate, input_unit, None if input_leads is None else tuple(input_leads))
    found = find_format(path)
    if path.exists():
        _refuse_stated(path, "" if found is None else found.format, stated)
    if found is None:
        return fitted(_select(_read_with_plugin(path), folds), sampling_rate, seconds)
    if found.format == "ptbxl":
        rate = 100 if sampling_rate is None else sampling_rate
        return fitted(read_ptbxl(path, sampling_rate=rate, folds=folds, skip_damaged=skip_damaged), seconds=seconds)
    if folds is not None:
        raise DataError(f"{path} has no folds; only PTB-XL has them")
    if found.format == "wfdb" and path.is_dir():
        _tell_of_others(path, tell)
    return _read_found(path, found, stated, Fit(sampling_rate, seconds, skip_damaged))


def _tell_of_others(folder: Path, tell: Callable[[str], object]) -> None:
    from ecgsdk.readers.detection import passed_over

    others = passed_over(folder)
    if others:
        count = f"{len(others)} file{'s' * (len(others) > 1)} of other formats in it, {others[0].name} first"
        tell(f"{folder} is read as WFDB; passes over {count}: read those from a folder of their own")


def _refuse_stated(path: Path, format: str, stated: Stated) -> None:
    """Raises DataError for a statement on what files of this format always say themselves."""
    if stated.leads is not None and format not in ("csv", "edf"):
        raise DataError(f"{path} names its leads; leave out input_leads= (--input-leads)")
    if (stated.rate, stated.unit) != (None, None) and format in ("", "ptbxl", "wfdb", "hdf5", "npz"):
        raise DataError(f"{path} says its rate and unit; leave out input_rate= and input_unit= (--input-rate …)")


def _read_found(path: Path, found: Found, stated: Stated, fit: Fit) -> ECGSource:
    """The source of what was found. Readers are imported late: some of what they need takes long to import."""
    if found.format == "wfdb":
        return read_wfdb(path, sampling_rate=fit.sampling_rate, seconds=fit.seconds, skip_damaged=fit.skip_damaged)
    if found.format == "listed-csv":
        from ecgsdk.readers.csv import read_listed_csv

        return read_listed_csv(path, stated, fit)
    if found.format in ("hdf5", "npz", "parquet"):
        return fitted(_read_file(path, found.format, stated), fit.sampling_rate, fit.seconds)
    return _reader_of_records(found.format)(path, found.files, stated, fit)


def _read_file(path: Path, format: str, stated: Stated) -> ECGSource:
    if format == "npz":
        from ecgsdk.readers.npz import read_npz

        return read_npz(path)
    if format == "parquet":
        from ecgsdk.readers.parquet import read_parquet

        return read_parquet(path, stated)
    from ecgsdk.readers.hdf5 import read_hdf5

    return read_hdf5(path)


def _reader_of_records(format: str) -> Callable[..., ECGSource]:
    """What reads files of one record each."""
    if format == "dicom":
        from ecgsdk.readers.dicom import read_dicom

        return read_dicom
    if format == "edf":
        from ecgsdk.readers.edf import read_edf

        return read_edf
    if format == "csv":
        from ecgsdk.readers.csv import read_csv

        return read_csv
    from ecgsdk.readers.clinical import read_clinical

    return read_clinical


def _read_with_plugin(path: Path) -> ECGSource:
    from ecgsdk.plugins import installed_plugins

    plugins = installed_plugins()
    reader = _recognising(path, plugins.readers())
    with reader.blamed(f"cannot read {path}"):
        source = plugins.make(reader)(path)
    if not isinstance(source, ECGSource):
        raise PluginError(f"reader {reader.name} of {reader.owner} gave {type(source).__name__}, not an ECGSource")
    return replace(source, read=partial(_read_blamed, reader, source.name, source.read))


def _recognising(path: Path, readers: Mapping[str, Registration]) -> Registration:
    """The first registered reader, by name, that recognises the path."""
    known = [_UNDERSTOOD, *(f"{name} (plugin {reader.plugin})" for name, reader in sorted(readers.items()))]
    if not path.exists():
        raise DataError(f"{path} does not exist; understood are {', '.join(known)}")
    for _, reader in sorted(readers.items()):
        with reader.blamed(f"cannot say whether it reads {path}"):
            if reader.recognises is not None and reader.recognises(path):
                return reader
    found = "holds no WFDB records (.hea files) and no others" if path.is_dir() else "cannot be told by its name"
    raise DataError(f"{path} {found}; understood are {', '.join(known)}")


def _read_blamed(
    reader: Registration, name: str, read: Callable[[Sequence[int]], np.ndarray], chosen: Sequence[int]
) -> np.ndarray:
    """Signals from a plugin's source, whose failures name the plugin."""
    with reader.blamed(f"cannot read {name}"):
        return read(chosen)


def _select(source: ECGSource, folds: Collection[int] | None) -> ECGSource:
    """Only the records of these folds, of a plugin's source."""
    if folds is None:
        return source
    positions = [i for i, fold in enumerate(source.folds) if fold in folds]
    if not positions:
        raise DataError(f"{source.name} has no records in folds {sorted(folds)}")
    return source.select(positions)
