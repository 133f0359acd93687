"""A history that does not fit into memory goes to files, and what is found is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.audit import audit
from harness.audit import engine as engine_module
from tests.unit.audit.histories import write
from tests.unit.audit.pipelines import PLANTS, Pipeline


@pytest.mark.parametrize(("kept", "inline"), [(2000, 0), (2000, 10**6), (10**9, 0)])
def test_whether_evidence_is_in_memory_or_in_files(
    kept: int, inline: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = []
    for number, plant in enumerate(PLANTS[:6]):
        pipeline = Pipeline(number, f"é'{number}.")
        plant(pipeline)
        histories.append(pipeline.history)
    folder = write(histories, tmp_path / "it's here")
    expected = replace(audit(folder), seconds={})
    assert expected.findings
    monkeypatch.setattr(engine_module, "_KEPT_BYTES_MAX", kept)
    monkeypatch.setattr(engine_module, "_INLINE_BYTES_MAX", inline)
    result = audit(folder, memory="500MB")
    assert replace(result, seconds={}) == expected
    assert ("audit: sieve" in result.seconds) == (kept == 2000)
    assert {path.name for path in folder.iterdir()} == {
        "ledger",
        "sightings",
        "places.json",
        "positions.jsonl",
        "transactions.jsonl",
    }
