"""What is found in a history that comes without expectations: a stranger's ledger, or one repeat of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.errors import ExitCode
from harness.model import Audit, Finding
from harness.report.story import story
from harness.report.words import number
from harness.verdict import is_legal

SCHEMA = 1


def illegal_findings(audit: Audit) -> list[Finding]:
    """The findings that count against a history; what is legal at its place does not."""
    return [finding for finding in audit.findings if not is_legal(finding)]


def history_exit_code(audit: Audit) -> ExitCode:
    if illegal_findings(audit):
        return ExitCode.FAILED
    return ExitCode.INCONCLUSIVE if audit.problems else ExitCode.AS_EXPECTED


def history_json(audit: Audit) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "exit_code": int(history_exit_code(audit)),
        "problems": list(audit.problems),
        "places": {place: dict(counts) for place, counts in audit.counts.items()},
        "findings": [asdict(finding) for finding in audit.findings],
        "seconds": dict(audit.seconds),
    }


def print_history(console: Console, audit: Audit, folder: Path) -> None:
    """The first finding's record in full, then one line per finding, then one line in all."""
    illegal = illegal_findings(audit)
    for line in _lines(audit, illegal, folder):
        console.print(line, soft_wrap=True, highlight=False)


def _lines(audit: Audit, illegal: Sequence[Finding], folder: Path) -> list[Text]:
    lines: list[Text] = []
    if illegal and illegal[0].samples:
        first = illegal[0]
        lines.append(Text(f"The first of {number(first.count, first.type)} in {first.place}", style="bold"))
        lines += [Text(f"  {line}") for line in story(first, folder)]
        lines.append(Text())
    for finding in audit.findings:
        legal = "" if finding in illegal else " (legal there)"
        causes = ", ".join(f"{cause}: {count}" for cause, count in finding.causes.items())
        because = f" ({causes})" if causes else ""
        lines.append(Text(f"{finding.place}: {finding.count} {finding.type.value}{because}{legal}"))
    lines += [Text(f"cannot judge: {problem}") for problem in audit.problems]
    lines.append(_last_line(audit, illegal))
    return lines


def _last_line(audit: Audit, illegal: Sequence[Finding]) -> Text:
    if illegal:
        word, style = "FOUND", "bold magenta"
        rest = ", ".join(f"{finding.count} {finding.type.value} in {finding.place}" for finding in illegal)
    elif audit.problems:
        word, style, rest = "INCONCLUSIVE", "bold dark_orange", audit.problems[0]
    else:
        word, style, rest = "CLEAN", "bold blue", f"no finding in {', '.join(audit.counts)}"
    return Text(word, style=style).append(f": {rest}", style="not bold")
