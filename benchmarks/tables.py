"""What the benchmarks share: Markdown tables and JSON files.

Example (Python):

    print(markdown(("group", "QRS (ms)"), [("norm", 92.0), ("lbbb", 142.0)]))
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["cell", "markdown", "write_json"]


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value: object) -> str:
    """A value as it stands in a table: a dash for what is unknown."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_json(path: Path | None, figures: object) -> None:
    """Writes figures into a file, if one was named; what is unknown becomes null."""
    if path is not None:
        path.write_text(json.dumps(_known(figures), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _known(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _known(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
