"""From one repeat's evidence to the verdict of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import Anomaly, Audit, FaultOutcome, Quantifier, RepeatRecord, Verdict
from harness.plan import Cell, Expectation, Plan
from harness.scenario.places import types_of
from harness.verdict.checks import checks_of, covered_places
from harness.verdict.model import CellVerdict, Check, ExpectationOutcome, RepeatVerdict, RunVerdict


def judge_repeat(cell: Cell, record: RepeatRecord, audit: Audit) -> RepeatVerdict:
    """Judge one repeat by the expectations of its cell.

    Presence and absence weigh differently:

    - *An anomaly that must not be there and is* was proven by records and positions. It stays proven when
      the fault did not bite or an app died: FAILED, unless the audit itself says that its evidence is
      incomplete.
    - *An anomaly that must be there and is not* says something only when everything worked. With any reason
      against the repeat it is INCONCLUSIVE.
    - `stalled` that no expectation names is not a failure but a reason: what is late may still come.
    - `sometimes` is decided over all repeats, by `judge_cell`.

    Without expectations the repeat is NOT JUDGED, whatever it shows.
    """
    checks = tuple(check for e in cell.expectations for check in checks_of(cell, e, audit, record.fenced))
    stalls = tuple(check for check in checks if _is_unnamed_stall(cell, check))
    reasons = (
        *record.reasons,
        *(reason for fault in record.faults for reason in _fault_reasons(fault)),
        *audit.problems,
        *(f"{check.place}: {check.count} stalled: late, not lost" for check in stalls),
        *_gaps(checks, audit),
    )
    proven = tuple(check for check in checks if check.forbidden_but_found and check not in stalls)
    absent = tuple(check for check in checks if check.demanded_but_absent)
    failures: tuple[Check, ...] = ()
    if not cell.expectations:
        verdict = Verdict.NOT_JUDGED
    elif proven and not audit.problems:
        verdict, failures = Verdict.FAILED, proven
    elif reasons:
        verdict = Verdict.INCONCLUSIVE
    elif absent:
        verdict, failures = Verdict.FAILED, absent
    else:
        verdict = Verdict.AS_EXPECTED
    return RepeatVerdict(
        repeat=record.repeat,
        verdict=verdict,
        reasons=reasons,
        failures=failures,
        checks=checks,
        counts=audit.counts,
        findings=audit.findings,
        faults=record.faults,
        seconds={**record.seconds, **audit.seconds},
    )


def judge_cell(cell: Cell, repeats: Sequence[RepeatVerdict], *, planned: int | None = None) -> CellVerdict:
    """Judge one cell by its repeats: one duplicate in five repeats is a duplicate, nothing is "flaky".

    Any repeat FAILED, or a `sometimes` that conclusive repeats never showed → FAILED; else any repeat
    INCONCLUSIVE or missing → INCONCLUSIVE; without expectations → NOT JUDGED.

    Args:
        planned: How many repeats there should be; as many as there are when not given.
    """
    planned = len(repeats) if planned is None else planned
    reasons = () if len(repeats) >= planned else (f"{len(repeats)} of {planned} repeats ran",)
    undecided = bool(reasons) or any(repeat.verdict is Verdict.INCONCLUSIVE for repeat in repeats)
    never = tuple(_never_shown(repeats))
    failures = () if undecided else never
    if not cell.expectations:
        verdict = Verdict.NOT_JUDGED
    elif failures or any(repeat.verdict is Verdict.FAILED for repeat in repeats):
        verdict = Verdict.FAILED
    elif undecided or not repeats:
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.AS_EXPECTED
    return CellVerdict(
        label=cell.label,
        axes=cell.axes,
        verdict=verdict,
        planned=planned,
        repeats=tuple(repeats),
        expectations=tuple(_outcome(cell, e, repeats, undecided) for e in cell.expectations),
        reasons=reasons,
        failures=failures,
    )


def judge_run(
    plan: Plan, cells: Sequence[CellVerdict], *, interrupted: bool = False, environment_failure: str = ""
) -> RunVerdict:
    """Judge a run by its cells; a cell of the plan that never ran counts as one without repeats.

    Any cell FAILED → FAILED; else any INCONCLUSIVE, an interruption or a broken environment → INCONCLUSIVE;
    NOT JUDGED only when no cell was judged.
    """
    by_label = {cell.label: cell for cell in cells}
    complete = tuple(by_label.get(cell.label) or judge_cell(cell, (), planned=plan.repeat) for cell in plan.cells)
    verdicts = {cell.verdict for cell in complete}
    if Verdict.FAILED in verdicts:
        verdict = Verdict.FAILED
    elif Verdict.INCONCLUSIVE in verdicts or interrupted or environment_failure:
        verdict = Verdict.INCONCLUSIVE
    elif Verdict.AS_EXPECTED in verdicts:
        verdict = Verdict.AS_EXPECTED
    else:
        verdict = Verdict.NOT_JUDGED
    return RunVerdict(
        scenario=plan.scenario.name,
        verdict=verdict,
        seed=plan.seed,
        repeat=plan.repeat,
        cells=complete,
        warnings=tuple(plan.warnings),
        interrupted=interrupted,
        environment_failure=environment_failure,
    )


def _fault_reasons(fault: FaultOutcome) -> Iterator[str]:
    """A fault without bite proves nothing; one that did not heal may still be at work in what was read."""
    why = f": {fault.why}" if fault.why else ""
    if not fault.fired:
        yield f"fault never fired: {fault.fault}{why}"
    elif not fault.bit:
        yield f"fault did not bite: {fault.fault}{why}"
    elif not fault.healed:
        yield f"fault did not heal: {fault.fault}{why}"


def _is_unnamed_stall(cell: Cell, check: Check) -> bool:
    if check.word != Anomaly.STALLED or not check.count:
        return False
    return not any(
        Anomaly.STALLED in types_of(str(word))
        for expectation in cell.expectations
        if expectation.index == check.expectation
        for word in expectation.wanted
    )


def _gaps(checks: Sequence[Check], audit: Audit) -> Iterator[str]:
    """What an expectation needs and the audit did not judge; where the audit has problems, they say why."""
    if audit.problems:
        return
    for check in checks:
        if check.count is None and check.quantifier is not Quantifier.ANY:
            yield f"{check.word} could not be judged at {check.place or 'any place'}"


def _never_shown(repeats: Sequence[RepeatVerdict]) -> Iterator[Check]:
    """The `sometimes` checks of the first repeat that no repeat shows."""
    asked = [check for repeat in repeats[:1] for check in repeat.checks if check.quantifier is Quantifier.SOMETIMES]
    shown = {_identity(check) for repeat in repeats for check in repeat.checks if check.count}
    yield from (check for check in asked if _identity(check) not in shown)


def _identity(check: Check) -> tuple[int, str | None, str]:
    return check.expectation, check.place, check.word


def _outcome(
    cell: Cell, expectation: Expectation, repeats: Sequence[RepeatVerdict], undecided: bool
) -> ExpectationOutcome:
    places = covered_places(cell, expectation)
    never = any(check.expectation == expectation.index for check in _never_shown(repeats))
    broken = any(check.expectation == expectation.index for repeat in repeats for check in repeat.failures)
    held: bool | None = True
    if broken or (never and not undecided):
        held = False
    elif undecided or not repeats:
        held = None
    seen = {
        place: {
            kind: tuple(repeat.counts.get(place, {}).get(kind) for repeat in repeats)
            for kind in dict.fromkeys(kind for repeat in repeats for kind in repeat.counts.get(place, {}))
        }
        for place in places
    }
    return ExpectationOutcome(text=expectation.text, places=places, held=held, seen=seen)
