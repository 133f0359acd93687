"""YAML text → plain data, with the place of every key and value.

PyYAML speaks YAML 1.1 and editors speak 1.2: a plain scalar that the two read differently is refused by name,
as are duplicate keys, empty values, anchors and tags. What a file means never depends on who reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.constructor import SafeConstructor
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent, NodeEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from harness.errors import Problem, ScenarioError
from harness.scenario.words import shown

Path: TypeAlias = tuple[str | int, ...]

DEPTH_MAX = 20
_WRITE_OUT = "write it out; what varies goes into 'matrix'"

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as PyYAML counts them
_TAG = "tag:yaml.org,2002:"
_PLAIN_NUMBER = {
    "int": re.compile(r"-?(?:0|[1-9]\d{0,17})"),
    "float": re.compile(r"-?(?:0|[1-9]\d{0,17})\.\d{1,18}"),
}
_REFUSED = "!refused"
"""The tag of a node that the loader refused already: nothing more is said about it."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value stands, and where its key does; lines and columns from 1."""

    value: tuple[int, int]
    key: tuple[int, int]


@dataclass(slots=True)
class Document:
    """One scenario file.

    Args:
        data: Its top mapping as plain Python data.
        locations: Path of each key and list entry → its place.
        problems: Mistakes of the YAML itself, found while reading.
        broken: Paths whose value was refused here, and stands in `data` as something else.
        question: The first comment.
    """

    file: str
    lines: list[str]
    data: dict[str, object] = field(default_factory=dict)
    locations: dict[Path, Location] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    question: str = ""

    def problem(self, at: tuple[int, int], message: str, hint: str = "") -> Problem:
        """A problem at a line and column of this file."""
        line, column = at
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Problem(message, self.file, line, column, source, hint)


@dataclass(frozen=True, slots=True)
class View:
    """A document as one cell sees it: data with the matrix applied, each value where it was written."""

    document: Document
    data: Mapping[str, object]
    locations: Mapping[Path, Location]

    @classmethod
    def of(cls, document: Document) -> View:
        return cls(document, document.data, document.locations)

    def problem(self, path: Path, message: str, hint: str = "", *, at_value: bool = False) -> Problem:
        """A problem at the key (or value) with this path, or at the nearest thing around it."""
        near = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.locations), None)
        if near is None:
            return self.document.problem((1, 1), message, hint)
        location = self.locations[near]
        at = location.value if at_value and near == path else location.key
        return self.document.problem(at, message, hint)

    def is_broken(self, path: Path) -> bool:
        """Whether this value was refused already; one mistake gets one message."""
        return any(path[:n] in self.document.broken for n in range(1, len(path) + 1))


def read(text: str, file: str) -> Document:
    """The document in `text`.

    Raises:
        ScenarioError: It is no YAML, or no mapping; there is nothing to look further into.
    """
    document = Document(file, _LINE_BREAK.split(text))
    document.question = _first_comment(document.lines)
    root = _compose(text, document)
    if root is None:
        raise ScenarioError([Problem("the file is empty", file, 1, 1, hint="start with: scenario: NAME")])
    if not isinstance(root, MappingNode):
        what = "a list" if isinstance(root, SequenceNode) else "a single value"
        problem = document.problem(
            _at(root.start_mark), f"a scenario is a mapping, not {what}", "start with: scenario: NAME"
        )
        raise ScenarioError([problem])
    document.data = _Reading(document).mapping(root, ())
    return document


def _compose(text: str, document: Document) -> Node | None:
    try:
        loader = _Loader(text)
    except ReaderError as error:
        raise ScenarioError([_unreadable(error, text, document)]) from None
    loader.document = document
    try:
        node = loader.get_single_node()
    except MarkedYAMLError as error:
        raise ScenarioError([*document.problems, _syntax(error, document)]) from None
    except (ValueError, OverflowError):  # PyYAML's own, of an escape like "\UFFFFFFFF"
        problem = document.problem(_at(loader.get_mark()), "an escape before this point names no character")
        raise ScenarioError([problem]) from None
    finally:
        loader.dispose()
    return node


