"""The package: every folder is listed, and the wheel holds the code, the models and nothing else."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import setuptools

import ecgsdk

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"ecgsdk": "ecgsdk", "ecgsdk_cli": "cli/ecgsdk_cli", "ecgsdk_models": "exported_models"}


def setup_cfg():
    config = configparser.RawConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def tracked_files(folder):
    return [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def packages_on_disk():
    for package, folder in FOLDERS.items():
        for path in tracked_files(folder):
            if path.suffix == ".py":
                yield ".".join((package, *path.parent.relative_to(ROOT / folder).parts))


def test_every_folder_with_code_is_a_listed_package():
    listed = lines(setup_cfg()["options"]["packages"])
    assert sorted(listed) == sorted(set(packages_on_disk()))


def test_every_package_has_an_init():
    for package in lines(setup_cfg()["options"]["packages"]):
        top, *rest = package.split(".")
        assert (ROOT / FOLDERS[top]).joinpath(*rest, "__init__.py").is_file(), package


def test_the_folders_are_those_of_setup_cfg():
    mapping = dict(line.split(" = ") for line in lines(setup_cfg()["options"]["package_dir"]))
    assert mapping == FOLDERS


def test_a_runtime_is_no_base_requirement():
    config = setup_cfg()
    assert [line.split(">")[0] for line in lines(config["options"]["install_requires"])] == [
        "click", "h5py", "numpy", "pluggy", "tqdm",
    ]  # fmt: skip
    extras = {name: lines(text) for name, text in config["options.extras_require"].items()}
    assert set(extras) == {"cpu", "gpu", "train", "plot", "dicom", "edf", "clinical", "parquet", "measure", "dev"}
    assert extras["cpu"][0].startswith("onnxruntime>")
    assert extras["gpu"][0].startswith("onnxruntime-gpu>")


def test_every_requirement_has_a_lower_bound():
    config = setup_cfg()
    named = lines(config["options"]["install_requires"])
    for text in config["options.extras_require"].values():
        named += lines(text)
    assert [line for line in named if ">=" not in line] == [
        "ecgsdk[clinical,cpu,dicom,edf,measure,parquet,plot,train]",
        "torch==2.13.0",
    ]


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("setuptools 77 is needed to build")
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("ecgsdk", "cli", "exported_models"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md", "MANIFEST.in"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=copy, env=environment, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_every_module_and_model_file(wheel):
    wanted = set()
    for package, folder in FOLDERS.items():
        for path in tracked_files(folder):
            if path.suffix in (".css", ".js", ".json", ".onnx", ".py") or path.name == "py.typed":
                wanted.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_the_wheel_knows_its_version_and_its_command(wheel):
    texts = {name.rsplit("/", 1)[-1]: name for name in wheel.namelist() if ".dist-info/" in name}
    metadata = wheel.read(texts["METADATA"]).decode()
    assert f"\nVersion: {ecgsdk.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.10\n" in metadata
    assert "ecgsdk = ecgsdk_cli.main:main" in wheel.read(texts["entry_points.txt"]).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
