"""Condition C: does a term that is reduced split into a factor of earlier results and a factor of the data?

A reduction ``y = op over r of g(z, x_r)`` can be taken apart when ``g(z, x) = H(z) (*) G(x)`` and ``(*)`` distributes over
``op``; for sums a short list ``g = sum_j H_j(z) G_j(x)`` will do. The algebra here decides that for the functions it knows;
what it cannot decide is handed to :mod:`fusemax.analysis.rewrite.sampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from fusemax.analysis.rewrite.symbols import to_syntax

MOST_TERMS = 8
OF = "of"  #: between f and x of f(x), where f rises: max f(x) = f(max x)
PLACE = sympy.Symbol("VALUE_", positive=True)
Terms = list[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Separation:
    """``g = sum_j H_j (*) G_j``: the pairs, the operation between H and G, and how it was found."""

    terms: tuple[tuple[sympy.Expr, sympy.Expr], ...]
    operation: str
    method: str = "algebra"

    @property
    def rank(self) -> int:
        """The number of pairs."""
        return len(self.terms)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step of the algebra is not possible, in one sentence."""

    reason: str


class Mixed(Exception):
    """A subexpression in which earlier results and data cannot be told apart."""


def separate(
    value: Any, earlier: frozenset[sympy.Symbol], neutral: frozenset[sympy.Symbol], operator: str
) -> Separation | Refusal:
    """Return how *value* separates under a reduction by *operator*, or why it does not.

    Parameters
    ----------
    earlier
        The symbols of earlier results, to be gathered in H.
    neutral
        Symbols that depend neither on those nor on the reduced ranks: constants, sizes, other tensors.
    """
    if operator not in RULES:
        return Refusal(f"no operation is known that distributes over {operator}")
    try:
        return RULES[operator](value, _Symbols(earlier, neutral))
    except Mixed as mixed:
        return Refusal(str(mixed))


@dataclass(frozen=True, slots=True)
class _Symbols:
    """Which symbols belong to H, and which may stand on either side."""

    earlier: frozenset[sympy.Symbol]
    neutral: frozenset[sympy.Symbol]

    def has_earlier(self, value: Any) -> bool:
        return bool(value.free_symbols & self.earlier)

    def has_data(self, value: Any) -> bool:
        return bool(value.free_symbols - self.earlier - self.neutral)


def _under_sum(value: Any, symbols: _Symbols) -> Separation:
    terms = _collected(_split(value, symbols))
    if len(terms) > MOST_TERMS:
        raise Mixed(f"the expansion has {len(terms)} terms; at most {MOST_TERMS} accumulators are carried")
    return Separation(tuple(terms), "*")


def _under_order(choose: Callable[..., sympy.Expr], other: Any, value: Any, symbols: _Symbols) -> Separation:
    """Separate under max or min: by addition, by a positive factor, or by the dual order (a lattice distributes)."""
    expanded = sympy.expand(value)
    addends = sympy.Add.make_args(expanded)
    if all(not (symbols.has_earlier(a) and symbols.has_data(a)) for a in addends):
        head = sympy.Add(*(a for a in addends if symbols.has_earlier(a)))
        return Separation(((head, expanded - head),), "+")
    if isinstance(value, choose | other):
        parts = value.args
        if all(not (symbols.has_earlier(a) and symbols.has_data(a)) for a in parts):
            head = value.func(*(a for a in parts if symbols.has_earlier(a)))
            rest = value.func(*(a for a in parts if not symbols.has_earlier(a)))
            return Separation(((head, rest),), "max" if value.func is sympy.Max else "min")
    if value.has(sympy.exp) and (peeled := _peeled(value, symbols)) is not None:
        return Separation((peeled,), OF)
    terms = _collected(_split(value, symbols))
    if len(terms) == 1 and _is_never_negative(terms[0][0]):
        return Separation(tuple(terms), "*")
    if len(terms) > 1 and (peeled := _peeled(value, symbols)) is not None:
        return Separation((peeled,), OF)
    if len(terms) == 1:
        raise Mixed(
            f"the factor {_text(terms[0][0])} may be negative, and a negative factor turns max into min"
        )
    raise Mixed(f"{_text(value)} is neither a sum nor a positive multiple of an earlier result and the data")


def _is_never_negative(value: Any) -> bool:
    """Return whether *value* is not below 0 wherever it is finite: what is no less than 0 and divides is above."""
    above = {s: sympy.Dummy(positive=True) for s in value.free_symbols if s.is_nonnegative}
    return bool(value.subs(above).is_nonnegative)


