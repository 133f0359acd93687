"""How long a repeat took, phase by phase, and how much of it was ours. Pure."""

from __future__ import annotations

from statistics import median

from harness.verdict import RunVerdict

PHASES: tuple[str, ...] = ("prepare", "load", "heal", "drain", "stop", "collect", "clean", "audit")
OVERHEAD = frozenset(PHASES) - {"load", "heal", "drain"}
"""What is left when the load itself, the faults and Kafka's own timeouts are taken away."""
SHOWN_S = 0.05


def times(run: RunVerdict) -> str:
    """`a repeat took 3.4 s (median of 6): prepare 0.1, load 2.7, audit 0.2; 0.7 s of it is overhead`"""
    repeats = [repeat.seconds for cell in run.cells for repeat in cell.repeats]
    phases = {phase: median([seconds.get(phase, 0.0) for seconds in repeats]) for phase in PHASES}
    told = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in phases.items() if seconds >= SHOWN_S)
    ours = sum(phases[phase] for phase in OVERHEAD)
    whole = f"{sum(phases.values()):.1f} s"
    took = f"the repeat took {whole}" if len(repeats) == 1 else f"a repeat took {whole} (median of {len(repeats)})"
    return f"{took}: {told}; {ours:.1f} s of it is overhead"
