"""The help of every command, the list of commands, and completion."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk_cli.main import COMMANDS, main


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def every_command(command=main, path=()):
    yield pytest.param(path, id=" ".join(("ecgsdk", *path)))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from every_command(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("path", list(every_command()))
def test_every_command_has_help_that_ends_with_an_example(path):
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")
    last = result.output.rstrip().split("\n\n")[-1].strip()
    assert last.startswith("Example")
    assert " ".join(("ecgsdk", *path)) in last


def test_every_option_has_help():
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name not in ("device",):
                assert parameter.help, f"{name} --{parameter.name}"


def test_version():
    assert run("--version").output == f"ecgsdk, version {ecgsdk.__version__}\n"


def test_the_list_of_commands_fits_on_a_line_each():
    listed = run("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    assert max(map(len, listed.splitlines())) <= 80


def test_a_misspelt_command_names_the_nearest():
    result = run("genrate", "--group", "afib")
    assert result.exit_code == 2
    assert "No such command 'genrate'; did you mean generate?" in result.stderr
    assert "did you mean" not in run("xyzzy").stderr


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from ecgsdk_cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'torch', 'onnxruntime', 'h5py', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion(shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_ECGSDK_COMPLETE" in result.stdout
