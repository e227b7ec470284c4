"""A cascade written as YAML reads back as the same cascade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text, load_cascade
from fusemax.cascade.write import cascade_to_yaml, quoted
from fusemax.shipped import shipped
from fusemax.source import document_of

PARTS = ("einsums", "tensors", "ranks", "inputs", "outputs", "batch", "constants", "same", "sizes")


@pytest.mark.parametrize("name", shipped("einsums"))
def test_round_trip(name: str) -> None:
    """Every shipped cascade survives writing and reading: ranks, tensors, Einsums, constants."""
    cascade = load_cascade(name)
    again = cascade_from_text(cascade_to_yaml(cascade), cascade.name)
    for part in PARTS:
        assert getattr(cascade, part) == getattr(again, part), part


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1))
def test_quoted_text_reads_back(text: str) -> None:
    """Whatever stands in a title is text when it is read again: not a number, not a constant, not a key."""
    assert " ".join(text.split()) == document_of(f"title: {quoted(text)}\n").data["title"]
