"""Random pipelines that ran correctly, whatever happened meanwhile, and one anomaly planted into each.

A small simulator: a producer with several instances and incarnations, at most one processor with any fan-out, at most
one sink that inserts or upserts. Replies are lost, transactions are aborted or end unknown, processes are replaced;
nothing of that is an anomaly as long as every record goes through once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.unit.audit.histories import Found, History, Process

KEYS = 4


@dataclass(frozen=True)
class Record:
    id: str
    key: str
    seq: int


@dataclass
class Seen:
    """A record at its final position."""

    record: Record
    part: int
    pos: int


@dataclass
class Stage:
    """One app with its target, and how it writes there."""

    app: str
    place: str
    upstream: str | None = None
    transactional: bool = False
    fan_out: int = 1
    upsert: bool = False
    instances: int = 1
    incarnation: int = 1
    transactions: int = 0
    log: list[Seen] = field(default_factory=list)  # what is committed there
    done: dict[int, int] = field(default_factory=dict)  # partition upstream → how many of its records are processed


class Pipeline:
    """Runs when made.

    Attributes:
        history: What it left.
        stages: From the producer on.
    """

    def __init__(self, seed: int, prefix: str) -> None:
        self.random = Random(seed)
        self.history = History(prefix)
        self.partitions = self.random.randint(1, 3)
        self.sequences = [0] * KEYS
        self.stages = list(self._stages())
        for stage in self.stages:
            self._declare(stage)
            self.process(stage)  # it has a ledger, even if there is nothing to do
        for stage in self.stages:
            self._run(stage)

    def _stages(self) -> Sequence[Stage]:
        chance = self.random
        first = Stage("producer", "orders", transactional=chance.random() < 0.4, instances=chance.randint(1, 2))
        stages = [first]
        if chance.random() < 0.7:
            fan_out = chance.choice([1, 1, 1, 2])
            transactional = chance.random() < 0.5
            stages.append(Stage("processor", "invoices", "orders", transactional, fan_out))
        if chance.random() < 0.6:
            stages.append(Stage("sink", "rows", stages[-1].place, upsert=chance.random() < 0.5))
        return stages

    def _declare(self, stage: Stage) -> None:
        if stage.place == "rows":
            assert stage.upstream
            self.history.table("rows", upstream=stage.upstream, writers=[stage.app])
            return
        self.history.topic(
            stage.place, upstream=stage.upstream, writers=[stage.app], least=stage.fan_out, most=stage.fan_out
        )
        for part in range(self.partitions):
            self.history.sources[stage.place].next[part] = 0

    def process(self, stage: Stage, instance: int = 1) -> Process:
        name = f"{stage.app}#{instance}/{stage.incarnation}"
        known = (each for each in self.history.processes if each.name == self.history.name(name))
        return next(known, None) or self.history.process(name)

    def _run(self, stage: Stage) -> None:
        if stage.upstream is None:
            for _ in range(self.random.randint(1, 4)):
                instance = self.random.randint(1, stage.instances)
                self._write(stage, self._new_records(stage, instance), instance=instance)
                self._maybe_restart(stage)
        else:
            self.settle(stage)

    def _new_records(self, stage: Stage, instance: int) -> list[Record]:
        """Each key belongs to one instance."""
        keys = [key for key in range(KEYS) if key % stage.instances == instance - 1]
        return [self.next_record(self.random.choice(keys)) for _ in range(self.random.randint(1, 5))]

    def next_record(self, key: int) -> Record:
        self.sequences[key] += 1
        return Record(f"{key}-{self.sequences[key]}", f"key-{key}", self.sequences[key])

    def settle(self, stage: Stage, skip: Sequence[str] = ()) -> None:
        """Let a stage process what is there and new; ids in `skip` are passed over without an output."""
        upstream = next(each for each in self.stages if each.place == stage.upstream)
        for part in range(self.partitions):
            inputs = [seen for seen in upstream.log if seen.part == part][stage.done.get(part, 0) :]
            stage.done[part] = stage.done.get(part, 0) + len(inputs)
            inputs = [seen for seen in inputs if seen.record.id not in skip]
            while inputs:
                size = self.random.randint(1, 4)
                batch, inputs = inputs[:size], inputs[size:]
                pairs = [(out, seen) for seen in batch for out in self._outputs(stage, seen.record)]
                self.process(stage).poll(upstream.place, [(seen.record.id, seen.pos) for seen in batch if not part])
                self._write(stage, [out for out, _ in pairs], sources=[seen for _, seen in pairs])
                self._maybe_restart(stage)

    def _outputs(self, stage: Stage, record: Record) -> list[Record]:
        if stage.fan_out == 1:
            return [record]
        return [Record(f"{record.id}/{n}", record.key, record.seq * stage.fan_out + n) for n in range(stage.fan_out)]

    def _maybe_restart(self, stage: Stage) -> None:
        if self.random.random() < 0.3:
            stage.incarnation += 1

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write(self, stage: Stage, records: list[Record], *, sources: Sequence[Seen] = (), instance: int = 1) -> None:
        if stage.place == "rows":
            self._write_rows(stage, records, sources)
        elif stage.transactional:
            self._write_in_transactions(stage, records, sources, instance)
        else:
            self._write_plainly(stage, records, sources, instance)

    def _write_plainly(self, stage: Stage, records: list[Record], sources: Sequence[Seen], instance: int) -> None:
        fate = self.random.choice(["ok", "ok", "reply lost", "refused first", "never arrived"])
        ids = [record.id for record in records]
        process = self.process(stage, instance)
        if fate == "never arrived" and stage.upstream is None:
            process.batch({stage.place: ids}, outcome=self.random.choice(["unknown", None]))
            return
        if fate == "refused first":
            process.batch({stage.place: ids}, outcome="failed")
        where = self.append(stage, records, sources, producer=100 * instance + stage.incarnation)
        if fate == "reply lost":
            process.batch({stage.place: ids}, outcome=self.random.choice(["unknown", None]))
        else:
            process.batch({stage.place: ids}, ack=where)

    def _write_in_transactions(
        self, stage: Stage, records: list[Record], sources: Sequence[Seen], instance: int
    ) -> None:
        ids = [record.id for record in records]
        while self.random.random() < 0.3:
            outcome = self.random.choice(["failed", "unknown", None])
            txn = self._transaction(stage, instance)
            self.process(stage, instance).batch({stage.place: ids}, outcome=outcome, txn=txn)
            arrived = self.random.randint(0, len(records))
            self.append(stage, records[:arrived], sources[:arrived], producer=instance, status="aborted", txn=txn)
            self._maybe_restart(stage)
        txn = self._transaction(stage, instance)
        where = self.append(stage, records, sources, producer=instance, status="committed", txn=txn)
        outcome = self.random.choice(["ok", "ok", "unknown", None])
        self.process(stage, instance).batch({stage.place: ids}, ack=where, outcome=outcome, txn=txn)

    def _transaction(self, stage: Stage, instance: int) -> str:
        stage.transactions += 1
        return f"{stage.app}-{instance}/{stage.transactions}"

    def append(
        self,
        stage: Stage,
        records: Sequence[Record],
        sources: Sequence[Seen] = (),
        *,
        producer: int = 1,
        status: str = "plain",
        txn: str | None = None,
    ) -> dict[str, tuple[int, int]]:
        """Put records into a log, each into its key's partition; returns where, if they are visible."""
        where: dict[str, tuple[int, int]] = {}
        for part in range(self.partitions):
            own = [n for n, record in enumerate(records) if int(record.key[4:]) % self.partitions == part]
            if not own:
                continue
            positions = self.history.see(
                stage.place,
                [records[n].id for n in own],
                part=part,
                key=[records[n].key for n in own],
                seq=[records[n].seq for n in own],
                src=[self._source(stage, sources[n]) for n in own] if sources else None,
                status=status,
                producer=producer,
                epoch=stage.incarnation,
                txn=txn,
                marker=status in ("committed", "aborted"),
            )
            if status in ("plain", "committed"):
                where |= {records[n].id: (part, pos) for n, pos in zip(own, positions, strict=True)}
                stage.log += [Seen(records[n], part, pos) for n, pos in zip(own, positions, strict=True)]
        return where

    def _source(self, stage: Stage, seen: Seen) -> tuple[str, int, int]:
        assert stage.upstream
        return self.history.name(stage.upstream), seen.part, seen.pos

    def _write_rows(self, stage: Stage, records: Sequence[Record], sources: Sequence[Seen]) -> None:
        ids = [record.id for record in records]
        if stage.upsert and self.random.random() < 0.3:
            # It had written them before, in rows that are there already, and was replaced before it committed.
            self.process(stage).batch({"rows": ids}, outcome=None)
            stage.incarnation += 1
        self.row(stage, records, sources)
        outcome = self.random.choice(["ok", "ok", "unknown", None])
        self.process(stage).batch({"rows": ids}, ack=ids if outcome == "ok" else (), outcome=outcome)

    def row(self, stage: Stage, records: Sequence[Record], sources: Sequence[Seen]) -> None:
        self.history.see(
            "rows",
            [record.id for record in records],
            key=[record.key for record in records],
            seq=[record.seq for record in records],
            src=[self._source(stage, seen) for seen in sources],
            writer=f"sink#1/{stage.incarnation}",
        )


