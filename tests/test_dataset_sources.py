"""The real ECGs behind a resynthesised data set: which are chosen, how often, and on which side of the split."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass

import numpy as np
import pytest

import ecgsdk
from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.cards import SynthesiserCard
from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.dataset import Plan, build_dataset
from ecgsdk.dataset.sources import choose_sources
from ecgsdk.leads import to_twelve
from ecgsdk.models import Model
from ecgsdk.validation.progress import no_progress

CARD = SynthesiserCard(
    name="copyist",
    version="1",
    description="a stub that adds noise",
    ecgsdk_version=ecgsdk.__version__,
    leads=ecgsdk.LEADS,
    units="mV",
    seconds=10.0,
    sampling_rates=(100.0,),
    latent_shape=(16, 125),
    noise_level=0.1,
    strength=(0.0, 5.0),
    data={"source": "PTB-XL 1.0.3", "credit": "Wagner et al. 2020", "licence": "CC BY 4.0", "folds": [1, 2]},
    training={},
    metrics={},
    graphs={"synthesiser": {"file": "synthesiser.onnx", "sha256": "cd" * 32}},
)


@dataclass
class Copyist:
    """Each source with a little noise that depends on seed and index."""

    card: SynthesiserCard = CARD
    device: str = "cpu"

    def provenance(self, *, seed, strength=1.0):
        return Provenance(self.card.name, "ab" * 32, ecgsdk.__version__, seed, strength=strength)

    def resynthesize(self, source, *, seed=0, strength=1.0, start=0, batch_size=64):
        for batch in source.batches(batch_size):
            indices = range(start, start + len(batch))
            noise = [np.random.default_rng((seed, i)).normal(size=batch.signals.shape[1:]) for i in indices]
            yield ECGBatch(
                batch.signals + 0.01 * strength * np.array(noise, np.float32),
                batch.sampling_rate,
                batch.conditions,
                tuple(map(str, indices)),
                self.provenance(seed=seed, strength=strength),
            )
            start += len(batch)


@pytest.fixture(scope="module")
def copyist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copyist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgsdk.dataset.origin.find_model", lambda name, kind: Model(folder, CARD, "ab" * 32))
        patch.setattr(ecgsdk, "load_synthesiser", lambda model, *, device, threads: Copyist())
        patch.setattr("ecgsdk.gallery.write_gallery", lambda path, source, **options: path.write_text("a page"))
        yield


def beating(index):
    """10 s with a beat each 0.8 s, different in each record."""
    eight = np.random.default_rng(index).normal(scale=0.01, size=(8, 1000)).astype(np.float32)
    eight[:, index % 40 + 20 :: 80] += 1.0
    return eight


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder laid out as PTB-XL: 4 sound records of each group, and what must not be chosen; patients have two."""
    path = tmp_path_factory.mktemp("ptb-xl")
    rows = [((codes[0],), 1, beating(4 * number + k)) for number, codes in enumerate(GROUPS.values()) for k in range(4)]
    rows += [
        (("CLBBB", "AFIB"), 1, beating(40)),  # of two groups
        (("CLBBB",), 9, beating(41)),  # of a fold that the model has not seen
        (("CLBBB",), 2, beating(42) * 0),  # a flat line
        (("CLBBB",), 2, np.where(np.arange(8)[:, None] == 3, 0, beating(45))),  # a flat lead
        (("CLBBB",), 2, beating(43) * 20),  # beyond 12 mV
        (("AFIB", "SARRH"), 2, beating(44)),  # contradicts itself
    ]
    signals = to_twelve(np.stack([eight for _, _, eight in rows]))
    batch = ECGBatch(signals, 100.0, (Condition(),) * len(rows), tuple(map(str, range(len(rows)))))
    with ecgsdk.open_writer(path / "records", "wfdb", sampling_rate=100, total=len(rows), provenance=None) as writer:
        writer.write(batch)
    with (path / "ptbxl_database.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr"])
        for i, (codes, fold, _) in enumerate(rows):
            # One patient each of two neighbours: records 3 and 4, 7 and 8, … are of two groups.
            patient = (i + 1) // 2 + 700
            table.writerow([9000 + i, patient, 60, 0, dict.fromkeys(codes, 100.0), fold, f"records/{i:06d}", ""])
    (path / "scp_statements.csv").write_text(",diagnostic_class\nNORM,NORM\n")
    return path


def choose(folder, per_group=4, seed=3):
    plan = Plan(real=folder, per_group=per_group, seed=seed)
    return choose_sources(plan, sampling_rate=100.0, seconds=10.0, folds=(1, 2), progress=no_progress)


