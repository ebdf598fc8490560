"""An ecgsdk plugin with a classifier and a metric, both of the mean heartbeat; NumPy is all that they need."""

import numpy as np

from ecgsdk.beats import detect_beats, heart_rate, rr_variation
from ecgsdk.hookspecs import hookimpl


def measured(signals):
    """A row for each record at 100 Hz: its mean beat in mV (12 leads × 75 samples), heart rate and RR variation."""
    rows = []
    for signal, times in zip(signals, detect_beats(signals, 100)):
        peaks = [peak for peak in np.round(100 * times).astype(int) if 30 <= peak <= signal.shape[-1] - 45]
        beat = np.mean([signal[:, peak - 30 : peak + 45] for peak in peaks] or [np.zeros((12, 75))], axis=0)
        rows.append([*beat.ravel(), heart_rate(times), rr_variation(times)])
    return np.nan_to_num(rows)


class BeatRidge:
    """Ridge regression of each label on what is measured."""

    def fit(self, signals, labels, *, seed):
        rows = measured(signals)
        self.mean, self.scale, self.share = rows.mean(axis=0), rows.std(axis=0) + 1e-3, labels.mean(axis=0)
        rows = (rows - self.mean) / self.scale
        self.weights = np.linalg.solve(rows.T @ rows + len(rows) * np.eye(902), rows.T @ (labels - self.share))

    def predict_proba(self, signals):
        scores = (measured(signals) - self.mean) / self.scale @ self.weights + self.share
        return 1 / (1 + np.exp(3 - 6 * scores))


def mean_beat_distance(real, synthetic):
    """Root-mean-square difference in mV between the mean beats of real and of synthetic ECGs."""
    difference = measured(real.signals).mean(axis=0) - measured(synthetic.signals).mean(axis=0)
    return float(np.sqrt(np.mean(difference[:900] ** 2)))


@hookimpl
def register_classifiers(register):
    register("beat-ridge", BeatRidge, description="Ridge regression on the mean beat, heart rate and RR variation.")


@hookimpl
def register_metrics(register):
    register("mean-beat-distance", lambda: mean_beat_distance, description="Between mean beats, root mean square, mV.")
