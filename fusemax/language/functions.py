"""Every function of formulas and of cascades, once: this table is all that the rest of fusemax knows of them.

An entry serves formulas (figures of machines, sizes, tiles, conditions of studies), the compiled cost program, the values of
cascades on arrays, and the algebra that rewrites them. To add a function, add an entry.
"""

# numpy and sympy are handed in, so that neither is imported here: what they give has no type
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, Literal

Trend = Literal["rises", "falls", "neither"]
MANY = 99  #: the most operands of a function that takes any number


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of real numbers.

    Attributes
    ----------
    name
        As it is written.
    operands
        The least and the greatest number of operands.
    code
        Its value as an expression of Python and of numba, ``{0}`` for the first operand; calls are those of :data:`MODULES`.
        Where it ``folds``, that of two operands: more are taken from the left.
    array
        Its value on arrays, elementwise: a function of numpy and of the operands.
    algebra
        Its form in sympy: a function of sympy and of the operands. None leaves it opaque to rewriting.
    trend
        What it does when an operand grows, wherever it is defined.
    range
        Between what its values lie.
    open_below
        No value is the lower end of the range.
    """

    name: str
    operands: tuple[int, int]
    code: str
    array: Callable[..., Any]
    algebra: Callable[..., Any] | None = None
    trend: Trend = "neither"
    range: tuple[float, float] = (-math.inf, math.inf)
    open_below: bool = False
    folds: bool = False

    def value(self, *operands: float) -> float:
        """Return its value: inf or nan, as floats have them, where there is none.

        >>> FUNCTIONS["max"].value(1.0, 3.0, 2.0), FUNCTIONS["log2"].value(0.0)
        (3.0, -inf)
        """
        compiled = _compiled(self.code, 2 if self.folds else len(operands))
        return reduce(compiled, operands) if self.folds else compiled(*operands)

    @property
    def positive(self) -> bool:
        """Whether every value is above 0."""
        return self.range[0] > 0 or (self.range[0] == 0 and self.open_below)

    @property
    def nonnegative(self) -> bool:
        """Whether no value is below 0."""
        return self.range[0] >= 0

    def keeps_sign(self, operands: int) -> bool:
        """Return whether no value is below 0 where none of its operands is."""
        return self.nonnegative or (self.trend == "rises" and self.value(*[0.0] * operands) >= 0)

    def wrong_number(self, operands: int) -> str | None:
        """Return what is wrong with so many *operands*; None when nothing is."""
        least, most = self.operands
        if least <= operands <= most:
            return None
        wanted = f"{least}" if least == most else f"{least} or more" if most == MANY else f"{least} to {most}"
        noun = "operand" if wanted == "1" else "operands"
        return f"{self.name} takes {wanted} {noun}, got {operands}"


def _total(name: str, function: Callable[[float], float]) -> Callable[[float], float]:
    """Return *function* of :mod:`math` with inf or nan, as compiled code and numpy have them, instead of an exception."""

    def value(x: float) -> float:
        try:
            return function(x)
        except (ValueError, OverflowError):
            import numpy as np

            with np.errstate(all="ignore"):
                return float(getattr(np, name)(float(x))) if hasattr(np, name) else math.nan

    return value


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda x: float(function(x)) if math.isfinite(x) else x


#: What the code of functions may call, by the module from which compiled code takes it.
MODULES: Mapping[str, tuple[str, ...]] = {
    "math": ("cos", "erf", "exp", "expm1", "inf", "log", "log1p", "log2", "sin", "sqrt", "tanh"),
    "numpy": ("ceil", "floor", "rint"),
}
#: The same for plain Python.
PRIMITIVES: Mapping[str, Any] = {
    **{name: _total(name, getattr(math, name)) for name in MODULES["math"] if name != "inf"},
    "inf": math.inf,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "rint": _whole(round),
}


@lru_cache(maxsize=256)
def _compiled(code: str, operands: int) -> Callable[..., float]:
    names = [f"x{number}" for number in range(operands)]
    return eval(f"lambda {', '.join(names)}: {code.format(*names)}", {**PRIMITIVES})


_SIGMOID = "(1.0 / (1.0 + exp(-{0})) if {0} >= 0.0 else 1.0 - 1.0 / (1.0 + exp({0})))"
#: GELU in its tanh form (Hendrycks and Gimpel, arXiv 1606.08415, section 2).
_GELU = f"0.5 * {{0}} * (1.0 + tanh({math.sqrt(2 / math.pi)!r} * ({{0}} + 0.044715 * {{0}} * {{0}} * {{0}})))"


def _sigmoid(np: Any, x: Any) -> Any:
    positive = 1.0 / (1.0 + np.exp(-np.abs(x)))
    return np.where(x >= 0, positive, 1.0 - positive)


def _comparison(name: str, sign: str) -> Function:
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
    return Function(
        name=name,
        operands=(2, 2),
        code=f"1.0 if {{0}} {sign} {{1}} else 0.0",
        array=lambda np, a, b: np.asarray(compare[sign](a, b), dtype=np.float64),
        range=(0, 1),
    )


_ONE = (1, 1)
_TABLE = (
    Function(name="ceil", operands=_ONE, code="ceil({0})", array=lambda np, x: np.ceil(x), trend="rises"),
    Function(name="floor", operands=_ONE, code="floor({0})", array=lambda np, x: np.floor(x), trend="rises"),
    Function(
        name="log2", operands=_ONE, code="log2({0})", array=lambda np, x: np.log2(x),
        algebra=lambda sympy, x: sympy.log(x) / sympy.log(2), trend="rises",
    ),
    Function(
        name="sqrt", operands=_ONE, code="sqrt({0})", array=lambda np, x: np.sqrt(x),
        algebra=lambda sympy, x: sympy.sqrt(x), trend="rises", range=(0, math.inf),
    ),
    Function(
        name="max", operands=(2, MANY), code="{1} if {1} > {0} else {0}", folds=True, trend="rises",
        array=lambda np, *xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
        algebra=lambda sympy, *xs: sympy.Max(*xs),
    ),
    Function(
        name="min", operands=(2, MANY), code="{1} if {1} < {0} else {0}", folds=True, trend="rises",
        array=lambda np, *xs: np.minimum.reduce(np.broadcast_arrays(*xs)),
        algebra=lambda sympy, *xs: sympy.Min(*xs),
    ),
    Function(
        name="exp", operands=_ONE, code="exp({0})", array=lambda np, x: np.exp(x),
        algebra=lambda sympy, x: sympy.exp(x), trend="rises", range=(0, math.inf), open_below=True,
    ),
    Function(
        name="log", operands=_ONE, code="log({0})", array=lambda np, x: np.log(x),
        algebra=lambda sympy, x: sympy.log(x), trend="rises",
    ),
    Function(
        name="rsqrt", operands=_ONE, code="(1.0 / sqrt({0}) if {0} != 0.0 else inf)",
        array=lambda np, x: 1.0 / np.sqrt(x), algebra=lambda sympy, x: 1 / sympy.sqrt(x),
        trend="falls", range=(0, math.inf), open_below=True,
    ),
    Function(
        name="abs", operands=_ONE, code="(-{0} if {0} < 0.0 else {0})", array=lambda np, x: np.abs(x),
        algebra=lambda sympy, x: sympy.Abs(x), range=(0, math.inf),
    ),
    Function(
        name="relu", operands=_ONE, code="({0} if {0} > 0.0 else 0.0)",
        array=lambda np, x: np.maximum(x, 0.0), algebra=lambda sympy, x: sympy.Max(0, x),
        trend="rises", range=(0, math.inf),
    ),
    Function(
        name="elu", operands=_ONE, code="({0} if {0} > 0.0 else expm1({0}))",
        array=lambda np, x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))), trend="rises", range=(-1, math.inf),
    ),
    Function(
        name="sigmoid", operands=_ONE, code=_SIGMOID, array=_sigmoid, trend="rises", range=(0, 1), open_below=True,
    ),
    Function(
        name="silu", operands=_ONE, code=f"{{0}} * {_SIGMOID}", array=lambda np, x: x * _sigmoid(np, x),
    ),
    Function(name="tanh", operands=_ONE, code="tanh({0})", array=lambda np, x: np.tanh(x), trend="rises", range=(-1, 1)),
    Function(
        name="softplus", operands=_ONE, code="({0} + log1p(exp(-{0})) if {0} > 0.0 else log1p(exp({0})))",
        array=lambda np, x: np.logaddexp(x, 0.0), trend="rises", range=(0, math.inf), open_below=True,
    ),
    Function(
        name="gelu", operands=_ONE, code=_GELU,
        array=lambda np, x: 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))),
    ),
    Function(
        name="erf", operands=_ONE, code="erf({0})", array=lambda np, x: np.vectorize(math.erf, otypes=[float])(x),
        algebra=lambda sympy, x: sympy.erf(x), trend="rises", range=(-1, 1),
    ),
    Function(
        name="round", operands=_ONE, code="rint({0})", array=lambda np, x: np.rint(x), trend="rises",
    ),
    Function(
        name="sign", operands=_ONE, code="(1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else {0})",
        array=lambda np, x: np.sign(x), algebra=lambda sympy, x: sympy.sign(x), trend="rises", range=(-1, 1),
    ),
    Function(
        name="mod", operands=(2, 2), code="({0} - {1} * floor({0} / {1}) if {1} != 0.0 else inf - inf)",
        array=lambda np, a, b: np.mod(a, b),
    ),
    Function(name="sin", operands=_ONE, code="sin({0})", array=lambda np, x: np.sin(x), range=(-1, 1)),
    Function(name="cos", operands=_ONE, code="cos({0})", array=lambda np, x: np.cos(x), range=(-1, 1)),
    _comparison("ge", ">="),
    _comparison("gt", ">"),
    _comparison("le", "<="),
    _comparison("lt", "<"),
    _comparison("eq", "=="),
    Function(
        name="where", operands=(3, 3), code="({1} if {0} != 0.0 else {2})",
        array=lambda np, condition, a, b: np.where(condition != 0, a, b),
    ),
)  # fmt: skip
FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _TABLE}


def _divided(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)
    try:
        return a / b
    except OverflowError:  # whole numbers too large for a float
        return float(a) / float(b) if abs(b) < 2**1023 else 0.0


def _raised(a: float, b: float) -> float:
    """Return a**b, exact for whole numbers; inf or nan where floats have no such number, and at once."""
    try:
        near = math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan
    return a**b if isinstance(a, int) and isinstance(b, int) and b >= 0 else near


#: The operators of formulas on numbers; whole numbers stay exact.
OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divided, "**": _raised,
}  # fmt: skip
