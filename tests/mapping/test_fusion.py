"""A mapping's loops are legal only where the pass analysis says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from tests.mappings import load_mapping

CASCADE = """
title: values weighed by the distance of a running state from its last value
source: our own
inputs: {{X: [T]}}
outputs: [Z]
einsums: |
  S[0] = 0
  loop t:
    S[t+1] = S[t] + X[t]
  D[t] = X[t]*{read}
  Z[]  = D[t] :: sum[t]
"""
MAPPING = """
title: one loop over everything
source: our own
cascade: {cascade}
nests:
- keep: {{L3: [Z]}}
  do:
  - for: [t]
    spatial: {{1d: {{}}}}
    do: [S, D, Z]
bind: {{1d: [S, D, Z]}}
"""


def load(folder: Path, read: str) -> object:
    """Map the cascade, its D reading *read*, in one loop over t."""
    (folder / "cascade.yaml").write_text(CASCADE.format(read=read))
    (folder / "mapping.yaml").write_text(MAPPING.format(cascade=folder / "cascade.yaml"))
    machine, path = load_machine("fusemax")
    return load_mapping(str(folder / "mapping.yaml"), machine, path)


def test_the_running_value_may_share_the_loop(tmp_path: Path) -> None:
    """The state after this step is there when the step needs it."""
    assert load(tmp_path, "S[t+1]")


def test_the_last_value_may_not(tmp_path: Path) -> None:
    """The last state is known when the loop has ended: a pass boundary."""
    with pytest.raises(FusemaxError) as caught:
        load(tmp_path, "S[T]")

    assert "cannot share" in str(caught.value)
    assert "pass boundary" in str(caught.value)
