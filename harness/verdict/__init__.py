"""Findings × expectations × evidence → verdict. Pure: no clock, no file, no broker.

`judge_repeat` judges one repeat, `judge_cell` the repeats of one cell, `judge_run` the cells of one run. The
rules, and why they are so, stand at each of the three.
"""

from harness.verdict.checks import is_legal
from harness.verdict.exits import worst_exit_code
from harness.verdict.judge import judge_cell, judge_repeat, judge_run
from harness.verdict.model import CellVerdict, Check, ExpectationOutcome, RepeatVerdict, RunVerdict

__all__ = [
    "CellVerdict",
    "Check",
    "ExpectationOutcome",
    "RepeatVerdict",
    "RunVerdict",
    "is_legal",
    "judge_cell",
    "judge_repeat",
    "judge_run",
    "worst_exit_code",
]
