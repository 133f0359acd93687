"""What does a hop cost, beside plain Toxiproxy and no proxy at all?

    python benchmarks/proxy.py [--rounds 9] [--json]

Builds eosproxy and its measuring client (compose/eosproxy/cmd/proxybench), starts the one and runs the other. Round
trips and throughput of Kafka frames of 512 B, 16 KiB and 1 MiB, all paths in turns in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.environment.tools import go_program
from harness.resources import resource


def build(package: str, output: Path) -> None:
    environment = os.environ | {"CGO_ENABLED": "0"}
    command = [str(go_program()), "build", "-trimpath", "-buildvcs=false", "-o", str(output), package]
    subprocess.run(command, cwd=resource("compose") / "eosproxy", env=environment, check=True)


def measure(folder: Path, options: list[str]) -> int:
    """The exit code of the measuring client."""
    proxy, client = folder / "eosproxy", folder / "proxybench"
    build(".", proxy)
    build("./cmd/proxybench", client)
    command = [str(proxy), "-api", "127.0.0.1:0", "-exit-on-stdin-eof"]
    # Toxiproxy warns of every connection that is closed.
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet) as running:
        assert running.stdout
        address = json.loads(running.stdout.readline())["listening"]
        try:
            return subprocess.run([str(client), "-api", address, *options], check=False).returncode
        finally:
            running.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how many rounds are measured (default: 9)")
    parser.add_argument("--json", action="store_true", help="print every measurement instead of the medians")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), ["-rounds", str(asked.rounds), *(["-json"] if asked.json else [])])


if __name__ == "__main__":
    sys.exit(main())
