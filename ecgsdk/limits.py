"""How large one record may be in a file: what is larger is not read, so that a file cannot fill memory, nor written."""

from __future__ import annotations

from ecgsdk.errors import WriteError

__all__ = [
    "LARGEST_CSV",
    "LARGEST_CSV_LIST",
    "LARGEST_DICOM",
    "LARGEST_EDF_DATA_RECORD",
    "LARGEST_HDF5_CHUNK",
    "LARGEST_PARQUET_GROUP",
    "check_record_size",
]

LARGEST_CSV = 64 << 20
"""Bytes of a table of samples."""

LARGEST_CSV_LIST = 256 << 20
"""Bytes of the table of records in a folder of tables of samples."""

LARGEST_DICOM = 64 << 20
"""Bytes of a DICOM file."""

LARGEST_EDF_DATA_RECORD = 64 << 20
"""Bytes of a data record of an EDF file."""

LARGEST_HDF5_CHUNK = 256 << 20
"""Bytes of an unpacked chunk of signals, which holds one record or more."""

LARGEST_PARQUET_GROUP = 512 << 20
"""Bytes of the samples of a row group, as float32."""


def check_record_size(size: int, largest: int, where: str) -> None:
    """Raises WriteError for a record that takes more than the `largest` bytes that are read of `where` it would lie."""
    if size > largest:
        mend = "shorten the records (--seconds), or write WFDB or NPZ"
        raise WriteError(f"one record takes more than the {largest >> 20} MiB that {where} may have; {mend}")
