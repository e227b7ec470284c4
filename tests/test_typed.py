"""Mistakes in typed values: each is told once, for the type that the value has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from fusemax.errors import ProblemsError
from fusemax.source import read_yaml
from fusemax.typed import typed


class Part(BaseModel):
    """Keys with values, where a number would do too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: PositiveInt


class Whole(BaseModel):
    """Values that may be of several types, and keys of a least length."""

    model_config = ConfigDict(extra="forbid", strict=True)

    heads: PositiveInt | Annotated[list[PositiveInt], Field(min_length=2)] | Part = 1
    sizes: dict[Annotated[str, Field(min_length=2)], int] = {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heads: 0", ["heads: expected more than 0, got 0"]),
        ("heads: [8]", ["heads: expected at least 2, got [8]"]),
        ("heads: [8, 0]", ["heads.1: expected more than 0, got 0"]),
        ("heads: [8, 0, many]", ["heads.1: expected more than 0", "heads.2: expected a whole number"]),
        ("heads: {size: 0}", ["heads.size: expected more than 0, got 0"]),
        ("heads: {sise: 1}", ["heads.sise: unknown key"]),
        ("heads: {}", ["heads.size: required key is missing"]),
        ("heads: many", ["expected a whole number", "expected a list", "expected keys with values"]),
        ("sizes: {a: many}", ["at least 2 characters", "expected a whole number, got 'many'"]),
    ],
)
def test_only_the_type_that_a_value_has_is_told(text: str, told: list[str], tmp_path: Path) -> None:
    """A value of one of its types is not told what another would be; one of none all; a key is no type."""
    path = tmp_path / "whole.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        typed(read_yaml(path), Whole)
    found = [problem.text for problem in caught.value.problems]

    assert len(told) == len(found), found
    assert all(words in text for words, text in zip(told, found, strict=True)), found
