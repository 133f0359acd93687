"""Crash, stop and pause of an app's processes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from faults import Evidence, FaultError, ProcessHandle
from harness.conductor.injections.base import SingleInjection
from harness.conductor.injections.stage import Stage
from harness.conductor.processes import Instance
from harness.conductor.triggers import Hit, Lasting, StepTrigger
from harness.scenario.model import AppTarget, Crash, Pause, Stop


class _AppInjection(SingleInjection):
    """Acts on processes of an app: on the instance whose frame is held, else on all that the target names."""

    def __init__(self, fault: Crash | Stop | Pause, stage: Stage, lasting: Lasting | None = None) -> None:
        super().__init__(fault, stage, lasting=lasting)
        assert isinstance(fault.target, AppTarget)
        self._target = fault.target
        self._acts: list[Evidence] = []

    def _hit_instances(self, hit: Hit) -> list[Instance]:
        named = self._stage.processes.of(self._target.app, self._target.instance)
        holder = self._stage.processes.on_lane(hit.frame.lane) if hit.frame else None
        return [holder] if holder in named and holder is not None else named

    def _inject(self, hit: Hit) -> None:
        for instance in self._hit_instances(hit):
            if instance.running:
                self._acts.append(self._proved(self._act(instance), instance))
            else:
                why = f"{instance.name} was not running"
                self._acts.append(Evidence(fired=0, bit=False, facts={"process": instance.process}, why=why))
        self._trigger.release(deliver=self._delivers())

    def _proved(self, act: Evidence, instance: Instance) -> Evidence:
        """At a step it counts only if the process was hit while the frame was held.

        What is compared is the signal, not the exit: a process that dies closes its connections first, and a reply
        that is held for it ends with them (seen in 26 of 40 crashes).
        """
        facts = {"process": instance.process, **act.facts}
        moment = facts.get("stopped_ns") or facts.get("signalled_ns")
        if act.bit and moment and isinstance(self._trigger, StepTrigger) and not self._trigger.held_at(moment):
            why = f"{instance.process} was hit after its frame had gone on"
            return Evidence(fired=act.fired, bit=False, facts=facts, why=why)
        return Evidence(fired=act.fired, bit=act.bit, facts=facts, why=act.why)

    def _delivers(self) -> bool:
        return False

    @abstractmethod
    def _act(self, instance: Instance) -> Evidence: ...

    def _evidence(self) -> Sequence[Evidence]:
        return self._acts


class AppEnd(_AppInjection):
    """Crash or stop of an app; a successor comes after a while, if at all."""

    def __init__(self, fault: Crash | Stop, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._fault = fault
        self._ended: list[tuple[Instance, int]] = []

    def _delivers(self) -> bool:
        return isinstance(self._fault, Crash) and self._fault.then == "deliver"

    def _act(self, instance: Instance) -> Evidence:
        self._ended.append((instance, instance.incarnation))
        self._stage.processes.expect_end(instance, self.label, self._fault.restart_after_s)
        handle = self._stage.processes.handle(instance)
        if isinstance(self._fault, Crash):
            return handle.crash()
        # It may wait for the very frame that is held before it leaves, so the hold ends with the signal.
        return handle.stop(signalled=lambda: self._trigger.release(deliver=True))

    def _heal(self) -> None:
        if self._fault.restart_after_s is None:
            return
        for instance, incarnation in self._ended:
            if instance.incarnation == incarnation and instance.restart_at is None:
                raise FaultError(f"no successor of {instance.name}/{incarnation} was started")


class AppPause(_AppInjection):
    """SIGSTOP of an app, and SIGCONT: nobody tells it what it has missed."""

    def __init__(self, fault: Pause, stage: Stage) -> None:
        self._length = stage.lasting(fault.for_s, fault.until)
        super().__init__(fault, stage, lasting=self._length)
        self._paused: list[tuple[Instance, ProcessHandle]] = []

    def _act(self, instance: Instance) -> Evidence:
        handle = self._stage.processes.handle(instance)
        self._paused.append((instance, handle))
        self._length.begin()
        self.busy = True
        return handle.pause()

    def _heal(self) -> None:
        paused, self._paused = self._paused, []
        for instance, handle in paused:
            # Its evidence covers the whole pause, so it takes the place of what was known at its beginning, except
            # for what is known of the frame: that was judged then.
            begun = [act for act in self._acts if act.facts.get("pid") == handle.pid]
            self._acts = [act for act in self._acts if act not in begun]
            resumed = handle.resume()
            why = "; ".join(dict.fromkeys(act.why for act in (*begun, resumed) if act.why))
            bit = resumed.bit and all(act.bit for act in begun)
            facts = {"process": instance.process, **resumed.facts}
            self._acts.append(Evidence(fired=resumed.fired, bit=bit, facts=facts, why=why))
        self.busy = False
