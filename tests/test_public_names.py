"""Public names, where they come from, and which modules may import the heavy packages."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ecgsdk

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted([*(ROOT / "ecgsdk").rglob("*.py"), *(ROOT / "cli" / "ecgsdk_cli").rglob("*.py")])

# Where each package may be imported, even inside a function.
HOMES = {
    "torch": ("ecgsdk/training/",),
    "onnx": ("ecgsdk/training/",),
    "onnxscript": ("ecgsdk/training/",),
    "onnxruntime": ("ecgsdk/runtime.py",),
    "matplotlib": ("ecgsdk/fonts.py", "ecgsdk/paper.py", "ecgsdk/plotting.py"),
    "h5py": ("ecgsdk/readers/", "ecgsdk/writers/"),
    "pydicom": ("ecgsdk/readers/", "ecgsdk/writers/"),
    "edfio": ("ecgsdk/readers/", "ecgsdk/writers/"),
    "ecgdatakit": ("ecgsdk/readers/clinical.py",),
    "xmltodict": ("ecgsdk/readers/clinical.py",),
    "pyarrow": ("ecgsdk/readers/", "ecgsdk/writers/"),
    "ecgsdk_cli": ("cli/ecgsdk_cli/",),
    "wfdb": (),
    "scipy": ("ecgsdk/training/beat_flow.py",),
    "pandas": (),
}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def declared_names(path):
    """The `__all__` of a module without importing it, and the names that stand at its top level."""
    exported, names = None, set()
    top = ast.parse(path.read_text(encoding="utf-8")).body
    for_types_only = [inner for node in top if isinstance(node, ast.If) for inner in node.body]
    for node in top + for_types_only:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                exported = ast.literal_eval(node.value)
    return exported, names


def test_names_of_the_package():
    assert ecgsdk.__all__ == [
        "GROUPS",
        "LEADS",
        "STATEMENTS",
        "Cohort",
        "Condition",
        "ConditionError",
        "DataError",
        "ECGBatch",
        "EcgsdkError",
        "Generator",
        "ModelError",
        "PluginError",
        "Provenance",
        "RuntimeSetupError",
        "Synthesiser",
        "TrainingError",
        "WriteError",
        "__version__",
        "find_model",
        "list_models",
        "load_generator",
        "load_synthesiser",
        "open_writer",
        "read_ecgs",
    ]


@pytest.mark.parametrize("name", ecgsdk.__all__)
def test_each_name_is_there(name):
    assert getattr(ecgsdk, name) is not None
    assert name in dir(ecgsdk)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ecgsdk' has no attribute 'generate'"):
        ecgsdk.generate  # noqa: B018


def test_all_errors_have_one_root():
    for name in ecgsdk.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(ecgsdk, name), ecgsdk.EcgsdkError)


def test_importing_the_package_is_light():
    code = (
        "import sys, ecgsdk\n"
        "heavy = {'numpy', 'h5py', 'onnxruntime', 'torch', 'onnx', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "ecgsdk.Condition, ecgsdk.Cohort, ecgsdk.GROUPS, ecgsdk.LEADS\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_says_what_it_is_for_and_what_it_exports(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    exported, names = declared_names(path)
    assert exported is not None, "no __all__"
    assert set(exported) <= names
    assert len(set(exported)) == len(exported)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_heavy_packages_are_imported_only_where_they_belong(path):
    for package in set(imports(path)) & set(HOMES):
        assert relative(path).startswith(HOMES[package] or ("nowhere",)), f"{relative(path)} imports {package}"