def _peeled(value: Any, symbols: _Symbols) -> tuple[sympy.Expr, sympy.Expr] | None:
    """Return f and x of a value f(x) that rises with the data x, f over :data:`PLACE`; None if it has no such form."""
    if not symbols.has_earlier(value):
        return (PLACE, value)
    if isinstance(value, sympy.exp | sympy.log):
        inner = _peeled(value.args[0], symbols)
        return None if inner is None else (value.func(inner[0]), inner[1])
    if not isinstance(value, sympy.Add | sympy.Mul):
        return None
    rest = value.func(*(part for part in value.args if symbols.has_data(part)))
    other = value.func(*(part for part in value.args if not symbols.has_data(part)))
    if rest == value or (isinstance(value, sympy.Mul) and not _is_never_negative(other)):
        return None
    inner = _peeled(rest, symbols)
    return None if inner is None else (value.func(inner[0], other), inner[1])


def _under_product(value: Any, symbols: _Symbols) -> Separation:
    base, power = value.as_base_exp()
    if symbols.has_earlier(power) and not symbols.has_data(power) and not symbols.has_earlier(base):
        return Separation(((power, base),), "**")
    raise Mixed(f"{_text(value)} is no power with the earlier result in its exponent alone")


RULES: Mapping[str, Callable[[sympy.Expr, _Symbols], Separation]] = {
    "sum": _under_sum,
    "max": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "min": lambda value, symbols: _under_order(sympy.Min, sympy.Max, value, symbols),
    "or": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "and": lambda value, symbols: _under_order(sympy.Min, sympy.Max, value, symbols),
    "topk": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "topk_index": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "sort": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "argmax": lambda value, symbols: _under_order(sympy.Max, sympy.Min, value, symbols),
    "argmin": lambda value, symbols: _under_order(sympy.Min, sympy.Max, value, symbols),
    "prod": _under_product,
}


def _split(value: Any, symbols: _Symbols) -> Terms:
    """Return pairs (H, G) whose products add up to *value*."""
    if not symbols.has_earlier(value):
        return [(sympy.Integer(1), value)]
    if not symbols.has_data(value):
        return _without_data(value, symbols)
    for kind, rule in SPLITTERS:
        if isinstance(value, kind):
            return rule(value, symbols)
    if str(value.func) == "where":
        return _split_choice(value, symbols)
    raise Mixed(_told(value, symbols))


def _text(value: Any) -> str:
    """Return *value* as it is written in a cascade."""
    return str(to_syntax(value))


def _told(value: Any, symbols: _Symbols) -> str:
    earlier = ", ".join(sorted(str(s) for s in value.free_symbols & symbols.earlier))
    data = ", ".join(sorted(str(s) for s in value.free_symbols - symbols.earlier - symbols.neutral))
    return f"{_text(value)} mixes the earlier result {earlier} with the data {data}"


def _without_data(value: Any, symbols: _Symbols) -> Terms:
    """Return one pair; neutral factors stay with the data, so that H holds earlier results alone."""
    if isinstance(value, sympy.Mul):
        head = [factor for factor in value.args if symbols.has_earlier(factor)]
        rest = [factor for factor in value.args if not symbols.has_earlier(factor)]
        return [(sympy.Mul(*head), sympy.Mul(*rest))]
    return [(value, sympy.Integer(1))]


def _split_sum(value: sympy.Add, symbols: _Symbols) -> Terms:
    return _collected([pair for term in value.args for pair in _split(term, symbols)])


def _split_product(value: sympy.Mul, symbols: _Symbols) -> Terms:
    pairs: Terms = [(sympy.Integer(1), sympy.Integer(1))]
    for factor in value.args:
        inner = _split(factor, symbols)
        if len(pairs) * len(inner) > 4 * MOST_TERMS:
            raise Mixed(f"the expansion of {_text(value)} has too many terms")
        pairs = [(h * k, g * e) for h, g in pairs for k, e in inner]
    return _collected(pairs)


def _split_exponential(value: sympy.exp, symbols: _Symbols) -> Terms:
    head, rest = _addends(value.args[0], symbols, value)
    return [(sympy.exp(head), sympy.exp(rest))]


def _addends(exponent: Any, symbols: _Symbols, whole: Any) -> tuple[sympy.Expr, sympy.Expr]:
    head, rest = sympy.Integer(0), sympy.Integer(0)
    for addend in sympy.Add.make_args(sympy.expand(exponent)):
        if not symbols.has_earlier(addend):
            rest += addend
        elif not symbols.has_data(addend):
            head += addend
        else:
            raise Mixed(f"{_told(addend, symbols)} in the exponent of {_text(whole)}")
    return head, rest