def test_sources_are_sound_records_of_one_group_from_the_training_folds(folder):
    chosen = choose(folder)
    assert set(chosen.ecgs.identifiers) == {str(9000 + i) for i in range(24)}
    assert [condition.groups() for condition in chosen.ecgs.conditions] == [(name,) for name in GROUPS] * 4


def test_too_few_sources_go_round_again(folder):
    chosen = choose(folder, per_group=6)
    assert chosen.per_group() == dict.fromkeys(GROUPS, 4)
    assert chosen.ecgs.identifiers[24:] == chosen.ecgs.identifiers[:12]
    assert chosen.numbers == (*range(24), *range(12))


def test_more_records_change_none_of_the_first(folder):
    assert choose(folder, per_group=3).ecgs.identifiers == choose(folder, per_group=6).ecgs.identifiers[:18]


def test_the_heart_rate_is_measured_where_no_file_says_it(folder, built):
    assert [c.heart_rate for c in choose(folder).ecgs.conditions] == [75.0] * 24
    with (built / "records.csv").open(newline="") as file:
        assert {row["heart_rate_bpm"] for row in csv.DictReader(file)} == {"75"}
    assert {c.heart_rate for c in ecgsdk.read_ecgs(built / "ecg.h5").conditions} == {75.0}


def test_another_seed_chooses_in_another_order(folder):
    assert choose(folder, seed=3).ecgs.identifiers != choose(folder, seed=4).ecgs.identifiers


def test_patients_are_taken_from_the_database(folder):
    chosen = choose(folder)
    assert chosen.patients_known
    patients = dict(zip(chosen.ecgs.identifiers, chosen.patients))
    assert patients["9003"] == patients["9004"] != patients["9005"] == patients["9006"]


def test_a_group_without_records_is_named(folder, tmp_path):
    (tmp_path / "scp_statements.csv").write_text((folder / "scp_statements.csv").read_text())
    lines = (folder / "ptbxl_database.csv").read_text().replace("LVH", "RVH").replace("records/", f"{folder}/records/")
    (tmp_path / "ptbxl_database.csv").write_text(lines)
    with pytest.raises(ecgsdk.DataError, match="has no sound record of the group lvh alone"):
        choose(tmp_path)


def test_a_folder_without_folds_is_refused(tmp_path, synthetic_batch):
    with ecgsdk.open_writer(
        tmp_path / "a.h5", sampling_rate=100, total=5, provenance=synthetic_batch.provenance
    ) as writer:
        writer.write(synthetic_batch)
    with pytest.raises(ecgsdk.DataError, match="only PTB-XL has them"):
        choose(tmp_path / "a.h5")


@pytest.fixture(scope="module")
def built(copyist, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("built") / "set"
    build_dataset(path, Plan(model="copyist", real=folder, per_group=6, test_share=0.5, strength=2.0))
    return path


def test_no_patient_and_no_source_is_in_both_parts(built, folder):
    with (built / "records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = choose(folder, per_group=6, seed=2023)
    for key in ([row["source"] for row in rows], chosen.patients):
        parts = {part: {k for k, row in zip(key, rows) if row["split"] == part} for part in ("train", "test")}
        assert parts["train"]
        assert parts["test"]
        assert not parts["train"] & parts["test"]


def test_the_pages_tell_what_a_source_means(built):
    datasheet = (built / "DATASHEET.md").read_text()
    words = " ".join(datasheet.split())
    assert "norm 4, afib 4, 1avb 4, lbbb 4, rbbb 4, lvh 4." in words
    assert "Each ECG is close to one real ECG" in words
    assert "All records of one patient are on the same side" in words
    assert "strength 2" in words
    assert "`ecgsdk validate` makes them" in words
    assert "Each ECG is an adaptation of one ECG of PTB-XL 1.0.3" in " ".join((built / "LICENSE").read_text().split())


def test_sources_are_named_nowhere(built, folder):
    for path in [*built.glob("*.[!h]*"), *built.glob("wfdb/*.hea")]:
        content = path.read_bytes()
        for name in (b"9003", str(folder).encode(), b".part-"):
            assert name not in content, path
    assert json.loads((built / "croissant.json").read_text())["name"] == "copyist-36"


def test_real_ecgs_must_be_named(copyist, tmp_path):
    with pytest.raises(ecgsdk.DataError, match="say where PTB-XL lies with --real"):
        build_dataset(tmp_path / "set", Plan(model="copyist"))
    assert list(tmp_path.iterdir()) == []
