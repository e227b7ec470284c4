"""What a cascade prints can be read again and is the same cascade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.language.parse import COMPARISONS, COORDINATE_OPERATORS, REDUCTIONS, parse
from fusemax.language.syntax import (
    Access,
    Assignment,
    Binary,
    Call,
    Condition,
    Loop,
    Name,
    Negative,
    Number,
    Populate,
    Program,
    Reduction,
)
from fusemax.shipped import shipped
from fusemax.source import Text, read_yaml

VARIABLES = st.sampled_from(["m", "p", "m1", "m0", "e"])
TENSORS = st.sampled_from(["A", "QK", "RM", "X1", "K_v"])
NUMBERS = st.one_of(st.integers(0, 10**6).map(float), st.floats(1e-9, 1e9, allow_nan=False)).map(Number)
SIZES = st.sampled_from(["M0", "M1", "E"])


def _deeper(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "**"]), inner, inner),
        st.builds(Negative, inner),
        st.builds(
            Call, st.sampled_from(["exp", "max", "where"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
        ),
        st.builds(Access, TENSORS, st.lists(inner, max_size=3).map(tuple)),
    )


LEAVES = st.one_of(NUMBERS, VARIABLES.map(Name), SIZES.map(Name), st.just(Number(float("inf"))))
EXPRESSIONS = st.recursive(LEAVES, _deeper, max_leaves=12)
ACCESSES = st.builds(Access, TENSORS, st.lists(EXPRESSIONS, max_size=3).map(tuple))
ACTIONS = st.one_of(
    st.none(),
    st.builds(Reduction, st.sampled_from(REDUCTIONS), st.lists(VARIABLES, min_size=1, max_size=2).map(tuple)),
    st.builds(Populate, st.sampled_from(COORDINATE_OPERATORS), VARIABLES, VARIABLES),
)
CONDITIONS = st.lists(
    st.builds(Condition, EXPRESSIONS, st.sampled_from(COMPARISONS), EXPRESSIONS), max_size=2
)
ASSIGNMENTS = st.builds(
    Assignment,
    st.lists(ACCESSES, min_size=1, max_size=2).map(tuple),
    EXPRESSIONS,
    ACTIONS,
    CONDITIONS.map(tuple),
)
LOOPS = st.builds(Loop, VARIABLES, st.lists(ASSIGNMENTS, min_size=1, max_size=3).map(tuple))
PROGRAMS = st.builds(Program, st.lists(st.one_of(ASSIGNMENTS, LOOPS), max_size=4).map(tuple))


@given(PROGRAMS)
def test_parse_of_print(program):
    """parse(str(x)) == x for every program."""
    assert program == parse(Text(str(program)))


@pytest.mark.parametrize("name", shipped("einsums"))
def test_library(name):
    """The shipped cascades print themselves so too."""
    program = parse(read_yaml(shipped("einsums")[name]).text(("einsums",)))

    assert program == parse(Text(str(program)))
