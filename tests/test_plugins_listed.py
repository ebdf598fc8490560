"""The list of commands: plugins are loaded for it only if they may have one."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest
from sample_plugin import ecgsdk_command, installable

from ecgsdk.entry_points import may_implement


def test_the_list_of_commands_loads_no_plugin_that_has_none(tmp_path, monkeypatch):
    installable(tmp_path, monkeypatch, "bad-ecg", "bad_import", "import no_such_framework")
    result = ecgsdk_command(tmp_path, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    code = "import no_such_framework\ndef register_commands(register): ..."
    installable(tmp_path, monkeypatch, "worse-ecg", "worse_import", code)
    result = ecgsdk_command(tmp_path, "--help")
    assert result.returncode == 0
    assert result.stderr.startswith("warning: plugin worse_import (worse-ecg 1.2) is left out: ModuleNotFoundError")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "code", "may"),
    [
        ("vendor", "import torch", False),
        ("vendor", "def register_commands(register): ...", True),
        ("vendor", "from other import *", True),
        ("vendor.deep.hooks", "import torch", False),
        ("vendor.deep.hooks", "from other import register_commands", True),
        ("vendor:plugin", "", True),
        ("no_such_vendor", "", True),
    ],
)
def test_whether_a_plugin_may_have_a_hook_is_seen_without_loading_it(tmp_path, monkeypatch, value, code, may):
    *parents, name = value.partition(":")[0].split(".")
    folder = tmp_path.joinpath(*parents)
    folder.mkdir(parents=True, exist_ok=True)
    for parent in [folder, *folder.parents][: len(parents)]:
        (parent / "__init__.py").write_text("raise RuntimeError")
    if "no_such" not in value:
        (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert may_implement(EntryPoint("point", value, "ecgsdk"), "register_commands") == may
    assert "vendor" not in sys.modules
