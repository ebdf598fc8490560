"""Runs of ONNX sessions with bound inputs and outputs: what one graph gives the next stays on the device.

One code for all devices. `InferenceSession.run` would copy each output twice on its way to NumPy, once of it with
Python's lock held, and would bring what lies between two graphs to the host and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.runtime import session_device

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from ecgsdk.runtime import Binding, DeviceArray, Session

    Value: TypeAlias = np.ndarray | DeviceArray

__all__ = ["run_into", "run_kept"]


def run_into(session: Session, given: Mapping[str, Value], made: np.ndarray) -> np.ndarray:
    """Runs a session of one output, which fills an array.

    Args:
        session: of `ecgsdk.runtime.open_session`.
        given: inputs by name, float32; arrays, or what `run_kept` gave.
        made: contiguous, of the output's shape and type.

    Returns:
        `made`.
    """
    binding = _bound(session, given)
    binding.bind_output(_output(session), "cpu", 0, made.dtype, made.shape, made.ctypes.data)
    session.run_with_iobinding(binding)
    return made


def run_kept(session: Session, given: Mapping[str, Value]) -> DeviceArray:
    """Runs a session of one output, which stays on the session's device, for another session there."""
    binding = _bound(session, given)
    binding.bind_output(_output(session), session_device(session), 0)
    session.run_with_iobinding(binding)
    return binding.get_outputs()[0]


def _bound(session: Session, given: Mapping[str, Value]) -> Binding:
    binding = session.io_binding()
    for name, value in given.items():
        if isinstance(value, np.ndarray):
            binding.bind_cpu_input(name, np.ascontiguousarray(value))
        else:
            binding.bind_ortvalue_input(name, value)
    return binding


def _output(session: Session) -> str:
    return session.get_outputs()[0].name
