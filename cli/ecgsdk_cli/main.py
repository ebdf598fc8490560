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
    "generate": "ecgsdk_cli.generate",
    "resynthesize": "ecgsdk_cli.resynthesize",
    "dataset": "ecgsdk_cli.dataset",
    "convert": "ecgsdk_cli.convert",
    "models": "ecgsdk_cli.models",
    "validate": "ecgsdk_cli.validate",
    "plot": "ecgsdk_cli.plot",
    "gallery": "ecgsdk_cli.gallery",
    "train": "ecgsdk_cli.train",
    "export": "ecgsdk_cli.export",
    "plugins": "ecgsdk_cli.plugins",
    "completion": "ecgsdk_cli.completion",
}
"""Each command and the module that holds its click command under the name `command`, in the order of the help."""


_COMPLETING = "_ECGSDK_COMPLETE"


class CommandGroup(click.Group):
    """Imports a command's module only when that command, or the list of all, is asked for.

    Plugins are loaded for the list of commands and for a command that is none of `COMMANDS`.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        with _warnings_in_one_line():
            return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            return [*COMMANDS, *_plugin_commands()]
        except PluginError:  # said by the help, and by whoever calls for one of them
            return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is not None:
            return importlib.import_module(module).command
        registration = _plugin_commands().get(cmd_name)
        return None if registration is None else _make_command(registration)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists commands; those of plugins by their description, so that none is imported."""
        try:
            offers = dict(_plugin_commands())
        except PluginError as error:
            click.echo(f"warning: {error}", err=True)
            offers = {}
        room = formatter.width - 6 - max(map(len, [*COMMANDS, *offers]))
        commands = {name: importlib.import_module(module).command for name, module in COMMANDS.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(room)) for name, command in commands.items()])
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


def _plugin_commands() -> Mapping[str, Registration]:
    from ecgsdk.plugins import installed_plugins

    return installed_plugins().commands(COMMANDS)


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
