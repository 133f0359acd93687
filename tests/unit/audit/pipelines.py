"""Random pipelines that ran correctly, whatever happened meanwhile, and one anomaly planted into each.

A small simulator: a producer with several instances and incarnations, at most one processor with any fan-out, which may
call a service, at most one sink that inserts or upserts. Replies are lost, transactions are aborted or end unknown,
processes are replaced and rebalanced; nothing of that is an anomaly as long as every record goes through once.
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
    calls: str | None = None  # "service", "mailbox": once for each input, before its outputs are committed
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
        guilty: Ids of the records, or names of the transactions, of what was planted.
    """

    def __init__(self, seed: int, prefix: str) -> None:
        self.random = Random(seed)
        self.history = History(prefix)
        self.partitions = self.random.randint(1, 3)
        self.sequences = [0] * KEYS
        self.guilty: set[str] = set()
        self.remembered: set[str] = set()  # idempotency keys that the service knows
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
            calls = chance.choice([None, None, "service", "mailbox"])
            stages.append(Stage("processor", "invoices", "orders", transactional, fan_out, calls=calls))
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
        if stage.calls and stage.upstream:
            declare = self.history.service if stage.calls == "service" else self.history.mailbox
            declare("billing", upstream=stage.upstream, writers=[stage.app])

    def process(self, stage: Stage, instance: int = 1) -> Process:
        name = f"{stage.app}#{instance}/{stage.incarnation}"
        known = (each for each in self.history.processes if each.name == self.history.name(name))
        return next(known, None) or self._started(stage, name)

    def _started(self, stage: Stage, name: str) -> Process:
        process = self.history.process(name)
        if stage.upstream:
            process.assign(stage.upstream, how="subscribe", part=None)
        return process

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
                self._poll(stage, upstream.place, part, batch)
                self._write(stage, [out for out, _ in pairs], sources=[seen for _, seen in pairs])
                self._maybe_restart(stage)

    def _poll(self, stage: Stage, place: str, part: int, batch: Sequence[Seen]) -> None:
        """A poll, which a rebalance may precede that hands the partition out anew and so begins it again."""
        process = self.process(stage)
        spots = [(seen.record.id, seen.pos) for seen in batch]
        if self.random.random() < 0.2:
            process.poll(place, spots, part=part, outcome=self.random.choice(["ok", "unknown"]))
            process.assign(place, how="rebalance", part=part)
        process.poll(place, spots, part=part)

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
        self.call(stage, sources, process=process)
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
            process = self.process(stage, instance)
            process.batch({stage.place: ids}, outcome=outcome, txn=txn)
            if stage.calls == "service":  # a mailbox would take each message anew
                self.call(stage, sources, process=process, txn=txn)
            arrived = self.random.randint(0, len(records))
            self.append(stage, records[:arrived], sources[:arrived], producer=instance, status="aborted", txn=txn)
            self._maybe_restart(stage)
        txn = self._transaction(stage, instance)
        self.call(stage, sources, process=self.process(stage, instance), txn=txn)
        where = self.append(stage, records, sources, producer=instance, status="committed", txn=txn)
        outcome = self.random.choice(["ok", "ok", "unknown", None])
        self.process(stage, instance).batch({stage.place: ids}, ack=where, outcome=outcome, txn=txn)

    def call(
        self, stage: Stage, sources: Sequence[Seen], *, process: Process, txn: str | None = None, anew: bool = False
    ) -> None:
        """One call for each input, announced in an operation of its own, with the record's id as idempotency key.

        Args:
            anew: The service has forgotten the keys.
        """
        for seen in {seen.record.id: seen for seen in sources}.values() if stage.calls else ():
            id_ = seen.record.id
            process.batch({"billing": [id_]}, ack=[id_])
            accepted = anew or id_ not in self.remembered
            if accepted or stage.calls == "service":
                self.history.see(
                    "billing",
                    [id_],
                    src=[self._source(stage, seen)],
                    txn=txn,
                    writer=process.name.removeprefix(self.history.prefix),
                    idempotency_key=id_,
                    accepted=accepted,
                )
            self.remembered.add(id_)

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
        for record in records if stage.upsert else ():
            over = (record.id, record.seq) if self.random.random() < 0.2 else (None, None)
            self.history.wrote("rows", record.id, record.seq, key=record.key, over=over)


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
    pipeline.guilty = {record.id}
    return {("orders", "duplicate"): 1}


@plant
def lost_write(pipeline: Pipeline) -> Found:
    stage = pipeline.stages[0]
    record = _fresh(pipeline)
    pipeline.process(stage).batch({stage.place: [record.id]}, ack={record.id: 12345})
    pipeline.guilty = {record.id}
    return {("orders", "lost-write"): 1}


