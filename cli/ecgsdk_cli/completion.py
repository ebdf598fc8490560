"""`ecgsdk completion`: the script that completes the command's options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk completion bash >> ~/.bashrc
  ecgsdk completion zsh >> ~/.zshrc
  ecgsdk completion fish > ~/.config/fish/completions/ecgsdk.fish
"""


@click.command("completion", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(completion(ctx.find_root().command, {}, "ecgsdk", "_ECGSDK_COMPLETE").source())
