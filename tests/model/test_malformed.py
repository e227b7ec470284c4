"""Configurations with one key gone wrong: told with that key, or read; never an accident of the program."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from fusemax.errors import FusemaxError
from fusemax.model.config import model_of
from fusemax.model.step import Pass
from fusemax.model.steps import steps_of
from fusemax.model.weights import cache, weights
from fusemax.source import document_of
from tests.model.configs import CONFIGS, MORE

WRONG: tuple[Any, ...] = (
    None, -1, 0, 1, 3, 1.5, "seven", True, [], {}, [1, 2], 2**40, 10**30, float("inf"),
)  # fmt: skip


def mutations(data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every configuration with one key left out or wrong, also inside of ``text_config``."""
    found = []
    inner = data.get("text_config")
    for key in inner or data:
        changed = copy.deepcopy(data)
        del (changed["text_config"] if inner else changed)[key]
        found.append((key, changed))
        for value in WRONG:
            changed = copy.deepcopy(data)
            (changed["text_config"] if inner else changed)[key] = value
            found.append((key, changed))
    for value in WRONG if inner else ():
        found.append(("text_config", {**data, "text_config": value}))
    return found


@pytest.mark.parametrize("name", sorted({*CONFIGS, *MORE}))
def test_one_key_gone_wrong(name: str) -> None:
    """Each is a model whose steps and weights can be counted, or is refused with its place."""
    data = document_of(CONFIGS[name][0], "c.yaml").data if name in CONFIGS else MORE[name]["config"]
    for key, changed in mutations(json.loads(json.dumps(data))):
        try:
            model = model_of(document_of(json.dumps(changed), "c.json"), "c")
        except FusemaxError as error:
            assert "c.json" in str(error), key  # noqa: PT017 - most, but not all, are refused
            continue
        assert weights(model) > 0
        assert cache(model, 2, 64) >= 0
        assert steps_of(model, Pass(batch=2, queries=64, keys=64)), key
