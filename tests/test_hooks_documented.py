"""docs/plugins.md: every hook with its exact arguments, the example's files as they are, and code that works."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from sample_plugin import Everything

from ecgsdk import classifiers, hookspecs
from ecgsdk.plugins import HOOKS, Plugins
from ecgsdk.testing import check_classifier

ROOT = Path(__file__).resolve().parent.parent
DOC = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### (register_\w+)$", DOC, re.MULTILINE)
EMBEDDED = re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE)
# What a hook's factory makes: the name that the page calls it by, and the method that it stands for.
PRODUCTS = {
    "register_classifiers": (
        ("fit", classifiers.TrainableClassifier, "fit"),
        ("predict_proba", classifiers.TrainableClassifier, "predict_proba"),
    ),
    "register_generators": (
        ("provenance", hookspecs.ECGGenerator, "provenance"),
        ("generate", hookspecs.ECGGenerator, "generate"),
    ),
    "register_metrics": (("metric", hookspecs.Metric, "__call__"),),
    "register_readers": (("read", hookspecs.Reader, "__call__"),),
    "register_writers": (("sink", hookspecs.SinkClass, "__call__"),),
}


def section(hook):
    return DOC.split(f"\n### {hook}\n")[1].split("\n### ")[0].split("\n## ")[0]


def documented(hook, name):
    """The signature that the section of a hook gives for a function, in a form that formatting does not change."""
    found = re.findall(rf"^{name}(\(.*?\) -> .+?)$", section(hook), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{name} is given {len(found)} times for {hook}"
    (function,) = ast.parse(f"def f{found[0]}: ...").body
    return signature(function)


def signature(function):
    return ast.unparse(function.args), ast.unparse(function.returns)


def real(owner, method):
    """The signature in the code of a class, without `self`."""
    tree = ast.parse(Path(importlib.util.find_spec(owner.__module__).origin).read_text(encoding="utf-8"))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__]
    (function,) = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == method]
    function.args.args.pop(0)
    return signature(function)


def specified_hooks():
    return [name for name in hookspecs.__all__ if hasattr(getattr(hookspecs, name), f"{hookspecs.PROJECT}_spec")]


def test_every_hook_is_known_and_documented():
    assert sorted(HOOKS) == sorted(HEADINGS) == specified_hooks()


def test_every_hook_is_used_by_the_plugin_of_the_tests():
    assert {offer.kind for offer in Plugins().add(Everything()).registrations} == set(HOOKS.values())


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_one_line_of_doc(hook):
    assert "\n" not in getattr(hookspecs, hook).__doc__


@pytest.mark.parametrize("hook", HOOKS)
def test_the_arguments_of_register_are_those_of_the_page(hook):
    protocol = getattr(hookspecs, getattr(hookspecs, hook).__annotations__["register"])
    assert documented(hook, "register") == real(protocol, "__call__")


@pytest.mark.parametrize("hook", PRODUCTS)
def test_what_a_factory_makes_is_called_as_the_page_says(hook):
    for name, owner, method in PRODUCTS[hook]:
        assert documented(hook, name) == real(owner, method)


def test_the_attributes_of_a_fixed_classifier_are_on_the_page():
    for name in classifiers.FixedClassifier.__annotations__:
        assert f"| `{name}` |" in section("register_classifiers")


@pytest.mark.parametrize(("path", "text"), EMBEDDED, ids=[path for path, _ in EMBEDDED])
def test_the_example_on_the_page_is_the_real_file(path, text):
    assert text == (ROOT / path).read_text(encoding="utf-8")


def test_the_whole_example_is_on_the_page():
    files = {path.name for path in (ROOT / "plugins" / "ecgsdk-example").iterdir() if path.suffix in (".py", ".toml")}
    assert {Path(path).name for path, _ in EMBEDDED} == files


def code_of_the_page(mark):
    """The names that the block of code after a mark defines."""
    (code,) = re.findall(rf"<!-- {mark} -->\n```python\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(compile(code, "plugins.md", "exec"), names)
    return names


def test_the_scikit_learn_classifier_on_the_page_works_and_learns(real_batch):
    pytest.importorskip("sklearn")
    factory = code_of_the_page("scikit-learn classifier")["LeadStatistics"]
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=bool)
    check_classifier(factory, kind="trainable", signals=real_batch.signals, labels=labels, pickled=False)
    classifier = factory()
    classifier.fit(real_batch.signals, labels, seed=0)
    assert ((classifier.predict_proba(real_batch.signals) > 0.5) == labels).all()


def test_the_fixed_classifier_on_the_page_works(real_batch):
    names = code_of_the_page("fixed classifier")
    check_classifier(names["RateAlarm"], kind="fixed", signals=real_batch.signals)
    told = names["RateAlarm"]().predict_proba(np.zeros((1, 2, 2500)))
    np.testing.assert_array_equal(told, [[0, 0, 1]])
