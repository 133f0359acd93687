"""Does a cluster stay as it was over hundreds of repeats?

    python benchmarks/endurance.py [--repeats 500] [--jobs 1]

One scenario, a pipeline whose processor is killed once, is repeated on one cluster. After each repeat the memory and
the open files of every process and the number of topics are noted. At the end the worn cluster and a fresh one take
turns, so that both meet the same noise of the machine: their ratio is what 500 repeats cost.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from kafka import KafkaAdminClient

from harness.environment import Environment, open_environment
from harness.events import Event, RepeatFinished
from harness.model import Verdict
from harness.plan import Plan, make_plan
from harness.scenario import parse
from harness.session import run_scenario

SCENARIO = """\
# Does it stay as fast as it was?
scenario: endurance
topics: {orders: {partitions: 3}, invoices: {partitions: 3}}
tables: {invoices_seen: {}}
apps:
  producer:  {is: producer, client: kafka-python, to: orders, records: 60, keys: 10}
  processor: {is: processor, client: confluent-kafka, from: orders, to: invoices, batch: 20, commit: in_transaction}
  sink:      {is: sink, client: kafka-python, from: invoices, to: invoices_seen, write: insert}
faults:
  - {crash: processor, at: before commit 2, restart_after: 100ms}
expect:
  - {duplicates: none, losses: none}
"""
TURNS = 20
COMPONENTS = ("broker 1", "broker 2", "broker 3", "postgres", "proxy")
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """After one repeat: its duration in seconds, and name → value of what may grow."""

    seconds: float
    sizes: Mapping[str, float]


class Watch:
    """A listener that takes a sample after every repeat."""

    def __init__(self, environment: Environment) -> None:
        self.samples: list[Sample] = []
        self.begin()
        self._processes = {"harness": psutil.Process()}
        self._processes |= {name: psutil.Process(environment.process(name)[0]) for name in COMPONENTS}
        self._admin = KafkaAdminClient(bootstrap_servers=environment.bootstrap_direct)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RepeatFinished):
            self.samples.append(Sample(time.monotonic() - self._began, dict(self._sizes())))
            self.begin()

    def begin(self) -> None:
        """The next repeat is timed from now on."""
        self._began = time.monotonic()

    def close(self) -> None:
        self._admin.close()

    def _sizes(self) -> Iterator[tuple[str, float]]:
        yield "topics", len(self._admin.list_topics())
        for name, process in self._processes.items():
            yield f"{name}: MiB", process.memory_info().rss / MIB
            yield f"{name}: open files", process.num_fds()
            yield f"{name}: threads", process.num_threads()


def plan_of(repeats: int, folder: Path) -> Plan:
    file = folder / "endurance.chaos.yaml"
    file.write_text(SCENARIO)
    return make_plan(parse(SCENARIO, str(file)), repeat=repeats)


def run(plan: Plan, environment: Environment, watch: Watch, folder: Path, jobs: int = 1) -> None:
    folder.mkdir()
    verdict = run_scenario(plan, environment, folder, watch, jobs=jobs)
    if verdict.verdict is not Verdict.AS_EXPECTED:
        sys.exit(f"a measurement of repeats that did not do what they should is worth nothing: {folder}")


def in_turns(worn: tuple[Environment, Watch], folder: Path) -> tuple[float, float]:
    """Median seconds of a repeat: on the worn cluster, on a fresh one."""
    with open_environment() as environment:
        fresh = Watch(environment)
        pairs = [worn, (environment, fresh)]
        for turn in range(TURNS + 1):
            for name, (cluster, watch) in zip(("worn", "fresh"), pairs, strict=True):
                watch.begin()
                run(plan_of(1, folder), cluster, watch, folder / f"{name}-{turn}")
        fresh.close()
    # The first turn of a fresh cluster loads its classes.
    took, fresh_took = (statistics.median(s.seconds for s in watch.samples[-TURNS:]) for _, watch in pairs)
    return took, fresh_took


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """First against last tenth of the repeats, by medians."""
    tenth = max(len(samples) // 10, 1)
    first, last = samples[tenth : 2 * tenth], samples[-tenth:]  # the very first load classes and fill caches
    yield f"| {'median of a tenth':28} | second | last | ratio |"
    yield f"|{'-' * 30}|---|---|---|"
    for name in ("a repeat: s", *samples[0].sizes):
        before, after = (
            statistics.median(sample.sizes.get(name, sample.seconds) for sample in part) for part in (first, last)
        )
        yield f"| {name:28} | {before:.4g} | {after:.4g} | {after / before if before else 0:.2f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=500)
    options.add_argument("--jobs", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-") as name, open_environment() as environment:
        folder = Path(name)
        watch = Watch(environment)
        run(plan_of(chosen.repeats, folder), environment, watch, folder / "run", chosen.jobs)
        print(f"{chosen.repeats} repeats on one cluster, {chosen.jobs} at a time, all as expected\n")
        print("\n".join(table(watch.samples)), flush=True)
        worn, fresh = in_turns((environment, watch), folder)
        print(f"\na repeat in turns: worn cluster {worn:.2f} s, fresh one {fresh:.2f} s, ratio {worn / fresh:.2f}")
        watch.close()


if __name__ == "__main__":
    main()
