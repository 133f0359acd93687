"""What judging leaves behind, and its form in `verdict.json` (schema 1, see docs/results.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import ExitCode
from harness.model import FaultOutcome, Finding, Quantifier, Verdict
from harness.verdict.exits import worst_exit_code

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One word of one expectation, looked up at one place in one repeat.

    Args:
        expectation: Index of the expectation in the scenario.
        place: Where; None for "in at least one of the places".
        word: An anomaly's name or a group word, as written; where the expectation does not name it, the type.
        quantifier: What was asked. A type that is not named is asked to be absent.
        count: How many records show it: the largest number among the word's types, since one record may
            show several. None when it was not judged.
    """

    expectation: int
    place: str | None
    word: str
    quantifier: Quantifier
    count: int | None

    @property
    def forbidden_but_found(self) -> bool:
        return self.quantifier is Quantifier.NONE and bool(self.count)

    @property
    def demanded_but_absent(self) -> bool:
        return self.quantifier is Quantifier.SOME and self.count == 0

    def __str__(self) -> str:
        shown = "an unknown number of" if self.count is None else str(self.count)
        return f"{self.place or 'all places together'}: {shown} {self.word}, expected {self.quantifier.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatVerdict:
    """What one repeat of a cell says.

    Args:
        repeat: From 1.
        reasons: Why it proves less than it should, in words; not empty whenever it is inconclusive.
        failures: What contradicts an expectation; not empty whenever it failed.
        counts: place → type → count; None was not judged.
        findings: The audit's, with samples.
        seconds: phase → how long it took.
    """

    repeat: int
    verdict: Verdict
    reasons: tuple[str, ...]
    failures: tuple[Check, ...]
    checks: tuple[Check, ...]
    counts: Mapping[str, Mapping[str, int | None]]
    findings: tuple[Finding, ...]
    faults: tuple[FaultOutcome, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "repeat": self.repeat,
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
            "failures": [str(check) for check in self.failures],
            "places": {place: dict(counts) for place, counts in self.counts.items()},
            "faults": [asdict(fault) for fault in self.faults],
            "seconds": dict(self.seconds),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationOutcome:
    """One expectation over the repeats of a cell.

    Args:
        places: The places it covers.
        held: None when the repeats do not decide it.
        seen: place → type → one count per repeat that ran, in their order.
    """

    text: str
    places: tuple[str, ...]
    held: bool | None
    seen: Mapping[str, Mapping[str, tuple[int | None, ...]]]

    def to_json(self) -> dict[str, Any]:
        seen = {place: {kind: list(n) for kind, n in kinds.items()} for place, kinds in self.seen.items()}
        return {"text": self.text, "in": list(self.places), "held": self.held, "seen": seen}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellVerdict:
    """One cell over its repeats.

    Args:
        label: `write=insert`; `all` without a matrix.
        planned: How many repeats the plan has.
        reasons: Why it is inconclusive beyond what its repeats say ("2 of 5 repeats ran").
        failures: What contradicts an expectation over all repeats together (`sometimes` that never was).
    """

    label: str
    axes: Mapping[str, str]
    verdict: Verdict
    planned: int
    repeats: tuple[RepeatVerdict, ...]
    expectations: tuple[ExpectationOutcome, ...]
    reasons: tuple[str, ...] = ()
    failures: tuple[Check, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that was counted, in the order of the pipeline."""
        return tuple(dict.fromkeys(place for repeat in self.repeats for place in repeat.counts))

    @property
    def not_judged(self) -> tuple[str, ...]:
        """The places that no expectation covers."""
        covered = {place for outcome in self.expectations for place in outcome.places}
        return tuple(place for place in self.places if place not in covered)

    def to_json(self) -> dict[str, Any]:
        return {
            "cell": dict(self.axes),
            "label": self.label,
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
            "not_judged": list(self.not_judged),
            "expectations": [outcome.to_json() for outcome in self.expectations],
            "repeats": [repeat.to_json() for repeat in self.repeats],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """One scenario, judged.

    Args:
        repeat: How many repeats each cell was to have.
        warnings: The plan's health warnings.
        interrupted: By Ctrl-C.
        environment_failure: Why brokers, database or proxy stopped the run; empty when they did not.
    """

    scenario: str
    verdict: Verdict
    seed: int
    repeat: int
    cells: tuple[CellVerdict, ...]
    warnings: tuple[str, ...] = ()
    interrupted: bool = False
    environment_failure: str = ""

    @property
    def exit_code(self) -> ExitCode:
        of_verdict = {Verdict.FAILED: ExitCode.FAILED, Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE}
        codes = [of_verdict.get(self.verdict, ExitCode.AS_EXPECTED)]
        if self.interrupted:
            codes.append(ExitCode.INTERRUPTED)
        if self.environment_failure:
            codes.append(ExitCode.ENVIRONMENT)
        return worst_exit_code(codes)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "verdict": self.verdict.value,
            "exit_code": int(self.exit_code),
            "seed": self.seed,
            "repeat": self.repeat,
            "interrupted": self.interrupted,
            "environment_failure": self.environment_failure or None,
            "warnings": list(self.warnings),
            "cells": [cell.to_json() for cell in self.cells],
        }
