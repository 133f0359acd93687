"""Any input gives an answer, and always the same: whatever the order of lines and files, or the number of threads."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from harness.audit import audit, write_findings
from harness.model import Audit
from tests.unit.audit.histories import History, found, write
from tests.unit.audit.pipelines import PLANTS, Pipeline

BIG = 2**63 - 2


class TestOddInput:
    @pytest.mark.parametrize("id_", ["", " ", "\u0000", "a\u0000b", "é😀", "'; DROP TABLE log; --", '"', "x" * 100_000])
    def test_any_string_is_an_id(self, id_: str, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        producer = history.process("producer#1/1", None)
        producer.batch({"orders": [id_, "lost"]}, ack=[id_, "lost"])
        history.see("orders", [id_, id_])
        result = history.audit(tmp_path)
        assert found(result) == {("orders", "duplicate"): 1, ("orders", "lost-write"): 1}
        assert result.findings[0].samples[0]["id"] == id_
        write_findings(tmp_path, result)
        assert json.loads((tmp_path / "findings.jsonl").read_text().splitlines()[0])["samples"][0]["id"] == id_

    def test_positions_near_the_end_of_64_bits(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.topic("invoices", upstream="orders", writers=["processor"])
        history.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack={"a": BIG - 1, "b": BIG})
        history.sources["orders"].next[0] = BIG - 1
        history.see("orders", ["a", "b"], bseq=BIG)
        history.open("orders", producer=BIG, age_ms=-(2**63), timeout_ms=2**63 - 1)
        history.process("processor#1/1").batch({"invoices": ["a"]}, ack=["a"])
        history.see("invoices", ["a"], src=[BIG - 1], producer=BIG, epoch=BIG)
        assert history.audited(tmp_path) == {
            ("invoices", "lost-processing"): 1,
            ("invoices", "offset-ahead-of-output"): 1,
        }

    def test_records_without_an_id_are_counted_by_their_positions(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1", None).batch({"orders": ["a"]}, ack=["a"])
        history.see("orders", ["a", None, None])
        history.topic("invoices", upstream="orders", writers=["processor"])
        history.process("processor#1/1")
        history.committed["invoices", 0] = 1
        history.see("orders", [None, None], status="aborted", txn="t/1", marker=True)
        history.process("reader#1/1").poll("orders", [(None, 3), (None, 4), ("x", 4)])
        assert history.audited(tmp_path) == {
            ("orders", "phantom"): 2,
            ("orders", "G1a"): 2,
            ("invoices", "stalled"): 2,
            ("invoices", "lost-processing"): 1,
            ("invoices", "offset-ahead-of-output"): 1,
            ("orders", "int-nonmonotonic-poll"): 1,  # the reader got offset 4 twice
        }

    def test_empty_steps_batches_and_polls(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        producer = history.process("producer#1/1", None)
        producer.batch({"orders": []})
        producer.operation([])
        producer.poll("orders", [])
        history.see("orders", [])
        assert "nothing was sent" in history.audit(tmp_path).problems[0]

    def test_a_poll_of_what_nobody_sent_and_nobody_sees(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1", None).batch({"orders": ["a"]}, ack=["a"])
        history.see("orders", ["a"])
        history.process("reader#1/1").poll("orders", [("x", 99), (None, 100)])
        history.process("reader#1/2").poll("nowhere", [("x", 99)])
        assert history.audited(tmp_path) == {}

    def test_an_operation_that_sends_one_id_twice(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        step = {"ack": "orders", "id": ["a", "a"], "part": [0, 0], "pos": [1, 0]}
        history.process("producer#1/1", None).operation([{"send": "orders", "id": ["a", "a"]}], [step])
        result = history.audit(tmp_path)
        assert found(result) == {("orders", "lost-write"): 1}
        assert result.findings[0].samples[0]["acknowledged"] == [[0, 0]]

    def test_two_transactions_of_one_name(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        for epoch, ids in enumerate((["a", "b"], ["c", "d"])):
            process = history.process(f"producer#1/{epoch + 1}", None)
            process.batch({"orders": ids}, outcome="unknown", txn="t/1")
            history.see("orders", ids[:1], status="committed", epoch=epoch, txn="t/1", marker=True)
        result = history.audit(tmp_path)
        assert found(result) == {("orders", "torn-transaction"): 2}
        assert [sample["missing"] for sample in result.findings[0].samples] == [["b"], ["d"]]

    def test_a_place_that_feeds_itself(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", upstream="orders", writers=["processor"])
        history.process("processor#1/1").batch({"orders": ["a"]}, ack=["a"])
        history.see("orders", ["a"], src=[0], key=["k"], seq=[0])
        assert history.audited(tmp_path) == {}

    def test_sequences_wrap_around_without_a_finding(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack=["a", "b"])
        history.see("orders", ["a", "b"], bseq=2**31 - 1)
        assert history.audited(tmp_path) == {}

    def test_fields_that_nobody_knows_are_ignored(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"], colour="red")
        producer = history.process("producer#1/1", None)
        producer.batch({"orders": ["a"]}, ack=["a"])
        producer.lines[0]["do"][0]["colour"] = ["red"]
        producer.lines.append({"note": "rebalance", "at": 1, "parts": [["orders", 0]]})
        history.see("orders", ["a"])
        history.sources["orders"].lines[0]["colour"] = {}
        assert history.audited(tmp_path) == {}


class TestCountsAndSamples:
    def test_samples_are_capped_and_sorted_counts_are_exact(self, tmp_path: Path) -> None:
        ids = [f"r{n:03}" for n in range(50)]
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1", None).batch({"orders": ids}, ack=ids)
        result = history.audit(tmp_path)
        (finding,) = result.findings
        assert finding.count == result.counts["orders"]["lost-write"] == sum(finding.causes.values()) == 50
        assert [sample["id"] for sample in finding.samples] == ids[:20]

    def test_findings_are_written_one_a_line(self, tmp_path: Path) -> None:
        history = History()
        history.topic("orders", writers=["producer"])
        history.process("producer#1/1", None).batch({"orders": ["a"]}, ack={"a": 7})
        result = history.audit(tmp_path)
        write_findings(tmp_path, result)
        (line,) = (tmp_path / "findings.jsonl").read_text().splitlines()
        cause = "acknowledged, but the log was truncated before it"
        sample = {"id": "a", "acknowledged": [[0, 7]], "cause": cause, "operations": ["producer#1/1:1"]}
        assert json.loads(line) == {
            "type": "lost-write",
            "place": "orders",
            "count": 1,
            "samples": [sample],
            "causes": {cause: 1},
            "legal": 0,
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every anomaly at once."""
    histories = []
    for number, plant in enumerate(PLANTS * 4):
        pipeline = Pipeline(number, f"p{number}.")
        plant(pipeline)
        histories.append(pipeline.history)
    return write(histories, tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def expected(folder: Path) -> Audit:
    return audit(folder, threads=1)


class TestTheSameResult:
    def test_whatever_the_number_of_threads(self, folder: Path, expected: Audit) -> None:
        assert without_times(audit(folder, threads=4)) == without_times(expected)

    def test_whatever_the_order_of_files_and_lines(self, folder: Path, expected: Audit, tmp_path: Path) -> None:
        """Lines keep their order only where it says something: an end follows its beginning."""
        shuffle = random.Random(7).shuffle
        (tmp_path / "ledger").mkdir()
        (tmp_path / "sightings").mkdir()
        for path in folder.rglob("*.json*"):
            relative = path.relative_to(folder)
            first, *rest = path.read_text().splitlines(keepends=True)
            if relative.parts[0] == "ledger":
                (tmp_path / "ledger" / f"{hash(path) % 10**9}.jsonl").write_text("".join([first, *rest]))
            elif relative.parts[0] == "sightings":
                shuffle(rest)
                (tmp_path / "sightings" / f"{hash(path) % 10**9}.jsonl").write_text("".join([first, *rest]))
            else:
                every = [first, *rest]
                shuffle(every)
                (tmp_path / relative).write_text("".join(every))
        assert without_times(audit(tmp_path)) == without_times(expected)


def without_times(result: Audit) -> Audit:
    return replace(result, seconds={})
