"""Entry points of installed plugins, and which of them could implement a hook; no plugin is loaded for that."""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from ecgsdk.hookspecs import PROJECT

__all__ = ["installed_entry_points", "may_implement"]


def installed_entry_points() -> list[EntryPoint]:
    """The entry points of all installed plugins, by package and name; none is loaded."""
    found = entry_points(group=PROJECT)
    return sorted(found, key=lambda point: (str(point.dist.name) if point.dist else "", point.name))


def may_implement(point: EntryPoint, hook: str) -> bool:
    """Whether a plugin may have a hook: its module's source names it, or does not say what it has.

    A plugin may import what takes seconds. What neither names a hook nor imports all names of another module can only
    have it if its code makes the name while it runs; this is passed over.
    """
    if point.attr:
        return True
    try:
        source = _source(point.module)
    except Exception:  # whatever it is, it is told when the plugin is loaded
        return True
    return source is None or hook in source or "import *" in source


def _source(module: str) -> str | None:
    """The text of a module; parent packages are looked through without being imported."""
    name, *parts = module.split(".")
    spec = find_spec(name)
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    read = getattr(spec and spec.loader, "get_source", None)
    return None if read is None else read(name)
