"""``fusemax map``: the best mapping of a cascade on a machine, and how far it can be from the best there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from fusemax.cli.options import CASCADE, JSON, MACHINE, VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemax.cascade.ir import Cascade
    from fusemax.machine import Machine
    from fusemax.search.answer import Answer
    from fusemax.search.forms import Forms

    Design = tuple[Cascade, Machine, dict[str, int], dict[str, float]]


def map_(
    cascade: str = CASCADE,
    machine: str = MACHINE,
    values: list[str] = VALUES,
    objective: Literal["latency", "energy", "traffic", "edp"] = typer.Option(
        "latency", "--for", help="What is to be least; edp is latency times energy."
    ),
    out: Path = typer.Option(None, "-o", "--out", help="Write the mapping file here."),
    proof: Path = typer.Option(
        None, "--certificate", help="Write what is claimed, for 'fusemax check' to verify."
    ),
    absorb: list[str] = typer.Option(
        [], "--absorb", help="An Einsum that the maker of its input does for nothing."
    ),
    seconds: float = typer.Option(12.0, "--seconds", min=0.0, help="When to stop looking for better ones."),
    strategy: str = typer.Option(
        "joined", "--strategy", help="joined, apart (a phase for each Einsum), or exhaustive (everything)."
    ),
    rewrite: bool = typer.Option(
        False,
        "--rewrite",
        help="Try forms of the cascade with fewer passes too, as 'fusemax reduce' derives them.",
    ),
    weighed: str = typer.Option(
        "",
        "--front",
        help="Two objectives, such as latency,energy: mappings of which none is better in both.",
    ),
    space: Path = typer.Option(
        None,
        "--within",
        help="A file that says what is left open: tiles, keep, bind and spread, each of them named or 'any'.",
    ),
    spread: str = typer.Option(
        "", "--spread", help="The ranks whose loops may be dealt to cores, such as b,h; all, if not given."
    ),
    json: bool = JSON,
) -> None:
    """Find the best mapping of a cascade on a machine; say what it costs and how far that is from a lower bound."""
    from fusemax.cascade.build import load_cascade
    from fusemax.cli.arguments import sizes_and_figures
    from fusemax.machine import load_machine
    from fusemax.search.write import with_cascade

    sizes, figures = sizes_and_figures(values)
    described, _ = load_machine(machine)
    design = (load_cascade(cascade), described, sizes, figures)
    choices: dict[str, Any] = {"absorb": absorb, "seconds": seconds}
    _refuse_together(weighed, rewrite, proof, space is not None, bool(spread))
    _refuse_places(None if weighed else out, proof, out if weighed else None)
    if weighed:
        _front(weighed, design, choices, out, f"{cascade} on {machine}", json)
        return
    choices |= {"objective": objective, "search": strategy} | _narrowed(space, spread, design)
    answer, forms = _searched(design, choices, rewrite)
    if forms is not None and forms.is_rewritten:
        cascade = _write_form(forms, out, proof)
    text = with_cascade(answer.text, cascade, out.parent if out is not None else Path())
    _print(answer, forms, f"{answer.mapped.cascade.name} on {machine}", text, json)
    _write(answer, text, cascade, machine, (sizes, figures), strategy, out, proof, json)


def _refuse_together(weighed: str, rewrite: bool, proof: Path | None, space: bool, spread: bool) -> None:
    """Refuse options that contradict each other."""
    from fusemax.errors import FusemaxError

    if weighed and (rewrite or proof is not None):
        raise FusemaxError("--front gives many mappings: it goes with neither --rewrite nor --certificate")
    if (space or spread) and (weighed or rewrite or proof is not None):
        raise FusemaxError(
            f"--{'within' if space else 'spread'} narrows one search, and its bound is one of that space: "
            "no --front, --rewrite or --certificate"
        )


def _refuse_places(out: Path | None, proof: Path | None, folder: Path | None) -> None:
    """Refuse, before a search, files that are folders and folders that are files."""
    from fusemax.errors import FusemaxError
    from fusemax.shipped import is_file, is_folder

    for option, path in (("-o", out), ("--certificate", proof)):
        if path is not None and is_folder(path):
            raise FusemaxError(f"{option} {path}: this is a folder\n  hint: name a file in it")
    if folder is not None and is_file(folder):
        raise FusemaxError(f"-o {folder}: this is a file\n  hint: --front writes its mappings into a folder")
    if out is not None and proof is not None and out.absolute() == proof.absolute():
        raise FusemaxError(f"-o and --certificate: both name {out}")


def _narrowed(space: Path | None, spread: str, design: Design) -> dict[str, Any]:
    if space is None and not spread:
        return {}
    from fusemax.search.within import Within, spread_over, within_of
    from fusemax.source import read_yaml

    within = Within() if space is None else within_of(read_yaml(space), design[0], design[1])
    return {"within": spread_over(spread, within, design[0]) if spread else within}


def _searched(design: Design, choices: dict[str, Any], rewrite: bool) -> tuple[Answer, Forms | None]:
    """Return the answer of a search, and what became of each form where the cascade may be rewritten."""
    from fusemax.cli.searching import Progress

    with Progress(choices["objective"]) as progress:
        if not rewrite:
            from fusemax.search.answer import best_mapping

            return best_mapping(*design, **choices, watch=progress.watch), None
        from fusemax.search.forms import best_form

        forms = best_form(*design, **choices, watch=progress.watch)
    assert forms.best.answer is not None
    return forms.best.answer, forms


def _write(
    answer: Answer, text: str, cascade: str, machine: str, given: tuple[dict[str, int], dict[str, float]],
    strategy: str, out: Path | None, proof: Path | None, json: bool,
) -> None:  # fmt: skip
    from fusemax.files import replace_file

    if out is not None:
        replace_file(out, text)
    if proof is not None:
        from fusemax.search.certificate import certificate

        replace_file(proof, certificate(answer, cascade, machine, *given, strategy))
    for written in (out, proof):
        if written is not None:
            typer.echo(f"wrote {written}", err=json)


def _print(answer: Answer, forms: Forms | None, title: str, text: str, json: bool) -> None:
    from fusemax.cli.map_screen import as_record, form_record, forms_table, show
    from fusemax.screen import console

    if json:
        import json as format_json

        record = as_record(answer, text)
        if forms is not None:
            record["forms"] = [form_record(one) for one in forms.tried]
        typer.echo(format_json.dumps(record, indent=2))
        return
    if forms is not None:
        console().print(forms_table(forms, answer.objective))
    show(console(), answer, title, text)


def _write_form(forms: Forms, out: Path | None, proof: Path | None) -> str:
    """Write the form that won beside the files that name it; return its path, or its name where nothing is written."""
    from fusemax.cli.reduce import write_form

    beside = out or proof
    if beside is None:
        return forms.best.form.cascade.name
    path = beside.with_name(f"{beside.stem}-cascade.yaml")
    write_form(path, forms.best.form, forms.reduced)
    return str(path)


def _front(
    weighed: str, design: Design, choices: dict[str, Any], out: Path | None, title: str, json: bool,
) -> None:  # fmt: skip
    """Print the front of two objectives; write its mappings and its figure into the folder *out*."""
    from fusemax.cli.map_screen import front_table
    from fusemax.errors import FusemaxError
    from fusemax.search.answer import OBJECTIVES
    from fusemax.search.front import front

    names = tuple(weighed.split(","))
    if len(names) != 2 or names[0] == names[1] or any(name not in OBJECTIVES for name in names):
        raise FusemaxError(
            f"--front: expected two of {', '.join(OBJECTIVES)}, such as latency,energy; got {weighed!r}"
        )
    points, _ = front(*design, objectives=(names[0], names[1]), **choices)
    cascade = design[0]
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps([asdict(point) for point in points], indent=2, default=str))
    else:
        from fusemax.screen import console

        console().print(front_table(points, f"{title}: the front of {names[0]} and {names[1]}"))
    if out is not None:
        from fusemax.files import replace_file
        from fusemax.search.write import with_cascade

        for number, point in enumerate(points, 1):
            text = with_cascade(point.text, cascade.file or cascade.name, out)
            replace_file(out / f"{number}.yaml", text)
        paths = _front_drawn(points, names, title, out)
        typer.echo(
            f"wrote {len(points)} mappings and {', '.join(path.name for path in paths)} in {out}", err=json
        )


#: The column of each objective.
_COLUMNS = {"latency": "latency_s", "energy": "energy_J", "traffic": "traffic_B", "edp": "energy_delay"}


def _front_drawn(points: Sequence[Any], names: Sequence[str], title: str, out: Path) -> tuple[Path, ...]:
    """Draw the front of the objectives *names* into *out*; return the files."""
    from fusemax.plot.spec import FigureSpec
    from fusemax.plot.sweep import draw_tables
    from fusemax.table.column import measure
    from fusemax.table.table import Tables, table_of_rows

    x, y = (_COLUMNS[name] for name in names)
    rows = [
        {"latency_s": p.latency_s, "energy_J": p.energy_J, "traffic_B": p.traffic_B, "energy_delay": p.latency_s * p.energy_J}
        for p in points
    ]  # fmt: skip
    columns = [measure(name, unit="J s" if name == "energy_delay" else "") for name in _COLUMNS.values()]
    spec = FigureSpec(file="front", kind="front", x=x, y=y, title=title)
    return draw_tables(Tables(folder=out, tables={"results": table_of_rows(rows, columns)}), out, spec).paths
