"""The command group: finds a command's module when it is asked for, and ends every user's mistake in one line."""

from __future__ import annotations

import importlib
import signal
import threading
from typing import NoReturn

import click

import ecgsdk

__all__ = ["COMMANDS", "CommandGroup", "main"]

COMMANDS = {
    "generate": "ecgsdk_cli.generate",
    "models": "ecgsdk_cli.models",
    "plot": "ecgsdk_cli.plot",
    "train": "ecgsdk_cli.train",
    "export": "ecgsdk_cli.export",
    "completion": "ecgsdk_cli.completion",
}
"""Each command and the module that holds its click command under the name `command`, in the order of the help."""


class CommandGroup(click.Group):
    """Imports a command's module only when that command, or the list of all, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        return importlib.import_module(module).command if module else None

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
