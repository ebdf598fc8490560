"""Two-sample test: how well a fresh classifier tells synthetic from real ECGs of the same conditions.

After Lopez-Paz and Oquab 2017 (ICLR, arXiv:1610.06545), with the AUROC in place of the accuracy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.records import Records, join
from ecgsdk.validation.results import Measure
from ecgsdk.validation.scores import auroc, bootstrap_interval
from ecgsdk.validation.utility.trainings import Trainer, Training

if TYPE_CHECKING:
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.progress import Progress

__all__ = ["two_sample_test"]


def two_sample_test(
    real: Records, synthetic: Records, trainer: Trainer, *, seed: int, cache: Cache, progress: Progress
) -> Measure:
    """AUROC of a classifier that was trained on one half of the pairs and tells the other, for both halves.

    Args:
        real, synthetic: `synthetic[i]` stands for `real[i]`; a pair is never parted.
    """
    order = np.random.default_rng(seed).permutation(len(real))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    truth = np.repeat([True, False], [len(real), len(real)])
    told = np.empty(2 * len(real))
    with progress(f"training {trainer.name} to tell real from synthetic", 2) as advance:
        for learned, asked in (halves, halves[::-1]):
            pairs = join(synthetic.select(learned), real.select(learned))
            labels = np.repeat([[True], [False]], len(learned), axis=0)
            test = join(synthetic.select(asked), real.select(asked))
            training = Training(pairs, labels, {"both": test})
            told[np.concatenate([asked, len(real) + asked])] = training.probabilities(trainer, seed, cache)["both"][
                :, 0
            ]
            advance(1)
    value = auroc(truth, told)
    low, high = bootstrap_interval(lambda weights: auroc(truth, told, weights), len(truth), seed=seed)
    return Measure(
        name="two_sample_auc",
        title=f"{trainer.name}: AUROC of telling synthetic from real ECGs",
        value=value,
        better="lower",
        floor=0.5,
        low=low,
        high=high,
        n=len(real),
        about="Trained on half of the pairs of a real and a synthetic ECG, tested on the other half; 0.5 is a guess "
        "(Lopez-Paz and Oquab 2017, arXiv:1610.06545).",
    )
