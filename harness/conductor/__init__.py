"""Directs one run: starts apps, injects faults at their triggers, heals, drains, has everything collected.

What runs: everything on the main thread, in turns of a few milliseconds; the event stream of the hops is read by one
background thread (`faults.hops.EventStream`) that only queues. What is injected: the environment, the listener, and
`on_repeat`, which judges. What is not done: auditing; the conductor never sees what the auditor finds.
"""

from harness.conductor.run import Conducted, run_plan

__all__ = ["Conducted", "run_plan"]