@plant
def aborted_read(pipeline: Pipeline) -> Found | None:
    stage = pipeline.stages[0]
    record = _fresh(pipeline)
    part = int(record.key[4:]) % pipeline.partitions
    pipeline.process(stage).batch({stage.place: [record.id]}, outcome="failed", txn="planted/1")
    at = pipeline.history.sources[stage.place].next[part]
    pipeline.append(stage, [record], status="aborted", txn="planted/1")
    pipeline.history.process("reader#1/1").poll(stage.place, {record.id: at}, part=part)
    pipeline.guilty = {record.id}
    return {("orders", "G1a"): 1}


@plant
def phantom(pipeline: Pipeline) -> Found | None:
    stage = pipeline.random.choice(pipeline.stages)
    stranger = Record("stranger", "key-0", 10**6)
    place = "billing" if stage.calls and pipeline.random.random() < 0.5 else stage.place
    if place in ("rows", "billing"):
        pipeline.history.see(place, [stranger.id], key=[stranger.key], seq=[stranger.seq], writer=f"{stage.app}#1/1")
    else:
        pipeline.append(stage, [stranger])
    _settle_below(pipeline, stage)
    pipeline.guilty = {stranger.id}
    return {(place, "phantom"): 1}


@plant
def corrupt(pipeline: Pipeline) -> Found | None:
    topics = [stage for stage in pipeline.stages if stage.place != "rows" and stage.log]
    if not topics:
        return None
    stage = pipeline.random.choice(topics)
    seen = pipeline.random.choice(stage.log)
    for line in pipeline.history.sources[stage.place].lines:
        if "id" in line and line["part"] == seen.part and seen.pos in line["pos"]:
            line["intact"] = [pos != seen.pos for pos in line["pos"]]
    pipeline.guilty = {seen.record.id}
    return {(stage.place, "corrupt"): 1}


@plant
def inconsistent_offsets(pipeline: Pipeline) -> Found | None:
    """Somebody polls another record where one stands; nobody knows whether it was ever sent."""
    stage = pipeline.stages[0]
    if not stage.log:
        return None
    seen = pipeline.random.choice(stage.log)
    other = _fresh(pipeline)
    pipeline.history.process("producer#9/1").batch({stage.place: [other.id]}, outcome="unknown")
    pipeline.history.process("reader#1/1").poll(stage.place, {other.id: seen.pos}, part=seen.part)
    pipeline.guilty = {min(other.id, seen.record.id)}
    return {("orders", "inconsistent-offsets"): 1}


@plant
def precommitted_read(pipeline: Pipeline) -> Found:
    stage = pipeline.stages[0]
    record = _fresh(pipeline)
    ((_, (part, pos)),) = pipeline.append(stage, [record], status="committed", txn="planted/1").items()
    process = pipeline.history.process("producer#9/1")
    own = process.polled(stage.place, {record.id: pos}, part=part)
    acked = {"ack": pipeline.history.name(stage.place), "id": [record.id], "part": [part], "pos": [pos]}
    process.operation(
        [{"send": pipeline.history.name(stage.place), "id": [record.id]}],
        [own, acked],
        txn=pipeline.history.name("planted/1"),
    )
    _settle_below(pipeline, stage)
    pipeline.guilty = {record.id}
    return {("orders", "precommitted-read"): 1}


def _read_by(pipeline: Pipeline, how: str | None) -> tuple[Process, Stage, list[Seen]] | None:
    """A reader, and three or more records of one partition of some topic, in order."""
    topics = [stage for stage in pipeline.stages if stage.place != "rows"]
    stage = pipeline.random.choice(topics)
    for part in range(pipeline.partitions):
        inside = sorted((seen for seen in stage.log if seen.part == part), key=lambda seen: seen.pos)
        if len(inside) >= 3:
            reader = pipeline.history.process("reader#1/1")
            if how:
                reader.assign(stage.place, how=how, part=None)
            return reader, stage, inside
    return None


def _polls(pipeline: Pipeline, how: str | None, kind: str, order: Sequence[int], *, apart: bool) -> Found | None:
    """A reader polls records by their index in the partition: in one operation, or in one after the other."""
    found = _read_by(pipeline, how)
    if found is None:
        return None
    reader, stage, inside = found
    first = pipeline.random.randint(0, len(inside) - 3)
    spots = [(inside[first + n].record.id, inside[first + n].pos) for n in order]
    for some in [[spot] for spot in spots] if apart else [spots]:
        reader.poll(stage.place, some, part=inside[0].part)
    pipeline.guilty = {str(spots[-1][0])}
    return {(stage.place, kind): 1}


