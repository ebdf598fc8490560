"""The shipped model makes what it is asked for, the same record at any batch size and in any slice."""

from __future__ import annotations

import multiprocessing
import os
from types import SimpleNamespace

import numpy as np
import pytest

import ecgsdk
from ecgsdk.beats import detect_beats, heart_rate, rr_variation
from ecgsdk.encoding import encode_conditions
from ecgsdk.flow import integrate
from ecgsdk.leads import to_eight
from ecgsdk.runtime import open_session
from ecgsdk.writers.quantise import quantise


@pytest.fixture(scope="module")
def generator():
    _SHARED.append(ecgsdk.load_generator())
    return _SHARED[0]


def made(generator, cohort, n, **options):
    batches = list(generator.generate(cohort, n, **{"sampling_rate": 100, **options}))
    return np.concatenate([batch.signals for batch in batches]), [c for batch in batches for c in batch.conditions]


def cohort(*groups, **template):
    return ecgsdk.Cohort.from_groups(groups, ecgsdk.Condition(**template))


def test_signals_look_like_ecgs_in_millivolts(generator):
    signals, conditions = made(generator, cohort(*ecgsdk.GROUPS), 12, seed=1)
    assert signals.shape == (12, 12, 1000)
    assert signals.dtype == np.float32
    assert np.isfinite(signals).all()
    assert 0.08 < signals.std() < 0.6
    assert all(35 <= c.heart_rate <= 170 and c.sex in "MF" and 15 <= c.age <= 90 for c in conditions)


def test_the_rate_is_500_hz_unless_asked_for(generator):
    batch = next(generator.generate(cohort("norm"), 1))
    assert (batch.sampling_rate, batch.signals.shape) == (500, (1, 12, 5000))


def test_a_record_is_the_same_in_any_batch_and_slice(generator):
    asked = cohort(*ecgsdk.GROUPS)
    whole, conditions = made(generator, asked, 21, seed=5, batch_size=21)
    for options in ({"batch_size": 1}, {"batch_size": 4}):
        again, _ = made(generator, asked, 21, seed=5, **options)
        assert (quantise(again, 0.001) == quantise(whole, 0.001)).all()
    part, drawn = made(generator, asked, 5, seed=5, start=9, batch_size=2)
    assert (quantise(part, 0.001) == quantise(whole[9:14], 0.001)).all()
    assert drawn == conditions[9:14]


def test_threads_do_not_change_a_record(generator):
    one = ecgsdk.load_generator(threads=1)
    asked = cohort("lvh")
    assert (made(one, asked, 6, seed=2)[0] == made(generator, asked, 6, seed=2)[0]).all()


def test_seeds_and_records_differ(generator):
    signals, _ = made(generator, cohort("norm"), 4, seed=1)
    other, _ = made(generator, cohort("norm"), 4, seed=2)
    assert len({s.tobytes() for s in [*signals, *other]}) == 8


def test_lead_equations_hold_to_one_unit(generator):
    signals, _ = made(generator, cohort("norm", "lbbb"), 8, seed=3)
    units = quantise(signals, 0.001).astype(int)
    one, two, three, avr, avl, avf = units[:, :6].transpose(1, 0, 2)
    assert abs(one + three - two).max() <= 1
    assert abs(2 * avr + one + two).max() <= 2
    assert abs(2 * avl - 2 * one + two).max() <= 2
    assert abs(2 * avf - 2 * two + one).max() <= 2


@pytest.mark.parametrize("rate", [45.0, 60.0, 80.0, 110.0])
def test_the_heart_rate_is_the_one_asked_for(generator, rate):
    signals, conditions = made(generator, cohort("norm", "lbbb", heart_rate=rate), 16, seed=4)
    measured = [heart_rate(beats) for beats in detect_beats(signals, 100)]
    assert {c.heart_rate for c in conditions} == {rate}
    assert abs(np.median(measured) - rate) < 1


