"""ONNX Runtime: sessions on the device asked for. The only importer of onnxruntime."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from typing import TYPE_CHECKING

from ecgsdk.errors import ModelError, RuntimeSetupError

if TYPE_CHECKING:
    import onnxruntime

    Session = onnxruntime.InferenceSession
    Binding = onnxruntime.IOBinding
    DeviceArray = onnxruntime.OrtValue

__all__ = ["DEVICES", "available_cores", "open_session", "session_device"]

DEVICES = ("auto", "cpu", "cuda")
_LOADING = threading.Lock()
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# TF32 would round each factor to eleven bits.
_OPTIONS = {"cpu": _PROVIDERS["cpu"], "cuda": (_PROVIDERS["cuda"], {"use_tf32": 0})}


def open_session(graph: bytes, *, device: str = "auto") -> onnxruntime.InferenceSession:
    """A session that runs the graph; `session_device` tells where.

    On the CPU it runs in the thread that calls it and may be called from several at once. Spreading one call over
    threads instead would split the matrix products differently for each batch size, and with them the last bits.

    Args:
        graph: a serialised ONNX model.
        device: "cpu", "cuda", or "auto": CUDA where it works, else the CPU.

    Raises:
        RuntimeSetupError: ONNX Runtime is not installed, or CUDA is asked for and not there.
        ModelError: the graph cannot be loaded.
    """
    runtime = _import_runtime()
    _check_device(runtime, device)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    if device != "cpu" and _offers(runtime, "cuda"):
        _load_libraries(runtime)
    names = ["cpu"] if device == "cpu" else [name for name in ("cuda", "cpu") if _offers(runtime, name)]
    try:
        session = runtime.InferenceSession(graph, options, providers=[_OPTIONS[name] for name in names])
    except Exception as error:  # onnxruntime raises a dozen kinds, none of them public
        raise ModelError(f"ONNX Runtime cannot load a graph: {' '.join(str(error).split()) or error!r}") from None
    # It keeps the serialised graph, to begin anew on another device should a run fail: here that is an error, and 9 MB.
    session.disable_fallback()
    session._model_bytes = None
    if device == "cuda" and session_device(session) != "cuda":
        raise RuntimeSetupError(
            "--device cuda: ONNX Runtime could not start CUDA; check driver, CUDA and cuDNN, or use --device cpu"
        )
    return session


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def session_device(session: onnxruntime.InferenceSession) -> str:
    """Where a session really runs: "cuda" or "cpu"."""
    return "cuda" if _PROVIDERS["cuda"] in session.get_providers() else "cpu"


def _import_runtime():
    try:
        import onnxruntime
    except ImportError as error:
        if _installed("onnxruntime") or _installed("onnxruntime-gpu"):
            raise RuntimeSetupError(f"ONNX Runtime is installed but cannot be imported ({error}); try again") from error
        raise RuntimeSetupError(
            'no ONNX Runtime is installed; run `pip install "ecgsdk[cpu]"`, or "ecgsdk[gpu]" on a machine with CUDA'
        ) from error
    return onnxruntime


def _offers(runtime: object, device: str) -> bool:
    return _PROVIDERS[device] in runtime.get_available_providers()  # type: ignore[attr-defined]


def _load_libraries(runtime: object) -> None:
    """Loads CUDA's and cuDNN's libraries where pip put them; what is not there may be elsewhere in the system."""
    load = getattr(runtime, "preload_dlls", None)  # since 1.21
    if load is not None:
        # It prints what it does not find; two threads at once would leave the process without its standard output.
        with _LOADING, contextlib.redirect_stdout(io.StringIO()):
            load()


def _check_device(runtime: object, device: str) -> None:
    if device not in DEVICES:
        raise RuntimeSetupError(f"unknown device {device!r}; use one of {', '.join(DEVICES)}")
    if device != "cuda" or _offers(runtime, "cuda"):
        return
    if _installed("onnxruntime") and _installed("onnxruntime-gpu"):
        raise RuntimeSetupError(
            "onnxruntime and onnxruntime-gpu are both installed and the first hides CUDA; run "
            "`pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install onnxruntime-gpu`"
        )
    raise RuntimeSetupError(
        "--device cuda: the installed ONNX Runtime has no CUDA; run `pip uninstall -y onnxruntime`, then "
        '`pip install "ecgsdk[gpu]"`, or use --device cpu'
    )


def _installed(distribution: str) -> bool:
    import importlib.metadata  # takes a tenth of the time of a first record, and is seldom needed

    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
