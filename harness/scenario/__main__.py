"""`python -m harness.scenario schema | reference`: what editors and the docs take from the language's declarations."""

from __future__ import annotations

import json
import sys

from harness.scenario.grammar import json_schema
from harness.scenario.reference import reference

_WRITERS = {"schema": lambda: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", "reference": reference}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in _WRITERS:
        sys.exit(f"usage: python -m harness.scenario {' | '.join(_WRITERS)}")
    sys.stdout.write(_WRITERS[sys.argv[1]]())
