"""Random histories in Jepsen's form: clients that send, poll and do both in transactions, and no final read.

A log with sparse offsets; sends are ok, failed or unknown, transactions commit or abort, clients are assigned other
keys and rebalanced; polls that are not ok are made again. Nothing of that is an anomaly. In the end one client reads
all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.unit.audit.histories import Found, History, Process

GAPS = [1, 1, 1, 2, 7, 2**20, 2**40]


@dataclass
class Client:
    process: Process
    keys: list[str] = field(default_factory=list)
    how: str = "assign"
    at: dict[str, int] = field(default_factory=dict)  # key → how many of its records lie behind


class Clients:
    """Runs when made.

    Attributes:
        history: What it left.
        guilty: Ids of the records of what was planted.
        logs: Key → id → offset of what is committed, in order.
    """

    def __init__(self, seed: int, prefix: str) -> None:
        self.random = Random(seed)
        self.history = History(prefix)
        self.guilty: set[str] = set()
        self.names = [f"k{n}" for n in range(self.random.randint(1, 3))]
        self.logs: dict[str, dict[str, int]] = {name: {} for name in self.names}
        self.ends = {name: self.random.choice([0, 5, 2**50]) for name in self.names}
        self.ids = 0
        for name in self.names:
            self.history.topic(name, writers=["client"], final_read=False)
        clients = [Client(self.fresh()) for _ in range(self.random.randint(2, 4))]
        for _ in range(self.random.randint(5, 30)):
            self.random.choice([self._send, self._transaction, self._poll, self._poll, self._assign])(
                self.random.choice(clients)
            )
        reader = self.fresh()
        for name, log in self.logs.items():
            reader.poll(name, log)

    def fresh(self) -> Process:
        """A client of which nothing is known yet."""
        return self.history.process(f"client#{len(self.history.processes) + 1}/1")

    def offset(self, key: str) -> int:
        """The next one."""
        self.ends[key] += self.random.choice(GAPS)
        return self.ends[key]

    def id(self) -> str:
        self.ids += 1
        return str(self.ids)

    def send(self, process: Process, key: str) -> str:
        """A record that is there, and whose sender knows it."""
        id_ = self.id()
        self.logs[key][id_] = self.offset(key)
        process.both({key: {id_: self.logs[key][id_]}})
        return id_

    def _send(self, client: Client) -> None:
        key, id_ = self.random.choice(self.names), self.id()
        fate = self.random.choice(["ok", "ok", "failed", "stored", "not stored"])
        if fate in ("ok", "stored"):
            self.logs[key][id_] = self.offset(key)
        if fate == "ok":
            client.process.both({key: {id_: self.logs[key][id_]}})
        else:
            outcome = "failed" if fate == "failed" else self.random.choice(["unknown", None])
            client.process.batch({key: [id_]}, outcome=outcome)

    def _transaction(self, client: Client) -> None:
        sends: dict[str, dict[str, int]] = {}
        for _ in range(self.random.randint(1, 4)):
            key = self.random.choice(self.names)
            sends.setdefault(key, {})[self.id()] = self.offset(key)
        committed = self.random.random() < 0.7
        outcome = self.random.choice(["ok", "unknown", None] if committed else ["failed", "unknown", None])
        polled = self._next(client, ok=outcome == "ok")
        steps = [client.process.polled(key, spots) for key, spots in polled.items()]
        name = f"t/{client.process.name}/{client.process.operations}"
        client.process.both(sends, *steps, outcome=outcome, txn=name)
        for key, ids in sends.items() if committed else ():
            self.logs[key].update(ids)

    def _poll(self, client: Client) -> None:
        outcome = self.random.choice(["ok", "ok", "ok", "failed", "unknown"])
        again = None
        if client.keys and client.how == "subscribe" and self.random.random() < 0.2:
            again = self.random.choice(client.keys)
            client.at[again] = self._anywhere(again)
        polled = self._next(client, ok=outcome == "ok")
        steps = [client.process.polled(key, spots) for key, spots in polled.items()]
        if again:
            steps = [client.process.assigned(again, how="rebalance"), *steps]
        client.process.both({}, *steps, outcome=outcome)

    def _next(self, client: Client, *, ok: bool) -> Mapping[str, dict[str, int]]:
        """What a poll returns now; only one that is ok is gone on from."""
        polled = {}
        for key in client.keys:
            log = list(self.logs[key].items())
            start = client.at.setdefault(key, self._anywhere(key))
            some = log[start : start + self.random.randint(0, 3)]
            polled[key] = dict(some)
            if ok:
                client.at[key] += len(some)
        return {key: spots for key, spots in polled.items() if spots}

    def _anywhere(self, key: str) -> int:
        return self.random.randint(0, len(self.logs[key]))

    def _assign(self, client: Client) -> None:
        keys = self.random.sample(self.names, self.random.randint(0, len(self.names)))
        how = self.random.choice(["assign", "subscribe"])
        outcome = self.random.choice(["ok", "ok", "failed", "unknown", None])
        client.process.assign(*keys, how=how, outcome=outcome, part=self.random.choice([0, None]))
        if outcome != "failed":
            client.keys, client.how = keys, how
            client.at = {key: at for key, at in client.at.items() if key in keys}


ClientPlant = Callable[[Clients], Found | None]

CLIENT_PLANTS: list[ClientPlant] = []


def plant(function: ClientPlant) -> ClientPlant:
    CLIENT_PLANTS.append(function)
    return function


def _key(clients: Clients) -> str:
    return clients.random.choice(clients.names)


@plant
def polled_at_two_offsets(clients: Clients) -> Found:
    key = _key(clients)
    id_ = clients.send(clients.fresh(), key)
    clients.fresh().poll(key, {id_: clients.logs[key][id_]})
    clients.fresh().poll(key, {id_: clients.offset(key)}, outcome=clients.random.choice(["ok", "failed", "unknown"]))
    clients.guilty = {id_}
    return {(key, "duplicate"): 1}


@plant
def two_at_one_offset(clients: Clients) -> Found | None:
    key, id_ = _key(clients), clients.id()
    if not clients.logs[key]:
        return None
    other = clients.random.choice(list(clients.logs[key]))
    clients.fresh().batch({key: [id_]}, outcome="unknown")
    clients.fresh().poll(key, {id_: clients.logs[key][other]})
    clients.guilty = {min(id_, other)}
    return {(key, "inconsistent-offsets"): 1}


@plant
def passed_by(clients: Clients) -> Found:
    key = _key(clients)
    lost = clients.send(clients.fresh(), key)
    behind = clients.send(clients.fresh(), key)
    clients.fresh().poll(key, {behind: clients.logs[key][behind]})
    clients.guilty = {lost}
    return {(key, "lost-write"): 1, (key, "unseen"): 1}


@plant
def not_come_to(clients: Clients) -> Found:
    key = _key(clients)
    clients.guilty = {clients.send(clients.fresh(), key)}
    return {(key, "unseen"): 1}


@plant
def failed_and_polled(clients: Clients) -> Found:
    key, id_ = _key(clients), clients.id()
    clients.fresh().batch({key: [id_]}, outcome="failed")
    clients.fresh().poll(key, {id_: clients.offset(key)})
    clients.guilty = {id_}
    return {(key, "G1a"): 1}


@plant
def never_sent(clients: Clients) -> Found:
    key = _key(clients)
    clients.fresh().poll(key, {"stranger": clients.offset(key)})
    clients.guilty = {"stranger"}
    return {(key, "phantom"): 1}


@plant
def its_own(clients: Clients) -> Found:
    key, id_, process = _key(clients), clients.id(), clients.fresh()
    at = clients.offset(key)
    process.both({key: {id_: at}}, process.polled(key, {id_: at}), txn="planted/1")
    clients.guilty = {id_}
    return {(key, "precommitted-read"): 1}


def _order(clients: Clients, kind: str, order: list[int], *, apart: bool) -> Found | None:
    key = _key(clients)
    log = list(clients.logs[key].items())
    if len(log) < 3:
        return None
    first = clients.random.randint(0, len(log) - 3)
    process = clients.fresh()
    process.assign(*clients.names)
    spots = [log[first + n] for n in order]
    outcome = clients.random.choice(["ok", "unknown", "failed"])
    if apart:
        process.poll(key, spots[:-1])
        process.poll(key, spots[-1:], outcome=outcome)
    else:
        process.poll(key, spots, outcome=outcome)
    clients.guilty = {spots[-1][0]}
    return {(key, kind): 1}


@plant
def left_out(clients: Clients) -> Found | None:
    return _order(clients, "int-poll-skip", [0, 2], apart=False)


@plant
def returned_again(clients: Clients) -> Found | None:
    return _order(clients, "int-nonmonotonic-poll", clients.random.choice([[1, 1], [2, 0]]), apart=False)


@plant
def left_out_between(clients: Clients) -> Found | None:
    return _order(clients, "poll-skip", [0, 2], apart=True)


@plant
def returned_again_between(clients: Clients) -> Found | None:
    return _order(clients, "nonmonotonic-poll", clients.random.choice([[1, 1], [0, 1, 0]]), apart=True)


def _sent_back(clients: Clients, kind: str, *, apart: bool) -> Found:
    key, process = _key(clients), clients.fresh()
    late, early = clients.id(), clients.id()
    at = {early: clients.offset(key), late: clients.offset(key)}
    outcome = clients.random.choice(["ok", "unknown"])
    batches = [[late], [early]] if apart else [[late, early]]
    for ids in batches:
        process.both({key: {id_: at[id_] for id_ in ids}}, outcome=outcome, txn=f"planted/{ids[0]}")
    clients.fresh().poll(key, at)
    clients.guilty = {early}
    return {(key, kind): 1}


@plant
def sent_back(clients: Clients) -> Found:
    return _sent_back(clients, "int-nonmonotonic-send", apart=False)


@plant
def sent_back_between(clients: Clients) -> Found:
    return _sent_back(clients, "nonmonotonic-send", apart=True)
