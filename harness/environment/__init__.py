"""Running what a scenario needs: brokers, database and proxy as plain processes on this machine.

`setup()` fetches and builds once, `open_environment()` starts (or finds) a cluster, `doctor()` and `clean()` look
after both.
"""

from harness.environment.inspection import Need, clean, doctor
from harness.environment.local import Environment, Lane, open_environment
from harness.environment.setup import setup
from harness.environment.spec import ClusterSpec

__all__ = ["ClusterSpec", "Environment", "Lane", "Need", "clean", "doctor", "open_environment", "setup"]
