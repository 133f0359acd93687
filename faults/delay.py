"""The delayed frame: a request that reaches the broker after the client's retry of it."""

from __future__ import annotations

from collections.abc import Sequence

from faults.armed import ALL, ArmedRule, frame_facts, step_rule
from faults.errors import ProxyError
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.messages import HopEvent
from faults.names import Step
from faults.steps import StepRule
from faults.stream import EventStream


class StepDelay:
    """Delivers the n-th request of a step late: after the client's retry of the same step was answered.

    It bit if the broker got the held request after the answer to the retry had passed. `is_retry_of` says what a
    retry is. There is no `times`: the retry is the next request of the step, and must not be held.

    The arguments and errors are those of `StepRule`.
    """

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str | None = None,
        lanes: Sequence[str] = (),
        links: Sequence[str] = (),
        step: str | Step,
        n: int = 1,
        hold_ms_max: int = 0,
    ) -> None:
        self._held = StepRule(hops, events, id=id, lanes=lanes, links=links, step=step, n=n, hold_ms_max=hold_ms_max)
        # Armed first, and from the held request on, so that no retry can slip through in between.
        retry = f"{id}.retry" if id else None
        noted = step_rule(retry, lanes, links=links, step=step, when="after", n=n, times=ALL, action="note")
        self._answers = ArmedRule(hops, events, noted)

    def arm(self) -> None:
        """Add the rules.

        Raises:
            ProxyError: The proxy refuses them (the id exists), or does not answer.
        """
        self._answers.arm()
        try:
            self._held.arm()
        except ProxyError:
            self._answers.disarm()
            raise

    def wait_held(self, timeout_s: float) -> HopEvent | None:
        """The request that is held now; None when the step has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be held.
        """
        return self._held.wait_held(timeout_s)

    def deliver_after_retry(self, timeout_s: float) -> bool:
        """Wait until the retry was answered, then deliver; deliver anyway after `timeout_s`, or on `disarm()`.

        Returns:
            Whether the request was delivered, and after its retry.

        Raises:
            ProxyError: The proxy is gone.
        """
        held = self._held.held
        if held is None:
            return False
        retried = self._answers.wait("noted", timeout_s, lambda answer: is_retry_of(held, answer))
        return self._held.deliver() and retried is not None

    def disarm(self) -> None:
        """Heal: remove the rules; a request that is still held is delivered. May be called twice.

        Raises:
            ProxyError: The proxy does not answer.
        """
        try:
            self._held.disarm()
        finally:
            self._answers.disarm()

    def evidence(self) -> Evidence:
        """The delayed request, its retry, which of them came to the broker first, and what it answered late."""
        delayed, held = self._held.evidence(), self._held.held
        if held is None or not delayed.bit:
            return delayed
        facts = dict(delayed.facts)
        late = self._answers.first("noted", lambda answer: _is_answer_to(held, answer))
        if late:
            facts["answered_ns"] = late.mono_ns
        retry = self._answers.first("noted", lambda answer: is_retry_of(held, answer))
        if retry is None:
            why = f"no retry of {held.api} was answered while it was held: it came late, but not past its retry"
            return Evidence(fired=1, bit=False, facts=facts, why=why)
        facts["retry"] = {**frame_facts(retry), "answered_ns": retry.mono_ns}
        if facts["ended"] != "deliver" or facts["released_ns"] < retry.mono_ns:
            why = f"the held {held.api} was not delivered after its retry, but ended as {facts['ended']!r}"
            return Evidence(fired=1, bit=False, facts=facts, why=why)
        return Evidence(fired=1, bit=True, facts=facts)


def is_retry_of(held: HopEvent, answer: HopEvent) -> bool:
    """Whether an answered request is the client's retry of a held one.

    A retry comes from the same lane or link over another connection (behind the held request nothing moves), is of the
    same kind and transaction (of another protocol than Kafka: of the same text), and concerns at least one of the same
    partitions: a Produce to another partition, led by another broker, is none.
    """
    same = _kind(held) == _kind(answer)
    elsewhere = answer.connection != held.connection and answer.mono_ns > held.mono_ns
    return same and elsewhere and (not held.topics or bool(_partitions(held) & _partitions(answer)))


def _kind(event: HopEvent) -> tuple[object, ...]:
    where = (event.lane, event.link)
    return (*where, event.protocol, event.api, event.text, event.transactional_id, event.committed)


def _is_answer_to(held: HopEvent, answer: HopEvent) -> bool:
    return (answer.connection, answer.correlation_id) == (held.connection, held.correlation_id)


def _partitions(event: HopEvent) -> set[tuple[str, int]]:
    return {(topic.topic, partition) for topic in event.topics for partition in topic.partitions}
