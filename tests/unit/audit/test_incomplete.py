"""Incomplete or damaged evidence: what was found stays proved, what is absent proves nothing; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.audit import audit
from harness.errors import HistoryError
from harness.model import Audit
from tests.unit.audit.histories import History, found, write

LEDGER = "ledger/processor-1-1.jsonl"


def pipeline(prefix: str = "") -> History:
    """Three orders, three invoices, three rows, read by everybody: nothing is wrong with it."""
    ids = ["a", "b", "c"]
    history = History(prefix)
    history.topic("orders", writers=["producer"])
    history.process("producer#1/1", None).batch({"orders": ids}, ack={"a": 0, "b": 1, "c": 2})
    history.see("orders", ids, key=["k"] * 3, seq=[0, 1, 2], intact=[True] * 3)
    history.topic("invoices", upstream="orders", writers=["processor"])
    processor = history.process("processor#1/1")
    processor.poll("orders", {"a": 0, "b": 1, "c": 2})
    processor.batch({"invoices": ids}, ack={"a": 0, "b": 1, "c": 2}, commit={"orders": 3}, txn="t/1")
    carried: dict[str, Any] = {"src": [0, 1, 2], "key": ["k"] * 3, "seq": [0, 1, 2], "intact": [True] * 3}
    history.see("invoices", ids, **carried, status="committed", txn="t/1", marker=True)
    history.table("rows", upstream="invoices", writers=["sink"])
    sink = history.process("sink#1/1")
    sink.poll("invoices", {"a": 0, "b": 1, "c": 2})
    sink.batch({"rows": ids}, ack=ids, commit={"invoices": 4})
    history.see("rows", ids, src=[0, 1, 2], key=["k"] * 3, seq=[0, 1, 2], writer="sink#1/1")
    return history


def keep(history: History, place: str, some: slice) -> None:
    """Leave only some records of a place's first batch."""
    line = history.sources[place].lines[0]
    line |= {column: values[some] for column, values in line.items() if isinstance(values, list)}


def judged(result: Audit, place: str) -> set[str]:
    return {kind for kind, count in result.counts[place].items() if count is not None}


POLLED = {"precommitted-read", "int-poll-skip", "int-nonmonotonic-poll", "poll-skip", "nonmonotonic-poll"}
SENT = {"int-send-skip", "int-nonmonotonic-send", "nonmonotonic-send"}
LOG = {"duplicate", "lost-write", "G1a", "phantom", "torn-transaction", "disorder", "inconsistent-offsets", "corrupt"}
AT_TOPIC = LOG | {"hanging-transaction", "empty-history"} | POLLED | SENT
PROCESSED = {"duplicate-processing", "lost-processing", "offset-ahead-of-output", "stalled"}
AT_TABLE = {"phantom", "disorder", "sink-duplicate", "sink-loss", "stalled", "empty-history", "orphan-effect"}


def test_everything_is_judged_where_it_can_occur(tmp_path: Path) -> None:
    result = pipeline().audit(tmp_path)
    assert (result.findings, result.problems) == ((), ())
    assert judged(result, "orders") == AT_TOPIC
    assert judged(result, "invoices") == AT_TOPIC | PROCESSED
    assert judged(result, "rows") == AT_TABLE


