"""How verdicts and counts are said. One place, so that every report says them alike.

Words carry the meaning; colour only helps, and every pair of these colours can be told apart with any of the
usual forms of colour blindness. An expected duplicate is not coloured at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.model import GROUPS, Anomaly, Verdict

VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.AS_EXPECTED: "AS EXPECTED",
    Verdict.FAILED: "FAILED",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.NOT_JUDGED: "NOT JUDGED",
}

VERDICT_STYLES: Mapping[Verdict, str] = {
    Verdict.AS_EXPECTED: "bold blue",
    Verdict.FAILED: "bold magenta",
    Verdict.INCONCLUSIVE: "bold dark_orange",
    Verdict.NOT_JUDGED: "dim",
}

# Types that are legal by default have no noun: a table of counts does not speak of them.
_PLURALS: Mapping[str, str] = {
    Anomaly.DUPLICATE: "duplicates",
    Anomaly.DUPLICATE_PROCESSING: "duplicates",
    Anomaly.SINK_DUPLICATE: "duplicates",
    Anomaly.REPEATED_EFFECT: "duplicates",
    Anomaly.LOST_WRITE: "losses",
    Anomaly.LOST_PROCESSING: "losses",
    Anomaly.SINK_LOSS: "losses",
    Anomaly.MISSING_EFFECT: "losses",
    Anomaly.G1A: "aborted records read",
    Anomaly.PHANTOM: "phantoms",
    Anomaly.TORN_TRANSACTION: "torn transactions",
    Anomaly.DISORDER: "records out of order",
    Anomaly.CORRUPT: "corrupt records",
    Anomaly.ORPHAN_EFFECT: "orphan effects",
    Anomaly.REGRESSED_EFFECT: "regressed effects",
    Anomaly.INCONSISTENT_OFFSETS: "inconsistent offsets",
    Anomaly.UNSEEN: "unseen records",
    Anomaly.PRECOMMITTED_READ: "precommitted reads",
    Anomaly.INT_POLL_SKIP: "internal poll skips",
    Anomaly.INT_NONMONOTONIC_POLL: "internal nonmonotonic polls",
    Anomaly.INT_NONMONOTONIC_SEND: "internal nonmonotonic sends",
    Anomaly.NONMONOTONIC_SEND: "nonmonotonic sends",
    Anomaly.HANGING_TRANSACTION: "hanging transactions",
    Anomaly.STALLED: "stalled",
}

_SINGULARS: Mapping[str, str] = {
    "duplicates": "duplicate",
    "losses": "loss",
    "aborted records read": "aborted record read",
    "phantoms": "phantom",
    "torn transactions": "torn transaction",
    "records out of order": "record out of order",
    "corrupt records": "corrupt record",
    "orphan effects": "orphan effect",
    "regressed effects": "regressed effect",
    "inconsistent offsets": "inconsistent offset",
    "unseen records": "unseen record",
    "precommitted reads": "precommitted read",
    "internal poll skips": "internal poll skip",
    "internal nonmonotonic polls": "internal nonmonotonic poll",
    "internal nonmonotonic sends": "internal nonmonotonic send",
    "nonmonotonic sends": "nonmonotonic send",
    "hanging transactions": "hanging transaction",
}


def noun(word: str) -> str:
    """What an anomaly's type, or a group word, is called in a sentence, in the plural."""
    return _PLURALS.get(word, word)


def number(count: int, word: str) -> str:
    """`1 duplicate`, `20 duplicates`, `0 losses`; `word` is a type, a group word or a noun in the plural."""
    plural = noun(word)
    return f"{count} {_SINGULARS.get(plural, plural) if count == 1 else plural}"


def largest(counts: Mapping[str, int | None], noun_in_plural: str) -> int | None:
    """The count behind a noun at one place; None when none of its types was judged.

    The largest of its types, not their sum, since one record may show several of them.
    """
    known = [n for kind, n in counts.items() if noun(kind) == noun_in_plural and n is not None]
    return max(known, default=None)


def nouns_found(counts: Iterable[Mapping[str, int | None]]) -> list[str]:
    """The nouns with a count above 0 in any of `counts`; duplicates and losses come first."""
    found = {noun(kind) for one in counts for kind, n in one.items() if n}
    return [word for word in dict.fromkeys([*GROUPS, *_PLURALS.values()]) if word in found]


def times(shown: int, repeats: int) -> str:
    return f"in {shown} of {repeats} {'repeat' if repeats == 1 else 'repeats'}"
