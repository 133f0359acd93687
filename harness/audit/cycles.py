"""Circles of operations, for `G0` and `G1c`: edges come from SQL, strongly connected components from here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import count

from harness.audit.engine import Engine
from harness.model import Anomaly

Edge = tuple[str, str, str]
"""Kind (`ww`: wrote before, `wr`: wrote what the other polled), earlier operation, later operation."""


def find_cycles(engine: Engine) -> None:
    """Fill the table `cycles` from the view `edges`: the members of every component that shows a type."""
    edges = engine.query("SELECT DISTINCT kind, earlier, later FROM edges ORDER BY ALL").fetchall()
    for type_, kinds, decisive in ((Anomaly.G0, {"ww"}, "ww"), (Anomaly.G1C, {"ww", "wr"}, "wr")):
        used = [edge for edge in edges if edge[0] in kinds]
        component_of = components((earlier, later) for _, earlier, later in used)
        inside = {component_of[a]: set[str]() for _, a, _ in used}
        for kind, earlier, later in used:
            if component_of[earlier] == component_of[later]:
                inside[component_of[earlier]].add(kind)
        for operation, component in component_of.items():
            if decisive in inside.get(component, ()):
                engine.add("cycles", {"type": type_, "component": component, "operation": operation})
    engine.flush()


def components(edges: Iterable[tuple[str, str]]) -> Mapping[str, int]:
    """Node → its strongly connected component (Kosaraju's algorithm, without recursion)."""
    after: dict[str, list[str]] = defaultdict(list)
    before: dict[str, list[str]] = defaultdict(list)
    for earlier, later in edges:
        after[earlier].append(later)
        before[later].append(earlier)
    nodes = sorted({*after, *before})
    finished: list[str] = []
    seen: set[str] = set()
    for root in nodes:
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                finished.append(node)
            elif node not in seen:
                seen.add(node)
                stack += [(node, True), *((each, False) for each in after[node])]
    component_of: dict[str, int] = {}
    numbers = count()
    for root in reversed(finished):
        if root not in component_of:
            number, members = next(numbers), [root]
            while members:
                node = members.pop()
                if node not in component_of:
                    component_of[node] = number
                    members += before[node]
    return component_of
