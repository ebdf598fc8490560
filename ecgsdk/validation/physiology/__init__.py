"""Physiology: rhythm, intervals, axis and amplitudes, measured as an electrocardiograph does."""

from __future__ import annotations

__all__: list[str] = []
