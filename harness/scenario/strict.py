"""The base of everything that is read from a scenario, and the small types its fields share."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, PlainValidator, StringConstraints, WithJsonSchema

from harness.scenario.words import NAME_PATTERN, refusal, shown


class Strict(BaseModel):
    """Frozen, strict about types, and without room for unknown keys.

    Built by its YAML keys, in Python too: `Crash(crash="processor", at="before commit 3")`.
    `thing` is what messages and the reference call it: "keys of `thing`: …".
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    thing: ClassVar[str]

    @classmethod
    def yaml_keys(cls) -> tuple[str, ...]:
        """Its YAML keys, sorted."""
        return tuple(sorted(field.alias or name for name, field in cls.model_fields.items()))


PropertyValue = str | int | float | bool
"""A Kafka property's value, as YAML says it."""


def _scalar(value: object) -> PropertyValue:
    if isinstance(value, str | int | float):
        return value
    raise refusal(f"a property's value cannot be {shown(value)}", "write a text, a number, true or false")


Properties = dict[
    str,
    Annotated[PropertyValue, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})],
]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
OptionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
ScenarioName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]

NAMES_IN_WORDS = {
    f"^{NAME_PATTERN}$": "a letter, then letters, digits, '-' and '_'; at most 40",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$": "a letter or digit, then letters, digits, '.', '-' and '_'; at most 40",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$": "a letter or digit, then letters, digits, '.', '-' and '_'; at most 80",
}
