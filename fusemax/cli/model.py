"""``fusemax model``: what a whole model takes on a chip or a system, layer by layer, and whether it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from fusemax.cli.cost import finite
from fusemax.cli.options import JSON

if TYPE_CHECKING:
    from fusemax.model.engine import Engine
    from fusemax.model.parallel import Parallel
    from fusemax.model.passed import Passed
    from fusemax.model.predict import Memory, Predictor
    from fusemax.model.price import Widths
    from fusemax.model.shape import Model
    from fusemax.model.system import System

Phase = Literal["prefill", "decode", "generate"]
SIZES = ("B", "P", "M", "N")
SEARCH: Any = typer.Option(
    False,
    "--search",
    help="Search for mappings, and take those that lie with the machine only where none is found.",
)
SECONDS: Any = typer.Option(
    4.0, "--seconds", min=0.0, help="How long to search for mappings, all searches together: seconds of work."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked: the phase, and how many sequences (B), tokens read (P), tokens in the cache (M), tokens made (N).

    ``source`` are the tokens that an encoder read before one more is made.
    """

    phase: Phase
    batch: int
    length: int
    new: int = 1
    source: int = 0


def model(
    config: Path = typer.Argument(
        help="A Hugging Face config.json, the folder that holds one, or the same keys as YAML."
    ),
    machine: str = typer.Option("", "--machine", help="A machine of arch/, or your own file."),
    system: str = typer.Option(
        "", "--system", help="A system of chips, such as 8xh100, instead of one machine."
    ),
    phase: Phase = typer.Option(
        "prefill", "--phase", help="prefill, decode (one step) or generate (a batch from start to end)."
    ),
    values: list[str] = typer.Option(
        [], "--set", help="Sizes and figures: B=8 P=2048, B=64 M=4096, N=128, DRAM.size=80GB ..."
    ),
    chips: int = typer.Option(
        0, "--chips", min=0, help="Chips of the system that share each layer (all): --parallel tensor=N."
    ),
    parallel: str = typer.Option(
        "",
        "--parallel",
        help="How chips share the model: tensor=8,pipeline=2,data=2,context=2,expert=8,micro=4,overlap=0.5,imbalance=1.2.",
    ),
    words: str = typer.Option(
        "", "--words", help="Widths of numbers: weights=8bit,cache=8bit,activations=16bit,attention=16bit."
    ),
    engine: str = typer.Option(
        "",
        "--engine",
        help="What the framework does: keys=apart,library=nccl,scales=found,kernels=recorded,attention=apart.",
    ),
    host: str = typer.Option(
        "", "--host", help="What the host takes: pass=1ms, prompt=1ms, kernel=5us (a launch)."
    ),
    search: bool = SEARCH,
    seconds: float = SECONDS,
    out: Path = typer.Option(
        None, "-o", "--report", help="Write a report with pictures, tables and the JSON into this folder."
    ),
    explain: str = typer.Option(
        "",
        "--explain",
        help="Where the time of a step comes from, such as attention: formulas, figures, sources.",
    ),
    depth: int = typer.Option(
        None, "--depth", min=0, help="With --explain: how many steps of formulas down (2)."
    ),
    as_json: bool = JSON,
) -> None:
    """Time, traffic, energy and memory of a whole model: prefill, one step of decoding, or a whole batch."""
    from fusemax.cli.arguments import sizes_and_figures

    sizes, figures = sizes_and_figures(values)
    wide, runs = _widths(words), _engine(engine, host)
    predictor = _predictor(config, machine, system, wide, (chips, parallel), figures, (search, seconds), runs)
    asked = _asked(phase, sizes, predictor.model)
    if _is_explained(explain, depth, out, as_json):
        typer.echo(_explained(predictor, asked, explain, 2 if depth is None else depth))
        return
    title = f"{predictor.model.name} ({predictor.model.kind}), {phase} on {system or machine}"
    _told(_answer(predictor, asked, predictor.system), title, out, as_json)


