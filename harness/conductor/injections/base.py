"""What all injections share: a trigger, an act, an end, and evidence."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faults import Evidence, FaultError
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit, Lasting, Trigger
from harness.errors import EosChaosError
from harness.model import FaultOutcome
from harness.scenario.model import Fault


class Injection(ABC):
    """One fault of one repeat, as the repeat's loop turns it.

    Attributes:
        fired: How often it was injected.
        busy: It has been injected and has not ended: nothing is settled before it has.
        acted_at: Monotonic time when it was first injected; `over_at`, when it had ended.
        healed_late: `heal()` had to end it: what stood still may go on now.
    """

    def __init__(self, fault: Fault) -> None:
        self.label = fault.label
        self.name = fault.name
        self.fired = 0
        self.busy = False
        self.acted_at: float | None = None
        self.over_at: float | None = None
        self.healed_late = False

    @property
    @abstractmethod
    def pending(self) -> bool:
        """It is not done, and will be if one waits."""

    @property
    @abstractmethod
    def timed(self) -> bool:
        """It is certain to act at a time that is known."""

    @abstractmethod
    def prepare(self) -> None:
        """Before the apps start: rules must be in place before the first frame."""

    @abstractmethod
    def arm(self) -> None:
        """The load has begun."""

    def poll(self) -> None:
        """Act if it is time to."""
        self._turn()
        if self.fired and self.acted_at is None:
            self.acted_at = time.monotonic()
        if self.fired and not self.busy and self.over_at is None:
            self.over_at = time.monotonic()

    @abstractmethod
    def _turn(self) -> None: ...

    @abstractmethod
    def heal(self) -> FaultOutcome:
        """End it if it has not ended, check that it is over, and say what became of it."""

    @abstractmethod
    def clear(self) -> None:
        """After the apps have ended: take back what had to stay as long as they ran.

        Raises:
            FaultError: Something stays.
        """

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """The evidence so far."""


class SingleInjection(Injection):
    """A fault that acts once.

    Args:
        trigger: What it waits for; by default what the fault's `at` says.
        lasting: How long it lasts; None for a fault that has no length of its own.
    """

    def __init__(
        self, fault: Fault, stage: Stage, trigger: Trigger | None = None, lasting: Lasting | None = None
    ) -> None:
        super().__init__(fault)
        self._stage = stage
        self._trigger = trigger or stage.trigger(fault.at)
        self._lasting = lasting
        self._errors: list[str] = []

    @property
    def pending(self) -> bool:
        return not self.fired and not self._errors and self._trigger.comes

    @property
    def timed(self) -> bool:
        return self.pending and self._trigger.timed

    def prepare(self) -> None:
        """What cannot be prepared never fires, and the outcome says why."""
        self._noting_errors(self._prepare)

    def arm(self) -> None:
        self._trigger.start()
        if self._lasting:
            self._lasting.start()

    def heal(self) -> FaultOutcome:
        self.healed_late = self.busy
        ends: list[Callable[[], None]] = [self._heal, self._trigger.disarm]
        if self._lasting:
            ends.append(self._lasting.disarm)
        for end in ends:
            self._noting_errors(end)
        self.busy = False
        bit, facts, why = self._judged()
        return FaultOutcome(
            fault=self.label,
            fired=max(self.fired, facts.get("frame", {}).get("acted", 0)),
            bit=bit and not self._errors,
            healed=not self._errors,
            evidence=facts,
            why="; ".join([*self._errors, *([why] if why else [])]),
        )

    def clear(self) -> None:
        return

    def facts(self) -> Mapping[str, Any]:
        return self._judged()[1]

    def _turn(self) -> None:
        if self._errors:
            return
        if not self._noting_errors(self._go_on if self.busy else self._look):
            self.busy = False

    def _look(self) -> None:
        hit = None if self.fired else self._trigger.poll()
        if hit:
            self.fired = 1
            self._inject(hit)

    def _noting_errors(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except (FaultError, EosChaosError) as error:
            self._errors.append(str(error))
            return False
        return True

    def _prepare(self) -> None:
        """
        Raises:
            FaultError: It cannot be prepared.
        """
        self._trigger.prepare()
        if self._lasting:
            self._lasting.prepare()

    @abstractmethod
    def _inject(self, hit: Hit) -> None: ...

    def _go_on(self) -> None:
        """Called while busy: by default it is healed when its time is over."""
        if self._lasting and self._lasting.over():
            self._heal()

    def _heal(self) -> None:
        """Undo what is not undone; may be called when nothing was injected."""
        return

    @abstractmethod
    def _evidence(self) -> Sequence[Evidence]:
        """Of everything that was done, the held frame aside."""

    def _judged(self) -> tuple[bool, dict[str, Any], str]:
        frame = self._trigger.evidence()
        if not self.fired:
            return False, {}, "" if self._errors else frame.why if frame else "its trigger never came"
        acts = self._evidence()
        parts = [*([frame] if frame else []), *acts]
        facts: dict[str, Any] = {}
        if frame:
            facts["frame"] = dict(frame.facts)
        if frame and frame.fired > 1:
            facts["frame"]["acted"] = frame.fired
        if acts:
            facts["acts"] = [dict(part.facts) for part in acts]
        shorter = "" if self.busy or self._lasting is None else self._lasting.why_not_as_said()
        why = "; ".join(filter(None, [*(part.why for part in parts), shorter]))
        return bool(parts) and all(part.bit for part in parts) and not shorter, facts, why
