"""Whether a mapping of the 1-pass cascade is the binding that the arrays have a program for, and the arrays that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.analysis.work import plain_operations
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Call, Expression
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.simulate.pe.band import Band, band_of
from fusemax.simulate.pe.formats import EXPONENTIAL_CYCLES, FORMATS
from fusemax.simulate.pe.plan import Numbers, numbers_of
from fusemax.simulate.pe.program import Epoch

ON_ARRAY: Mapping[str, str] = {"BQK": "mac", "LM": "max", "SLN": "sub_exp", "SLD": "add", "SLNV": "mac"}
ON_LANES: Mapping[str, str] = {
    "RM": "max", "PRM": "sub_exp", "SPD": "mul", "RD": "add", "SPNV": "mul", "RNV": "add", "AV": "div",
}  # fmt: skip
#: Values before the first tile.
INITIAL: Mapping[str, str] = {"RM": "-inf", "RD": "0", "RNV": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """The two arrays of one run: their names and shapes, and the program of an epoch; which pairs a mask leaves."""

    array: str
    lanes: str
    rows: int
    columns: int
    epoch: Epoch
    division: int
    numbers: Numbers
    band: Band | None
    guarded: bool


def is_attention(mapped: Mapped) -> bool:
    """Return whether *mapped* is a mapping of this cascade, whatever it does with it."""
    return {einsum.name for einsum in mapped.cascade.computed} == {*ON_ARRAY, *ON_LANES}


def arrays_of(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float], number_format: str
) -> Arrays:  # fmt: skip
    """Return the arrays on which *mapped* runs, and what they do.

    Raises
    ------
    FusemaxError
        When the mapping is not of this binding, or the exponential not of the machine's kind.
    """
    array, lanes = _units(mapped, machine)
    _refuse_other_nests(mapped)
    numbers = numbers_of(mapped, machine, mapped.nests[0], sizes, figures)
    if numbers.figures.get("replicas", 1.0) != 1.0:
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, one core can be run; set replicas=1"
        )
    rows, columns = (
        numbers.whole(f"{array}.{name}", "the shape of an array") for name in machine.units[array].shape
    )
    polynomial = not FORMATS[number_format].exact
    pe, lane = (
        numbers.whole(f"{unit}.operations.sub_exp", "cycles of an exponential") for unit in (array, lanes)
    )
    _refuse_other_cycles(numbers, number_format, array, lanes, (pe, lane))
    lane += sum(
        numbers.whole(f"{lanes}.operations.{name}", "cycles of an operation")
        for name in _done(mapped, "PRM") if name != "sub_exp"
    )  # fmt: skip
    epoch = Epoch(
        E=numbers.sizes["E"], F=numbers.sizes["F"], rows=rows, pe_exponential=pe, lane_exponential=lane,
        polynomial=polynomial,
    )  # fmt: skip
    division = numbers.whole(f"{lanes}.operations.div", "cycles of a division")
    band = band_of(
        mapped,
        mapped.nests[0],
        {**numbers.figures, **numbers.sizes},
        numbers.digit_sizes,
        frozenset(ON_ARRAY),
    )
    return Arrays(
        array=array, lanes=lanes, rows=rows, columns=columns, epoch=epoch, division=division, numbers=numbers, band=band,
        guarded=len(_done(mapped, "PRM")) > 1,
    )  # fmt: skip


def _refuse_other_nests(mapped: Mapped) -> None:
    if len(mapped.nests) != 1 or mapped.nests[0].spread or mapped.spill or mapped.offload or mapped.when:
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, one nest on one core can be run, no spilling, offloading or when\n"
            "  hint: the tile level (--level tile) runs every mapping"
        )
    if any("*" in d for b in mapped.nests[0].bodies for one in b.spatial.values() for d in one.values()):
        raise FusemaxError(
            f"mapping {mapped.name}: register by register, each digit runs over one dimension of a unit\n"
            "  hint: the tile level (--level tile) runs every mapping"
        )


def _refuse_other_cycles(
    numbers: Numbers, number_format: str, array: str, lanes: str, exponential: tuple[int, int]
) -> None:  # fmt: skip
    pe, lane = exponential
    polynomial = not FORMATS[number_format].exact
    if polynomial and (pe, lane) != (EXPONENTIAL_CYCLES, EXPONENTIAL_CYCLES):
        raise FusemaxError(
            f"{number_format}: the exponential is computed with one subtraction and six multiply-adds, but the machine takes"
            f" {pe} cycles on {array} and {lane} on {lanes}\n  hint: use float64, which only waits for them"
        )
    for unit, name in [(array, n) for n in ("mac", "max", "add")] + [
        (lanes, n) for n in ("mul", "max", "add")
    ]:
        if numbers.figures[f"{unit}.operations.{name}"] != 1:
            raise FusemaxError(f"{unit}.operations.{name}: register by register, it must take one cycle")
    if pe < 2:
        raise FusemaxError(
            f"{array}.operations.sub_exp: an exponential takes at least 2 cycles here, got {pe}"
        )


def _is_guarded(expression: Expression) -> bool:
    """Return whether PRM is ``where(eq(RM[...], -inf), 1, exp(...))``: 1 for a lane that has seen no key yet."""
    if not isinstance(expression, Call) or expression.function != "where":
        return False
    test, one, other = expression.arguments
    if not (isinstance(test, Call) and isinstance(other, Call)) or (test.function, other.function) != (
        "eq",
        "exp",
    ):
        return False
    maximum, least = test.arguments
    return isinstance(maximum, Access) and maximum.tensor == "RM" and (str(least), str(one)) == ("-inf", "1")


def _done(mapped: Mapped, name: str) -> list[str]:
    """Return the names of the operations of an Einsum."""
    return [operation.name for operation in plain_operations(mapped.cascade, mapped.einsum(name))]


def _units(mapped: Mapped, machine: Machine) -> tuple[str, str]:
    """Return the names of the 2D and of the 1D array; raise FusemaxError with everything that is not this binding."""
    two = [name for name, unit in machine.units.items() if len(unit.shape) == 2]
    one = [name for name, unit in machine.units.items() if len(unit.shape) == 1]
    wrong: list[str] = []
    for wanted, units in ((ON_ARRAY, two), (ON_LANES, one)):
        for name, operation in wanted.items():
            done = _done(mapped, name)
            if done != [operation] and not (name == "PRM" and _is_guarded(mapped.einsum(name).expression)):
                wrong.append(f"{name} does {', '.join(done)} instead of {operation}")
            elif mapped.bind[name, 0] not in units:
                where = "a 2D" if wanted is ON_ARRAY else "a 1D"
                wrong.append(f"{name} is bound to {mapped.bind[name, 0]}, which is not {where} array")
    wrong += [
        f"{einsum.name} = {einsum.expression}, instead of {INITIAL[einsum.outputs[0].tensor]}"
        for einsum in mapped.cascade.einsums
        if einsum.initial and str(einsum.expression) != INITIAL.get(einsum.outputs[0].tensor, "")
    ]
    found = {machine.physical(mapped.bind[name, 0]) for name in (*ON_ARRAY, *ON_LANES)}
    if not wrong and len(found) != 2:
        wrong.append(f"the Einsums are bound to {', '.join(sorted(found))} instead of two arrays")
    if wrong:
        rows = "\n".join(f"  {row}" for row in wrong)
        raise FusemaxError(
            f"mapping {mapped.name} cannot be run register by register:\n{rows}\n"
            "  hint: the tile level (--level tile) runs every mapping"
        )
    return mapped.bind["BQK", 0], mapped.bind["AV", 0]
