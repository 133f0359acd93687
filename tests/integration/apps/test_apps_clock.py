"""The wall clock jumps inside the processes under test: what they do and what they write down goes by the other one."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.environment import Environment
from tests.integration.apps.bench import ALL, batches, found, side_by_side, wait_until

SOURCE = Path(__file__).with_name("wallclock.c")
HALF_AN_HOUR_S = 30 * 60
JUMPS_S = (HALF_AN_HOUR_S, -4 * HALF_AN_HOUR_S, 0)  # brokers refuse records from more than an hour ahead


class WallClock:
    """Of the processes that are started while it is there. It alone is moved; the monotonic one goes on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move(0)

    def move(self, offset_s: int) -> None:
        """To so far off the machine's."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", offset_s))


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WallClock]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("moving a process's wall clock needs a C compiler")
    library, file = tmp_path / "wallclock.so", tmp_path / "offset"
    argv = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(argv, check=True, timeout=60)
    clock = WallClock(file)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("WALLCLOCK_FILE", str(file))
    yield clock


def test_the_clock_can_be_moved_and_the_other_one_stays(clock: WallClock) -> None:
    """Else what follows would prove nothing."""
    clock.move(HALF_AN_HOUR_S)
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time(), time.monotonic())"],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    wall, monotonic = map(float, told.stdout.split())
    assert wall - time.time() == pytest.approx(HALF_AN_HOUR_S, abs=10)
    assert monotonic == pytest.approx(time.monotonic(), abs=10)


def test_a_wall_clock_that_jumps_changes_nothing(environment: Environment, tmp_path: Path, clock: WallClock) -> None:
    with side_by_side(environment, tmp_path, partitions=1, table="insert") as benches:
        running = {
            client: [bench.start("processor", client, commit="in_transaction"), bench.start("sink", client)]
            for client, bench in benches.items()
        }
        began = time.monotonic_ns()
        records = 0
        for offset_s in JUMPS_S:
            clock.move(offset_s)
            records += len(ALL)
            for client, bench in benches.items():
                bench.finish(bench.start("producer", client, records=records))
            for bench in benches.values():
                wait_until(lambda bench=bench, records=records: bench.polled("processor") < records)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(*running[client])
            assert bench.collect() == []
            audited = bench.audit()
            assert (found(audited), audited.problems) == ({}, ()), client
            assert len(bench.ids("invoices_seen")) == records, client
            sent = [at for line in bench.lines("orders") for at in line.get("at", ())]
            assert max(sent) - min(sent) > 3 * HALF_AN_HOUR_S * 1000, "the records' own timestamps have jumped"
            for app in ("processor", "sink"):
                ends = [end["at"] for _, end in batches(bench.ledger(app)) if end]
                assert began < ends[0] <= ends[-1] < time.monotonic_ns()
                assert ends == sorted(ends), "the ledger goes by the monotonic clock"
