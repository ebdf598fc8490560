"""Fidelity: distances, spectra and the two-sample test give what is known of cases whose answer is known."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.validation.fidelity import feature_distances
from ecgsdk.validation.fidelity.feature_distances import (
    Estimate,
    density_coverage,
    frechet_distance,
    jackknife,
    kernel_distance,
    mean_estimate,
    nearest_distances,
    precision_recall,
    two_sample_auc,
)
from ecgsdk.validation.fidelity.section import FEWEST, section
from ecgsdk.validation.fidelity.spectra import BANDS, band_powers, frequencies, lead_correlations, spectra
from ecgsdk.validation.fidelity.spectral_distances import (
    band_power_distance,
    band_power_ratios,
    correlation_error,
    decibels,
    spectrum_distance,
)
from ecgsdk.validation.profile import Profile


def drawn(seed, n, d=6, *, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, (n, d)).astype(np.float32)


class TestFrechetDistance:
    def test_of_equal_sets_is_nought(self):
        assert frechet_distance(drawn(0, 500), drawn(0, 500)) == pytest.approx(0, abs=1e-9)

    def test_of_a_shift_is_its_squared_length(self):
        real = drawn(0, 500)
        assert frechet_distance(real, real + np.float32(0.5)) == pytest.approx(6 * 0.25, rel=1e-5)

    def test_of_a_spread_is_the_squared_difference_of_deviations(self):
        real = drawn(0, 2000)
        real -= real.mean(axis=0)
        variance = real.astype(float).var(axis=0, ddof=1).sum()
        assert frechet_distance(real, 3 * real) == pytest.approx(4 * variance, rel=1e-5)

    def test_of_covariances_that_do_not_commute(self):
        # For two by two matrices tr √(C₁C₂) = √(tr C₁C₂ + 2 √det C₁C₂).
        real, other = drawn(1, 300, 2) @ [[2, 1], [0, 1]], drawn(2, 300, 2) @ [[1, 0], [-1, 2]]
        first, second = np.cov(real.T), np.cov(other.T)
        root = np.sqrt(np.trace(first @ second) + 2 * np.sqrt(np.linalg.det(first @ second)))
        shift = np.square(real.mean(axis=0) - other.mean(axis=0)).sum()
        expected = shift + np.trace(first) + np.trace(second) - 2 * root
        assert frechet_distance(real, other) == pytest.approx(expected, rel=1e-9)

    def test_does_not_care_which_set_is_which_or_how_features_are_turned(self):
        real, other = drawn(1, 100, 8), drawn(2, 120, 8, scale=1.5)
        turn = np.linalg.qr(drawn(3, 8, 8).astype(float))[0]
        assert frechet_distance(other, real) == pytest.approx(frechet_distance(real, other), rel=1e-9)
        assert frechet_distance(real @ turn, other @ turn) == pytest.approx(frechet_distance(real, other), rel=1e-9)

    def test_of_fewer_records_than_features(self):
        assert 0 < frechet_distance(drawn(0, 20, 64), drawn(1, 20, 64)) < 200


class TestKernelDistance:
    def test_is_what_its_definition_says(self):
        real, other = drawn(0, 7), drawn(1, 9, shift=0.5)

        def kernel(x, y):
            return (x.astype(float) @ y.astype(float) / 6 + 1) ** 3

        expected = (
            np.mean([kernel(a, b) for i, a in enumerate(real) for j, b in enumerate(real) if i != j])
            + np.mean([kernel(a, b) for i, a in enumerate(other) for j, b in enumerate(other) if i != j])
            - 2 * np.mean([kernel(a, b) for a in real for b in other])
        )
        assert kernel_distance(real, other).value == pytest.approx(expected, rel=1e-4)

    def test_is_nought_on_average_for_equal_distributions(self):
        values = [kernel_distance(drawn(2 * k, 60), drawn(2 * k + 1, 60)).value for k in range(60)]
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
        assert min(values) < 0

    def test_its_error_is_its_spread_over_draws(self):
        found = [kernel_distance(drawn(2 * k, 150), drawn(2 * k + 1, 150, shift=0.7)) for k in range(60)]
        assert np.mean([f.error for f in found]) == pytest.approx(np.std([f.value for f in found]), rel=0.3)


class TestNeighbourhoods:
    LINE = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]], dtype=np.float32)

    def test_precision_and_recall_on_a_line(self):
        # Radii for k = 1: real 1, 1, 1, 1, 7, synthetic 0.5, 0.5, 1, 1.
        made = np.array([[0.5], [0.0], [100.0], [101.0]], dtype=np.float32)
        precision, recall = precision_recall(self.LINE, made, k=1)
        assert precision.value == pytest.approx(2 / 4)  # 0.5 and 0
        assert recall.value == pytest.approx(2 / 5)  # 0 and 1

    def test_density_and_coverage_on_a_line(self):
        # Synthetic 1.5 lies in the spheres of 1 and 2 (radius 1), 50 in none.
        made = np.array([[1.5], [50.0]], dtype=np.float32)
        density, coverage = density_coverage(self.LINE, made, k=1)
        assert density.value == pytest.approx((2 + 0) / 2)
        assert coverage.value == pytest.approx(2 / 5)

    def test_equal_distributions_reach_what_theory_says(self):
        real, made = drawn(0, 1500, 8), drawn(1, 1500, 8)
        density, coverage = density_coverage(real, made)
        assert density.value == pytest.approx(1, abs=0.1)
        assert coverage.value == pytest.approx(1 - 2**-5, abs=0.03)

    def test_a_mode_that_is_missing_costs_recall_and_coverage_not_precision(self):
        real = np.concatenate([drawn(0, 300, shift=-5), drawn(1, 300, shift=5)])
        precision, recall = precision_recall(real, drawn(2, 600, shift=5))
        _, coverage = density_coverage(real, drawn(2, 600, shift=5))
        assert precision.value > 0.9
        assert recall.value < 0.55
        assert coverage.value < 0.55

    def test_noise_costs_precision(self):
        precision, _ = precision_recall(drawn(0, 300), drawn(1, 300, scale=6))
        assert precision.value < 0.3

    def test_the_nearest_record_of_others_or_of_the_same_set(self):
        assert nearest_distances(self.LINE).tolist() == pytest.approx([1, 1, 1, 1, 7])
        assert nearest_distances(np.array([[4.0]], np.float32), self.LINE).tolist() == pytest.approx([1])

    def test_blocks_change_nothing(self, monkeypatch):
        real, made = drawn(0, 90), drawn(1, 90)

        def figures():
            return [*precision_recall(real, made), *density_coverage(real, made), kernel_distance(real, made)]

        whole = figures()
        monkeypatch.setattr(feature_distances, "_BLOCK", 13)
        for found, expected in zip(figures(), whole):
            assert found.value == pytest.approx(expected.value, rel=1e-5)
            assert found.error == pytest.approx(expected.error, rel=1e-4)

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr(feature_distances, "_BLOCK", 64)
        real, made = drawn(0, 2000, 4), drawn(1, 2000, 4)
        tracemalloc.start()
        precision_recall(real, made)
        kernel_distance(real, made)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2000 * 2000 * 4 / 2


class TestTwoSampleTest:
    def test_cannot_tell_equal_distributions(self):
        areas = [two_sample_auc(drawn(2 * k, 200), drawn(2 * k + 1, 200)).value for k in range(10)]
        assert np.mean(areas) == pytest.approx(0.5, abs=0.03)

    def test_tells_a_shift_as_well_as_theory_allows(self):
        # The best AUC for two normal distributions a distance d apart is Φ(d / √2): d = 1.5 gives 0.856.
        real, made = drawn(0, 2000), drawn(1, 2000)
        made[:, 0] += 1.5
        found = two_sample_auc(real, made)
        assert found.value == pytest.approx(0.856, abs=0.02)
        assert 0.004 < found.error < 0.008

    def test_tells_too_little_spread(self):
        assert two_sample_auc(drawn(0, 500), drawn(1, 500, scale=0.5)).value > 0.9

    def test_constant_features_and_outliers_do_no_harm(self):
        real, made = drawn(0, 100), drawn(1, 100, shift=3)
        real[:, 0] = made[:, 0] = 7
        real[0, 1] = 1e6
        assert two_sample_auc(real, made).value > 0.95

    def test_same_seed_same_area(self):
        real, made = drawn(0, 60), drawn(1, 60)
        assert two_sample_auc(real, made, seed=3) == two_sample_auc(real, made, seed=3)


def test_the_jackknife_of_a_mean_gives_its_standard_error():
    values = np.random.default_rng(0).normal(size=1000)
    found = jackknife(lambda kept: float(values[kept].mean()), 1000, groups=100)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std() / np.sqrt(1000), rel=0.2)


def test_the_mean_of_two_estimates_is_surer_than_either():
    assert mean_estimate(Estimate(1, 0.3), Estimate(2, 0.4)) == Estimate(1.5, 0.25)


class TestSpectra:
    TIME = np.arange(1000) / 100

    def test_a_sine_has_its_power_at_its_frequency(self):
        eight = np.tile(0.4 * np.sin(2 * np.pi * 7 * self.TIME), (2, 8, 1)).astype(np.float32)
        density = spectra(eight, 100)
        lines = frequencies(density.shape[-1])
        assert density.shape == (2, 8, 251)
        assert density.dtype == np.float32
        assert lines[density[0, 3].argmax()] == pytest.approx(7)
        assert density[1, 5].sum() * (lines[1] - lines[0]) == pytest.approx(0.4**2 / 2, rel=1e-4)

    def test_white_noise_is_flat_and_its_integral_is_its_variance(self):
        noise = np.random.default_rng(0).normal(scale=0.1, size=(200, 8, 1000)).astype(np.float32)
        mean = spectra(noise, 100).mean(axis=(0, 1))
        assert mean[5:-5] == pytest.approx(0.01 / 50, rel=0.1)
        assert mean.sum() * 0.2 == pytest.approx(0.01, rel=0.02)

    @pytest.mark.parametrize(("samples", "rate"), [(1000, 100), (5000, 500), (499, 100), (130, 100)])
    def test_power_holds_at_other_lengths_and_rates(self, samples, rate):
        noise = np.random.default_rng(0).normal(size=(50, 8, samples)).astype(np.float32)
        density = spectra(noise, rate)
        spacing = rate / min(5 * rate, samples)
        assert density.sum(axis=-1).mean() * spacing == pytest.approx(1, rel=0.05)

    def test_agrees_with_scipy(self):
        signal = pytest.importorskip("scipy.signal")
        noise = np.random.default_rng(0).normal(size=(3, 8, 1000))
        noise -= noise.mean(axis=-1, keepdims=True)
        _, expected = signal.welch(noise, 100, "hann", 500, detrend=False)
        assert spectra(noise, 100) == pytest.approx(expected, rel=1e-4)

    def test_an_offset_is_no_power(self):
        eight = np.random.default_rng(0).normal(size=(2, 8, 1000))
        assert spectra(eight + 5, 100) == pytest.approx(spectra(eight, 100), rel=1e-4)

    def test_bands_share_all_lines_above_nought(self):
        lines = frequencies(251)
        inside = [((lines >= low) & (lines < high)).sum() for low, high in BANDS]
        assert sum(inside) == 249  # all of 0.2 to 49.8 Hz, each in one band

    def test_band_powers_are_mean_densities(self):
        density = np.zeros((1, 8, 251), np.float32)
        density[..., 5:25] = 2.0  # 1 to 5 Hz, of 0.5 to 5 Hz
        assert band_powers(density)[0, 0] == pytest.approx([0, 2 * 20 / 22, 0, 0, 0], rel=1e-6)


class TestLeadCorrelations:
    def test_are_pearsons(self):
        eight = np.random.default_rng(0).normal(size=(70, 8, 200)).astype(np.float32)
        expected = np.corrcoef(eight[66])[np.triu_indices(8, 1)]
        found = lead_correlations(eight)
        assert found.shape == (70, 28)
        assert found.dtype == np.float32
        assert found[66] == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("level", [0.0, 0.123, 3.7])
    def test_of_a_flat_lead_are_nought(self, level):
        eight = np.random.default_rng(0).normal(size=(1, 8, 200)).astype(np.float32)
        eight[0, 2] = level
        found = np.zeros((8, 8))
        found[np.triu_indices(8, 1)] = lead_correlations(eight)[0]
        assert not found[2].any()
        assert not found[:, 2].any()
        assert found[0, 1] != 0


class TestSpectralDistances:
    def test_ten_times_the_power_is_ten_decibels(self):
        density = np.random.default_rng(0).uniform(1, 2, (20, 8, 251))
        assert spectrum_distance(decibels(density), decibels(10 * density)) == pytest.approx(10, rel=1e-4)
        assert spectrum_distance(decibels(density), decibels(density)) == 0
        bands = band_powers(density)
        assert band_power_distance(decibels(bands), decibels(10 * bands)) == pytest.approx(10, rel=1e-4)
        assert band_power_ratios(bands, 10 * bands) == pytest.approx(10, rel=1e-4)

    def test_each_band_counts_the_same(self):
        density = np.ones((20, 8, 251))
        louder = density.copy()
        louder[..., 1:3] *= 100  # the two lines below 0.5 Hz
        assert spectrum_distance(decibels(density), decibels(louder)) == pytest.approx(20 / 5 * 8 / 8, rel=1e-4)

    def test_too_little_variety_is_seen_by_the_band_powers_alone(self):
        exponent = np.random.default_rng(0).normal(size=(500, 8, 1)) * np.ones(5)
        exponent -= exponent.mean(axis=0)
        real, made = 10 * exponent, 5 * exponent
        assert band_power_distance(real, made) == pytest.approx(5 * np.sqrt(2 / np.pi), rel=0.1)
        assert spectrum_distance(np.repeat(real, 50, 2), np.repeat(made, 50, 2), 100) == pytest.approx(0, abs=1e-6)

    def test_no_power_gives_no_warning(self):
        nothing = np.zeros((4, 8, 251), np.float32)
        assert spectrum_distance(decibels(nothing), decibels(nothing)) == 0
        assert np.isnan(band_power_ratios(band_powers(nothing), band_powers(nothing))).all()

    def test_correlation_error_is_the_mean_difference(self):
        real, made = np.zeros((5, 28)), np.zeros((5, 28))
        made[:, :7] = 0.4
        made[:, 7:14] = -0.4
        assert correlation_error(real, made) == pytest.approx(0.2)


def profile(seed, n=120, *, shift=0.0, statements=("NORM",)):
    """A profile of drawn numbers, for the arithmetic of the section."""
    random = np.random.default_rng(seed)
    eight = random.normal(size=(n, 8, 1000)).astype(np.float32) * np.float32(1 + shift)
    return Profile(
        conditions=tuple(Condition(statements) for _ in range(n)),
        features=(random.normal(size=(n, 16)) + shift).astype(np.float32),
        spectra=spectra(eight, 100),
        correlations=lead_correlations(eight),
        beats=np.zeros((n, 8, 88), np.float32),
        coarse=np.zeros((n, 8, 250), np.float32),
        figures={},
        residuals=np.zeros(n),
    )


@pytest.fixture(scope="module")
def halves():
    return profile(0), profile(1)


@pytest.fixture(scope="module")
def alike(halves):
    return section(halves, (profile(2), profile(3)))


@pytest.fixture(scope="module")
def apart(halves):
    return section(halves, (profile(2, shift=1.0), profile(3, 100, shift=1.0, statements=("AFIB",))))


class TestSection:
    def test_every_figure_has_floor_interval_source_and_number(self, alike):
        names = [measure.name for measure in alike.measures]
        assert names[:6] == ["frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"]
        assert {"spectrum_distance_db", "lead_correlation_error", "two_sample_auc_features"} < set(names)
        for measure in alike.measures:
            assert measure.low <= measure.value <= measure.high
            assert measure.floor is not None
            assert measure.n == 240
            assert measure.about.endswith(".")
            assert measure.better

    def test_equal_distributions_stay_near_the_floor(self, alike):
        for measure in alike.measures:
            width = max(measure.high - measure.low, 0.02)
            assert abs(measure.value - measure.floor) < 3 * width, measure.name

    def test_a_difference_is_seen_by_every_figure(self, apart):
        for measure in apart.measures:
            worse = measure.value < measure.floor if measure.better == "higher" else measure.value > measure.floor
            if measure.name not in ("density", "lead_correlation_error"):  # noise has no lead correlations to lose
                assert worse, measure.name

    def test_sets_are_cut_to_the_smallest(self, apart):
        assert {measure.n for measure in apart.measures} == {200}

    def test_twins_are_never_compared_with_their_own_record(self, halves):
        copies = section(halves, halves)
        floor = section(halves, halves).measure("frechet_distance").floor
        assert copies.measure("frechet_distance").value == pytest.approx(floor, rel=1e-9)
        assert copies.measure("precision").value < 1

    def test_tables_and_charts(self, alike, apart):
        tables = {table.name: table for table in alike.tables}
        assert [row[:2] for row in tables["fidelity_groups"].rows] == [("norm", 120)]
        assert "afib (0)" in alike.notes[0]
        assert len(tables["fidelity_bands"].rows) == 8
        assert all(len(row) == len(table.columns) for table in alike.tables for row in table.rows)
        ratios = {row[0]: row[1:] for row in {table.name: table for table in apart.tables}["fidelity_bands"].rows}
        assert ratios["V3"] == pytest.approx([4] * 5, rel=0.3)
        for chart in alike.charts:
            assert chart.log_y
            assert [series.role for series in chart.series] == ["real", "synthetic"]
            assert min(min(series.y) for series in chart.series) > 0

    def test_what_the_test_ecgs_alone_make_stands_in_a_table(self, halves, alike):
        reference = profile(4, 240, shift=1.0)
        found = section(halves, (profile(2), profile(3)), reference=reference)
        assert found.measures == alike.measures
        rows = {row[0]: row[2:] for row in found.tables[0].rows}
        synthetic, floor, trained_on = rows["Fréchet distance of encoder features"]
        assert synthetic == alike.measure("frechet_distance").value
        assert floor == alike.measure("frechet_distance").floor
        assert trained_on > 5 * floor
        assert section(halves, (profile(2), profile(3)), reference=profile(4, 60)).tables == alike.tables

    def test_same_seed_same_section(self, halves, alike):
        again = section(halves, (profile(2), profile(3)))
        assert replace(again, seconds=0) == replace(alike, seconds=0)

    def test_too_few_records_are_a_failure_that_says_so(self, halves):
        few = section(halves, (profile(2, FEWEST - 1), profile(3)))
        assert not few.measures
        assert "are needed" in few.failures[0].why
