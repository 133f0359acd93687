"""What a cluster is started from: the outcome of `setup`, in one value that the keeper is given as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Installation:
    """All paths are absolute, links resolved (a class archive is tied to the exact class path).

    Args:
        java: The program.
        classpath: The broker's jars, sorted by name.
        proxy: The eosproxy program.
        format_template: A formatted `__cluster_metadata-0` folder.
        class_archive: The JVM's class archive for exactly this Java and class path; None where there is none (brokers
            then start two seconds later).
        postgres_bin: Folder with `postgres`.
        postgres_data: An initialised data folder with the database, to be copied.
    """

    java: str
    java_version: str
    classpath: tuple[str, ...]
    kafka_version: str
    proxy: str
    format_template: str
    class_archive: str | None
    postgres_bin: str
    postgres_data: str
    postgres_version: str

    @property
    def class_archive_flags(self) -> list[str]:
        if self.class_archive is None:
            return []
        option = "AOTCache" if self.class_archive.endswith(".aot") else "SharedArchiveFile"
        return [f"-XX:{option}={self.class_archive}"]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Installation:
        return cls(**{**data, "classpath": tuple(data["classpath"])})