class TestPlacesThatWereNotReadWhole:
    def test_of_what_was_read_absence_proves_nothing(self, tmp_path: Path) -> None:
        history = pipeline()
        history.sources["invoices"].whole = False
        result = history.audit(tmp_path)
        assert judged(result, "orders") == AT_TOPIC
        assert judged(result, "invoices") == (AT_TOPIC - LOG) | {"stalled"}
        assert judged(result, "rows") == AT_TABLE - {"sink-loss", "stalled", "orphan-effect"}
        (problem,) = result.problems
        assert "sightings/invoices.jsonl:1: 'invoices' was not read whole" in problem

    def test_a_missing_record_is_neither_lost_nor_torn_off(self, tmp_path: Path) -> None:
        history = pipeline()
        history.sources["invoices"].whole = False
        keep(history, "invoices", slice(2))
        assert found(history.audit(tmp_path)) == {}

    def test_what_was_found_is_counted_all_the_same(self, tmp_path: Path) -> None:
        history = pipeline()
        history.sources["invoices"].whole = False
        history.see("invoices", ["a"], src=[0], status="committed", txn="t/1", marker=True)
        assert found(history.audit(tmp_path)) == {("invoices", "duplicate"): 1, ("invoices", "duplicate-processing"): 1}

    def test_copies_upstream_that_were_not_read_may_explain_copies_below(self, tmp_path: Path) -> None:
        history = pipeline()
        history.sources["orders"].whole = False
        history.see("invoices", ["a"], src=[9], status="committed", txn="t/1", marker=True)
        result = history.audit(tmp_path)
        assert found(result) == {("invoices", "duplicate"): 1}
        assert result.counts["invoices"]["duplicate-processing"] is None

    def test_a_log_whose_beginning_is_gone(self, tmp_path: Path) -> None:
        history = pipeline()
        history.low["orders", 0] = 1
        result = history.audit(tmp_path)
        assert judged(result, "orders") == AT_TOPIC - LOG
        assert result.problems == (
            "orders/0 begins at offset 1: what was before it is gone, so that absence proves nothing",
        )

    def test_a_repeated_batch_whose_first_copy_is_gone_is_no_disorder(self, tmp_path: Path) -> None:
        history = pipeline()
        history.see("orders", ["a"], key=["k"], seq=[0])
        keep(history, "orders", slice(1, 3))
        history.low["orders", 0] = 1
        assert found(history.audit(tmp_path)) == {}

    def test_records_that_do_not_carry_what_a_type_is_proved_by(self, tmp_path: Path) -> None:
        history = pipeline()
        history.sources["invoices"].lines[0]["txn"][1] = None
        history.sources["orders"].lines[0]["seq"][1] = None
        history.sources["rows"].lines[0] |= {"key": [None] * 3, "seq": [None] * 3}
        result = history.audit(tmp_path)
        assert found(result) == {}
        assert judged(result, "orders") == AT_TOPIC - {"disorder"}
        assert judged(result, "invoices") == (AT_TOPIC | PROCESSED) - {"torn-transaction"}
        assert judged(result, "rows") == AT_TABLE  # without keys nothing has an order

    def test_a_place_that_was_not_read_at_all(self, tmp_path: Path) -> None:
        history = pipeline()
        history.write(tmp_path)
        (tmp_path / "sightings/rows.jsonl").unlink()
        result = audit(tmp_path)
        assert judged(result, "rows") == {"stalled", "empty-history"}
        assert "no sightings of 'rows'" in result.problems[0]

    def test_two_records_at_one_position(self, tmp_path: Path) -> None:
        """Whatever is right, it is not a duplicate of anything."""
        history = pipeline()
        history.sources["orders"].lines.append(dict(history.sources["orders"].lines[0]))
        result = history.audit(tmp_path)
        assert found(result) == {}
        assert result.counts["orders"]["duplicate"] is None
        assert result.problems == ("the sightings of 'orders' name partition 0, position 0 more than once, and 2 more",)