@plant
def int_poll_skip(pipeline: Pipeline) -> Found | None:
    return _polls(pipeline, None, "int-poll-skip", [0, 2], apart=False)


@plant
def int_nonmonotonic_poll(pipeline: Pipeline) -> Found | None:
    return _polls(pipeline, None, "int-nonmonotonic-poll", pipeline.random.choice([[0, 1, 0], [1, 1]]), apart=False)


@plant
def poll_skip(pipeline: Pipeline) -> Found | None:
    return _polls(pipeline, "assign", "poll-skip", [0, 2], apart=True)


@plant
def nonmonotonic_poll(pipeline: Pipeline) -> Found | None:
    return _polls(pipeline, "assign", "nonmonotonic-poll", pipeline.random.choice([[1, 0], [2, 2]]), apart=True)


@plant
def int_nonmonotonic_send(pipeline: Pipeline) -> Found:
    """Two keys of one partition, so that nothing is out of order within a key."""
    stage = pipeline.stages[0]
    record, other = _fresh(pipeline), Record("other", f"key-{pipeline.partitions * 10}", 1)
    where = pipeline.append(stage, [record, other])
    pipeline.process(stage).batch({stage.place: [other.id, record.id]}, ack=where)
    _settle_below(pipeline, stage)
    pipeline.guilty = {record.id}
    return {("orders", "int-nonmonotonic-send"): 1}


@plant
def nonmonotonic_send(pipeline: Pipeline) -> Found:
    stage = pipeline.stages[0]
    record, other = _fresh(pipeline), Record("other", f"key-{pipeline.partitions * 10}", 1)
    where = pipeline.append(stage, [record, other])
    for each in (other, record):
        pipeline.process(stage).batch({stage.place: [each.id]}, ack=where)
    _settle_below(pipeline, stage)
    pipeline.guilty = {record.id}
    return {("orders", "nonmonotonic-send"): 1}


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
    pipeline.guilty = {seen.record.id, source.record.id}
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
    stage = _processed(pipeline)
    if stage is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    if stage.calls:
        pipeline.call(stage, pipeline.stages[0].log[-1:], process=pipeline.process(stage))
    _settle_below(pipeline, pipeline.stages[0], skip=[record.id])
    pipeline.guilty = {record.id}
    return {("invoices", "lost-processing"): 1, ("invoices", "offset-ahead-of-output"): 1}


@plant
def offset_ahead_of_output(pipeline: Pipeline) -> Found | None:
    """All outputs of a record stand behind an open transaction, and the offset is past it."""
    stage = _processed(pipeline)
    if stage is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    source = pipeline.stages[0].log[-1]
    stage.done[source.part] = stage.done.get(source.part, 0) + 1
    if stage.calls:
        pipeline.call(stage, [source], process=pipeline.process(stage))
    outputs = pipeline._outputs(stage, record)
    pipeline.process(stage).batch({stage.place: [out.id for out in outputs]}, outcome=None, txn="planted/1")
    pipeline.append(stage, outputs, [source] * len(outputs), status="open", txn="planted/1")
    pipeline.history.open(stage.place, part=source.part, first_pos=0, age_ms=1_000, timeout_ms=60_000)
    pipeline.guilty = {record.id}
    return {("invoices", "offset-ahead-of-output"): 1}


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
    pipeline.guilty = {pipeline.history.name("planted/1")}
    return {("orders", "torn-transaction"): 1}


@plant
def disorder(pipeline: Pipeline) -> Found | None:
    """Each in an operation of its own process, so that no send goes back."""
    stage = pipeline.stages[-1]
    early, late = _fresh(pipeline), _fresh(pipeline)
    if stage.place == "rows" or stage.fan_out > 1:
        return None
    if len(pipeline.stages) > 1:
        for record in (early, late):
            _send(pipeline, record)
        if stage.calls:
            pipeline.call(stage, pipeline.stages[0].log[-2:], process=pipeline.process(stage))
        _settle_below(pipeline, pipeline.stages[0], skip=[early.id, late.id])
        sources = pipeline.stages[0].log[-2:]
    else:
        sources = []
    where = pipeline.append(stage, [late, early], sources[::-1])
    pipeline.process(stage).batch({stage.place: [late.id, early.id]}, ack=where)
    pipeline.guilty = {early.id}
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
    pipeline.guilty = {seen.record.id}
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
    lost = [record.id, *(f"{record.id}/{n}" for n in range(copies))]
    pipeline.settle(stage, skip=lost)
    pipeline.guilty = set(lost)
    return {("rows", "sink-loss"): copies}


