"""One repeat of one cell, from empty topics to evidence on disk.

    prepare → load ‖ faults → heal → drain → stop → collect → clean

It is turned by one loop on one thread; every wait is bounded, and what was waited for is told. A repeat never
ends with a fault still in place: whatever is made registers its clean-up first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from faults import EventStream, FaultError, HopClient, HopEvent
from harness.collect import Observer, collect
from harness.conductor.configs import app_config
from harness.conductor.database import Database
from harness.conductor.fencing import fenced_in
from harness.conductor.injections import Injection, Stage, injections_of
from harness.conductor.names import Names
from harness.conductor.processes import Exit, Instance, Processes
from harness.conductor.services import create_resources, delete_resources
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.events import AppExited, AppStarted, FaultHealed, FaultInjected, Listener, PhaseStarted
from harness.model import FaultOutcome, Place, RepeatRecord
from harness.plan import Cell
from harness.run_folder import PLACES

TURN_S = 0.02
CHECK_ENVIRONMENT_S = 0.5
CHECK_SETTLED_S = 0.2
PHASE_S_MAX = 300.0
"""No load or drain lasts longer, what its faults ask for aside: for hangs, not for speed."""
STANDSTILL_S = 15.0
"""Nothing was written down and nothing was waited for in other words for so long: it will not go on by itself."""
STOP_S = 15.0
COLLECT_S_MAX = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """What all repeats of a run share.

    Args:
        began: Monotonic time of the run's beginning, for events.
        interrupted: Whether a person asked to stop.
    """

    environment: Environment
    hops: HopClient
    stream: EventStream
    listener: Listener
    began: float
    interrupted: Callable[[], bool]

    def at(self) -> float:
        return round(time.monotonic() - self.began, 3)


class Repeat:
    """One repeat. `execute()` runs it; `record()` says what is known of it at any time."""

    def __init__(self, cell: Cell, number: int, folder: Path, names: Names, running: Running) -> None:
        self._cell = cell
        self._number = number
        self._folder = folder
        self._names = names
        self._environment = running.environment
        self._hops = running.hops
        self._stream = running.stream
        self._listener = running.listener
        self._at = running.at
        self._interrupted = running.interrupted
        self._places: tuple[Place, ...] = names.places(cell.places)
        self._reasons: list[str] = []
        self._seconds: dict[str, float] = {}
        self._injections: list[Injection] = []
        self._outcomes: tuple[FaultOutcome, ...] = ()
        self._healed = False
        self._wake = threading.Event()
        self._environment_checked = 0.0
        self._environment_failed = False
        self._lost_before = running.stream.lost

    def record(self, *more_reasons: str) -> RepeatRecord:
        return RepeatRecord(
            cell=self._cell.label,
            repeat=self._number,
            faults=self._outcomes,
            reasons=(*self._reasons, *more_reasons),
            fenced=fenced_in(self._folder / "ledger"),
            seconds=dict(self._seconds),
        )

    def execute(self) -> RepeatRecord:
        """
        Raises:
            EnvironmentFailedError: A broker, the database or the proxy died; what was written so far stays.
        """
        self._folder.mkdir(parents=True)
        self._write_places(drained=False)
        with ExitStack() as cleanup, self._noticing_failure():
            with self._phase("prepare"):
                observer = Observer(self._environment.bootstrap_direct, self._environment.cluster_id)
                cleanup.callback(observer.close)
                processes = self._prepare(observer, cleanup)
            with self._phase("load"):
                waiting = self._load(processes, observer)
            with self._phase("heal"):
                self._heal()
            with self._phase("drain"):
                drained = self._drain(processes, observer, waiting)
            with self._phase("stop"):
                self._reasons += processes.stop(STOP_S)
            self._write_places(drained=drained)
            with self._phase("collect"):
                self._collect()
            with self._phase("clean"):
                cleanup.close()
        return self.record()

    # -- prepare -----------------------------------------------------------------------------------------------

    def _prepare(self, observer: Observer, cleanup: ExitStack) -> Processes:
        topics = {self._names.topic(name): topic for name, topic in self._cell.scenario.topics.items()}
        cleanup.callback(self._delete_topics, observer, list(topics))
        observer.create_topics(topics)
        database = Database(self._environment.postgres_dsn, self._names.schema)
        if self._cell.scenario.tables:
            cleanup.callback(database.drop)
            database.create(self._cell.scenario)
        cleanup.callback(delete_resources, self._environment, self._cell.scenario, self._names)
        create_resources(self._environment, self._cell.scenario, self._names)
        processes = Processes(
            list(self._instances(database, cleanup)), self._folder, self._app_started, self._app_exited
        )
        cleanup.callback(self._clear)
        cleanup.callback(processes.kill)
        helpers = cleanup.enter_context(ThreadPoolExecutor(thread_name_prefix="faults"))
        stage = Stage(
            environment=self._environment,
            hops=self._hops,
            stream=self._stream,
            processes=processes,
            scenario=self._cell.scenario,
            names=self._names,
            folder=self._folder,
            helpers=helpers,
        )
        wake = _waker(self._wake)
        self._stream.subscribe(None, wake)
        cleanup.callback(self._stream.unsubscribe, None, wake)
        self._injections = injections_of(self._cell.scenario.faults, stage)
        cleanup.callback(self._heal)  # whatever happens, no fault stays
        for injection in self._injections:
            injection.prepare()
        return processes

    def _delete_topics(self, observer: Observer, topics: list[str]) -> None:
        """A broken cluster is not asked: it would be waited for, and it is about to end."""
        if not self._environment_failed:
            observer.delete_topics(topics)

    @contextmanager
    def _noticing_failure(self) -> Iterator[None]:
        try:
            yield
        except EnvironmentFailedError:
            self._environment_failed = True
            raise

    def _instances(self, database: Database, cleanup: ExitStack) -> Iterator[Instance]:
        for app in self._cell.scenario.apps.values():
            for number in range(1, app.instances + 1):
                lane = self._environment.lease_lane()
                cleanup.callback(self._environment.release_lane, lane)
                yield Instance(
                    app=app.name,
                    kind=app.kind,
                    number=number,
                    lane=lane,
                    restart=app.restart,
                    config=app_config(
                        app,
                        number,
                        lane,
                        self._names,
                        self._cell.scenario,
                        seed=self._cell.seed + self._number,
                        dsn=database.within,
                    ),
                )

    # -- load, heal, drain -------------------------------------------------------------------------------------

    def _load(self, processes: Processes, observer: Observer) -> str:
        """Until everything has arrived and every fault has had its turn; returns what it still waited for."""
        for instance in processes.instances:
            processes.start(instance)
        for injection in self._injections:
            injection.arm()

        def waiting() -> str:
            if not processes.producers_finished():
                return "a producer has not sent everything"
            return self._unsettled(observer) or next(
                (f"{i.label} has not fired yet" for i in self._injections if i.pending), ""
            )

        return self._turn_until(processes, waiting)

    def _drain(self, processes: Processes, observer: Observer, waited: str) -> bool:
        """Whether everything has arrived, the ISR is full and no transaction is open.

        When the load stood still and healing changed nothing, waiting as long again would prove nothing: one look
        tells whether it was only a fault that never came.
        """
        if self._reasons or self._interrupted():
            return False
        if waited and not any(i.healed_late for i in self._injections):
            return not self._unsettled(observer)
        return not self._turn_until(processes, lambda: self._unsettled(observer))

    def _unsettled(self, observer: Observer) -> str:
        groups = {}
        for place in self._places:
            if place.group and place.upstream:
                groups[place.group] = self._names.topic(place.upstream)
        topics = [self._names.topic(name) for name in self._cell.scenario.topics]
        return observer.settled(groups, topics) or ""

    def _turn_until(self, processes: Processes, waiting: Callable[[], str]) -> str:
        """Turn the repeat until `waiting` returns nothing; else what it still waited for when it gave up."""
        clock = time.monotonic
        deadline = clock() + PHASE_S_MAX + sum(fault.seconds for fault in self._cell.scenario.faults)
        moved, before, next_look, what = clock(), ("", 0), 0.0, ""
        while True:
            self._turn(processes)
            busy = any(i.busy for i in self._injections) or processes.restarting()
            timed = any(i.timed for i in self._injections)
            if self._reasons or self._interrupted():
                return self._reasons[0] if self._reasons else "interrupted"
            if not busy and clock() >= next_look:
                what = waiting()
                next_look = clock() + CHECK_SETTLED_S
                if not what:
                    return ""
            state = (what, self._ledger_bytes())
            if busy or timed or state != before:
                moved, before = clock(), state
            if clock() - moved > STANDSTILL_S or clock() > deadline:
                return what or "a fault to end"
            self._wake.wait(TURN_S)
            self._wake.clear()

    def _turn(self, processes: Processes) -> None:
        now = time.monotonic()
        processes.poll()
        for injection in self._injections:
            fired = injection.fired
            injection.poll()
            if injection.fired != fired:
                self._listener(
                    FaultInjected(**self._now(), fault=injection.label, evidence=injection.facts()),
                )
        if now - self._environment_checked > CHECK_ENVIRONMENT_S:
            self._environment_checked = now
            self._environment.check()
            if self._stream.gone:
                raise EnvironmentFailedError(f"the proxy is gone: {self._stream.gone}")

    def _heal(self) -> None:
        """Heal everything and note what became of it; the second call finds nothing to do."""
        if self._healed:
            return
        self._healed = True
        outcomes = []
        for injection in reversed(self._injections):  # the last injected is healed first
            outcomes.append(injection.heal())
            if injection.fired:
                self._listener(FaultHealed(**self._now(), fault=injection.label, healed=outcomes[-1].healed))
        self._outcomes = tuple(reversed(outcomes))
        if self._stream.lost > self._lost_before:
            self._reasons.append(f"{self._stream.lost - self._lost_before} events of the proxy were lost")

    def _clear(self) -> None:
        """The apps have ended: the lanes are as they were before they are leased again."""
        for injection in self._injections:
            try:
                injection.clear()
            except FaultError as error:
                self._reasons.append(str(error))

    # -- collect -----------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        self._reasons += collect(
            bootstrap=self._environment.bootstrap_direct,
            cluster_id=self._environment.cluster_id,
            dsn=self._environment.postgres_dsn,
            rest_url=self._environment.rest_url,
            mail_url=self._environment.mail_url,
            places=self._places,
            out=self._folder,
            deadline_s=COLLECT_S_MAX,
        )

    def _write_places(self, *, drained: bool) -> None:
        facts = {"schema": 1, "places": [asdict(place) for place in self._places], "drained": drained}
        (self._folder / PLACES).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))

    # -- small things ------------------------------------------------------------------------------------------

    @contextmanager
    def _phase(self, phase: str) -> Iterator[None]:
        self._listener(PhaseStarted(**self._now(), phase=phase))
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[phase] = round(time.monotonic() - began, 3)

    def _ledger_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self._folder / "ledger").iterdir())

    def _app_started(self, instance: Instance, pid: int) -> None:
        self._listener(AppStarted(**self._now(), process=instance.process, pid=pid))

    def _app_exited(self, exit_: Exit) -> None:
        if exit_.reason:
            self._reasons.append(exit_.reason)
        event = AppExited(**self._now(), process=exit_.process, exit_code=exit_.code, expected=not exit_.reason)
        self._listener(event)

    def _now(self) -> dict[str, Any]:
        """What every event of this repeat says."""
        return {"at": self._at(), "cell": self._cell.label, "repeat": self._number}


def _waker(wake: threading.Event) -> Callable[[HopEvent], None]:
    """A frame that is held should not wait for the next turn."""
    return lambda event: wake.set() if event.kind in ("held", "lost") else None
