"""A report with all kinds of content, to test its page and its schema. The ECGs are what they say, figures made up."""

from __future__ import annotations

import numpy as np

from ecgsdk.conditions import GROUPS
from ecgsdk.leads import LEADS
from ecgsdk.validation.report.verdict import findings
from ecgsdk.validation.results import Chart, Failure, Measure, Report, Sample, Section, Series, Table

LABELS = ("NORM", "AFIB/AFLT", "1AVB", "CLBBB", "CRBBB", "LVH", "IRBBB", "LAFB", "SBRAD", "STACH", "MI", "STTC", "PVC")


def example_report(real, synthetic):
    """All sections; `synthetic[i]` is shown beside `real[i]`."""
    sections = (utility(), fidelity(real, synthetic), physiology(), privacy(), agreement(), ecgs(real, synthetic))
    provenance = {} if synthetic.provenance is None else synthetic.provenance.as_dict()
    return Report(
        created="2024-05-17T09:30:00+00:00",
        ecgsdk_version="0.1.0",
        synthetic={"name": "ptbxl-flow", "train_records": 12000, "test_records": 2163, "provenance": provenance},
        real={"name": "ptb-xl", "train_records": 12000, "test_records": 2163, "notes": ["Nine records are left out."]},
        settings={"real": "ptb-xl", "sections": ["utility", "fidelity"], "seeds": 1, "augmentation": None},
        plugins=({"name": "classifiers", "distribution": "ecgsdk-classifiers", "version": "0.1.0"},),
        findings=findings(sections),
        sections=sections,
    )


def utility():
    drops = np.linspace(0.004, 0.03, len(LABELS))
    real = np.linspace(0.995, 0.91, len(LABELS))
    sizes = (300, 1000, 3000, 10000)
    return Section(
        name="utility",
        title="Utility",
        about="What diagnostic classifiers learn from synthetic ECGs, beside what they learn from as many real ones.",
        measures=(
            Measure(
                "trtr_macro_auroc",
                "macro-AUROC, real → real",
                0.9604,
                "",
                "higher",
                None,
                0.955,
                0.966,
                2163,
                "Mean area under the ROC curve over 15 labels, trained and tested on real ECGs.",
            ),
            Measure(
                "tstr_macro_auroc", "macro-AUROC, synthetic → real", 0.9477, "", "higher", 0.9604, 0.941, 0.954, 2163
            ),
            Measure(
                "tstr_ratio",
                "macro-AUROC, synthetic → real as a share of real → real",
                98.68,
                "%",
                "higher",
                100.0,
                98.1,
                99.2,
                2163,
                "Trained on 12,000 synthetic or real ECGs, tested on the same real ones.",
            ),
            Measure(
                "trtr_balanced_accuracy", "balanced accuracy, real → real", 97.2, "%", "higher", None, 96.5, 97.9, 900
            ),
            Measure(
                "tstr_balanced_accuracy",
                "balanced accuracy, synthetic → real",
                96.9,
                "%",
                "higher",
                97.2,
                96.1,
                97.6,
                900,
            ),
        ),
        tables=(
            Table(
                "label_auroc",
                "AUROC of each label on real ECGs",
                ("label", "positives", "real → real", "synthetic → real", "share, %"),
                tuple(
                    (label, 30 * (i + 2), float(a), float(a - d) if i != 4 else None, float(100 - 100 * d / a))
                    for i, (label, a, d) in enumerate(zip(LABELS, real, drops))
                ),
                "A dash stands for a label with too few records.",
            ),
        ),
        charts=(
            Chart(
                "augmentation",
                "Real ECGs alone, and with synthetic ones added",
                "real ECGs to train on",
                "macro-AUROC on real ECGs",
                (
                    Series("real alone", sizes, (0.842, 0.897, 0.933, 0.958), "real"),
                    Series("real and 12,000 synthetic", sizes, (0.938, 0.944, 0.951, 0.962), "synthetic"),
                ),
                log_x=True,
            ),
            Chart(
                "label_auroc",
                "AUROC of each label",
                "label",
                "AUROC on real ECGs",
                (
                    Series("trained on real", LABELS, tuple(map(float, real)), "real"),
                    Series("trained on synthetic", LABELS, tuple(map(float, real - drops)), "synthetic"),
                ),
                "bars",
            ),
        ),
        failures=(
            Failure("classifier minirocket", 'aeon is not installed; run `pip install "ecgsdk-classifiers[all]"`'),
        ),
        seconds=1432.0,
    )


def fidelity(real, synthetic):
    return Section(
        name="fidelity",
        title="Fidelity",
        about="How close synthetic ECGs are to real ones as a whole, each figure beside the same among real ECGs.",
        measures=(
            Measure(
                "two_sample_auc",
                "AUROC of a fresh network that tells synthetic from real",
                0.9996,
                "",
                "lower",
                0.5,
                0.9991,
                1.0,
                2163,
                "Lopez-Paz and Oquab 2017, arXiv:1610.06545.",
            ),
            Measure(
                "two_sample_auc_features", "the same from features alone", 0.74, "", "lower", 0.51, 0.72, 0.76, 1081
            ),
            Measure(
                "frechet_distance", "Fréchet distance", 4.31, "", "near", 1.22, 4.1, 4.6, 1081, "Heusel et al. 2017."
            ),
            Measure("coverage", "Coverage", 0.847, "", "near", 0.968, 0.82, 0.87, 1081, "Naeem et al. 2020."),
            Measure("recall", "Recall", 0.71, "", "near", 0.86, 0.69, 0.73, 1081),
            Measure("psd_distance", "Distance of spectra", 3.4e-5, "mV²/Hz", "lower", 8.1e-6),
        ),
        charts=(spectra(real, synthetic), rr_histogram()),
        notes=("Half of the real records are compared with the synthetic twins of the other half.",),
        seconds=41.0,
    )


