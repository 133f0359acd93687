"""Is each condition of the auditor's SQL needed? Lists those without which every history is judged as before.

    python -m tests.quality.audit.survivors [--most N]

Each condition is dropped or negated, one at a time, and a corpus of histories is judged again: every twin, every cause,
pipelines of every shape. A change that no history notices is a survivor: a condition too many, or a history too few.
Those that cannot change anything are listed in `equivalent.txt`, each with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.model import Anomaly
from tests.quality.audit.mutants import FILES, Corpus, mutants
from tests.quality.audit.test_planted import grow
from tests.unit.audit.histories import History, write
from tests.unit.audit.test_causes import CASES
from tests.unit.audit.test_twins import TWINS, prefix_of

PIPELINES = 60
EQUIVALENT = Path(__file__).with_name("equivalent.txt")


def histories() -> Iterator[History]:
    for twin in TWINS:
        for guilty in (True, False):
            history = History(prefix_of(twin, guilty))
            twin.build(history, guilty)
            yield history
    for case in CASES:
        history = History(f"{case.build.__name__}.")
        case.build(history)
        yield history
    for seed in range(PIPELINES):
        yield grow(seed, f"p{seed}.", planted=bool(seed % 2))[0].history


def equivalent() -> dict[str, str]:
    """Mutant → why it changes nothing."""
    entries = (line.partition(" # ") for line in EQUIVALENT.read_text().splitlines() if line.strip())
    return {mutant: reason for mutant, _, reason in entries}


def survivors(most: int | None) -> Iterator[str]:
    """One line each, as soon as it is known; `most` of the changes, spread evenly over all files, or all of them."""
    known = equivalent()
    every = [mutant for file in (*FILES, *Anomaly) for mutant in mutants(str(file))]
    step = max(len(every) // most, 1) if most else 1
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, Corpus(write(histories(), Path(folder))) as corpus:
        for mutant in every[::step]:
            if str(mutant) not in known and not corpus.kills(mutant):
                yield str(mutant)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--most", type=int, help="how many conditions are changed; all of them without it")
    count = 0
    for survivor in survivors(options.parse_args().most):
        count += 1
        print(survivor, flush=True)
    sys.exit(f"{count} survived" if count else 0)


if __name__ == "__main__":
    main()