Plant = Callable[[Pipeline], Found | None]
"""Plants one anomaly; returns what must be found, or None where this pipeline has no place for it."""

PLANTS: list[Plant] = []


def plant(function: Plant) -> Plant:
    PLANTS.append(function)
    return function


def _processed(pipeline: Pipeline) -> Stage | None:
    return next((stage for stage in pipeline.stages if stage.app == "processor"), None)


def _table(pipeline: Pipeline) -> Stage | None:
    return next((stage for stage in pipeline.stages if stage.app == "sink"), None)


def _fresh(pipeline: Pipeline) -> Record:
    """A record of which nothing is known yet, of the producer's first instance."""
    return pipeline.next_record(0)


def _send(pipeline: Pipeline, record: Record, outcome: str = "ok") -> None:
    """A record is sent to the origin and arrives."""
    stage = pipeline.stages[0]
    where = pipeline.append(stage, [record])
    pipeline.process(stage).batch({stage.place: [record.id]}, ack=where if outcome == "ok" else (), outcome=outcome)


def _settle_below(pipeline: Pipeline, stage: Stage, skip: Sequence[str] = ()) -> None:
    for below in pipeline.stages[pipeline.stages.index(stage) + 1 :]:
        pipeline.settle(below, skip)


@plant
def duplicate(pipeline: Pipeline) -> Found | None:
    stage = pipeline.stages[0]
    if not stage.log:
        return None
    record = pipeline.random.choice(stage.log).record
    pipeline.append(stage, [record], producer=999)
    _settle_below(pipeline, stage, skip=[record.id])
    return {("orders", "duplicate"): 1}


