"""Scores of classifiers against answers that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecgsdk.validation.scores import auroc, binary_scores, bootstrap_interval, macro_auroc, roc


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], 0.75),
        ([0.1, 0.2, 0.3, 0.4], 1.0),
        ([0.4, 0.3, 0.2, 0.1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.5, 0.5, 0.9], 0.875),
    ],
)
def test_auroc_is_the_share_of_pairs_in_order(scores, expected):
    assert auroc(np.array([0, 0, 1, 1]), np.array(scores)) == expected


def test_auroc_without_one_of_the_classes_is_unknown():
    assert math.isnan(auroc(np.zeros(3), np.arange(3)))
    assert math.isnan(auroc(np.ones(3), np.arange(3)))


def test_a_weight_counts_as_that_many_records():
    random = np.random.default_rng(0)
    labels, scores, weights = random.random(40) < 0.3, random.integers(0, 9, 40), random.integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), weights)
    assert auroc(labels, scores, weights) == pytest.approx(auroc(labels[repeated], scores[repeated]))
    weighted = binary_scores(labels, scores / 9, weights)
    assert weighted == binary_scores(labels[repeated], scores[repeated] / 9)


def test_macro_auroc_leaves_out_labels_that_nobody_has():
    labels = np.array([[0, 0], [1, 0], [1, 0]])
    assert macro_auroc(labels, np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5]])) == 1.0
    assert math.isnan(macro_auroc(np.zeros((3, 1)), np.zeros((3, 1))))


def test_scores_of_a_binary_task():
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    called = np.array([0.9, 0.8, 0.5, 0.2, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = binary_scores(labels, called)
    assert found.sensitivity == 0.75
    assert found.specificity == pytest.approx(5 / 6)
    assert found.accuracy == 0.8
    assert found.balanced_accuracy == pytest.approx((0.75 + 5 / 6) / 2)
    assert found.f1 == 0.75
    assert found.auroc == pytest.approx(22 / 24)


def test_the_roc_curve_ends_in_the_corners():
    false_positive, true_positive = roc(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.9, 0.5]))
    assert false_positive.tolist() == [0, 0.5, 0.5, 1]
    assert true_positive.tolist() == [0, 0.5, 1, 1]


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = bootstrap_interval(lambda weights: float((weights * values).sum() / weights.sum()), 400, rounds=1000)
    assert low == pytest.approx(values.mean() - 1.96 * 0.1, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * 0.1, abs=0.03)


def test_an_interval_of_nothing_is_unknown():
    assert all(map(math.isnan, bootstrap_interval(lambda weights: math.nan, 5, rounds=3)))