def _calling(pipeline: Pipeline) -> Stage | None:
    return next((stage for stage in pipeline.stages if stage.calls), None)


@plant
def repeated_effect(pipeline: Pipeline) -> Found | None:
    stage = _calling(pipeline)
    called = [seen for seen in pipeline.stages[0].log if seen.record.id in pipeline.remembered]
    if stage is None or not called:
        return None
    seen = pipeline.random.choice(called)
    pipeline.call(stage, [seen], process=pipeline.process(stage), anew=True)
    pipeline.guilty = {seen.record.id}
    return {("billing", "repeated-effect"): 1}


@plant
def missing_effect(pipeline: Pipeline) -> Found | None:
    """The service knows the key of a record that it was never called for."""
    stage = _calling(pipeline)
    if stage is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    pipeline.remembered.add(record.id)
    _settle_below(pipeline, pipeline.stages[0])
    pipeline.guilty = {record.id}
    return {("billing", "missing-effect"): 1}


@plant
def orphan_effect(pipeline: Pipeline) -> Found | None:
    """A transaction called and was aborted; its successor is called for, but the service counts nothing twice."""
    stage = pipeline.stages[-1]
    record = _fresh(pipeline)
    if len(pipeline.stages) == 1 or len(pipeline.stages) > 2:
        return None
    origin = pipeline.stages[0]
    pipeline.process(origin).batch({"orders": [record.id]}, outcome="failed", txn="planted/1")
    part = int(record.key[4:]) % pipeline.partitions
    at = pipeline.history.sources["orders"].next[part]
    pipeline.append(origin, [record], status="aborted", txn="planted/1")
    source = Seen(record, part, at)
    pipeline.guilty = {record.id}
    if stage.place == "rows":
        pipeline.process(stage).batch({"rows": [record.id]}, ack=[record.id])
        pipeline.row(stage, [record], [source])
        return {("rows", "orphan-effect"): 1}
    if not stage.calls:
        return None
    pipeline.call(stage, [source], process=pipeline.process(stage))
    return {("billing", "orphan-effect"): 1}


@plant
def effect_of_an_aborted_transaction(pipeline: Pipeline) -> Found | None:
    stage = _calling(pipeline)
    if stage is None:
        return None
    record = _fresh(pipeline)
    _send(pipeline, record)
    source = pipeline.stages[0].log[-1]
    stage.done[source.part] = stage.done.get(source.part, 0) + 1
    process = pipeline.process(stage)
    outputs = pipeline._outputs(stage, record)
    ids = [out.id for out in outputs]
    outcome = pipeline.random.choice(["failed", "unknown", None])
    process.batch({stage.place: ids}, outcome=outcome, txn="planted/1")
    pipeline.call(stage, [source], process=process, txn="planted/1")
    pipeline.append(stage, outputs, [source] * len(outputs), status="aborted", txn="planted/1")
    where = pipeline.append(stage, outputs, [source] * len(outputs), status="committed", txn="planted/2")
    process.batch({stage.place: ids}, ack=where, txn="planted/2")
    _settle_below(pipeline, stage)
    pipeline.guilty = {record.id}
    return {("billing", "orphan-effect"): 1}


@plant
def regressed_effect(pipeline: Pipeline) -> Found | None:
    stage = _table(pipeline)
    if stage is None or not stage.upsert:
        return None
    older, newer = _fresh(pipeline), _fresh(pipeline)
    for record in (older, newer):
        _send(pipeline, record)
    _settle_below(pipeline, pipeline.stages[0])
    pipeline.history.wrote("rows", older.id, older.seq, key=older.key, over=(newer.id, newer.seq))
    pipeline.guilty = {older.id}
    return {("rows", "regressed-effect"): 1}


@plant
def hanging_transaction(pipeline: Pipeline) -> Found:
    stage = pipeline.random.choice([each for each in pipeline.stages if each.place != "rows"])
    record = _fresh(pipeline)
    pipeline.process(stage).batch({stage.place: [record.id]}, outcome=None, txn="planted/1")
    pipeline.append(stage, [record], status="open", txn="planted/1")
    part = int(record.key[4:]) % pipeline.partitions
    timeout = pipeline.random.choice([None, 1000])
    pipeline.history.open(stage.place, part=part, first_pos=0, age_ms=60_000, timeout_ms=timeout)
    pipeline.guilty = {"producer 1"}
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
    late = {(stage.place, "stalled"): 1}
    if stage.calls:
        pipeline.history.committed["billing", last.part] = last.pos
        late |= {("billing", "stalled"): 1}
    pipeline.guilty = {record.id}
    return late
