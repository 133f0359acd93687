"""Scenario → what is going to be run and judged: everything decided, nothing started."""

from harness.plan.describing import describe
from harness.plan.model import Cell, Expectation, Plan
from harness.plan.planning import make_plan

__all__ = ["Cell", "Expectation", "Plan", "describe", "make_plan"]
