"""openecg's reading of one ECG: its report, and the rhythm probabilities that the report is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openecg
from openecg.deploy import bundled_codec_onnx_path
from openecg.eval import ALL_SUPER_QRS_CLASSES
from openecg.layered import BEAT_NONE, RHYTHM_NAMES, LayeredCodec

from ecgsdk.errors import PluginError
from ecgsdk.runtime import available_cores, open_session

__all__ = ["RATE", "RHYTHMS", "SECONDS", "Reader", "Reading"]

RATE, SECONDS = 500, 10
"""What openecg's networks were trained on (its model card): 500 Hz, ten seconds, one lead, mostly lead II."""

RHYTHMS: tuple[str, ...] = tuple(RHYTHM_NAMES[k] for k in sorted(RHYTHM_NAMES))
"""openecg's names of its six rhythms."""

_OUTPUTS = ("frame_logits", "beat_logits", "rhythm_logits")


@dataclass(frozen=True)
class Reading:
    """What openecg says of one ECG.

    Attributes:
        rhythm: probability of each of `RHYTHMS`, mean of the six seconds that openecg judges by, float64.
        report: openecg's own.
    """

    rhythm: np.ndarray
    report: openecg.EcgReport


@dataclass(frozen=True)
class _Decoded:
    """Stands for the network in `openecg.report`, which has been run already."""

    codec: LayeredCodec

    def encode(self, signal: np.ndarray, fs: int) -> LayeredCodec:
        return self.codec


class Reader:
    """Runs openecg's int8 network (codec_v6) and its report.

    One ECG at a time: a dynamically quantised network rounds by the largest value of a whole batch.
    """

    def __init__(self) -> None:
        self._session = open_session(Path(bundled_codec_onnx_path("v6")).read_bytes(), device="cpu")

    def read_all(self, traces: np.ndarray) -> list[Reading | None]:
        """What `read` says of each trace, shape (n, 5000); on all cores, each session in the thread that calls it."""
        with ThreadPoolExecutor(available_cores()) as pool:
            return list(pool.map(self.read, traces))

    def read(self, trace: np.ndarray) -> Reading | None:
        """openecg's reading of lead II in mV, ten seconds at 500 Hz, shape (5000,).

        Returns:
            None where openecg finds no beat, as in a flat line: its report fails then.

        Raises:
            PluginError: openecg's report has no rhythm; it tells of its own failures by a flag only.
        """
        if not len(openecg.detect_qrs(trace, RATE)):
            return None
        given = openecg.rank_normalize(trace).astype(np.float32)[None]
        frame, beat, rhythm = (output[0] for output in self._session.run(_OUTPUTS, {"signal": given}))
        waves = frame.argmax(axis=-1)
        # A beat's type is openecg's only within a QRS complex.
        beats = np.where(np.isin(waves, ALL_SUPER_QRS_CLASSES), beat.argmax(axis=-1), BEAT_NONE)
        codec = LayeredCodec(RATE, np.stack([waves, beats, rhythm.argmax(axis=-1)]))
        report = openecg.report(trace, RATE, model=_Decoded(codec))
        if report.rhythm["label"] not in RHYTHMS:
            raise PluginError(f"openecg cannot read an ECG: {', '.join(report.flags)}")
        return Reading(_softmax(rhythm[codec.eval_mask]).mean(axis=0), report)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(axis=-1, keepdims=True)
