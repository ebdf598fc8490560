"""Everything ecgsdk raises on purpose. Each message is one line that says what was wrong and what to do.

EcgsdkError
├── ConditionError    a condition that no ECG can have, or that the model was not trained on
├── DataError         an ECG file or folder that cannot be read
├── WriteError        an output that cannot be written, or that exists already
├── ModelError        an unknown, damaged or foreign model folder
├── RuntimeSetupError no ONNX Runtime installed, or the device asked for is not there
├── PluginError       a plugin that fails, or two that claim the same name
└── TrainingError     training data, configuration or checkpoint that cannot be used

PluginWarning         an installed plugin is left out; the rest goes on
"""

from __future__ import annotations

__all__ = [
    "ConditionError",
    "DataError",
    "EcgsdkError",
    "ModelError",
    "PluginError",
    "PluginWarning",
    "RuntimeSetupError",
    "TrainingError",
    "WriteError",
]


class EcgsdkError(Exception):
    """Base of all errors that ecgsdk raises on purpose."""


class ConditionError(EcgsdkError):
    """A condition that no ECG can have, or that the model was not trained on."""


class DataError(EcgsdkError):
    """An ECG file or folder that cannot be read."""


class WriteError(EcgsdkError):
    """An output that cannot be written, or that exists already."""


class ModelError(EcgsdkError):
    """An unknown, damaged or foreign model folder."""


class RuntimeSetupError(EcgsdkError):
    """No ONNX Runtime is installed, or the device asked for is not there."""


class PluginError(EcgsdkError):
    """A plugin that fails, or two that claim the same name; the message names the plugin and its package."""


class TrainingError(EcgsdkError):
    """Training data, a configuration or a checkpoint that cannot be used."""


class PluginWarning(UserWarning):
    """An installed plugin is left out; the message says which one and why."""
