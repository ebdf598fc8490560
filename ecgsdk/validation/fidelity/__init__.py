"""Fidelity: how near synthetic ECGs are to real ones in features, spectra and leads."""

from __future__ import annotations

__all__: list[str] = []
