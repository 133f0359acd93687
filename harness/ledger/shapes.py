"""What a JSON object must look like: declared once, checked fast, faults named with their field.

Columns are checked by the set of their element types and their extremes, which runs at the speed of C: a
history of a million records is checked in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: what it is called in a message, and how it is recognised."""

    words: str
    check: Check


def _is_number(value: Any) -> bool:
    return type(value) is int and value in _INT64


def _is_column(element: type) -> Check:
    allowed = {element}
    return lambda value: type(value) is list and set(map(type, value)) <= allowed


def _is_nullable_column(element: type) -> Check:
    allowed = {element, type(None)}
    return lambda value: type(value) is list and set(map(type, value)) <= allowed


def _is_numbers(value: Any) -> bool:
    if type(value) is not list or not set(map(type, value)) <= {int}:
        return False
    return not value or (min(value) in _INT64 and max(value) in _INT64)


def _is_nullable_numbers(value: Any) -> bool:
    return type(value) is list and _is_numbers([number for number in value if number is not None])


def _is_spot(value: Any) -> bool:
    """[place, partition, offset]"""
    return (
        type(value) is list
        and len(value) == 3
        and type(value[0]) is str
        and _is_number(value[1])
        and _is_number(value[2])
    )


def _is_partition(value: Any) -> bool:
    """[place, partition], or [place] where all partitions are meant."""
    if type(value) is not list or len(value) not in (1, 2) or type(value[0]) is not str:
        return False
    return len(value) == 1 or _is_number(value[1])


NUMBER = Kind("a whole number of 64 bits", _is_number)
NUMBER_OR_NULL = Kind("a whole number of 64 bits, or null", lambda value: value is None or _is_number(value))
TEXT = Kind("a string", lambda value: type(value) is str)
TEXT_OR_NULL = Kind("a string, or null", lambda value: value is None or type(value) is str)
FLAG = Kind("true or false", lambda value: type(value) is bool)
OBJECT = Kind("an object", lambda value: type(value) is dict)
OBJECTS = Kind("a list of objects", _is_column(dict))
TEXTS = Kind("a list of strings", _is_column(str))
TEXTS_OR_NULLS = Kind("a list of strings and nulls", _is_nullable_column(str))
NUMBERS = Kind("a list of whole numbers of 64 bits", _is_numbers)
NUMBERS_OR_NULLS = Kind("a list of whole numbers of 64 bits and nulls", _is_nullable_numbers)
FLAGS_OR_NULLS = Kind("a list of true, false and null", _is_nullable_column(bool))
SPOTS = Kind(
    "a list of [place, partition, offset]",
    lambda value: type(value) is list and all(map(_is_spot, value)),
)
SPOTS_OR_NULLS = Kind(
    "a list of [place, partition, offset] and nulls",
    lambda value: type(value) is list and all(spot is None or _is_spot(spot) for spot in value),
)
PARTITIONS = Kind(
    "a list of [place, partition]",
    lambda value: type(value) is list and all(map(_is_partition, value)),
)


def one_of(*words: str | None) -> Kind:
    """One of a few fixed values; None stands for null."""
    spelled = " | ".join("null" if word is None else word for word in words)
    return Kind(spelled, lambda value: value in words and type(value) in (str, type(None)))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an object, and in which of its fields."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's fields. Fields beyond them are allowed and ignored, so that a writer may add its own.

    Args:
        required: field → kind.
        optional: field → kind, for fields that may be missing.
        columns: Fields that, where present, are lists of one common length.
    """

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def fault(self, value: Mapping[str, Any]) -> Fault | None:
        """The first thing that is wrong with `value`; None when it has this shape."""
        for name, kind in self.required.items():
            if name not in value:
                return Fault(name, f"'{name}' is missing: it must be {kind.words}")
            if not kind.check(value[name]):
                return Fault(name, f"'{name}' must be {kind.words}")
        for name, kind in self.optional.items():
            if name in value and not kind.check(value[name]):
                return Fault(name, f"'{name}' must be {kind.words}")
        return self._uneven(value)

    def _uneven(self, value: Mapping[str, Any]) -> Fault | None:
        lengths = {name: len(value[name]) for name in self.columns if name in value}
        if len(set(lengths.values())) <= 1:
            return None
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        return Fault(next(iter(lengths)), f"the columns differ in length ({told})")
