"""ONNX Runtime is found, or what to install is said; the device is the one asked for."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ecgsdk import runtime
from ecgsdk.errors import ModelError, RuntimeSetupError
from ecgsdk.models import find_model


def test_a_session_runs_on_the_cpu():
    session = runtime.open_session(find_model().graph("rhythm"), device="cpu")
    assert runtime.session_device(session) == "cpu"


def test_without_a_runtime_the_extras_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(runtime, "_installed", lambda distribution: False)
    with pytest.raises(RuntimeSetupError, match=r'pip install "ecgsdk\[cpu\]"'):
        runtime.open_session(b"")


def test_a_runtime_that_cannot_be_imported_is_not_called_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(runtime, "_installed", lambda distribution: True)
    with pytest.raises(RuntimeSetupError, match="is installed but cannot be imported"):
        runtime.open_session(b"")


def test_cuda_asked_for_and_not_there():
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(RuntimeSetupError, match="--device cuda"):
        runtime.open_session(b"", device="cuda")


def test_two_runtimes_at_once_are_named_with_the_mending_commands(monkeypatch):
    monkeypatch.setattr(runtime, "_offers", lambda module, device: device == "cpu")
    monkeypatch.setattr(runtime, "_installed", lambda distribution: True)
    with pytest.raises(RuntimeSetupError, match="pip uninstall -y onnxruntime onnxruntime-gpu"):
        runtime.open_session(b"", device="cuda")


def test_a_session_that_fell_back_to_the_cpu_is_refused(monkeypatch):
    monkeypatch.setattr(runtime, "_check_device", lambda module, device: None)
    with pytest.raises(RuntimeSetupError, match="could not start CUDA"):
        runtime.open_session(find_model().graph("rhythm"), device="cuda")


def test_what_is_no_graph():
    with pytest.raises(ModelError, match="cannot load a graph"):
        runtime.open_session(b"no graph")


def test_libraries_loaded_by_two_threads_leave_the_output_where_it_was():
    class Runtime:
        @staticmethod
        def preload_dlls():
            time.sleep(0.02)
            print("not found")

    output = sys.stdout
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(runtime._load_libraries, [Runtime, Runtime]))
    assert sys.stdout is output