def test_atrial_fibrillation_is_irregular_and_sinus_rhythm_is_not(generator):
    spread = {}
    for group in ("norm", "afib"):
        signals, _ = made(generator, cohort(group), 24, seed=6)
        spread[group] = np.median([rr_variation(beats) for beats in detect_beats(signals, 100)])
    assert spread["afib"] > 3 * spread["norm"]


def test_guidance_and_steps_change_the_record_and_stand_in_the_provenance(generator):
    plain, _ = made(generator, cohort("lvh"), 2, seed=8)
    for options in ({"guidance": 2.0}, {"steps": 3}):
        other, _ = made(generator, cohort("lvh"), 2, seed=8, **options)
        assert np.abs(other - plain).max() > 0.02
    provenance = generator.provenance(seed=8, guidance=2.0)
    assert (provenance.guidance, provenance.steps) == (2.0, generator.card.most_steps)


def test_of_several_candidates_one_is_chosen_as_a_whole(generator):
    asked = cohort(*ecgsdk.GROUPS)
    few, many = (made(generator, asked, 12, seed=8, candidates=number)[0] for number in (1, 3))
    same = (quantise(few, 0.001) == quantise(many, 0.001)).all(axis=(1, 2))
    assert 0 < same.sum() < 12
    sliced, _ = made(generator, asked, 4, seed=8, candidates=3, start=5, batch_size=2)
    assert (quantise(sliced, 0.001) == quantise(many[5:9], 0.001)).all()
    assert generator.provenance(seed=8, candidates=3).candidates == 3
    assert generator.provenance(seed=8, candidates=1).candidates is None
    assert generator.provenance(seed=8).candidates is None


def test_the_choice_is_the_same_at_any_rate_and_number_of_threads(generator):
    asked = cohort("afib", "lvh")
    at_100, _ = made(generator, asked, 4, seed=8, candidates=3)
    one, _ = made(ecgsdk.load_generator(threads=1), asked, 4, seed=8, candidates=3)
    assert (quantise(one, 0.001) == quantise(at_100, 0.001)).all()
    at_500, _ = made(generator, asked, 4, seed=8, candidates=3, sampling_rate=500)
    for slow, fast in zip(at_100, at_500):
        assert np.corrcoef(fast[..., ::5].ravel(), slow.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("options", [{"steps": 6}, {"guidance": 2.0}])
def test_the_judge_knows_the_models_own_steps_and_guidance_only(generator, options):
    with pytest.raises(ecgsdk.ConditionError, match="the judge of ptbxl-flow knows its own steps and guidance only"):
        generator.generate(cohort("norm"), 1, candidates=2, **options)


def test_what_is_chosen_is_likelier_recorded(generator):
    asked = cohort("afib", "norm", "lvh")
    condition = encode_conditions(made(generator, asked, 48, seed=8)[1], generator.statements)
    means = []
    for number in (1, 6):
        signals, _ = made(generator, asked, 48, seed=8, candidates=number)
        session = open_session(generator.model.graph("judge"), device="cpu")
        means.append(session.run(None, {"signals": to_eight(signals), "condition": condition})[0].mean())
    assert means[1] > means[0] + 0.1


def test_the_distilled_flow_ends_near_where_the_flow_does(generator):
    one, many = (made(generator, cohort("norm", "lbbb", "rbbb"), 12, seed=8, steps=steps)[0] for steps in (1, 6))
    assert not np.array_equal(one, many)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, many)]
    assert np.median(alike) > 0.9
    assert min(alike) > 0.5
    assert np.sort(alike)[1] > 0.8  # one ECG of twelve may take another form


@pytest.mark.parametrize("rate", [250.0, 500.0])
def test_higher_rates_show_the_same_ecg(generator, rate):
    at_100, _ = made(generator, cohort("norm"), 2, seed=8)
    batch = next(generator.generate(cohort("norm"), 2, seed=8, sampling_rate=rate))
    assert batch.sampling_rate == rate
    assert batch.signals.shape == (2, 12, 10 * rate)
    factor = int(rate / 50)
    assert np.corrcoef(batch.signals[..., ::factor].ravel(), at_100[..., ::2].ravel())[0, 1] > 0.95