def _split_power(value: sympy.Pow, symbols: _Symbols) -> Terms:
    base, power = value.args
    if not power.is_number:
        if base.free_symbols - symbols.neutral:
            raise Mixed(_told(value, symbols))
        head, rest = _addends(power, symbols, value)
        return [(base**head, base**rest)]
    inner = _split(sympy.factor(base), symbols)
    if len(inner) == 1 and (power.is_integer or inner[0][0].is_positive):
        return [(inner[0][0] ** power, inner[0][1] ** power)]
    if power.is_integer and 0 < power <= 4:
        return _split_product_of([inner] * int(power))
    raise Mixed(_told(value, symbols))


def _split_product_of(factors: list[Terms]) -> Terms:
    pairs: Terms = [(sympy.Integer(1), sympy.Integer(1))]
    for inner in factors:
        pairs = _collected([(h * k, g * e) for h, g in pairs for k, e in inner])
    return pairs


def _split_logarithm(value: sympy.log, symbols: _Symbols) -> Terms:
    inner = _split(sympy.factor(value.args[0]), symbols)
    if len(inner) == 1 and inner[0][0].is_positive:
        head, rest = (sympy.expand_log(sympy.log(part)) for part in inner[0])
        return _collected([(head, sympy.Integer(1)), (sympy.Integer(1), rest)])
    raise Mixed(_told(value, symbols))


def _split_magnitude(value: sympy.Abs, symbols: _Symbols) -> Terms:
    inner = _split(value.args[0], symbols)
    if len(inner) == 1:
        return [(sympy.Abs(inner[0][0]), sympy.Abs(inner[0][1]))]
    raise Mixed(_told(value, symbols))


def _split_extremum(value: Any, symbols: _Symbols) -> Terms:
    """Split max(h*a, h*b) = h*max(a, b) for a common positive h: relu and clipping are positively homogeneous."""
    heads, rests = set(), []
    for argument in value.args:
        if argument == 0:
            rests.append(argument)
            continue
        inner = _split(argument, symbols)
        if len(inner) != 1:
            raise Mixed(_told(value, symbols))
        heads.add(inner[0][0])
        rests.append(inner[0][1])
    if len(heads) == 1 and (head := heads.pop()).is_positive:
        return [(head, value.func(*rests))]
    raise Mixed(_told(value, symbols))


def _split_choice(value: Any, symbols: _Symbols) -> Terms:
    """Split where(c, a, b) with the condition on one side: each branch splits under the indicator of its case."""
    condition, first, second = value.args
    if symbols.has_earlier(condition):
        raise Mixed(_told(value, symbols))
    zero = sympy.Integer(0)
    chosen = [(h, value.func(condition, g, zero)) for h, g in _split(first, symbols) if g != 0 and h != 0]
    refused = [(h, value.func(condition, zero, g)) for h, g in _split(second, symbols) if g != 0 and h != 0]
    return _collected(chosen + refused)


SPLITTERS: tuple[tuple[type, Callable[[Any, _Symbols], Terms]], ...] = (
    (sympy.exp, _split_exponential),
    (sympy.Add, _split_sum),
    (sympy.Mul, _split_product),
    (sympy.Pow, _split_power),
    (sympy.log, _split_logarithm),
    (sympy.Abs, _split_magnitude),
    (sympy.Max, _split_extremum),
    (sympy.Min, _split_extremum),
)


def _collected(pairs: Terms) -> Terms:
    """Return *pairs* with equal H joined, then equal G; numbers go to G, and terms that cancel go."""
    by_head: dict[Any, Any] = {}
    for head, rest in pairs:
        coefficient, bare = sympy.powsimp(head).as_coeff_Mul()
        by_head[bare] = by_head.get(bare, sympy.Integer(0)) + coefficient * rest
    by_rest: dict[Any, Any] = {}
    for head, rest in by_head.items():
        coefficient, bare = sympy.powsimp(rest).as_coeff_Mul()
        if coefficient != 0:
            by_rest[bare] = by_rest.get(bare, sympy.Integer(0)) + coefficient * head
    result = []
    for rest, head in by_rest.items():
        coefficient, bare = head.as_coeff_Mul()
        if coefficient != 0:
            result.append((bare, coefficient * rest))
    return result
