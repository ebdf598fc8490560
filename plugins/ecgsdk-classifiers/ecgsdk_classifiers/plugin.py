"""Registers the five classifiers with ecgsdk; nothing that they need is imported before one of them is made."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecgsdk.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecgsdk.classifiers import TrainableClassifier

__all__ = ["cnn_bilstm", "gradient_boosting", "inceptiontime", "minirocket", "register_classifiers", "resnet1d"]


@hookimpl
def register_classifiers(register: Callable[..., None]) -> None:
    """Registers the classifiers of this package."""
    register("resnet1d", resnet1d, description="1-D residual network (PyTorch)")
    register("inceptiontime", inceptiontime, description="Inception-time network (PyTorch)")
    register("cnn-bilstm", cnn_bilstm, description="convolutions and a bidirectional LSTM (PyTorch)")
    register("minirocket", minirocket, description="MiniRocket convolution features and a linear head (aeon)")
    register("gradient-boosting", gradient_boosting, description="trees on measured ECG features (scikit-learn)")


def resnet1d() -> TrainableClassifier:
    """A 1-D residual network; raises ImportError, naming the extra, where PyTorch is missing."""
    with _needed("resnet1d", "torch", extra="torch"):
        from ecgsdk_classifiers.network_classifier import NetworkClassifier
        from ecgsdk_classifiers.resnet import ResNet
    return NetworkClassifier("resnet1d", ResNet)


def inceptiontime() -> TrainableClassifier:
    """An Inception-time network; raises ImportError, naming the extra, where PyTorch is missing."""
    with _needed("inceptiontime", "torch", extra="torch"):
        from ecgsdk_classifiers.inception import InceptionTime
        from ecgsdk_classifiers.network_classifier import NetworkClassifier
    return NetworkClassifier("inceptiontime", InceptionTime)


def cnn_bilstm() -> TrainableClassifier:
    """Convolutions and a bidirectional LSTM; raises ImportError, naming the extra, where PyTorch is missing."""
    with _needed("cnn-bilstm", "torch", extra="torch"):
        from ecgsdk_classifiers.bilstm import CnnBiLstm
        from ecgsdk_classifiers.network_classifier import NetworkClassifier
    return NetworkClassifier("cnn-bilstm", CnnBiLstm)


def minirocket() -> TrainableClassifier:
    """MiniRocket with a linear head; raises ImportError, naming the extra, where aeon or scikit-learn is missing."""
    with _needed("minirocket", "aeon", "sklearn", extra="minirocket"):
        from ecgsdk_classifiers.minirocket import MiniRocketClassifier
    return MiniRocketClassifier()


def gradient_boosting() -> TrainableClassifier:
    """Boosted trees on measured features; raises ImportError, naming the extra, where scikit-learn is missing."""
    with _needed("gradient-boosting", "sklearn", extra="boosting"):
        from ecgsdk_classifiers.boosting import GradientBoosting
    return GradientBoosting()


@contextmanager
def _needed(name: str, *modules: str, extra: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in modules:
            raise
        message = f"{name} needs {error.name.partition('.')[0]}; pip install 'ecgsdk-classifiers[{extra}]'"
        raise ImportError(message, name=error.name) from None