class TestPositionsAndTransactions:
    def test_without_positions_nobody_knows_late_from_lost(self, tmp_path: Path) -> None:
        pipeline().write(tmp_path)
        (tmp_path / "positions.jsonl").unlink()
        result = audit(tmp_path)
        unknown = {"lost-processing", "offset-ahead-of-output", "stalled", "hanging-transaction"}
        assert judged(result, "invoices") == (AT_TOPIC | PROCESSED) - unknown
        assert "positions.jsonl: is missing" in result.problems[0]

    def test_a_topic_nobody_processes_needs_no_positions(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1").batch({"orders": ["a"]}, ack=["a"])
        history.see("orders", ["a"])
        history.write(tmp_path)
        (tmp_path / "positions.jsonl").unlink()
        assert audit(tmp_path).problems == ()

    def test_the_offset_of_one_partition_is_not_known(self, tmp_path: Path) -> None:
        history = pipeline()
        history.process("producer#1/2", None).batch({"orders": ["d"]}, ack={"d": (1, 0)})
        history.see("orders", ["d"], part=1)
        history.write(tmp_path)
        path = tmp_path / "positions.jsonl"
        lines = [line for line in path.read_text().splitlines() if '"group"' not in line or '"part": 1' not in line]
        path.write_text("\n".join(lines))
        result = audit(tmp_path)
        assert found(result) == {}
        assert result.counts["invoices"]["lost-processing"] is None
        assert result.counts["invoices"]["stalled"] is None

    def test_without_positions_what_is_open_is_not_visible_either(self, tmp_path: Path) -> None:
        history = pipeline()
        history.see("orders", ["a"], status="open", txn="t/9")
        history.write(tmp_path)
        (tmp_path / "positions.jsonl").unlink()
        assert found(audit(tmp_path)) == {}

    def test_the_ends_of_one_partition_are_not_known(self, tmp_path: Path) -> None:
        history = pipeline()
        history.processes[0].batch({"orders": ["d"]}, ack={"d": (1, 0)})
        history.processes[1].batch({"invoices": ["d"]}, ack=["d"], txn="t/2")
        history.see("orders", ["d"], part=1)
        history.see("invoices", ["d"], part=1, src=[None], status="committed", txn="t/2", marker=True)
        history.write(tmp_path)
        path = tmp_path / "positions.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if '"invoices", "part": 1' not in line))
        result = audit(tmp_path)
        assert result.counts["orders"]["hanging-transaction"] == 0
        assert result.counts["invoices"]["hanging-transaction"] is None

    def test_of_two_offsets_for_one_partition_the_lower_counts(self, tmp_path: Path) -> None:
        """Late rather than lost: the weaker accusation."""
        history = pipeline()
        history.processes[0].batch({"orders": ["d"]}, ack={"d": 3})
        history.see("orders", ["d"])
        history.write(tmp_path)
        path = tmp_path / "positions.jsonl"
        again = [line for line in path.read_text().splitlines() if '"invoices-group"' in line]
        path.write_text(path.read_text() + again[0].replace('"committed": 4', '"committed": 3'))
        assert found(audit(tmp_path)) == {("invoices", "stalled"): 1}

    def test_without_the_list_of_open_transactions_none_hangs(self, tmp_path: Path) -> None:
        history = pipeline()
        history.processes[1].batch({"invoices": ["d"]}, outcome=None, txn="t/2")
        history.see("invoices", ["d"], status="open", txn="t/2")
        history.write(tmp_path)
        (tmp_path / "transactions.jsonl").unlink()
        result = audit(tmp_path)
        assert found(result) == {}
        assert result.counts["invoices"]["hanging-transaction"] is None


class TestLedgers:
    """`invoices` holds a record that no ledger speaks of any more once the processor's is damaged."""

    @pytest.mark.parametrize(
        ("damage", "where"),
        [
            (lambda text: text.replace('"begin"', '"bgein"', 1), f"{LEDGER}:2:1: a line has exactly one of"),
            (lambda text: text.replace('{"begin"', "{begin", 1), f"{LEDGER}:2:2: not JSON"),
            (lambda text: text.replace('"send"', '"sned"'), f"{LEDGER}:4:"),
            (lambda text: text.replace('"outcome": "ok"', '"outcome": "fine"'), f"{LEDGER}:3:12: 'outcome' must be"),
            (lambda text: text + '{"end": 9, "outcome": "ok", "at": 1}\n', f"{LEDGER}:6: operation 9 ended but never"),
            (lambda text: text.replace('"begin": 2', '"begin": 1'), f"{LEDGER}:4:2: operation 1 began twice"),
            (lambda text: text.replace('"pos": [0, 1, 2]', '"pos": [0, 1]', 1), "differ in length"),
            (lambda text: text.replace('"process"', '"porcess"', 1), f"{LEDGER}:1:1: 'process' is missing"),
            (lambda text: text.partition("\n")[2], f"{LEDGER}:1:1: a ledger starts with its header"),
            (lambda text: "[]\n" + text, f"{LEDGER}:1:1: a line must be a JSON object"),
        ],
    )
    def test_damage_is_located_and_makes_no_phantoms(
        self, tmp_path: Path, damage: Callable[[str], str], where: str
    ) -> None:
        pipeline().write(tmp_path)
        path = tmp_path / LEDGER
        path.write_text(damage(path.read_text()))
        result = audit(tmp_path)
        assert where in "\n".join(result.problems)
        assert found(result) == {}
        assert result.counts["invoices"]["phantom"] is None
        assert result.counts["invoices"]["lost-write"] is None

    def test_what_is_left_of_a_damaged_ledger_is_no_proof_that_every_send_failed(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        producer = history.process("producer#1/1", None)
        producer.batch({"orders": ["a"]}, outcome="failed")
        producer.batch({"orders": ["a"]}, ack=["a"])
        history.see("orders", ["a"])
        history.process("reader#1/1").poll("orders", {"a": 0})
        history.write(tmp_path)
        path = tmp_path / "ledger/producer-1-1.jsonl"
        path.write_text(path.read_text().replace('{"begin": 2', '{"begin" 2'))
        assert found(audit(tmp_path)) == {}

    def test_a_ledger_without_an_owner_may_be_any_process_s(self, tmp_path: Path) -> None:
        pipeline().write(tmp_path)
        path = tmp_path / LEDGER
        path.write_text('{"ledger": 1}\n')
        result = audit(tmp_path)
        assert found(result) == {}
        assert {result.counts[place]["phantom"] for place in ("orders", "invoices", "rows")} == {None}

    def test_an_empty_ledger_is_of_a_process_that_did_nothing(self, tmp_path: Path) -> None:
        pipeline().write(tmp_path)
        for text, name in (("", "empty"), ('{"ledger": 1, "proc', "torn")):
            (tmp_path / f"ledger/processor-1-{name}.jsonl").write_text(text)
        result = audit(tmp_path)
        assert (result.findings, result.problems) == ((), ())

    def test_two_ledgers_of_one_process(self, tmp_path: Path) -> None:
        pipeline().write(tmp_path)
        (tmp_path / "ledger/zz.jsonl").write_bytes((tmp_path / LEDGER).read_bytes())
        result = audit(tmp_path)
        assert "zz.jsonl: process processor#1/1 has another ledger already" in result.problems[0]
        assert found(result) == {}

    def test_a_writer_without_a_ledger(self, tmp_path: Path) -> None:
        history = pipeline()
        history.processes.pop()
        result = history.audit(tmp_path)
        assert (found(result), result.problems) == ({}, ())
        assert judged(result, "rows") == AT_TABLE - {"phantom", "orphan-effect"}

    def test_a_killed_writer_is_no_damage(self, tmp_path: Path) -> None:
        """Whatever is left of its last line, nothing is accused, and everything is judged."""
        write([pipeline("p.")], tmp_path / "one")
        text = (tmp_path / "one/ledger/p.processor-1-1.jsonl").read_bytes()
        last = text.rindex(b"\n", 0, -1) + 1
        cuts = range(last, len(text) + 1)
        write([pipeline(f"p{cut:04}.") for cut in cuts[::5]], tmp_path / "all")
        for cut in cuts[::5]:
            path = tmp_path / f"all/ledger/p{cut:04}.processor-1-1.jsonl"
            full = path.read_bytes()
            path.write_bytes(full[: len(full) - (len(text) - cut)])
        result = audit(tmp_path / "all")
        assert (found(result), result.problems) == ({}, ())
        assert {result.counts[f"p{cut:04}.invoices"]["phantom"] for cut in cuts[::5]} == {0}


class TestSilence:
    def test_nothing_sent_is_no_clean_run(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1")
        assert history.audit(tmp_path).problems == (
            "nothing was sent: no ledger announces a record for any of the places",
        )

    def test_what_was_sent_elsewhere_does_not_count(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1").batch({"oders": ["a"]}, ack=["a"])
        assert "nothing was sent" in history.audit(tmp_path).problems[0]


class TestFoldersThatAreNoHistory:
    @pytest.mark.parametrize(
        ("places", "message"),
        [
            (None, "places.json: cannot be read: No such file"),
            ("{", "places.json:1:"),
            ("[]", "must be an object"),
            ('{"schema": 2}', "schema 2 is not known"),
            ('{"schema": 1, "places": []}', "'drained' is missing"),
            ('{"schema": 1, "places": [], "drained": true}', "'places' is empty"),
            ('{"schema": 1, "places": [{"name": "x"}], "drained": true}', "places[0]: 'kind' is missing"),
            ('{"schema": 1, "places": [{"name": "x", "kind": "heap"}], "drained": true}', "topic | table"),
            ('{"schema": 1, "places": [{"name": "x", "kind": "topic", "most": 0}], "drained": true}', "'most' 1 to"),
            (
                '{"schema": 1, "places": [{"name": "x", "kind": "topic", "upstream": "y"}], "drained": true}',
                "its upstream 'y' is not a place",
            ),
            (
                '{"schema": 1, "drained": true,'
                ' "places": [{"name": "x", "kind": "topic"}, {"name": "x", "kind": "table"}]}',
                "place 'x' stands twice",
            ),
        ],
    )
    def test_places_that_cannot_be(self, tmp_path: Path, places: str | None, message: str) -> None:
        if places is not None:
            (tmp_path / "places.json").write_text(places)
        with pytest.raises(HistoryError) as raised:
            audit(tmp_path)
        assert message in str(raised.value)

    @pytest.mark.parametrize(
        ("name", "header"),
        [("ledger/x.jsonl", {"ledger": 2}), ("sightings/orders.jsonl", {"sightings": "1"})],
    )
    def test_an_unknown_schema(self, tmp_path: Path, name: str, header: dict[str, object]) -> None:
        pipeline().write(tmp_path)
        (tmp_path / name).write_text(json.dumps(header) + "\n")
        with pytest.raises(HistoryError, match=f"{name}:1:1: .*schema .* is not known"):
            audit(tmp_path)

    @pytest.mark.parametrize("name", ["ledger/x.jsonl", "sightings/x.jsonl", "positions.jsonl"])
    def test_a_file_that_cannot_be_read(self, tmp_path: Path, name: str) -> None:
        pipeline().write(tmp_path)
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).mkdir()
        with pytest.raises(HistoryError, match=f"{name}: cannot be read"):
            audit(tmp_path)


class TestSightings:
    @pytest.mark.parametrize(
        ("name", "damage", "where"),
        [
            ("orders", lambda text: text.replace('"pos"', '"pso"'), "orders.jsonl:2:1: 'pos' is missing"),
            ("orders", lambda text: text.replace('"plain"', '"fine"'), "'status' must be plain | committed"),
            ("orders", lambda text: text.rstrip()[:-3], "orders.jsonl:2:"),
            ("rows", lambda text: text.replace('"row": [1,', '"row": [1.5,'), "'row' must be a list of whole numbers"),
            ("rows", lambda text: text.replace('"table"', '"topic"'), "'rows' is a table in places.json"),
            ("rows", lambda text: text.replace('"whole": true', '"whole": 1'), "'whole' must be true or false"),
            ("rows", lambda text: "", "no header: the file is empty"),
        ],
    )
    def test_damage_is_located_and_nothing_is_called_lost(
        self, tmp_path: Path, name: str, damage: Callable[[str], str], where: str
    ) -> None:
        """Sightings are written when all is over: even a broken last line is damage there."""
        pipeline().write(tmp_path)
        path = tmp_path / f"sightings/{name}.jsonl"
        path.write_text(damage(path.read_text()))
        result = audit(tmp_path)
        assert where in "\n".join(result.problems)
        assert found(result) == {}
        for kind in ("lost-write", "lost-processing", "sink-loss", "sink-duplicate", "duplicate"):
            assert result.counts[name][kind] is None

    def test_two_files_of_one_place(self, tmp_path: Path) -> None:
        pipeline().write(tmp_path)
        (tmp_path / "sightings/zz.jsonl").write_bytes((tmp_path / "sightings/orders.jsonl").read_bytes())
        result = audit(tmp_path)
        assert "'orders' has another file already" in result.problems[0]
        assert found(result) == {}
