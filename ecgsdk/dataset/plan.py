"""Plan: what a data set is to hold. The same plan on the same machine gives the same bytes."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS, check_known
from ecgsdk.errors import ConditionError
from ecgsdk.writers.marking import number_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMATS", "Plan"]

FORMATS = ("hdf5", "wfdb")
"""Formats that a data set can hold its ECGs in."""

_LARGEST_GROUP = 10**8
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URL = re.compile(r"https?://[\w.~:/?#@%+=&,;-]+")


@dataclass(frozen=True)
class Plan:
    """What a data set is to hold. Record i belongs to standard group i modulo 6: the groups take turns.

    Attributes:
        model: name or folder of a generator or a synthesiser; None is the shipped generator.
        per_group: records of each group.
        seed: of all that is drawn, 0 to 2⁶⁴ − 1.
        alone: whether a generator is asked for each group's statement alone; else for further statements as well, as
            often as they occur with it in the training data, if its card says so.
        real: folder of PTB-XL, from which a synthesiser takes its source ECGs.
        strength: how far a synthesiser's ECGs are from their sources; None is its own default.
        sampling_rate: Hz, one of a generator's; None is 100 Hz where it makes them, else its default.
        formats: one or both of `FORMATS`.
        test_share: share of the records that are put into the test set, from 0 to below 1.
        url: page on which the data set is published; None leaves it out.
        published: date of publication as YYYY-MM-DD; None leaves it out.
    """

    model: str | Path | None = None
    per_group: int = 1000
    seed: int = 2023
    alone: bool = False
    real: str | Path | None = None
    strength: float | None = None
    sampling_rate: float | None = None
    formats: tuple[str, ...] = FORMATS
    test_share: float = 0.2
    url: str | None = None
    published: str | None = None

    def __post_init__(self) -> None:
        check_known("format", self.formats, FORMATS)
        if not self.formats:
            raise ConditionError(f"no format to write; name one or both of {', '.join(FORMATS)}")
        object.__setattr__(self, "formats", tuple(name for name in FORMATS if name in self.formats))
        if not 1 <= self.per_group <= _LARGEST_GROUP:
            raise ConditionError(f"{self.per_group} records a group must lie between 1 and {_LARGEST_GROUP}")
        if not 0 <= self.test_share < 1:
            raise ConditionError(f"test share {self.test_share:g} must lie between 0 and 1")
        if self.published is not None and not _is_date(self.published):
            raise ConditionError(f"date of publication {self.published!r} is no day, written as YYYY-MM-DD")
        if self.url is not None and not _URL.fullmatch(self.url):
            raise ConditionError(f"{self.url!r} is not the address of a page; write it as https://…")

    @property
    def total(self) -> int:
        """Records of all groups."""
        return self.per_group * len(GROUPS)

    def groups(self) -> list[str]:
        """The standard group of each record."""
        return list(GROUPS) * self.per_group

    def command(self, model: str) -> str:
        """The command that builds this data set with `model`; paths of this machine are left out."""
        words = ["ecgsdk dataset build -o FOLDER", f"--model {shlex.quote(model)}", f"--per-group {self.per_group}"]
        words.append(f"--seed {self.seed}")
        words += ["--alone"] if self.alone else []
        words += ["--real ptb-xl/"] if self.real is not None else []
        words += [f"--strength {number_text(self.strength)}"] if self.strength is not None else []
        words += [f"--sampling-rate {number_text(self.sampling_rate)}"] if self.sampling_rate is not None else []
        words += [f"--formats {','.join(self.formats)}", f"--test-share {number_text(self.test_share)}"]
        words += [f"--url {shlex.quote(self.url)}"] if self.url else []
        words += [f"--published {self.published}"] if self.published else []
        return " ".join(words)


def _is_date(text: str) -> bool:
    """Whether a text names a day of the calendar; `date.fromisoformat` alone takes other forms in newer versions."""
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False
