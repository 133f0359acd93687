"""An installed wheel works outside a checkout: scenarios, and what environments are built from, travel with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(installed: Path, program: str) -> subprocess.CompletedProcess[str]:
    """With the wheel's packages alone in front, in a folder that is no checkout."""
    argv = [sys.executable, "-P", "-c", program]
    env = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(argv, cwd=installed.parent, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_it_brings_its_scenarios(installed: Path) -> None:
    done = run(
        installed,
        "import harness; from harness.resources import resource; from harness.scenario import load\n"
        "folder = resource('scenarios'); print(harness.__file__); print(folder)\n"
        "print(load(folder / 'fast' / 'where-exactly-once-stops.chaos.yaml').name)",
    )
    assert done.returncode == 0, done.stderr
    package, folder, name = done.stdout.splitlines()
    assert package.startswith(str(installed))
    assert folder.startswith(str(installed))
    assert name == "where-exactly-once-stops"


def test_it_builds_the_same_proxy_and_brokers_as_the_checkout(installed: Path) -> None:
    program = (
        "from harness.environment.jars import jars_folder\n"
        "from harness.environment.proxy_build import proxy_path\n"
        "print(jars_folder()); print(proxy_path())"
    )
    here = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run(installed, program).stdout == here.stdout


def test_it_judges_with_its_own_sql(installed: Path) -> None:
    program = (
        "from harness.audit.auditing import judged_where; from harness.model import Anomaly\n"
        "print(all(map(judged_where, Anomaly)))"
    )
    done = run(installed, program)
    assert done.stdout.strip() == "True", done.stderr