def spectra(real, synthetic):
    series = []
    for batch, role in ((real, "real"), (synthetic, "synthetic")):
        power = np.square(np.abs(np.fft.rfft(batch.signals[:, 1], axis=1))).mean(axis=0) / 1e5
        frequencies = np.fft.rfftfreq(batch.signals.shape[2], 1 / batch.sampling_rate)
        values = tuple(float(value) if f < 49 else None for f, value in zip(frequencies, power))
        series.append(Series(role, tuple(map(float, frequencies)), values, role))
    return Chart("psd", "Power spectrum, lead II", "frequency, Hz", "mV²/Hz", tuple(series), log_y=True)


def rr_histogram():
    edges = tuple(range(400, 1400, 50))
    bell = np.exp(-0.5 * ((np.array(edges) - 850) / 160) ** 2)
    series = (
        Series("real", edges, tuple(map(float, bell)), "real"),
        Series("synthetic", edges, tuple(map(float, np.roll(bell, 1) * 0.95)), "synthetic"),
    )
    return Chart("rr", "RR intervals, normal ECGs", "RR interval, ms", "share of beats", series, "steps")


def physiology():
    names = ("heart rate, bpm", "PR, ms", "QRS, ms", "QTc, ms", "axis, °")
    rows = [
        (group, name, 120 + i, float(70 + 9 * i + j), float(71 + 9 * i - j), 3.2 / (j + 1), i != j)
        for i, group in enumerate(GROUPS)
        for j, name in enumerate(names)
    ]
    columns = (
        "group",
        "figure",
        "records",
        "median, real",
        "median, synthetic",
        "Wasserstein distance",
        "within bounds",
    )
    return Section(
        name="physiology",
        title="Physiology",
        about="Whether synthetic ECGs obey the heart: leads, rhythm, intervals, axis and amplitudes.",
        measures=(
            Measure(
                "heart_rate_within_5_bpm", "heart rate within 5 bpm of the one asked for", 99.8, "%", "higher", n=2163
            ),
            Measure("interval_medians_within_bounds", "medians within bounds", 78.4, "%", "higher", 93.6, n=60),
        ),
        tables=(Table("medians", "Medians by group", columns, tuple(rows)),),
        failures=(Failure("lead equations", "nothing but leads I and II was given; give all twelve"),),
        seconds=12.0,
    )


def privacy():
    rates = (0.001, 0.01, 0.1, 1.0)
    return Section(
        name="privacy",
        title="Privacy",
        about="Whether attacks can tell whose ECGs the generator was trained on.",
        measures=(
            Measure(
                "membership_auc", "AUC of the best membership attack", 0.512, "", "lower", 0.507, 0.497, 0.527, 2000
            ),
            Measure("membership_tpr_1", "found at 1 % false alarms", 1.15, "%", "lower", 1.05, 0.7, 1.7, 2000),
            Measure("memorisation_ratio", "memorisation ratio", None, "%", "lower", None),
            Measure("leak_control_found", "planted copies found at 1 % false alarms", 87.5, "%", "higher", 1.0),
        ),
        charts=(
            Chart(
                "roc",
                "Attacks: training records found at each rate of false alarms",
                "false alarms",
                "found",
                (
                    Series("guessing", rates, rates),
                    Series("nearest record, features", rates, (0.0011, 0.0115, 0.104, 1.0)),
                    Series("nearest record, signals", rates, (0.0, 0.0102, 0.101, 1.0)),
                    Series("planted copies", rates, (0.71, 0.875, 0.95, 1.0)),
                ),
                log_x=True,
                log_y=True,
            ),
        ),
        seconds=63.0,
    )


def agreement():
    return Section(
        name="agreement",
        title="Agreement of diagnostic models",
        about="What finished diagnostic models say of real and of synthetic ECGs of the same condition.",
        failures=(Failure("openecg", "not installed; run `pip install ecgsdk-openecg`"),),
    )


def ecgs(real, synthetic):
    samples = []
    for i, condition in enumerate(real.conditions):
        for batch, role in ((real, "real"), (synthetic, "synthetic")):
            samples.append(sample(batch, i, role, condition.groups()[0]))
    return Section(name="samples", title="ECGs side by side", samples=tuple(samples))


def sample(batch, index, role, group):
    microvolts = np.round(1000 * batch.signals[index]).astype(int)
    return Sample(
        title=f"record {batch.identifiers[index]}",
        role=role,
        group=group,
        sampling_rate=batch.sampling_rate,
        leads=LEADS,
        microvolts=tuple(tuple(int(value) for value in row) for row in microvolts),
    )
