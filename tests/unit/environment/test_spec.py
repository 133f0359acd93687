"""What crosses to the keeper's process as JSON arrives as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.installation import Installation
from harness.environment.spec import ClusterSpec

TEXT = st.text(max_size=9)
SPECS = st.builds(
    ClusterSpec, nodes=st.integers(1, 9), lanes=st.integers(0, 16), broker=st.dictionaries(TEXT, TEXT, max_size=3)
)
INSTALLATIONS = st.builds(
    Installation,
    **{name: TEXT for name in Installation.__dataclass_fields__ if name not in ("classpath", "class_archive")},
    classpath=st.lists(TEXT, max_size=3).map(tuple),
    class_archive=st.none() | TEXT,
)


@given(SPECS)
def test_a_spec_crosses(spec: ClusterSpec) -> None:
    assert ClusterSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(INSTALLATIONS)
def test_an_installation_crosses(installation: Installation) -> None:
    assert Installation.from_json(json.loads(json.dumps(installation.to_json()))) == installation


@pytest.mark.parametrize(("nodes", "lanes"), [(0, 1), (10, 1), (1, -1), (1, 17)])
def test_no_topology_has_it(nodes: int, lanes: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        ClusterSpec(nodes, lanes)
