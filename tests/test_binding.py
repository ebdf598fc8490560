"""Bound runs give what plain runs give, and what one graph gives another need not come to NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import ecgsdk
from ecgsdk.binding import run_into, run_kept
from ecgsdk.models import find_model
from ecgsdk.runtime import open_session
from ecgsdk.upsampling import Upsampling
from ecgsdk.workers import Workers


def session_and_inputs(name, n, seed=0):
    session = open_session(find_model().graph(name), device="cpu")
    draw = np.random.default_rng(seed)
    shapes = {given.name: [n if axis == "records" else axis for axis in given.shape] for given in session.get_inputs()}
    given = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return session, given | ({"offset": draw.integers(8, 16, n)} if "offset" in given else {})


@pytest.fixture(scope="module")
def decoder():
    return session_and_inputs("decoder", 3)


def test_a_bound_run_fills_the_array_with_what_a_plain_run_gives(decoder):
    session, given = decoder
    made = np.full((3, 8, 1000), np.nan, dtype=np.float32)
    assert run_into(session, given, made) is made
    np.testing.assert_array_equal(made, session.run(None, given)[0])


def test_inputs_may_be_parts_of_arrays_in_any_order_in_memory(decoder):
    session, given = decoder
    turned = {name: np.ascontiguousarray(value.T).T for name, value in given.items()}
    part = {name: value[1:] for name, value in turned.items()}
    made = run_into(session, part, np.empty((2, 8, 1000), dtype=np.float32))
    np.testing.assert_allclose(made, session.run(None, given)[0][1:], atol=1e-6)


def test_an_array_of_another_shape_is_refused(decoder):
    session, given = decoder
    with pytest.raises(Exception, match="dimensions|shape"):  # of ONNX Runtime, which has no public kind of it
        run_into(session, given, np.empty((3, 8, 999), dtype=np.float32))


def test_what_is_kept_goes_into_the_next_graph(decoder):
    session, given = decoder
    upsampler, further = session_and_inputs("upsampler", 3)
    kept = run_kept(session, given)
    assert kept.device_name().lower() == "cpu"
    plain = session.run(None, given)[0]
    made = run_into(upsampler, {**further, "signals": kept}, np.empty((3, 8, 5000), dtype=np.float32))
    np.testing.assert_array_equal(made, upsampler.run(None, {**further, "signals": plain})[0])


def test_upsampling_takes_what_is_kept_as_it_takes_arrays(decoder):
    session, given = decoder
    upsampling = Upsampling(find_model().graph("upsampler"), given_rate=100.0, device="cpu")
    upsampling._at_once = 8  # all in one run, as on a GPU
    of_array = upsampling.upsampled(session.run(None, given)[0], 1, range(3), 500.0)
    np.testing.assert_array_equal(upsampling.upsampled(run_kept(session, given), 1, range(3), 500.0), of_array)
    upsampling._at_once = 2
    in_pairs = upsampling.upsampled(run_kept(session, given), 1, range(3), 500.0)
    np.testing.assert_allclose(in_pairs, of_array, atol=1e-4)


@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_a_gpu_s_shares_give_the_same_ecgs(rate):
    """The way of a batch through a GPU's workers, with the CPU's sessions."""
    cohort = ecgsdk.Cohort.from_groups(ecgsdk.GROUPS)
    ours, theirs = (ecgsdk.load_generator(device="cpu") for _ in range(2))
    theirs._workers = Workers("cuda", 2)
    asked = {"n": 6, "seed": 3, "sampling_rate": rate}
    ours_made, theirs_made = (
        np.concatenate([batch.signals for batch in each.generate(cohort, batch_size=size, **asked)])
        for each, size in ((ours, None), (theirs, 5))
    )
    np.testing.assert_allclose(theirs_made, ours_made, atol=2e-4)


def test_cuda_gives_the_cpu_s_ecgs_within_rounding():
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no CUDA here")
    cohort = ecgsdk.Cohort.from_groups(ecgsdk.GROUPS)
    both = (ecgsdk.load_generator(device=device) for device in ("cpu", "cuda"))
    on_cpu, on_cuda = (next(iter(each.generate(cohort, 12, seed=1, batch_size=12))) for each in both)
    assert on_cuda.conditions == on_cpu.conditions
    np.testing.assert_allclose(on_cuda.signals, on_cpu.signals, atol=2e-3)