class _Loader(yaml.SafeLoader):
    """Refuses anchors, aliases and tags, and what is nested deeper than any scenario."""

    document: Document
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: NodeEvent = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            self._refuse(event.start_mark, f"alias '*{event.anchor}'", "aliases", _WRITE_OUT)
            return ScalarNode(_REFUSED, "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        if event.anchor:
            self._refuse(event.start_mark, f"anchor '&{event.anchor}'", "anchors", _WRITE_OUT)
            event.anchor = None
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self._refuse(event.start_mark, f"tag '{tag.replace(_TAG, '!!')}'", "tags", "leave it out")
        if self.depth >= DEPTH_MAX:
            raise MarkedYAMLError(problem=f"nested more than {DEPTH_MAX} deep", problem_mark=event.start_mark)  # type: ignore[arg-type]
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and tag is not None:
            node.tag = _REFUSED
        return node

    def _refuse(self, mark: Any, what: str, all_of_them: str, hint: str) -> None:
        problem = self.document.problem(_at(mark), f"{what}: a scenario has no {all_of_them}", hint)
        self.document.problems.append(problem)


class _Reading:
    """Nodes → data, locations and problems of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._construct = SafeConstructor()

    def mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in data:
                line = self._document.locations[(*path, key)].key[0]
                self._problem(key_node, f"{shown(key)} stands here twice", f"first on line {line}; keep one of them")
                continue
            here = (*path, key)
            self._document.locations[here] = Location(_at(value_node.start_mark), _at(key_node.start_mark))
            data[key] = self._value(value_node, here)
        return data

    def _key(self, node: Node, path: Path) -> str | None:
        if node.tag == _REFUSED:
            return None
        if not isinstance(node, ScalarNode):
            self._problem(node, "a key must be text", "write it on one line, in quotes if need be")
        elif node.tag == _TAG + "merge":
            self._problem(node, "merge key '<<': a scenario has no merge keys", "write the keys out")
            self._document.broken.add(path)  # what it would have brought is not missing
        elif node.style is None and (trap := self._trap(node)):
            self._problem(node, *trap)
        else:
            return str(node.value)
        return None

    def _value(self, node: Node, path: Path) -> object:
        if node.tag == _REFUSED:
            self._document.broken.add(path)
            return ""
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._entry(entry, (*path, index)) for index, entry in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _entry(self, node: Node, path: Path) -> object:
        self._document.locations[path] = Location(_at(node.start_mark), _at(node.start_mark))
        return self._value(node, path)

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        if refused := self._refused(node, path):
            self._document.broken.add(path)
            self._problem(node, *refused)
            return ""
        kind = node.tag.removeprefix(_TAG) if node.style is None else "str"
        if kind == "bool":
            return node.value == "true"
        if kind == "int":
            return int(node.value)
        return float(node.value) if kind == "float" else str(node.value)

    def _refused(self, node: ScalarNode, path: Path) -> tuple[str, str] | None:
        if _SURROGATE.search(node.value):
            return "half a character (a surrogate escape)", "write the character itself"
        if node.style is not None:
            return None
        if node.tag == _TAG + "null":
            key = shown(path[-1]) if isinstance(path[-1], str) else "this entry"
            return f"{key} has no value", "write {} for an empty mapping, or leave it out"
        return self._trap(node)

    def _trap(self, node: ScalarNode) -> tuple[str, str] | None:
        """Why a plain scalar is not what it seems; None when everybody reads it alike."""
        text, kind = str(node.value), node.tag.removeprefix(_TAG)
        meaning = ""
        if kind == "bool" and text not in ("true", "false"):
            meaning = "true" if SafeConstructor.bool_values[text.lower()] else "false"
        elif kind in _PLAIN_NUMBER and not _PLAIN_NUMBER[kind].fullmatch(text):
            meaning = self._number(node)
        elif kind == "timestamp":
            meaning = "a date"
        if not meaning:
            return None
        instead = f"'{text}' in quotes" if meaning.startswith("a ") else f"{meaning}, or '{text}' in quotes"
        return f"{shown(text)} means {meaning} in YAML 1.1", f"write {instead}"

    def _number(self, node: ScalarNode) -> str:
        try:
            if node.tag == _TAG + "int":
                return str(self._construct.construct_yaml_int(node))[:40]
            number = self._construct.construct_yaml_float(node)
        except (ValueError, OverflowError):
            return "a number"
        return str(number) if math.isfinite(number) else "a number"

    def _problem(self, node: Node, message: str, hint: str) -> None:
        self._document.problems.append(self._document.problem(_at(node.start_mark), message, hint))


def _at(mark: Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _syntax(error: MarkedYAMLError, document: Document) -> Problem:
    mark = error.problem_mark or error.context_mark
    message, hint = error.problem or "it cannot be read", error.context or ""
    if r"'\t'" in message:
        message, hint = "a tab cannot stand here", "indent with spaces"
    elif message == "but found another document":
        message, hint = "a second document begins here", "one file, one scenario"
    return document.problem(_at(mark) if mark else (0, 0), f"not YAML: {message}", hint)


def _unreadable(error: ReaderError, text: str, document: Document) -> Problem:
    before = _LINE_BREAK.split(text[: error.position])
    character = f"U+{ord(text[error.position]):04X}" if error.position < len(text) else "a character"
    return document.problem(
        (len(before), len(before[-1]) + 1),
        f"not YAML: {character} is not printable",
        "write it as an escape in quotes",
    )


def _first_comment(lines: list[str]) -> str:
    """The first block of comment lines, joined; editors' mode lines are not meant for readers."""
    block: list[str] = []
    for line in lines:
        comment = line.lstrip("\ufeff").strip()
        if comment.startswith("#") and not comment.startswith("# yaml-language-server:"):
            block.append(comment.lstrip("#").strip())
        elif block or (comment and not comment.startswith("#")):
            break
    return " ".join(part for part in block if part)
