"""Functions of the clock: one text that runs as Python, for short runs, and compiled, for long ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

MARK = "runs_compiled_too"
#: only compiled code calls what is compiled of these: without what Python would need to call them
OPTIONS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}


def inner(function: F) -> F:
    """Mark *function* as one of the clock: plain Python that numba can compile, with all that it calls.

    Each specialisation is compiled by itself, again in all that call it: pass numbers of one type (``NONE``, not ``-1``).
    """
    function.__dict__[MARK] = True
    return function


def over_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function* with the compiled twins of the marked functions that it calls, itself not compiled yet."""
    plain = cast(FunctionType, function)
    scope = plain.__globals__
    called = [name for name in plain.__code__.co_names if MARK in getattr(scope.get(name), "__dict__", {})]
    twins = {name: _twin(scope[name]) for name in called}
    other = FunctionType(
        plain.__code__, {**scope, **twins}, plain.__name__, plain.__defaults__, plain.__closure__
    )
    other.__qualname__ = plain.__qualname__
    return other


@cache
def _twin(function: Callable[..., Any]) -> Any:
    import numba

    njit: Any = numba.njit
    return njit(**OPTIONS)(over_compiled(function))
