"""What all injections share: a trigger, one act, an end, and evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from faults import Evidence, FaultError
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit, Trigger
from harness.errors import EosChaosError
from harness.model import FaultOutcome
from harness.scenario.model import Fault


class Injection(ABC):
    """One fault of one repeat.

    Attributes:
        fired: How often it was injected.
        busy: It has been injected and has not ended: nothing is settled before it has.
        healed_late: `heal()` had to end it: what stood still may go on now.
    """

    def __init__(self, fault: Fault, stage: Stage, trigger: Trigger | None = None) -> None:
        self.label = fault.label
        self.fired = 0
        self.busy = False
        self.healed_late = False
        self._stage = stage
        self._trigger = trigger or stage.trigger(fault)
        self._errors: list[str] = []

    @property
    def pending(self) -> bool:
        """It has not fired, and will if one waits."""
        return not self.fired and self._trigger.comes

    def prepare(self) -> None:
        """Before the apps start: rules must be in place before the first frame.

        Raises:
            FaultError: It cannot be prepared.
        """
        self._trigger.prepare()

    def arm(self) -> None:
        self._trigger.start()

    def poll(self) -> None:
        """Act if it is time to."""
        try:
            if not self.fired:
                hit = self._trigger.poll()
                if hit:
                    self.fired = 1
                    self._inject(hit)
            elif self.busy:
                self._go_on()
        except (FaultError, EosChaosError) as error:
            self._errors.append(str(error))
            self.busy = False

    def heal(self) -> FaultOutcome:
        """End it if it has not ended, check that it is over, and say what became of it."""
        self.healed_late = self.busy
        for step in (self._heal, self._trigger.disarm):
            try:
                step()
            except (FaultError, EosChaosError) as error:
                self._errors.append(str(error))
        self.busy = False
        bit, facts, why = self._judged()
        return FaultOutcome(
            fault=self.label,
            fired=self.fired,
            bit=bit and not self._errors,
            healed=not self._errors,
            evidence=facts,
            why="; ".join([*self._errors, *([why] if why else [])]),
        )

    def clear(self) -> None:
        """After the apps have ended: take back what had to stay as long as they ran."""
        return

    def facts(self) -> Mapping[str, Any]:
        """The evidence so far."""
        return self._judged()[1]

    @abstractmethod
    def _inject(self, hit: Hit) -> None: ...

    def _go_on(self) -> None:
        """Called while busy."""
        return

    def _heal(self) -> None:
        """Undo what is not undone; may be called when nothing was injected."""
        return

    @abstractmethod
    def _evidence(self) -> list[Evidence]:
        """Of everything that was done, the held frame aside."""

    def _judged(self) -> tuple[bool, dict[str, Any], str]:
        frame = self._trigger.evidence()
        if not self.fired:
            return False, {}, frame.why if frame else "its trigger never came"
        parts = [*([frame] if frame else []), *self._evidence()]
        facts: dict[str, Any] = {}
        if frame:
            facts["frame"] = dict(frame.facts)
        own = [dict(part.facts) for part in self._evidence()]
        if own:
            facts["acts"] = own
        why = "; ".join(part.why for part in parts if part.why)
        return bool(parts) and all(part.bit for part in parts), facts, why