def test_what_the_model_cannot_make_is_refused_before_anything_is_made(generator):
    with pytest.raises(ecgsdk.ConditionError, match="makes 500, 250, 100 Hz, not 125"):
        generator.generate(cohort("norm"), 1, sampling_rate=125)
    with pytest.raises(ecgsdk.ConditionError, match="age 5 is outside"):
        generator.generate(cohort("norm", age=5.0), 1)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 2**64},
        {"seed": -1},
        {"start": -1},
        {"n": 0},
        {"batch_size": 0},
        {"steps": 0},
        {"guidance": float("nan")},
        {"candidates": 0},
    ],
)
def test_numbers_that_make_no_sense_are_refused(generator, options):
    options = {"n": 1, **options}
    with pytest.raises(ecgsdk.ConditionError, match="must lie between"):
        generator.generate(cohort("norm"), options.pop("n"), **options)


def test_more_records_than_the_cohort_has_are_refused_before_any_is_made(generator):
    two = ecgsdk.Cohort.from_conditions([ecgsdk.Condition(("NORM",)), ecgsdk.Condition(("LVH",))])
    with pytest.raises(ecgsdk.ConditionError, match="the cohort has 2 in all"):
        generator.generate(two, 3)
    old = ecgsdk.Cohort.from_conditions([ecgsdk.Condition(("NORM",)), ecgsdk.Condition(("NORM",), age=120.0)])
    with pytest.raises(ecgsdk.ConditionError, match="condition 1, counted from 0: age 120"):
        generator.generate(old, 2)


def test_a_failing_share_stops_the_ones_behind_it(monkeypatch):
    one = ecgsdk.load_generator(threads=1)
    begun = []

    def fail(conditions, indices, *options):
        begun.append(indices)
        raise MemoryError("no more")

    monkeypatch.setattr(one, "_share_of", fail)
    with pytest.raises(MemoryError):
        list(one.generate(cohort("norm"), 800, batch_size=800))
    one._workers._threads._executor().shutdown()
    assert len(begun) < 50


@pytest.mark.parametrize("shapes", [{"trains": ["records", 2, 1000]}, {"signals": ["records", 8, 1000]}])
def test_a_refiner_that_takes_other_inputs_is_refused(monkeypatch, shapes):
    class Earlier:
        def get_inputs(self):
            return [SimpleNamespace(name=name, shape=shape) for name, shape in shapes.items()]

    one = ecgsdk.load_generator(device="cpu")
    monkeypatch.setattr("ecgsdk.generator.open_session", lambda graph, device: Earlier())
    with pytest.raises(ecgsdk.ModelError, match="the refiner is of another version of ecgsdk; train and export it"):
        one.generate(ecgsdk.Cohort.of(ecgsdk.Condition(("NORM",))), 1)


def test_two_iterators_at_once_do_not_disturb_each_other(generator):
    first = generator.generate(cohort("lvh"), 4, seed=1, batch_size=2)
    second = generator.generate(cohort("afib"), 4, seed=2, batch_size=2)
    mixed = [batch for pair in zip(first, second) for batch in pair]
    alone, _ = made(generator, cohort("lvh"), 4, seed=1, sampling_rate=500)
    assert (np.concatenate([batch.signals for batch in mixed[::2]]) == alone).all()


def test_a_forked_process_generates(generator):
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    expected, _ = made(generator, cohort("norm"), 2, seed=1)
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        found = pool.apply_async(_norm_bytes).get(timeout=60)
    assert found == expected.tobytes()


_SHARED = []


def _norm_bytes():
    return next(_SHARED[0].generate(cohort("norm"), 2, seed=1, sampling_rate=100)).signals.tobytes()


def test_integration_is_of_second_order():
    def field(state, time):
        return state

    errors = [abs(float(integrate(field, np.ones(1, np.float32), n)[0]) - np.e) for n in (8, 16, 32)]
    assert errors[0] / errors[1] > 3.3
    assert errors[1] / errors[2] > 3.3
    assert integrate(lambda s, t: np.full_like(s, 2), np.zeros(3, np.float32), 5) == pytest.approx([2, 2, 2])
