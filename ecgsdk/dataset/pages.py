"""Pages in Markdown that read well as plain text too: wrapped paragraphs, tables and code."""

from __future__ import annotations

import math
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["code", "decimal", "items", "page", "table"]

_WIDTH = 100
_AS_THEY_ARE = ("#", "|", "```", "- ")


def page(blocks: Iterable[str]) -> str:
    """Blocks with a blank line between them; paragraphs are wrapped, headings, tables, lists and code are not."""
    return "\n\n".join(block if block.startswith(_AS_THEY_ARE) else _wrapped(block) for block in blocks) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: int = 1) -> str:
    """A table whose first columns hold text and whose others hold numbers, which stand to the right."""
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (head, rule, *rows))


def items(texts: Iterable[str]) -> str:
    """A list."""
    return "\n".join(_wrapped(text, first="- ", later="  ") for text in texts)


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.strip()}\n```"


def decimal(value: float | None, digits: int = 0, unit: str = "") -> str:
    """A number with its unit, or a dash where it is not known."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}{unit}"


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    return fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