@plant
def lost_write(pipeline: Pipeline) -> Found:
    stage = pipeline.stages[0]
    record = _fresh(pipeline)
    pipeline.process(stage).batch({stage.place: [record.id]}, ack={record.id: 12345})
    return {("orders", "lost-write"): 1}


@plant
def aborted_read(pipeline: Pipeline) -> Found | None:
    stage = pipeline.stages[0]
    record = _fresh(pipeline)
    if int(record.key[4:]) % pipeline.partitions:
        return None
    pipeline.process(stage).batch({stage.place: [record.id]}, outcome="failed", txn="planted/1")
    at = pipeline.history.sources[stage.place].next[0]
    pipeline.append(stage, [record], status="aborted", txn="planted/1")
    pipeline.history.process("reader#1/1").poll(stage.place, {record.id: at})
    return {("orders", "G1a"): 1}


@plant
def phantom(pipeline: Pipeline) -> Found | None:
    stage = pipeline.stages[-1]
    stranger = Record("stranger", "key-0", 10**6)
    if stage.place == "rows":
        pipeline.history.see("rows", [stranger.id], key=[stranger.key], seq=[stranger.seq], writer="sink#1/1")
    else:
        pipeline.append(stage, [stranger])
    return {(stage.place, "phantom"): 1}


