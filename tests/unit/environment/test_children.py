"""What is said of a component that died."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment.children import how_it_ended, last_lines, reachable_by_all


@pytest.mark.parametrize(
    ("code", "said"),
    [(None, "is gone"), (0, "exited with code 0"), (1, "exited with code 1"), (-9, "was killed by SIGKILL")],
)
def test_how_it_ended(code: int | None, said: str) -> None:
    assert how_it_ended(code) == said


def test_the_last_lines_of_each_log_without_stack_frames(tmp_path: Path) -> None:
    log, output = tmp_path / "server.log", tmp_path / "broker-1.out"
    frames = "\tat kafka.Kafka.main(Kafka.scala)\n\t... 7 more\n"
    log.write_text("".join(f"line {n}\n" for n in range(5000)) + f"ERROR Exiting Kafka\n{frames}\n")
    output.write_text("Exception in thread main\n")
    assert last_lines([log, output], 2) == (
        "the end of server.log:\n    line 4999\n    ERROR Exiting Kafka\n"
        "  the end of broker-1.out:\n    Exception in thread main"
    )


def test_logs_that_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert last_lines([tmp_path / "empty", tmp_path / "missing"]) == "its logs are empty"


def test_a_log_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff\xfe ended\n")
    assert last_lines([tmp_path / "log"]).endswith("ended")


def test_who_can_reach_a_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.touch(mode=0o644)
    path.parent.chmod(0o700)
    assert not reachable_by_all(path)
    assert not reachable_by_all(tmp_path / "missing")
    assert reachable_by_all(Path("/"))
