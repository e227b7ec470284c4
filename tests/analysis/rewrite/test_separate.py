"""Which terms split into earlier results and data, as worked out by hand."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from fusemax.analysis.rewrite.correction import correction, moments
from fusemax.analysis.rewrite.sampling import sampled
from fusemax.analysis.rewrite.separate import Refusal, Separation, separate
from fusemax.analysis.rewrite.symbols import symbol, to_sympy, to_syntax
from fusemax.language.parse import parse_expression
from fusemax.language.syntax import Access, Name
from fusemax.source import Text

EARLIER = ("M", "S", "D", "MU")
POSITIVE = {"S"}


def split(term: str, operator: str = "sum") -> Separation | Refusal:
    """Return how *term* separates; M[], S[], D[] and MU[] are earlier results, everything else is data."""
    value = to_sympy(parse_expression(Text(term)), POSITIVE)
    earlier = frozenset(symbol(Access(name, ()), POSITIVE) for name in EARLIER) & value.free_symbols
    found = separate(value, earlier, frozenset(), operator)
    return (
        sampled(value, earlier, frozenset(), found)
        if isinstance(found, Refusal) and operator == "sum"
        else found
    )


@pytest.mark.parametrize(
    ("term", "rank"),
    [
        ("exp(X[m] - M[])", 1),
        ("exp(X[m] - M[])*V[m]/S[]", 1),
        ("D[]*X[m]", 1),
        ("(X[m] - MU[])**2", 3),
        ("(X[m] - MU[])*W[m]", 2),
        ("(X[m]/S[])**2", 1),
        ("exp(X[m] - M[])/S[]*log(exp(X[m] - M[])/S[])", 2),
        ("X[m]*(V[m] - D[])*W[m]", 2),
        ("abs(exp(X[m] - M[]) - exp(-M[]))", 1),
        ("relu(exp(X[m] - M[]) - exp(-M[]))", 1),
        ("where(ge(X[m], 1), exp(X[m] - M[]), 0)", 1),
    ],
)
def test_terms_that_separate(term: str, rank: int) -> None:
    """The number of accumulators is the one found on paper, and the pairs add up to the term."""
    found = split(term)
    assert isinstance(found, Separation), found
    assert rank == found.rank
    total = sum(head * rest for head, rest in found.terms)
    value = to_sympy(parse_expression(Text(term)), POSITIVE)
    point = {
        s: sympy.Float(0.7) + sympy.Rational(n, 3) for n, s in enumerate(sorted(value.free_symbols, key=str))
    }
    if "where" not in str(value):
        assert abs(float((total - value).subs(point))) < 1e-12


@pytest.mark.parametrize(
    "term", ["relu(X[m] - M[])", "abs(X[m] - MU[])", "tanh(X[m] - M[])", "exp(-(X[m] - MU[])**2)"]
)
def test_terms_that_do_not(term: str) -> None:
    """Hinge, absolute deviation, tanh and Gaussian are refused, with what mixes and the rank that sampling saw."""
    found = split(term)
    assert isinstance(found, Refusal)
    assert "mixes" in found.reason
    assert "rank" in found.reason


def test_order_reductions() -> None:
    """Under max a sum separates by shifting, and a factor only when it cannot be negative."""
    shifted = split("X[m] - M[]", "max")
    assert isinstance(shifted, Separation)
    assert shifted.operation == "+"
    scaled = split("X[m]*S[]", "max")
    assert isinstance(scaled, Separation)
    assert scaled.operation == "*"
    assert isinstance(split("X[m]*M[]", "max"), Refusal)


def test_lattice_and_powers() -> None:
    """A minimum with an earlier result leaves a maximum (or, and); an exponent leaves a product."""
    lattice = split("min(X[m], M[])", "or")
    assert isinstance(lattice, Separation)
    assert lattice.operation == "min"
    value = to_sympy(parse_expression(Text("X[m]**S[]")), {"X", "S"})
    power = separate(value, frozenset({symbol(Access("S", ()), {"S"})}), frozenset(), "prod")
    assert isinstance(power, Separation)
    assert power.operation == "**"


def test_opaque_terms_are_sampled() -> None:
    """A product of opaque functions has rank 1 and is split at a reference point."""
    value = to_sympy(parse_expression(Text("sigmoid(2*M[])*tanh(X[m])")))
    earlier = frozenset({symbol(Access("M", ()))})
    found = sampled(value, earlier, frozenset(), Refusal("not tried"))
    assert isinstance(found, Separation)
    assert found.method == "sampling"


@pytest.mark.parametrize(
    ("head", "expected"),
    [("exp(-M[])", "exp(M[] - N[])"), ("exp(-M[])/S[]", "S[]*exp(M[] - N[])/T[]"), ("M[]", "N[]/M[]")],
)
def test_corrections(head: str, expected: str) -> None:
    """The factor that moves a partial result from old (M, S) to new (N, T) values."""
    old = {symbol(Access(n, ()), POSITIVE): symbol(Access(n, ()), POSITIVE) for n in ("M", "S")}
    new = {
        symbol(Access(a, ()), POSITIVE): symbol(Access(b, ()), {"S", "T"})
        for a, b in (("M", "N"), ("S", "T"))
    }
    found = correction(to_sympy(parse_expression(Text(head)), POSITIVE), "*", old, new)
    wanted = to_sympy(parse_expression(Text(expected)), {"S", "T"})
    assert sympy.simplify(found - wanted) == 0


def test_moments_of_variance() -> None:
    """The variance is repaired by the count and the sum, never by the sum of squares."""
    found = split("(X[m] - MU[])**2")
    assert isinstance(found, Separation)
    rests = {str(rest) for _, rest in moments(found)}
    assert rests == {"-2*X[m]", "1"}


NAMES = st.sampled_from(["X[m]", "Y[p]", "M0", "c"])


def expressions() -> st.SearchStrategy[str]:
    """Return the texts of small expressions."""
    return st.recursive(
        NAMES | st.integers(1, 5).map(str),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
                lambda t: f"({t[0]} {t[1]} {t[2]})"
            ),
            inner.map(lambda t: f"exp(-({t}))"),
            inner.map(lambda t: f"relu({t})"),
            inner.map(lambda t: f"({t})/(1 + abs({t}))"),
        ),
        max_leaves=6,
    )


@given(expressions())
def test_way_through_sympy_keeps_the_value(text: str) -> None:
    """An expression turned to sympy and back has the same value."""
    before = to_sympy(parse_expression(Text(text)))
    after = to_sympy(to_syntax(before))
    values = {"X[m]": 0.3, "Y[p]": -1.1, "M0": 1.7, "c": 0.4}
    point = {symbol(parse_expression(Text(n))): v for n, v in values.items()}  # type: ignore[arg-type]
    assert isinstance(symbol(Name("c")), sympy.Symbol)
    first, second = (complex(side.subs(point).evalf()) for side in (before, after))
    assert abs(first - second) <= 1e-9 * max(1.0, abs(first))