@plant
def duplicate_processing(pipeline: Pipeline) -> Found | None:
    stage = _processed(pipeline)
    if stage is None or not stage.log:
        return None
    seen = pipeline.random.choice(stage.log)
    upstream = pipeline.stages[0].log
    source = next(each for each in upstream if each.record.id == seen.record.id.partition("/")[0])
    status = "committed" if stage.transactional else "plain"
    txn = None
    if stage.transactional:
        txn = "planted/1"
        pipeline.process(stage).batch({stage.place: [seen.record.id]}, txn=txn, outcome="unknown")
    pipeline.append(stage, [seen.record], [source], producer=999, status=status, txn=txn)
    _settle_below(pipeline, stage, skip=[seen.record.id])
    return (
        {("invoices", "duplicate"): 1, ("invoices", "duplicate-processing"): 1}
        if stage.fan_out == 1
        else {
            # The id of one of several outputs stands twice, within the fan-out; its input has one output too many.
            ("invoices", "duplicate-processing"): 1
        }
    )


@plant
def lost_processing(pipeline: Pipeline) -> Found | None:
    if _processed(pipeline) is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    _settle_below(pipeline, pipeline.stages[0], skip=[record.id])
    return {("invoices", "lost-processing"): 1}


@plant
def torn_transaction(pipeline: Pipeline) -> Found:
    """Of two records one is committed; the other comes later, in a transaction of its own, so nothing is lost."""
    stage = pipeline.stages[0]
    first, second = _fresh(pipeline), _fresh(pipeline)
    pipeline.process(stage).batch({stage.place: [first.id, second.id]}, outcome="unknown", txn="planted/1")
    pipeline.append(stage, [first], status="committed", txn="planted/1")
    if pipeline.random.random() < 0.5:
        pipeline.append(stage, [second], status="aborted", txn="planted/1")
    where = pipeline.append(stage, [second], status="committed", txn="planted/2")
    pipeline.process(stage).batch({stage.place: [second.id]}, ack=where, txn="planted/2")
    _settle_below(pipeline, stage)
    return {("orders", "torn-transaction"): 1}


@plant
def disorder(pipeline: Pipeline) -> Found | None:
    stage = pipeline.stages[-1]
    early, late = _fresh(pipeline), _fresh(pipeline)
    if stage.place == "rows" or stage.fan_out > 1:
        return None
    if len(pipeline.stages) > 1:
        for record in (early, late):
            _send(pipeline, record)
        _settle_below(pipeline, pipeline.stages[0], skip=[early.id, late.id])
        sources = pipeline.stages[0].log[-2:]
    else:
        sources = []
    where = pipeline.append(stage, [late, early], sources[::-1])
    pipeline.process(stage).batch({stage.place: [late.id, early.id]}, ack=where)
    return {(stage.place, "disorder"): 1}


@plant
def sink_duplicate(pipeline: Pipeline) -> Found | None:
    stage = _table(pipeline)
    if stage is None:
        return None
    upstream = next(each for each in pipeline.stages if each.place == stage.upstream)
    if not upstream.log:
        return None
    seen = pipeline.random.choice(upstream.log)
    pipeline.row(stage, [seen.record], [seen])
    return {("rows", "sink-duplicate"): 1}


@plant
def sink_loss(pipeline: Pipeline) -> Found | None:
    stage = _table(pipeline)
    if stage is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    middle = _processed(pipeline)
    if middle:
        pipeline.settle(middle)
    copies = middle.fan_out if middle else 1
    pipeline.settle(stage, skip=[record.id, *(f"{record.id}/{n}" for n in range(copies))])
    return {("rows", "sink-loss"): copies}


@plant
def hanging_transaction(pipeline: Pipeline) -> Found:
    stage = pipeline.random.choice([each for each in pipeline.stages if each.place != "rows"])
    record = _fresh(pipeline)
    pipeline.process(stage).batch({stage.place: [record.id]}, outcome=None, txn="planted/1")
    pipeline.append(stage, [record], status="open", txn="planted/1")
    part = int(record.key[4:]) % pipeline.partitions
    timeout = pipeline.random.choice([None, 1000])
    pipeline.history.open(stage.place, part=part, first_pos=0, age_ms=60_000, timeout_ms=timeout)
    return {(stage.place, "hanging-transaction"): 1}


@plant
def stalled(pipeline: Pipeline) -> Found | None:
    if len(pipeline.stages) == 1:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    last = pipeline.stages[0].log[-1]
    stage = pipeline.stages[1]
    pipeline.history.committed[stage.place, last.part] = last.pos
    return {(stage.place, "stalled"): 1}
