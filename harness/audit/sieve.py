"""Leaves of the evidence only what could take part in a finding (sieve.sql says what that is)."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from harness.audit.engine import PART, WHOLE, Engine

_SENT, _STANDING = 0, 2
_SOURCES_MAX = 20
"""What the bits of a mark are enough for; see sieve.sources."""
_PLACES = """
    SELECT DISTINCT s.pipeline, s.nr, u.pipeline, u.nr, p.least
    FROM places AS p
    JOIN sieve.sources AS s ON s.source = p.source
    JOIN sieve.sources AS u ON u.source = p.upstream_source
    ORDER BY ALL
"""


def sieve(engine: Engine) -> None:
    """Make tables of suspects that stand before those of the whole evidence.

    The facts (`sql/_facts.sql`) have to be there, of the whole evidence.
    """
    if engine.query("SELECT count(*) FROM sent AS d SEMI JOIN places AS p ON p.source = d.source").fetchone() == (0,):
        return  # nothing was sent: that is told of the whole
    text = files("harness.audit").joinpath("sieve.sql").read_text(encoding="utf-8")
    sources, rest = text.split("-- From which position on", 1)
    engine.run(sources)
    engine.run(Template(rest.partition("\n")[2]).substitute(even=_even(engine)))
    engine.run(f"SET search_path = '{PART},{WHOLE}'")


def _even(engine: Engine) -> str:
    """The condition on `pipeline` and `marks` under which a record stands wherever it must, and nowhere else."""
    conditions: dict[int, list[str]] = {}
    for pipeline, nr, told in engine.query("SELECT pipeline, nr, told FROM sieve.sources ORDER BY ALL").fetchall():
        if told and nr < _SOURCES_MAX:
            conditions.setdefault(pipeline, []).append(f"{_bit(nr, _SENT)} = {_bit(nr, _STANDING)}")
    for pipeline, own, pipeline_upstream, upstream, least in engine.query(_PLACES).fetchall():
        here, there = _bit(own, _STANDING), _bit(upstream, _STANDING)
        if pipeline != pipeline_upstream or max(own, upstream) == _SOURCES_MAX:
            fed = "FALSE"  # it cannot be told here
        elif least == 1:
            fed = f"{here} = {there}"
        else:
            fed = f"{here} <= {there}" if least == 0 else f"{here} + {there} = 0"
        conditions.setdefault(pipeline, []).append(fed)
        conditions.setdefault(pipeline_upstream, []).append(fed)
    each = (f"(pipeline <> {pipeline} OR ({' AND '.join(fed)}))" for pipeline, fed in conditions.items())
    return " AND ".join(each) or "TRUE"


def _bit(nr: int, mark: int) -> str:
    return f"((marks >> {3 * nr + mark}) & 1)"