def _predictor(
    config: Path, machine: str, system: str, widths: Widths, shared: tuple[int, str], figures: Mapping[str, float],
    search: tuple[bool, float], engine: Engine,
) -> Predictor:  # fmt: skip
    """Return what prices the model in *config*; *shared* says how many chips share it, or their degrees; *search*, whether
    searched mappings go first, and how long to search."""
    from fusemax.errors import FusemaxError
    from fusemax.model.budget import Budget
    from fusemax.model.config import load_model
    from fusemax.model.predict import Predictor
    from fusemax.model.price import Prices
    from fusemax.model.system import load_system

    if bool(machine) == bool(system):
        raise FusemaxError(
            "--machine or --system: say one of them, such as --machine h100 or --system 8xh100"
        )
    links = load_system(system) if system else None
    parallel = _parallel(links, *shared, system)
    chip = machine or links.chip if links else machine
    first, seconds = search
    prices = Prices(chip, widths, figures, search=first, budget=Budget(together=seconds))
    return Predictor(load_model(config), chip, widths, links, parallel, figures, engine=engine, shared=prices)


def _is_explained(explain: str, depth: int | None, out: Path | None, as_json: bool) -> bool:
    """Return whether a step is to be explained; raise FusemaxError where other options say something else."""
    from fusemax.errors import FusemaxError

    if depth is not None and not explain:
        raise FusemaxError("--depth: goes with --explain, such as --explain attention")
    if explain and (as_json or out is not None):
        raise FusemaxError(f"--explain: writes text alone; leave out {'--json' if as_json else '-o'}")
    return bool(explain)


def _explained(predictor: Predictor, asked: Asked, step: str, depth: int) -> str:
    from fusemax.cli.model_explain import explained
    from fusemax.errors import FusemaxError

    if asked.phase == "generate":
        raise FusemaxError("--explain: goes with --phase prefill or decode, of which a batch is made")
    return explained(predictor, _one(predictor, asked), step, depth)


def _one(predictor: Predictor, asked: Asked) -> Passed:
    """Return the pass of a phase that has one."""
    from fusemax.model.engine import refuse_idle

    refuse_idle(predictor.engine, asked.phase == "decode")
    if asked.phase == "decode":
        return predictor.decode(asked.batch, asked.length, asked.source)
    return predictor.prefill(asked.batch, asked.length)


def _told(record: Mapping[str, Any], title: str, out: Path | None, as_json: bool) -> None:
    """Write the report, if one is wanted, and print the answer."""
    if out is not None:
        from shlex import join

        from fusemax.cli.arguments import command_line
        from fusemax.cli.model_report import write_report

        report = write_report(out, record, title, f"fusemax {join(command_line())}")
        typer.echo(f"report: {report}", err=as_json)
    if as_json:
        import json

        typer.echo(json.dumps(record, indent=2, allow_nan=False))
    else:
        _show(record, title)


def _parallel(links: System | None, chips: int, text: str, system: str) -> Parallel:
    from fusemax.errors import FusemaxError
    from fusemax.model.parallel import Parallel, parallel_from

    if (chips or text) and links is None:
        given = "--chips" if chips else "--parallel"
        raise FusemaxError(f"{given}: needs a --system with links between the chips")
    if chips and text:
        raise FusemaxError("--chips and --parallel: say one of them; --chips N is --parallel tensor=N")
    if links is None:
        return Parallel()
    if not text:
        shared = Parallel(tensor=chips or links.chips)
    else:
        try:
            shared = parallel_from(text)
        except FusemaxError as error:
            raise FusemaxError(f"--parallel: {error}") from None
    if shared.chips > links.chips:
        said = f"--chips {chips}" if chips else f"--parallel {shared}: {shared.chips} chips"
        raise FusemaxError(f"{said}: {system} has {links.chips}")
    return shared


def _asked(phase: Phase, sizes: Mapping[str, int], model: Model) -> Asked:
    """Return what *sizes* ask of a phase; one more token of a *model* with an encoder sees what it read (P), too."""
    from fusemax.errors import FusemaxError
    from fusemax.nearest import meant

    strange = [name for name in sizes if name not in SIZES]
    if strange:
        raise FusemaxError(
            f"--set {strange[0]}: a model has the sizes B, P, M, N; {meant(strange[0], SIZES)}"
        )
    encoder = model.encoder is not None
    needed = {"prefill": ("P",), "decode": ("M", "P") if encoder else ("M",), "generate": ("P", "N")}[phase]
    missing = [name for name in needed if name not in sizes]
    unused = [name for name in sizes if name not in ("B", *needed)]
    if missing or unused:
        said = f"needs {' and '.join(needed)}" if missing else f"does not use {', '.join(unused)}"
        meaning = (
            "B sequences, P tokens to read, M tokens in the cache (the new one included), N tokens to make"
        )
        if "P" in missing and model.front and model.positions:  # of an image, or of sound
            meaning += f"; {model.name} has {model.positions} positions: --set P={model.positions}"
        raise FusemaxError(f"--phase {phase} {said}\n  hint: {meaning}")
    source = sizes["P"] if encoder and phase == "decode" else 0
    return Asked(
        phase=phase, batch=sizes.get("B", 1), length=sizes[needed[0]], new=sizes.get("N", 1), source=source
    )


