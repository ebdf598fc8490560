"""The report: findings, figures, tables and pictures as one page and as JSON."""

from __future__ import annotations

__all__: list[str] = []
