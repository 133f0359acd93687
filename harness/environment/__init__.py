"""Running what a scenario needs: brokers, database and proxy as plain processes on this machine.

`setup()` fetches and builds once, `open_environment()` starts (or finds) a cluster, `doctor()` and `clean()` look
after both.

These names are looked up when they are first used: the keeper's process loads this package too, and the Kafka client
and the database driver behind them would delay every start by half a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.environment.inspection import Need, clean, doctor
    from harness.environment.local import Environment, Lane
    from harness.environment.opening import open_environment
    from harness.environment.provisioning import setup
    from harness.environment.spec import ClusterSpec

__all__ = ["ClusterSpec", "Environment", "Lane", "Need", "clean", "doctor", "open_environment", "setup"]

_MODULES = {
    "ClusterSpec": "spec",
    "Environment": "local",
    "Lane": "local",
    "Need": "inspection",
    "clean": "inspection",
    "doctor": "inspection",
    "open_environment": "opening",
    "setup": "provisioning",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
