"""What all the small texts of a scenario share: names, durations, and how a mistake in one is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"[A-Za-z][A-Za-z0-9_-]{0,39}"
"""Of apps, places, faults and axes: safe as a folder, topic and group. No dots: matrix paths have them."""

DURATION_S_MAX = 3600.0
LATENCY_S_MAX = 60.0
COUNT_MAX = 10_000_000

DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def refusal(message: str, hint: str = "", key: str = "") -> PydanticCustomError:
    """An error that pydantic carries through unchanged.

    Args:
        hint: What to do now.
        key: The key it is about, when a check of several keys found it.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint, "key": key})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing when no known word is near."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def join_hints(*hints: str) -> str:
    """Several hints on one line, the empty ones left out."""
    return "  ".join(hint for hint in hints if hint)


def split_hint(text: str) -> tuple[str, str]:
    """What is wrong, and what to do now, of a message of the `faults` package that says both in one."""
    parts = re.split(r": (?=did you mean|an? \w+ error is )|; ", text, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def shown(value: object) -> str:
    """A value of the file as a message quotes it, on one line and never long."""
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return repr(text)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:60]


def duration_text(seconds: float) -> str:
    """The shortest text that parses back to `seconds`."""
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:.10g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.10g}ms"


def parse_duration(value: object) -> float:
    """Seconds from `1s`, `500ms` or `2m`; at most an hour.

    Raises:
        PydanticCustomError: It is not such a text.
    """
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        missing_unit = isinstance(value, int | float) and not isinstance(value, bool)
        hint = f"write {value}s or {value}ms" if missing_unit else "write it like 1s, 500ms or 2m"
        raise refusal(f"{shown(value)} is not a duration", hint)
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > DURATION_S_MAX:
        raise refusal(f"{shown(value)} is longer than an hour", f"the longest duration is {DURATION_S_MAX:g}s")
    return seconds


def parse_milliseconds(value: object) -> int:
    """Whole milliseconds from a duration of at most a minute: what a link can be slowed by."""
    seconds = parse_duration(value)
    if seconds > LATENCY_S_MAX:
        raise refusal(f"{shown(value)} is longer than a minute", f"the longest delay is {LATENCY_S_MAX:g}s")
    return round(seconds * 1000)


def parse_count(digits: str) -> int:
    """A count from 1 on.

    Raises:
        PydanticCustomError: It is out of range.
    """
    count = int(digits)
    if not 1 <= count <= COUNT_MAX:
        raise refusal(f"{digits} is not a count", f"counts go from 1 to {COUNT_MAX}")
    return count


def text_schema(pattern: str, *examples: str) -> Any:
    """The JSON Schema of a text with this pattern."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)})


_DURATIONS = text_schema(DURATION.pattern, "500ms", "1s", "2m")

Duration = Annotated[float, PlainValidator(parse_duration), _DURATIONS]
Milliseconds = Annotated[int, PlainValidator(parse_milliseconds), _DURATIONS]
