"""Plotted pages and sheets: true millimetres, the standard layout, nothing cut off."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drawn_ecgs import MADE_BY, RATE, batch, size_mm, texts, traces

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS
from ecgsdk.paper import Scale
from ecgsdk.plotting import plot_pair, plot_record, plot_records


def test_the_page_is_a4_in_true_millimetres():
    figure = plot_record(batch())
    axes = figure.axes[0]
    assert size_mm(figure) == pytest.approx((297, 210))
    assert axes.get_position().bounds == (0, 0, 1, 1)
    assert (*axes.get_xlim(), *axes.get_ylim()) == pytest.approx((0, 297, 0, 210))


def test_a_second_is_25_mm_and_a_millivolt_10_mm():
    rhythm = traces(plot_record(batch()))[-1]
    x, y = rhythm.get_xdata(), rhythm.get_ydata()
    assert np.diff(x) == pytest.approx(np.full(999, 0.25))
    assert np.ptp(y) == pytest.approx(10.0)


def test_leads_stand_in_three_rows_of_four_in_step_with_the_rhythm_strip():
    one = batch()
    one.signals[0] *= np.arange(1, 13)[:, None] / 12
    figure = plot_record(one)
    assert [text for text in texts(figure) if text in LEADS] == [
        "I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II",
    ]  # fmt: skip
    drawn = traces(figure)
    rhythm = drawn[-1].get_xdata()
    for place, line in enumerate(drawn[:-1]):
        row, column = divmod(place, 4)
        assert line.get_xdata() == pytest.approx(rhythm[250 * column : 250 * (column + 1)])
        assert np.ptp(line.get_ydata()) == pytest.approx(10 * (3 * column + row + 1) / 12, abs=1e-3)


def test_the_grid_is_of_1_and_5_mm_and_the_baselines_lie_on_it():
    figure = plot_record(batch())
    minor, major = (np.array(lines.get_segments()) for lines in figure.axes[0].collections)
    for lines, spacing in ((minor, 1.0), (major, 5.0)):
        across = np.unique(lines[lines[:, 0, 0] == lines[:, 1, 0]][:, 0, 0])
        assert np.diff(across) == pytest.approx(np.full(len(across) - 1, spacing))
    up = np.unique(major[major[:, 0, 1] == major[:, 1, 1]][:, 0, 1])
    for line in traces(figure):
        assert np.abs(up - np.median(line.get_ydata())).min() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("layout", "rhythm", "leads"),
    [
        ("3x4", None, "I aVR V1 V4 II aVL V2 V5 III aVF V3 V6 II"),
        ("3x4", ("II", "V1"), "I aVR V1 V4 II aVL V2 V5 III aVF V3 V6 II V1"),
        ("6x2", None, "I V1 II V2 III V3 aVR V4 aVL V5 aVF V6"),
        ("6x2", ("II",), "I V1 II V2 III V3 aVR V4 aVL V5 aVF V6 II"),
        ("12x1", None, "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"),
    ],
)
def test_layouts(layout, rhythm, leads):
    figure = plot_record(batch(amplitude=0.5), layout=layout, rhythm=rhythm)
    assert [text for text in texts(figure) if text in LEADS] == leads.split()
    columns = int(layout.split("x")[1])
    lengths = [len(line.get_xdata()) for line in traces(figure)]
    assert lengths == [1000 // columns] * 12 + [1000] * (len(lengths) - 12)
    assert size_mm(figure) == pytest.approx((297, 220 if layout == "12x1" else 210))


@pytest.mark.parametrize("speed", [25.0, 50.0])
@pytest.mark.parametrize("gain", [5.0, 10.0, 20.0])
def test_trace_and_calibration_pulse_have_speed_and_gain(speed, gain):
    figure = plot_record(batch(amplitude=0.5), scale=Scale(speed, gain), seconds=5)
    rhythm = traces(figure)[-1]
    assert np.diff(rhythm.get_xdata()) == pytest.approx(np.full(499, speed / RATE))
    assert np.ptp(rhythm.get_ydata()) == pytest.approx(0.5 * gain)
    pulses = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        x, y = pulse.get_xdata(), pulse.get_ydata()
        assert (x[3] - x[2], np.ptp(y)) == pytest.approx((0.2 * speed, gain))
        assert x[-1] < rhythm.get_xdata()[0]
    assert f"{speed:g} mm/s · {gain:g} mm/mV · 100 Hz · first 5 s of 10 s" in texts(figure)
    assert size_mm(figure) == pytest.approx((297, 210))


def test_calibration_pulses_stay_in_their_rows():
    figure = plot_record(batch(amplitude=0.2), layout="12x1", scale=Scale(gain=20.0))
    top = np.array(figure.axes[0].collections[0].get_segments())[..., 1].max()
    pulses = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 12
    assert pulses[0].max() <= top + 1e-6
    assert all(upper.min() > lower.max() for upper, lower in pairwise(pulses))


def test_no_trace_leaves_its_paper():
    figure = plot_records(batch(2, amplitude=-1000.0), range(2), leads=("II", "V2"))
    papers = [np.array(lines.get_segments())[..., 1] for lines in figure.axes[0].collections[::2]]
    for line, paper in zip(traces(figure)[1::2], papers):
        clip = line.get_clip_box().transformed(figure.axes[0].transData.inverted())
        assert (clip.y0, clip.y1) == pytest.approx((paper.min(), paper.max()))


def test_ten_seconds_at_50_mm_need_a_longer_page():
    assert size_mm(plot_record(batch(), scale=Scale(speed=50.0)))[0] == pytest.approx(2 * 12 + 20 + 500)


def test_a_pair_is_labelled_and_keeps_one_scale():
    figure = plot_pair(batch(provenance=MADE_BY), batch())
    assert size_mm(figure) == pytest.approx((297, 420))
    said = texts(figure)
    assert said.index("SYNTHETIC") < said.index("REAL")
    assert (said.count("SYNTHETIC"), said.count("REAL")) == (1, 1)
    drawn = traces(figure)
    assert len(drawn) == 26
    for upper, lower in zip(drawn[:13], drawn[13:]):
        assert upper.get_xdata() == pytest.approx(lower.get_xdata())
        assert upper.get_ydata() == pytest.approx(lower.get_ydata() + 210)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(DataError, match="unknown layout '4x3'; there are 3x4, 6x2, 12x1"):
        plot_record(batch(), layout="4x3")
    with pytest.raises(DataError, match="unknown lead 'V9' for a rhythm strip"):
        plot_record(batch(), rhythm=["V9"])
    with pytest.raises(DataError, match="a paper speed of 30 mm/s cannot be drawn; take one of 25, 50"):
        Scale(speed=30)
    with pytest.raises(DataError, match="a gain of 1 mm/mV cannot be drawn; take one of 5, 10, 20"):
        Scale(gain=1)


@pytest.mark.parametrize("amplitude", [3.5, -3.5])
def test_a_large_ecg_gets_a_taller_page_and_is_not_cut_off(amplitude):
    figure = plot_record(batch(amplitude=amplitude))
    assert size_mm(figure)[1] > 210
    grid = np.array(figure.axes[0].collections[0].get_segments())
    rows = [(min(line.get_ydata()), max(line.get_ydata())) for line in traces(figure)[::4]]
    assert rows[0][1] <= grid[..., 1].max()
    assert rows[-1][0] >= grid[..., 1].min()
    assert all(upper[0] >= lower[1] for upper, lower in pairwise(rows))


def test_a_wild_record_gets_no_endless_page():
    assert size_mm(plot_record(batch(amplitude=1000.0)))[1] < 500


def test_the_header_says_what_it_is():
    said = texts(plot_record(batch(provenance=MADE_BY)))
    assert "AFIB + LVH" in said
    assert "atrial fibrillation; left ventricular hypertrophy" in said
    assert "heart rate 60 bpm (asked for 80) · age 63 · sex F" in said
    assert "SYNTHETIC" in said
    assert "record r0" in said
    assert "25 mm/s · 10 mm/mV · 100 Hz" in said
    assert "small, seed 7, ecgsdk 0.1.0" in said


def test_a_real_record_is_not_called_synthetic():
    said = texts(plot_record(batch()))
    assert "SYNTHETIC" not in said
    assert "heart rate 60 bpm · age 63 · sex F" in said


def test_a_short_flat_record_with_missing_samples_is_drawn():
    flat = batch(seconds=4, condition=Condition())
    flat.signals[:] = 0.3
    flat.signals[0, 1, 50:60] = np.nan
    figure = plot_record(flat)
    assert "heart rate not measurable" in texts(figure)
    assert "no statements" in texts(figure)
    y = traces(figure)[-1].get_ydata()
    assert np.isnan(y[50:60]).all()
    assert np.isfinite(np.delete(y, range(50, 60))).all()


def test_a_sheet_of_records():
    figure = plot_records(batch(5, provenance=MADE_BY), range(5), leads=("II", "V1"), seconds=4, columns=2)
    assert len(traces(figure)) == 10
    assert all(np.ptp(line.get_ydata()) == pytest.approx(10) for line in traces(figure))
    assert texts(figure).count("SYNTHETIC") == 5
    assert size_mm(figure)[0] == pytest.approx(2 * 10 + 2 * (15 + 100) + 6)


def test_leads_lie_at_one_height_side_by_side():
    records = batch(2)
    records.signals[1] *= 3
    baselines = [
        np.median(line.get_ydata()) for line in traces(plot_records(records, range(2), leads=("II", "V1"), columns=2))
    ]
    assert baselines[:2] == pytest.approx(baselines[2:])


def test_a_narrow_sheet_names_its_records():
    said = texts(plot_records(batch(2, provenance=MADE_BY), range(2), columns=2, seconds=3))
    assert "record r1 · heart rate 60 bpm (asked for 80) · age 63 · sex F" in said
    assert "small, seed 7, ecgsdk 0.1.0" in said


def test_seconds_beyond_the_record_are_refused():
    with pytest.raises(DataError, match=r"record r0 has 10 s; 10.1 s of it cannot be drawn: choose other seconds"):
        plot_record(batch(), seconds=10.1)
    for seconds in (0.0, -1.0, 0.001, np.nan, np.inf):
        with pytest.raises(DataError, match="cannot be drawn"):
            plot_records(batch(), [0], seconds=seconds)
    assert len(traces(plot_record(batch(seconds=4)))[-1].get_xdata()) == 400
    assert "25 mm/s · 10 mm/mV · 100 Hz · first 10 s of 60 s" in texts(plot_record(batch(seconds=60)))


def test_a_sheet_needs_records_and_known_leads():
    with pytest.raises(DataError, match="no record or no lead"):
        plot_records(batch(), [])
    with pytest.raises(DataError, match="unknown lead 'V7'"):
        plot_records(batch(), [0], leads=("V7",))


def test_records_of_a_batch_are_batches():
    records = batch(5, provenance=MADE_BY)
    assert (records[-1].identifiers, records[1:3].identifiers) == (("r4",), ("r1", "r2"))
    assert [one.identifiers[0] for one in records] == ["r0", "r1", "r2", "r3", "r4"]
    assert records[0].provenance is MADE_BY
    with pytest.raises(IndexError):
        records[5]
