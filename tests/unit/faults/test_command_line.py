"""What `python -m faults` says before it touches anything."""

import os

import click
import pytest
from click.testing import CliRunner

from faults.cli.main import commands

NOWHERE = "http://127.0.0.1:9"


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = CliRunner().invoke(commands, arguments, env={"EOSPROXY_URL": NOWHERE, "EOSPROXY": ""})
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["hold", "comit", "--for", "1s"], "there is no step 'comit': did you mean 'commit'?"),
        (["hold", "commit"], "Missing option '--for'"),
        (["hold", "commit", "--for", "1"], "'1' is no duration: write 200ms, 1.5s or 2m"),
        (["hold", "commit", "--for", "1s", "-n", "0"], "0 is not in the range x>=1"),
        (["lose", "commit", "--times", "0"], "at least once, or with times=-1 on all that come, not 0 times"),
        (["refuse", "Produce"], "Missing option '--error'"),
        (["refuse", "Produce", "--error", "NOT_CORDINATOR"], "did you mean 'NOT_COORDINATOR'?"),
        (["replace", "COMMIT", "--error", "503"], "'503' is no error of SQL"),
        (["crash", "999999999"], "there is no process 999999999"),
        (["kill-while-held", "commit", "--pid", "999999999"], "there is no process 999999999"),
        (["serve"], "Missing argument"),
        (["serve", "kafka:19092=9092"], "is no hop: write PROTOCOL:LISTEN=UPSTREAM"),
        (["serve", "redis:127.0.0.1:1=127.0.0.1:2"], "there is no protocol 'redis'; protocols are kafka, postgres,"),
        (["partition", "--for", "1s", "--how", "cut"], "'cut' is not one of"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_slip_is_usage_and_says_what_to_write(arguments: list[str], complaint: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["hops"],
        ["events"],
        ["hold", "commit", "--for", "1s"],
        ["partition", "--for", "1s"],
        ["latency", "200ms", "--for", "1s"],
        ["kill-while-held", "commit", "--pid", str(os.getpid())],
    ],
)
def test_without_a_proxy_it_says_how_to_start_one(arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert f"eosproxy at {NOWHERE} cannot be reached" in err
    assert "Connection refused\n  start one with: python -m faults serve" in err


def test_a_program_that_cannot_be_run_is_named() -> None:
    code, _, err = run("serve", "tcp:127.0.0.1:0=127.0.0.1:9", "--program", "/nowhere/eosproxy")
    assert code == 4
    assert "the program is '/nowhere/eosproxy', which cannot be run" in err


def test_steps_and_errors_are_listed() -> None:
    assert "EndTxn(commit)" in run("steps")[1].splitlines()
    assert "COMMIT" in run("steps", "postgres")[1].splitlines()
    assert "16 NOT_COORDINATOR" in run("errors")[1].splitlines()
    assert "40001 serialization_failure" in run("errors", "postgres")[1].splitlines()


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in commands.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
