"""Registers openecg with ecgsdk; openecg itself is imported when its classifier or its metric is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgsdk.hookspecs import hookimpl

if TYPE_CHECKING:
    from ecgsdk.classifiers import FixedClassifier
    from ecgsdk.hookspecs import Metric, RegisterClassifier, RegisterMetric

__all__ = ["classifier", "intervals", "register_classifiers", "register_metrics"]


@hookimpl
def register_classifiers(register: RegisterClassifier) -> None:
    """Registers openecg's calls of rhythm and beats."""
    register("openecg", classifier, description="Rhythm and ventricular ectopy from lead II, by openecg.")


@hookimpl
def register_metrics(register: RegisterMetric) -> None:
    """Registers how far apart the intervals are that openecg measures."""
    about = "Wasserstein distances of the intervals that openecg measures in lead II, ms (of heart rates: bpm)."
    register("openecg-intervals", intervals, description=about)


def classifier() -> FixedClassifier:
    """openecg as a finished diagnostic model."""
    from ecgsdk_openecg.classifier import OpenECGClassifier

    return OpenECGClassifier()


def intervals() -> Metric:
    """openecg as an independent measure of intervals."""
    from ecgsdk_openecg.intervals import IntervalDistances

    return IntervalDistances()
