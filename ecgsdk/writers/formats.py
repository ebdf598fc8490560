"""The formats that ecgsdk writes itself: their names, endings and limits, and the sinks that write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecgsdk.errors import RuntimeSetupError
from ecgsdk.resampling import resampled_length

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ecgsdk.writers.writer import Sink

__all__ = ["BUILT_IN", "Format"]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        title: what messages call it.
        module: where its code is.
        writes: the class there: a BlockFormat for a file of many records, else a RecordFormat.
        suffixes: endings of a file's name that stand for it.
        entries: names in a folder of its records; None for a format that keeps all records in one file.
        writes_alone: the RecordFormat of a file with a single record, where it is another.
        rates: lowest and highest sampling rate in Hz.
        usual: lowest rate in Hz of the format's usual object, the rate at which slower ECGs are written, and the most
            samples that it takes; None for a format that has one object.
        package: what it needs beyond the base install.
        extra: the extra of ecgsdk that brings the package.
    """

    title: str
    module: str
    writes: str
    suffixes: tuple[str, ...] = ()
    entries: re.Pattern[str] | None = None
    writes_alone: str = ""
    rates: tuple[float, float] = (0.0, math.inf)
    usual: tuple[float, float, int] | None = None
    package: str = ""
    extra: str = ""

    def owns(self, entry: Path) -> bool:
        """Whether a file in a folder has a name that this format gives."""
        return self.entries is not None and self.entries.fullmatch(entry.name) is not None

    def written_rate(self, rate: float, samples: int) -> float:
        """The rate in Hz at which ECGs of so many samples at `rate` are written: another, if the usual object fits."""
        if self.usual is None or rate >= self.usual[0]:
            return rate
        _, raised, longest = self.usual
        return raised if resampled_length(samples, rate, raised) <= longest else rate

    def sink(self, *, folder: bool) -> Callable[..., Sink]:
        """What opens an output.

        Raises:
            RuntimeSetupError: the package of the format is not installed.
        """
        from ecgsdk.writers.blocks import BlockSink
        from ecgsdk.writers.folder import FileSink, FolderSink

        code = self._code()
        if self.entries is None:
            return partial(BlockSink, getattr(code, self.writes))
        if folder:
            return partial(FolderSink, getattr(code, self.writes))
        return partial(FileSink, getattr(code, self.writes_alone or self.writes))

    def _code(self) -> Any:
        """The format's module; imported late, as h5py, pydicom and pyarrow take longer to import than all the rest."""
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if not self.package or (error.name or "").partition(".")[0] != self.package:
                raise
            mend = f'pip install "ecgsdk[{self.extra}]"'
            raise RuntimeSetupError(f"writing {self.title} needs {self.package}; run: {mend}") from error


BUILT_IN: Mapping[str, Format] = {
    "hdf5": Format("HDF5", "ecgsdk.writers.hdf5", "Hdf5Records", (".h5", ".hdf5")),
    "npz": Format("NPZ", "ecgsdk.writers.npz", "NpzRecords", (".npz",)),
    "parquet": Format(
        "Parquet", "ecgsdk.writers.parquet", "ParquetRecords", (".parquet",), package="pyarrow", extra="parquet"
    ),
    "wfdb": Format("WFDB", "ecgsdk.writers.wfdb", "WfdbRecords", entries=re.compile(r"RECORDS|[0-9]{6,}\.(hea|dat)")),
    "dicom": Format(
        "DICOM",
        "ecgsdk.writers.dicom",
        "DicomRecords",
        (".dcm",),
        re.compile(r"[0-9]{6,}\.dcm"),
        rates=(50.0, 1000.0),
        usual=(200.0, 500.0, 16384),
        package="pydicom",
        extra="dicom",
    ),
    "edf": Format(
        "EDF+",
        "ecgsdk.writers.edf",
        "EdfRecords",
        (".edf",),
        re.compile(r"[0-9]{6,}\.edf"),
        package="edfio",
        extra="edf",
    ),
    "csv": Format(
        "CSV",
        "ecgsdk.writers.csv",
        "CsvRecords",
        (".csv",),
        re.compile(r"records\.csv|[0-9]{6,}\.csv"),
        writes_alone="CsvRecord",
    ),
}
