"""The notebook of docs/: it runs from top to bottom, and is committed without outputs or traces of a machine."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "tutorial.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def run(cell, names):
    """The value of the cell's last expression, as a notebook shows it; None if it ends in anything else."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {cell['id']}", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), f"cell {cell['id']}", "eval"), names)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Runs the notebook with other settings; gives what each cell shows."""
    for needed in ("matplotlib", "onnxruntime", "sklearn"):
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)

    def run_with(**settings):
        names: dict[str, object] = {}
        values = {}
        for cell in CODE:
            values[cell["id"]] = run(cell, names)
            if "parameters" in cell["metadata"].get("tags", ()):
                assert set(settings) <= set(names)
                names.update(settings)
        return values

    return run_with


def test_it_runs_from_top_to_bottom(shown, ptbxl_folder, tmp_path, capsys):
    values = shown(RECORDS=32, PTBXL=str(ptbxl_folder), FOLDS=range(1, 11))
    assert values["make"]._repr_svg_().startswith("<svg")
    assert ">AFIB</text>" in values["page"]._repr_svg_()
    assert values["features"] == (32, 202)
    assert (tmp_path / "lbbb.pdf").read_bytes().startswith(b"%PDF")
    assert values["files"] == dict.fromkeys(("norm", "afib", "lbbb", "rbbb"), 6)
    said = capsys.readouterr().out
    assert "heart rate within 5 bpm of the one asked for: " in said
    assert "right on 4 real ECGs: " in said


def test_it_runs_without_real_ecgs(shown, capsys):
    shown(RECORDS=8, PTBXL="nowhere/")
    assert "nowhere/ holds no PTB-XL; set PTBXL above to the folder of your download" in capsys.readouterr().out


def test_it_is_committed_without_outputs():
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [path for path in ("/home/", "/work/", "/Users/", "C:\\\\", "/tmp/") if path in text]
