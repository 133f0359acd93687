"""Who was told that another has taken its place, by the words of each client."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from harness.conductor.fencing import fenced_in

CONFLUENT = 'send_offsets_to_transaction: KafkaError{code=UNKNOWN_MEMBER_ID,val=25,str="Broker: Unknown member"}'


@pytest.mark.parametrize(
    ("note", "fenced"),
    [
        ({"note": "rewind", "reason": CONFLUENT}, True),
        ({"note": "exit", "code": 75, "reason": "commit: KafkaError{FATAL,code=_FENCED,val=-144}"}, True),
        ({"note": "exit", "code": 75, "reason": "begin: [Error 90] ProducerFencedError"}, True),
        ({"note": "aborted", "reason": "commit: [Error 47] InvalidProducerEpochError"}, True),
        ({"note": "rewind", "reason": "commit: CommitFailedError: the group has rebalanced"}, True),
        ({"note": "rewind", "reason": "commit: KafkaError{code=COORDINATOR_NOT_AVAILABLE,val=15}"}, False),
        ({"note": "retry", "reason": CONFLUENT}, False),
        ({"note": "exit", "code": 0, "reason": ""}, False),
    ],
)
def test_a_note(tmp_path: Path, note: dict[str, object], fenced: bool) -> None:
    (tmp_path / "my-app-1-1.jsonl").write_bytes(orjson.dumps(note) + b"\n")
    assert fenced_in(tmp_path) == ({"my-app": 1} if fenced else {})


def test_all_incarnations_and_instances_count_together(tmp_path: Path) -> None:
    line = orjson.dumps({"note": "rewind", "reason": CONFLUENT}) + b"\n"
    (tmp_path / "processor-1-1.jsonl").write_bytes(line * 2 + line[:20])
    (tmp_path / "processor-1-2.jsonl").write_bytes(line)
    (tmp_path / "processor-2-1.jsonl").write_bytes(line)
    (tmp_path / "sink-1-1.jsonl").write_bytes(b"")
    assert fenced_in(tmp_path) == {"processor": 4}
