"""A program that fetches or builds, run to its end. It dies with us: a `setup` that is killed leaves none running."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.environment.store import work_folder
from harness.errors import EnvironmentFailedError
from harness.spawning import spawn

_GONE_S = 5.0


def run_to_end(
    what: str, argv: Sequence[str | Path], *, cwd: Path, timeout_s: float, env: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run a program; only inside `store.writing`, and on the main thread.

    Args:
        what: The program, for people.
        env: Variables on top of ours.

    Returns:
        Its exit code, and the lines that it wrote to stdout and stderr.

    Raises:
        EnvironmentFailedError: It took longer than `timeout_s`; it is killed then.
    """
    settings = [f"{name}={value}" for name, value in (env or {}).items()]
    with work_folder() as work:
        log = work / "output"
        process = spawn(["/usr/bin/env", *settings, *argv], log=log, cwd=cwd)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFailedError(f"{what} took longer than {timeout_s:.0f} s") from error
        finally:
            process.kill()
            process.wait(_GONE_S)
        return code, log.read_text(errors="replace").strip().splitlines()
