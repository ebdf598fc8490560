"""What is registered keeps to what `ecgsdk validate` expects."""

import ecgsdk_example

from ecgsdk.testing import check_classifier, check_metric, check_plugin


def test_it_registers():
    check_plugin(ecgsdk_example)


def test_the_classifier():
    check_classifier(ecgsdk_example.BeatRidge, kind="trainable", pickled=True)


def test_the_metric():
    check_metric(lambda: ecgsdk_example.mean_beat_distance)
