"""Installed plugins: found by their entry points, loaded one by one, asked what they register.

Nothing is loaded before a registry is asked for. A plugin that fails to load, or while it registers, is left out with
a reason of one line, and the others work on. docs/plugins.md is the tutorial for who writes one.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pluggy import PluginManager

from ecgsdk import hookspecs
from ecgsdk.entry_points import installed_entry_points, may_implement
from ecgsdk.errors import EcgsdkError, PluginError, PluginWarning

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "HOOKS",
    "Kind",
    "Plugin",
    "Plugins",
    "Registration",
    "installed_entry_points",
    "installed_plugins",
]

Kind = Literal["classifier", "generator", "metric", "reader", "writer", "command"]

HOOKS: Mapping[str, Kind] = {
    "register_classifiers": "classifier",
    "register_generators": "generator",
    "register_metrics": "metric",
    "register_readers": "reader",
    "register_writers": "writer",
    "register_commands": "command",
}
"""Each hook of `ecgsdk.hookspecs`, and the kind of thing that it registers."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SUFFIX = re.compile(r"(\.[a-z0-9_-]+)+")

# What a factory's product must at least have to be of its kind.
_ATTRIBUTES: Mapping[Kind, tuple[str, ...]] = {
    "classifier": ("predict_proba",),
    "generator": ("name", "statements", "sampling_rates", "provenance", "generate"),
    "metric": ("__call__",),
    "reader": ("__call__",),
    "writer": ("__call__",),
    "command": ("make_context",),
}


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found.

    Attributes:
        name: of its entry point.
        distribution, version: of the package it came with; "" for one that was not installed.
        registrations: what it offers; nothing if it failed.
        failure: why it is left out, in one line; None for a plugin that works.
    """

    name: str
    distribution: str = ""
    version: str = ""
    registrations: tuple[Registration, ...] = ()
    failure: str | None = None

    @property
    def owner(self) -> str:
        """The plugin and its package, for messages."""
        return _owner(self.name, self.distribution, self.version)


@dataclass(frozen=True)
class Registration:
    """One thing that a plugin offers.

    Attributes:
        kind: "classifier", "generator", "metric", "reader", "writer" or "command".
        name: unique among those of its kind.
        factory: makes it; takes no arguments. `Plugins.make` calls it.
        description: one line.
        plugin, distribution, version: the plugin that offers it, and its package.
        recognises: of a reader: whether a path is of its format.
        suffixes: of a writer: endings of the output's name, or of the names of the files in an output folder.
        folder: of a writer: whether it writes a folder.
    """

    kind: Kind
    name: str
    factory: Callable[[], Any]
    description: str
    plugin: str
    distribution: str = ""
    version: str = ""
    recognises: Callable[[Path], bool] | None = None
    suffixes: tuple[str, ...] = ()
    folder: bool = False

    @property
    def owner(self) -> str:
        """The plugin and its package, for messages."""
        return _owner(self.plugin, self.distribution, self.version)

    @contextmanager
    def blamed(self, doing: str, passing: tuple[type[Exception], ...] = (EcgsdkError, OSError)) -> Iterator[None]:
        """Turns whatever the plugin's code raises in the block into one line that names the plugin.

        Args:
            doing: what goes wrong then, for the message: "cannot be made", "cannot read x.edf".
            passing: errors that the plugin may raise; they say what they have to say.

        Raises:
            PluginError: instead of all others.
        """
        try:
            yield
        except passing:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.kind} {self.name} of {self.owner} {doing}: {_reason(error)}") from error


class Plugins:
    """A set of plugins and what they register: the installed ones (`installed_plugins`), or others for a test.

    Attributes:
        plugins: all that were found, those that failed included, in the order in which they were loaded.
    """

    def __init__(self, found: Iterable[EntryPoint] = ()) -> None:
        self.plugins: tuple[Plugin, ...] = ()
        self._manager = PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for entry_point in found:
            package = entry_point.dist
            facts = (str(package.name), str(package.version)) if package else ("", "")
            self._add(entry_point.load, Plugin(entry_point.name, *facts))

    def add(self, module: object, name: str | None = None) -> Plugin:
        """Adds a plugin that is not installed: a module, or an object whose methods are hooks.

        Returns:
            What it registered, or why it failed.
        """
        known_as = name or str(getattr(module, "__name__", type(module).__name__))
        return self._add(lambda: module, Plugin(known_as))

    @property
    def failed(self) -> tuple[Plugin, ...]:
        """The plugins that are left out."""
        return tuple(plugin for plugin in self.plugins if plugin.failure is not None)

    def classifiers(self) -> Mapping[str, Registration]:
        """Registered classifiers by name; like all registries raises PluginError where a name is claimed twice."""
        return self._registry("classifier")

    def classifiers_apart(self) -> tuple[Mapping[str, Registration], Mapping[str, str]]:
        """Registered classifiers that one plugin alone claims, by name, and what is wrong with each other name."""
        claims: dict[str, list[tuple[str, Registration]]] = {}
        for offer in self._offers("classifier"):
            claims.setdefault(offer.name, []).append((offer.name, offer))
        sole: dict[str, Registration] = {}
        clashes: dict[str, str] = {}
        for name, claimed in claims.items():
            try:
                sole |= _by_name("classifier", claimed, ())
            except PluginError as error:
                clashes[name] = str(error)
        return sole, clashes

    def generators(self) -> Mapping[str, Registration]:
        """Registered generators by name; none may be called like an installed model."""
        from ecgsdk.models import list_models

        return self._registry("generator", [card.name for card in list_models()])

    def metrics(self) -> Mapping[str, Registration]:
        """Registered metrics by name."""
        return self._registry("metric")

    def readers(self) -> Mapping[str, Registration]:
        """Registered readers by name; none may be called like a format that ecgsdk reads itself."""
        from ecgsdk.readers import FORMATS

        return self._registry("reader", FORMATS)

    def writers(self) -> Mapping[str, Registration]:
        """Registered writers by name; none may have the name or a suffix of a format that ecgsdk writes itself."""
        from ecgsdk.writers import FORMATS, SUFFIXES

        writers = self._registry("writer", FORMATS)
        files = [writer for writer in writers.values() if not writer.folder]
        _by_name("suffix", [(suffix, writer) for writer in files for suffix in writer.suffixes], SUFFIXES)
        return writers

    def commands(self, built_in: Iterable[str] = ()) -> Mapping[str, Registration]:
        """Registered commands by name; none may be called like one of `built_in`."""
        return self._registry("command", built_in)

    def clashes(self, commands: Iterable[str] = ()) -> tuple[str, ...]:
        """What the registries raise, a line each; `commands` are the built-in ones."""
        lines = []
        for registry in (
            self.classifiers,
            self.generators,
            self.metrics,
            self.readers,
            self.writers,
            partial(self.commands, commands),
        ):
            try:
                registry()
            except PluginError as error:
                lines.append(str(error))
        return tuple(lines)

    @staticmethod
    def make(registration: Registration) -> Any:
        """What the factory of a registration makes.

        Raises:
            PluginError: the factory fails, for instance as a package is not installed, or makes something else.
        """
        with registration.blamed("cannot be made", passing=()):
            made = registration.factory()
        missing = [name for name in _ATTRIBUTES[registration.kind] if not hasattr(made, name)]
        if missing:
            raise PluginError(
                f"{registration.kind} {registration.name} of {registration.owner} cannot be used: its factory made "
                f"{type(made).__name__}, which has no {', '.join(missing)}"
            )
        return made

    def _registry(self, kind: Kind, built_in: Iterable[str] = ()) -> Mapping[str, Registration]:
        return _by_name(kind, [(offer.name, offer) for offer in self._offers(kind)], built_in)

    def _offers(self, kind: Kind) -> list[Registration]:
        return [offer for plugin in self.plugins for offer in plugin.registrations if offer.kind == kind]

    def _add(self, load: Callable[[], object], plugin: Plugin) -> Plugin:
        key = f"{plugin.distribution}:{plugin.name}"
        try:
            added = replace(plugin, registrations=self._register(load(), plugin, key))
        except (Exception, SystemExit) as error:
            self._manager.set_blocked(key)
            added = replace(plugin, failure=_reason(error))
        self.plugins += (added,)
        return added

    def _register(self, module: object, plugin: Plugin, key: str) -> tuple[Registration, ...]:
        """Calls the hooks of one plugin, and of no other."""
        if self._manager.is_registered(module):
            raise PluginError("the same module is loaded already under another name")
        _check_hooks(self._manager, module)
        others = self._manager.get_plugins()
        self._manager.register(module, key)
        register = _Register(plugin)
        for hook, kind in HOOKS.items():
            self._manager.subset_hook_caller(hook, others)(register=getattr(register, kind))
        return tuple(register.offers)


class _Register:
    """What the hooks of one plugin are given: a method for each kind of thing, as `ecgsdk.hookspecs` has it."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self.offers: list[Registration] = []

    def classifier(self, name: str, factory: Callable[[], Any], *, description: str = "") -> None:
        self._keep("classifier", name, factory, description)

    def generator(self, name: str, factory: Callable[[], Any], *, description: str = "") -> None:
        self._keep("generator", name, factory, description)

    def metric(self, name: str, factory: Callable[[], Any], *, description: str = "") -> None:
        self._keep("metric", name, factory, description)

    def command(self, name: str, factory: Callable[[], Any], *, description: str = "") -> None:
        self._keep("command", name, factory, description)

    def reader(
        self, name: str, factory: Callable[[], Any], *, recognises: Callable[[Path], bool], description: str = ""
    ) -> None:
        if not callable(recognises):
            raise PluginError(f"reader {name}: recognises= must be a function of a path")
        self._keep("reader", name, factory, description, recognises=recognises)

    def writer(
        self,
        name: str,
        factory: Callable[[], Any],
        *,
        suffixes: Iterable[str],
        folder: bool = False,
        description: str = "",
    ) -> None:
        given = (suffixes,) if isinstance(suffixes, str) else tuple(dict.fromkeys(suffixes))
        if not given or not all(isinstance(suffix, str) and _SUFFIX.fullmatch(suffix) for suffix in given):
            raise PluginError(f'writer {name}: suffixes= must be in lower case, with their dot: (".ishne",)')
        self._keep("writer", name, factory, description, suffixes=given, folder=folder)

    def _keep(self, kind: Kind, name: str, factory: Callable[[], Any], description: str, **facts: Any) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(f"{kind} {name!r}: a name has lower case letters, digits and - _ .")
        if not callable(factory):
            raise PluginError(f"{kind} {name}: the factory must be a class or a function without arguments")
        if any((offer.kind, offer.name) == (kind, name) for offer in self.offers):
            raise PluginError(f"{kind} {name} is registered twice")
        plugin, one_line = self._plugin, " ".join(description.split())
        owner = (plugin.name, plugin.distribution, plugin.version)
        self.offers.append(Registration(kind, name, factory, one_line, *owner, **facts))


