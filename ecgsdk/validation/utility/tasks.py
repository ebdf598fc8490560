"""What classifiers are trained to tell: fifteen labels at once, and each standard group from normal ECGs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.conditions import GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecgsdk.conditions import Condition

__all__ = ["GROUP_TASKS", "LABELS", "TaskRows", "label_matrix", "task_rows"]

LABELS: Mapping[str, tuple[str, ...]] = {
    "NORM": ("NORM",),
    "AFIB/AFLT": ("AFIB", "AFLT"),
    **{code: (code,) for code in ("1AVB", "CLBBB", "CRBBB", "LVH", "IRBBB", "LAFB", "SBRAD", "STACH")},
    **{code: (code,) for code in ("MI", "STTC", "PVC", "PAC", "SARRH")},
}
"""The labels of the multi-label task, and the statements any of which make each of them true."""

GROUP_TASKS = tuple(name for name in GROUPS if name != "norm")
"""The binary tasks: normal ECGs against each of these groups."""


@dataclass(frozen=True)
class TaskRows:
    """Records of a binary task: their positions, and whether each belongs to the group (else it is normal)."""

    positions: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def balanced(self, most: int) -> TaskRows:
        """The first `most` records of each side."""
        chosen = np.sort(np.concatenate([np.flatnonzero(self.labels == side)[:most] for side in (False, True)]))
        return TaskRows(self.positions[chosen], self.labels[chosen])

    @property
    def smaller_side(self) -> int:
        """Number of records of the rarer class."""
        return int(min(self.labels.sum(), (~self.labels).sum()))


def label_matrix(conditions: Sequence[Condition]) -> np.ndarray:
    """Which of the labels each record carries: bool, shape (n, labels)."""
    wanted = [set(codes) for codes in LABELS.values()]
    matrix = np.array([[bool(codes & set(c.statements)) for codes in wanted] for c in conditions], dtype=bool)
    return matrix.reshape(-1, len(wanted))


def task_rows(conditions: Sequence[Condition], group: str) -> TaskRows:
    """The records that are normal or of the group, but not both, in order."""
    member = np.array([[name in c.groups() for name in ("norm", group)] for c in conditions], dtype=bool).reshape(-1, 2)
    positions = np.flatnonzero(member[:, 0] ^ member[:, 1])
    return TaskRows(positions, member[positions, 1])
