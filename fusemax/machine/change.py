"""A machine that differs in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_kind
from fusemax.language.formula import formula, formula_names
from fusemax.language.syntax import Expression, Number
from fusemax.machine.figures import Described, figures
from fusemax.machine.widths import width_name
from fusemax.nearest import meant
from fusemax.quantity import QuantityError

if TYPE_CHECKING:
    from pydantic import BaseModel


Changeable = TypeVar("Changeable", bound=Described)


def changed(machine: Changeable, name: str, value: object) -> Changeable:
    """Return *machine* with another *value* of the figure *name*, as ``Machine.with_`` says; it has no file yet."""
    path = _place_of(machine, name)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise QuantityError(f"expected a number, a quantity or a formula, got {value!r}")
        found = formula(value, figure_kind(name).unit)
        if isinstance(found, Number):
            allowed(name, found.value, value)
    except QuantityError as error:
        raise FusemaxError(f"{name}: {error}".replace("\nhint", "\n  hint")) from None
    known = figures(machine)
    for used in formula_names(found):
        if used not in known:
            raise FusemaxError(f"{name}: {used!r} is no figure of this machine\n  hint: {meant(used, known)}")
    try:
        result = _replaced(machine, path, found)
    except ValueError as error:
        raise FusemaxError(f"{name}: {error}") from None
    return result


def _place_of(machine: Described, name: object) -> tuple[str, ...]:
    """Return the steps to the figure *name*, one that the machine has or one that it could have."""
    places = {figure: tuple(map(str, path)) for path, figure, _ in machine.walked}
    for level in machine.levels:
        for key in ("bandwidth", "ports", "size", "line"):
            places.setdefault(f"{level}.{key}", ("levels", level, key))
    for unit in machine.units:
        for key in ("fill", "drain"):
            places.setdefault(f"{unit}.{key}", ("units", unit, key))
    if not isinstance(name, str) or name not in places:
        raise FusemaxError(f"{name!r} is no figure of this machine\n  hint: {meant(str(name), places)}")
    path = places[name]
    if path[0] == "units" and path[2:] == ("shape",):
        sides = ", ".join(f"{path[1]}.{side}" for side in machine.units[path[1]].shape)
        raise FusemaxError(f"{name} follows from {sides}\n  hint: change those")
    return path if path[2:3] != ("operations",) else _place_of_operation(machine, name, path)


def _place_of_operation(machine: Described, name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the steps to the cycles of an operation, or to those of one width."""
    if len(path) == 5:
        return (*path[:4], "widths", path[4])
    widths = machine.units[path[1]].operations[path[3]].widths
    if widths:
        single = ", ".join(f"{name}.{width_name(key)}" for key in widths)
        raise FusemaxError(f"{name} follows from {single}\n  hint: change those")
    return (*path, "cycles")


def _replaced(node: Any, path: tuple[str, ...], value: Expression) -> Any:
    if not path:
        return value
    step, *rest = path
    if isinstance(node, Mapping):
        inside = cast("Mapping[str, Any]", node)
        return {**inside, step: _replaced(inside[step], tuple(rest), value)}
    kind = cast("type[BaseModel]", type(node))
    kept = {name: getattr(node, name) for name in kind.model_fields}
    return kind(**{**kept, step: _replaced(kept[step], tuple(rest), value)})
