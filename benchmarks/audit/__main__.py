"""Compare the ways to judge a history, in one run.

    python -m benchmarks.audit [--records 1000000] [--repeat 3] [--modes scan,dictionaries,sets,audit] [--folder DIR]

Each runs in a process of its own, one after the other, in turns; the median of the turns counts. The folder needs
about 330 bytes a record.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.audit.history import write
from benchmarks.audit.modes import MODES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--modes", default="scan,dictionaries,sets,audit", help=", ".join(MODES))
    parser.add_argument("--folder", type=Path, help="where the history is made, and kept; else it is temporary")
    options = parser.parse_args()
    if options.folder:
        _compare(options.folder / str(options.records), options)
    else:
        with tempfile.TemporaryDirectory() as name:
            _compare(Path(name), options)


def _compare(folder: Path, options: argparse.Namespace) -> None:
    if not any(folder.glob("*.parquet")):
        print(f"making {options.records:,} records …", file=sys.stderr, flush=True)
        write(folder, options.records)
    runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in options.modes.split(",")}
    for _ in range(options.repeat):
        for mode, results in runs.items():
            results.append(_run(mode, folder))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    _print_table(options.records, runs)


def _run(mode: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.audit.modes", mode, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _print_table(records: int, runs: dict[str, list[dict[str, Any]]]) -> None:
    print(f"{records:,} records, median of {len(next(iter(runs.values())))}")
    print("| mode | s | CPU s | MB | × scan |\n|---|---|---|---|---|")
    bound = median(run["seconds"] for run in runs["scan"]) if "scan" in runs else None
    for mode, results in runs.items():
        seconds, cpu = (median(run[name] for run in results) for name in ("seconds", "cpu"))
        times = f"{seconds / bound:.1f}" if bound else "–"
        print(f"| {mode} | {seconds:.1f} | {cpu:.1f} | {max(run['mb'] for run in results)} | {times} |")


if __name__ == "__main__":
    main()