def _widths(text: str) -> Widths:
    from fusemax.errors import FusemaxError
    from fusemax.model.engine import entries
    from fusemax.model.price import Widths
    from fusemax.quantity import QuantityError, quantity

    found: dict[str, float] = {}
    names = ("weights", "cache", "activations", "attention")
    try:
        given = entries(text)
    except FusemaxError as error:
        raise FusemaxError(f"--words: {error}\n  hint: such as weights=8bit,cache=1B") from None
    for name, width in given.items():
        if name not in names:
            raise FusemaxError(f"--words: {name!r} is none of {', '.join(names)}")
        try:
            if not width[-1:].isalpha():
                raise QuantityError(f"expected a width with its unit, got {width!r}")
            found[f"{name}_B"] = quantity(width, "B")
        except QuantityError as error:
            raise FusemaxError(f"--words {name}: {error}\n  hint: such as weights=8bit or cache=1B") from None
        if not 0.25 <= found[f"{name}_B"] <= 8:
            raise FusemaxError(f"--words {name}: expected from 2 bit to 8 B, got {width}")
    return Widths(**found)


def _engine(text: str, host: str) -> Engine:
    """Return what the framework does: *text* says its kernels and collectives, *host* what its host takes."""
    from dataclasses import replace

    from fusemax.errors import FusemaxError
    from fusemax.model.engine import engine_of, entries, host_of

    option = "--engine"
    try:
        engine = engine_of(entries(text))
        option = "--host"
        return replace(engine, host=host_of(entries(host)))
    except FusemaxError as error:
        raise FusemaxError(f"{option}: {error}") from None


def _answer(predictor: Predictor, asked: Asked, links: System | None) -> dict[str, Any]:
    if asked.phase == "generate":
        _, last, source = predictor.made(asked.length, asked.new)
        step = predictor.decode(asked.batch, last, source)
        passed = predictor.prefill(asked.batch, asked.length)
        memory = predictor.memory(asked.batch, last, asked.length, source)
        total_s = predictor.generated_s(asked.batch, asked.length, asked.new)
        steps_J = (asked.new - 1) * step.energy_J if asked.new > 1 else 0.0
        energy_J, tokens = passed.energy_J + steps_J, asked.batch * asked.new
        more = {
            "time_s": total_s, "first_token_s": passed.time_s, "last_step_s": step.time_s, "tokens_per_s": tokens / total_s,
            "passes": [_pass(passed, predictor.model), _pass(step, predictor.model)],
        }  # fmt: skip
    else:
        decoding = asked.phase == "decode"
        passed = _one(predictor, asked)
        memory = predictor.memory(
            asked.batch, passed.run.keys, 1 if decoding else asked.length, passed.run.source
        )
        tokens = asked.batch * (1 if decoding else asked.length)
        energy_J = passed.energy_J
        more = {
            "time_s": passed.time_s,
            "tokens_per_s": tokens / passed.time_s,
            "passes": [_pass(passed, predictor.model)],
        }
    model = predictor.model
    return {
        "model": model.name, "kind": model.kind, "phase": asked.phase, "batch": asked.batch, "chips": predictor.parallel.chips,
        "parallel": asdict(predictor.parallel), "parallel_text": str(predictor.parallel),
        "engine": asdict(predictor.engine),
        "energy_J": finite(energy_J), "energy_per_token_J": finite(energy_J / tokens),
        "chip_seconds_per_token": predictor.parallel.chips * more["time_s"] / tokens,
        "stored": None if model.stored is None else asdict(model.stored), "weights_B": predictor.widths.weights_B,
        "system": links.title if links else None, "unused_keys": list(model.unused),
        "assumed_keys": list(model.assumed), "cut_searches": sorted(predictor.prices.budget.cut),
        **more, "memory": _memory(memory),
    }  # fmt: skip