@cache
def installed_plugins(hook: str = "") -> Plugins:
    """The plugins of this environment, loaded at the first call; a PluginWarning names each one that is left out.

    Args:
        hook: only those plugins that may have this hook; "" for all.
    """
    plugins = Plugins(point for point in installed_entry_points() if not hook or may_implement(point, hook))
    for plugin in plugins.failed:
        warnings.warn(f"{plugin.owner} is left out: {plugin.failure}", PluginWarning, stacklevel=2)
    return plugins


def _by_name(what: str, claims: Iterable[tuple[str, Registration]], built_in: Iterable[str]) -> dict[str, Registration]:
    """Registrations by the name that each claims; raises PluginError where a name is taken."""
    owners = dict.fromkeys(built_in, "ecgsdk itself")
    found: dict[str, Registration] = {}
    for name, registration in claims:
        if name in owners:
            mend = "uninstall one of them" if name in found else "uninstall the plugin"
            raise PluginError(f"{what} {name} is claimed by {owners[name]} and by {registration.owner}; {mend}")
        owners[name], found[name] = registration.owner, registration
    return found


def _check_hooks(manager: PluginManager, module: Any) -> None:
    """Raises PluginError for a hook that is misspelt, lacks its decorator or takes what no hook gets.

    pluggy is silent about the first two.
    """
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is None:
            if name in HOOKS and manager.parse_hookspec_opts(module, name) is None:
                raise PluginError(f"{name} is no hook without the decorator ecgsdk.hookspecs.hookimpl")
            continue
        hook = options.get("specname") or name
        if hook not in HOOKS and not options.get("optionalhook"):
            from difflib import get_close_matches

            near = get_close_matches(hook, HOOKS, n=1, cutoff=0)
            raise PluginError(f"there is no hook {hook}; did you mean {near[0]}?")
        arguments = inspect.signature(getattr(module, name)).parameters.values()
        needed = [argument.name for argument in arguments if argument.default is argument.empty]
        if hook in HOOKS and needed not in ([], ["register"]):
            raise PluginError(f"{name} takes {', '.join(needed)}; a hook takes one argument, register")


def _owner(plugin: str, distribution: str, version: str) -> str:
    return f"plugin {plugin} ({distribution} {version})" if distribution else f"plugin {plugin}"


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, EcgsdkError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
