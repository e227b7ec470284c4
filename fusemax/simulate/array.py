"""The PE level of ``fusemax simulate``: every register of a 2D and a 1D array in every cycle, with real values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from fusemax.compiled import told_of_compiling
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.simulate.pe.attention import run_attention
from fusemax.simulate.pe.binding import is_attention
from fusemax.simulate.pe.clock import run
from fusemax.simulate.pe.formats import FORMATS
from fusemax.simulate.pe.matmul import is_matmul, run_matmul
from fusemax.simulate.pe.result import PeResult

if TYPE_CHECKING:
    from rich.console import Console

#: Element-cycles of one run from which the answer would take hours.
MOST_PE_CYCLES = 2e12


def simulate_array(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float],
    number_format: str = "float64", watch: bool = False,
) -> PeResult:  # fmt: skip
    """Return what the arrays did in every cycle, and what they computed.

    Parameters
    ----------
    sizes, figures
        Sizes of ranks, and figures of the machine to replace.
    number_format
        One of :data:`fusemax.simulate.pe.formats.FORMATS`.
    watch
        Whether a long run says on standard error how far it is.

    Raises
    ------
    FusemaxError
        When the mapping is none that the arrays have a program for; the tile level runs every mapping.
    """
    if is_attention(mapped):
        return run_attention(mapped, machine, sizes, figures, number_format, watch=watch)
    if is_matmul(mapped):
        return run_matmul(mapped, machine, sizes, figures, number_format)
    raise FusemaxError(
        f"mapping {mapped.name}: register by register, there are programs for the 1-pass cascade and for one product of"
        " matrices\n  hint: the tile level (--level tile) runs every mapping"
    )


def command(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float], json: bool,
    formats: bool = False,
) -> None:  # fmt: skip
    """Run *mapped* in float64 (*formats*: in all that the machine's exponential allows), and print a table, or JSON.

    The JSON is the same each time; how long the run took stands in the table alone.
    """
    _refuse_hours(mapped, sizes)
    _warm_up(mapped, machine, sizes, figures)
    exact = simulate_array(mapped, machine, sizes, figures, watch=True)
    chosen = [name for name in FORMATS if name != "float64"] if formats else []
    others = {name: _try(mapped, machine, sizes, figures, name) for name in chosen}
    results = {"float64": exact} | {
        name: result for name, result in others.items() if not isinstance(result, str)
    }
    refused = {name: text for name, text in others.items() if isinstance(text, str)}
    if json:
        import json as format_json

        import typer

        typer.echo(format_json.dumps(_record(exact, results, refused), indent=2))
        return
    from fusemax.screen import console

    _show(console(), mapped, exact, results, refused)


def _refuse_hours(mapped: Mapped, sizes: Mapping[str, int]) -> None:
    """Raise FusemaxError when about so many element-cycles, one per operation on the array, are too many."""
    per_score = sizes.get("E", 1) + sizes.get("F", 1) if is_attention(mapped) else 1
    others = [size for name, size in sizes.items() if not (is_attention(mapped) and name in ("E", "F"))]
    work = float(per_score) * math.prod(others)
    if work > MOST_PE_CYCLES:
        raise FusemaxError(
            f"mapping {mapped.name}: about {work:.1e} element-cycles would take hours, register by register\n"
            "  hint: a few tiles show the same epochs (B=1 H=1 and a shorter sequence), or use --level tile"
        )


def _warm_up(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float]
) -> None:
    """Compile the clock on a problem of one tile, so that compiling is not timed."""
    widths = ("E", "F") if is_attention(mapped) else ()
    with told_of_compiling(run, "the arrays", 8) if is_attention(mapped) else nullcontext():
        simulate_array(mapped, machine, {n: v if n in widths else 1 for n, v in sizes.items()}, figures)


def _try(mapped, machine, sizes, figures, name: str) -> PeResult | str:
    try:
        return simulate_array(mapped, machine, sizes, figures, name, watch=True)
    except FusemaxError as error:
        return str(error)


def _record(exact: PeResult, results: Mapping[str, PeResult], refused: Mapping[str, str]) -> dict[str, Any]:
    words: dict[str, dict[str, dict[str, int]]] = {}
    for (level, kind, tensor), count in sorted(exact.words.items()):
        words.setdefault(level, {}).setdefault(tensor, {})[kind] = count
    busy: dict[str, dict[str, int]] = {}
    for (unit, einsum), cycles in exact.busy.items():
        busy.setdefault(unit, {})[einsum] = cycles
    return {
        "level": "pe",
        "cycles": exact.cycles,
        "latency_s": exact.latency_s,
        "pe_cycles": exact.pe_cycles,
        "utilization": exact.utilization(),
        "cycles_by_cause": dict(exact.parts),
        "busy_element_cycles": busy,
        "registers_used": dict(exact.registers),
        "words": words,
        "largest_error": {name: result.error() for name, result in results.items()},
        "relative_error": {name: result.relative_error() for name, result in results.items()},
        "not_run": dict(refused),
    }


def _show(
    console: Console, mapped: Mapped, exact: PeResult, results: Mapping[str, PeResult], refused: Mapping[str, str],
) -> None:  # fmt: skip
    from rich.table import Table

    from fusemax.quantity import format_quantity

    title = f"{mapped.cascade.name}, mapping {mapped.name}, register by register"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_row("cycles", f"{exact.cycles:,}", format_quantity(exact.latency_s, "s", 5))
    for cause, cycles in exact.parts.items():
        table.add_row(f"  {cause}", f"{cycles:,}", f"{cycles / exact.cycles:.1%}")
    for unit, share in exact.utilization().items():
        table.add_row(f"utilization {unit}", f"{share:.1%}", f"registers used: {exact.registers[unit]}")
    rate = f"{exact.pe_cycles / exact.seconds:.1e}/s on one core"
    table.add_row("element-cycles simulated", f"{exact.pe_cycles:,}", rate)
    console.print(table)
    errors = Table("number format", title="Against the definition in float64", title_justify="left")
    errors.add_column("largest error", justify="right")
    errors.add_column("relative error (r.m.s.)", justify="right")
    for name, result in results.items():
        errors.add_row(name, f"{result.error():.2e}", f"{result.relative_error():.2e}")
    for name in refused:
        errors.add_row(name, "not run", "")
    console.print(errors)
    console.print(_words(exact))
    for name, text in refused.items():
        console.print(f"{name} was not run: {text}", markup=False)


def _words(exact: PeResult):
    from rich.table import Table

    table = Table("level", "tensor", title="Words moved", title_justify="left")
    kinds = ("read", "write", "fill", "drain")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for level, tensor in sorted({(level, tensor) for level, _, tensor in exact.words}):
        found = [exact.words.get((level, kind, tensor)) for kind in kinds]
        table.add_row(level, tensor, *("" if count is None else f"{count:,}" for count in found))
    return table
