"""The command group: finds a command's module when it is asked for, and ends every user's mistake in one line."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

import ecgsdk
from ecgsdk.errors import PluginError, PluginWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecgsdk.plugins import Registration

__all__ = ["COMMANDS", "CommandGroup", "main"]

COMMANDS = {
    "generate": "Make synthetic 12-lead ECGs of the conditions asked for.",
    "resynthesize": "Make one synthetic ECG of each real ECG.",
    "dataset": "Build a data set to publish, or check a published one.",
    "convert": "Convert ECGs between formats.",
    "models": "List the installed models, or show one.",
    "validate": "Say how good synthetic ECGs are.",
    "plot": "Draw ECGs on ECG paper: SVG, PNG or PDF.",
    "gallery": "Show samples of ECGs by group on one web page.",
    "train": "Train a model on PTB-XL.",
    "export": "Write a trained model as ONNX graphs and a card.",
    "plugins": "List the installed plugins and what they offer.",
    "completion": "Print the completion script for a shell.",
}
"""Each command and what the list of commands says of it. The module of its name holds a click command `command`."""

_COMPLETING = "_ECGSDK_COMPLETE"


class CommandGroup(click.Group):
    """Imports a command's module only when that command is asked for.

    A command that is none of `COMMANDS` is looked for in all plugins. For the list of commands only those plugins are
    loaded that may have some.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        with _warnings_in_one_line():
            return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            return [*COMMANDS, *_plugin_commands("register_commands")]
        except PluginError:  # said by the help, and by whoever calls for one of them
            return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command where there is none of the name given."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean {near[0]}?", ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return importlib.import_module(f"ecgsdk_cli.{cmd_name}").command
        registration = _plugin_commands().get(cmd_name)
        return None if registration is None else _make_command(registration)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists commands by what is said of them here or by their plugin, so that none is imported."""
        try:
            offers = dict(_plugin_commands("register_commands"))
        except PluginError as error:
            click.echo(f"warning: {error}", err=True)
            offers = {}
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        if offers:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, offer.description or offer.owner) for name, offer in offers.items()])

    def invoke(self, ctx: click.Context) -> object:
        _tidy_up_when_asked_to_end()
        try:
            return super().invoke(ctx)
        except ecgsdk.EcgsdkError as error:
            _fail(ctx, str(error))
        except KeyboardInterrupt:
            _fail(ctx, "interrupted")
        except BrokenPipeError:
            raise
        except OSError as error:
            _fail(ctx, f"{error.filename or 'the file system'}: {error.strerror or error}")


def _plugin_commands(hook: str = "") -> Mapping[str, Registration]:
    from ecgsdk.plugins import installed_plugins

    return installed_plugins(hook).commands(COMMANDS)


def _make_command(registration: Registration) -> click.Command:
    from ecgsdk.plugins import Plugins

    return Plugins.make(registration)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """What Python prints of a plugin that is left out, without file and line; nothing while a shell completes."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **rest: Any) -> None:
            if not issubclass(category, PluginWarning):
                usual(message, category, *where, **rest)
            elif _COMPLETING not in os.environ:
                click.echo(f"warning: {message}", err=True)

        warnings.showwarning = show
        yield


def _tidy_up_when_asked_to_end() -> None:
    """The end of a terminal, `timeout` or a service manager end a command as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(ctx: click.Context, message: str) -> NoReturn:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    ctx.exit(1)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: ecgsdk generate --group afib -n 10 --seed 7 -o afib.h5",
)
@click.version_option(ecgsdk.__version__, prog_name="ecgsdk")
def main() -> None:
    """Make synthetic 12-lead ECGs, look at them, and find out how good they are."""


if __name__ == "__main__":
    main()
