"""How a command ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The same numbers as those of `eos-chaos`."""

    BIT = 0
    USAGE = 2
    NO_BITE = 3
    ENVIRONMENT = 4
    INTERNAL = 70
    INTERRUPTED = 130
