"""What goes to eosproxy and comes from it."""

import pytest

from faults import HopEvent, ProxyFailedError, StepError
from faults.armed import ALL, frame_facts, step_rule
from faults.messages import FrameTopic, parse_event
from faults.transport import words_of

HELD = (
    b'{"seq":7,"kind":"held","mono_ns":5,"rule":"r","n":3,"hold":2,"hop":"lane-3/broker-1","lane":"lane-3",'
    b'"connection":4,"at":"request","api":"EndTxn","api_version":3,"correlation_id":9,"client_id":"c",'
    b'"transactional_id":"t","committed":false,"topics":null,"size":40,"of_a_later_version":[1]}'
)


def test_an_event_with_unknown_keys_and_nulls_is_read() -> None:
    event = parse_event(HELD)
    assert (event.seq, event.hold, event.committed, event.topics) == (7, 2, False, ())


def test_the_partitions_of_a_frame_are_read_and_are_evidence() -> None:
    event = parse_event(b'{"seq":1,"kind":"held","topics":[{"topic":"orders","partitions":[0,2]}]}')
    assert event.topics == (FrameTopic(topic="orders", partitions=(0, 2)),)
    assert frame_facts(event)["topics"] == [{"topic": "orders", "partitions": (0, 2)}]


def test_keys_that_do_not_apply_have_their_default() -> None:
    assert parse_event(b'{"seq":1,"kind":"opened"}') == HopEvent(seq=1, kind="opened")


@pytest.mark.parametrize("line", [b"", b"<html>", b"[1]", b'{"kind":"held"}', b'{"seq":"x","kind":"held"}'])
def test_a_line_that_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ProxyFailedError):
        parse_event(line)


def test_the_evidence_of_a_frame_tells_an_abort_from_what_is_no_transaction() -> None:
    abort = frame_facts(parse_event(HELD))
    assert (abort["committed"], abort["correlation_id"], abort["connection"]) == (False, 9, 4)
    assert "committed" not in frame_facts(parse_event(b'{"seq":1,"kind":"held","api":"OffsetCommit"}'))


def test_a_rule_says_only_what_was_asked() -> None:
    assert step_rule("r", ["lane-3"], step="Produce", when="after", n=2, action="hold").to_json() == {
        "id": "r",
        "lanes": ("lane-3",),
        "match": [{"api": "Produce"}],
        "at": "reply",
        "action": "hold",
        "nth": 2,
        "times": 1,
        "hold_ms_max": 0,
    }


def test_a_rule_may_be_of_links_and_answer_by_an_error() -> None:
    rule = step_rule(None, links=["1-2"], step="COMMIT", times=ALL, action="refuse", error="serialization_failure")
    asked = rule.to_json()
    assert asked.pop("id").startswith("COMMIT-")
    assert asked == {
        "links": ("1-2",),
        "match": [{"api": "COMMIT", "protocol": "postgres"}],
        "at": "request",
        "action": "refuse",
        "nth": 1,
        "times": -1,
        "hold_ms_max": 0,
        "error": "40001",
    }


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"n": 0}, "counted from 1"),
        ({"when": "during"}, "'before' or 'after'"),
        ({"lanes": "lane-3"}, "list of lanes"),
        ({"lanes": []}, "list of lanes"),
        ({"links": "1-2"}, "list of links"),
        ({"times": 0}, "at least once"),
        ({"error": "NOT_CORDINATOR"}, "did you mean 'NOT_COORDINATOR'"),
        ({"step": "Prodcue"}, "did you mean 'Produce'"),
    ],
)
def test_an_impossible_step_fault_is_refused(changed: dict[str, object], complaint: str) -> None:
    asked = {"lanes": ["lane-3"], "step": "Produce", "when": "before", "n": 1} | changed
    with pytest.raises(StepError, match=complaint):
        step_rule("r", asked.pop("lanes"), action="hold", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":"no such hop"}', "no such hop"),
        (b'{"title":"x"}', '{"title":"x"}'),
        (b"404 page not found\n", "404 page not found"),
        (b"[]", "[]"),
        (b"", "no reason given"),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_words_of_any_error_answer(body: bytes, words: str) -> None:
    assert words_of(body) == words
