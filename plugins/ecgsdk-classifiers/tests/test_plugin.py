"""What the plugin registers, and what happens where a package is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ecgsdk_classifiers import plugin

from ecgsdk.testing import check_plugin

NAMES = ["resnet1d", "inceptiontime", "cnn-bilstm", "minirocket", "gradient-boosting"]


def test_ecgsdk_takes_the_plugin() -> None:
    check_plugin(plugin)


def test_five_classifiers_are_registered() -> None:
    registered = {}
    plugin.register_classifiers(lambda name, factory, *, description: registered.update({name: description}))
    assert list(registered) == NAMES
    assert all(registered.values())


def test_listing_imports_no_framework() -> None:
    code = (
        "import sys; from ecgsdk_classifiers import plugin; plugin.register_classifiers(lambda *a, **k: None);"
        "print([m for m in ('torch', 'sklearn', 'aeon', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("factory", "missing", "command"),
    [
        ("resnet1d", "torch", "ecgsdk-classifiers[torch]"),
        ("inceptiontime", "torch", "ecgsdk-classifiers[torch]"),
        ("cnn_bilstm", "torch", "ecgsdk-classifiers[torch]"),
        ("minirocket", "aeon", "ecgsdk-classifiers[minirocket]"),
        ("gradient_boosting", "sklearn", "ecgsdk-classifiers[boosting]"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(factory, missing, command) -> None:
    with pytest.raises(ImportError) as caught:
        made_without(missing, factory)
    assert str(caught.value) == f"{factory.replace('_', '-')} needs {missing}; pip install '{command}'"


def test_an_error_of_our_own_is_not_taken_for_a_missing_package() -> None:
    with pytest.raises(ImportError, match="halted; None in sys.modules"):
        made_without("ecgsdk_classifiers.inputs", "gradient_boosting")


def made_without(missing: str, factory: str) -> None:
    """Makes a classifier in a new process in which a module cannot be imported; raises its ImportError."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\nfrom ecgsdk_classifiers import plugin\n"
        f"try: plugin.{factory}()\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if done.stdout:
        raise ImportError(done.stdout.strip())
