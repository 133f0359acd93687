"""`eos-chaos`: one file per verb. stdout is the result, stderr is progress.

Nothing heavy is imported before a verb needs it: `eos-chaos --help` answers at once, and a broken database
driver does not keep `eos-chaos doctor` from saying so.
"""

from harness.cli.main import commands, main

__all__ = ["commands", "main"]
