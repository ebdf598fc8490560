"""Utility: what classifiers learn from synthetic ECGs."""

from __future__ import annotations

__all__: list[str] = []