def _pass(passed: Passed, model: Model) -> dict[str, Any]:
    return {
        "queries": passed.run.queries, "keys": passed.run.keys, "source": passed.run.source,
        "reading": passed.run.reading, "time_s": passed.time_s, "traffic_B": passed.traffic_B,
        "idle": passed.idle, "energy_J": finite(passed.energy_J), "by_work_s": passed.by_work(),
        "steps": [
            {
                "layers": 0 if row.step.layer is None else model.every[row.step.layer].times,
                "part": row.step.part, "name": row.step.name, "work": row.step.work, "times": row.step.times,
                "time_s": row.time_s, "traffic_B": row.traffic_B, "energy_J": finite(row.energy_J), "macs": row.operations,
                "limit": row.price.limit, "cascade": row.price.form or None, "mapping": row.price.mapping or None,
            }
            for row in passed.rows
        ],
    }  # fmt: skip


def _memory(memory: Memory) -> dict[str, Any]:
    return {
        "weights_B": memory.weights_B, "cache_B": memory.cache_B, "activations_B": memory.activations_B,
        "total_B": memory.total_B, "size_B": memory.size_B, "fits": memory.fits,
    }  # fmt: skip


# --- for people


def _show(record: Mapping[str, Any], title: str) -> None:
    from fusemax.quantity import format_quantity
    from fusemax.screen import console as screen

    console = screen(highlight=False)
    for passed in record["passes"]:
        which = ": first token" if passed["queries"] > 1 or passed["reading"] else ": last step"
        table = _table(passed, title + which * (len(record["passes"]) > 1))
        console.print(table)
    console.print(f"time        {format_quantity(record['time_s'], 's', 4)}", soft_wrap=True)
    console.print(f"tokens      {record['tokens_per_s']:,.4g} per second", soft_wrap=True)
    if record["energy_per_token_J"] is not None:
        energy = format_quantity(record["energy_per_token_J"], "J", 4)
        console.print(f"energy      {energy} for each token", soft_wrap=True)
    chip_s = format_quantity(record["chip_seconds_per_token"], "s", 4)
    console.print(f"chips       {record['chips']}, {chip_s} of a chip for each token", soft_wrap=True)
    console.print(f"memory      {_memory_text(record['memory'])}", soft_wrap=True)
    if record["cut_searches"]:
        cut = ", ".join(record["cut_searches"])
        console.print(f"searches    ended before all was tried (--seconds gives more): {cut}", soft_wrap=True)
    stored = record["stored"]
    if stored and stored["bits"] != 8 * record["weights_B"]:
        said = f"weights of {stored['bits']:g} bits ({stored['method']}) in the file, here {8 * record['weights_B']:g}"
        console.print(f"stored      {said}: --words weights={stored['bits']:g}bit", soft_wrap=True)
    for title, key in (("assumed", "assumed_keys"), ("not used", "unused_keys")):
        if record[key]:
            console.print(f"{title:11} {', '.join(record[key])}", soft_wrap=True)


def _table(passed: Mapping[str, Any], title: str) -> Any:
    from fusemax.quantity import format_quantity
    from fusemax.screen import table

    rows = (
        (step["part"], step["name"], str(step["times"]), format_quantity(step["time_s"], "s", 4),
         f"{step['time_s'] / passed['time_s']:.1%}", format_quantity(step["traffic_B"], "B", 4), step["limit"])
        for step in passed["steps"]
    )  # fmt: skip
    headings = ("part", "step", ">times", ">time", ">share", ">traffic", "limited by")
    found = table(headings, rows, title, is_plain=True)
    total = format_quantity(passed["time_s"], "s", 4), format_quantity(passed["traffic_B"], "B", 4)
    found.add_row("all", "", "", total[0], "100.0%", total[1], "", style="bold")
    for column in found.columns:
        column.no_wrap = True  # where a terminal is narrow it wraps the line
    return found


def _memory_text(memory: Mapping[str, Any]) -> str:
    from fusemax.model.predict import Memory

    found = Memory(**{name: memory[name] for name in ("weights_B", "cache_B", "activations_B", "size_B")})
    said = {None: "; the machine does not say its size", True: "", False: "; it does not fit"}[found.fits]
    return f"{found}{said}"
