"""``fusemax show``: a cascade's Einsums, its data flow as text (and as a picture), its operations as formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fusemax.cascade.ir import Cascade


def show(
    cascade: str = typer.Argument(
        help="A cascade of einsums/, such as attention/1-pass, or your own file; or a model's config.json."
    ),
    svg: Path = typer.Option(None, "--svg", help="Draw the data flow, passes coloured, into this file."),
    save: Path = typer.Option(
        None, "--save", help="Write the layers of a model into this folder, each as a cascade of its own."
    ),
) -> None:
    """Show the Einsums of a cascade, who reads what, and how many operations each does; or the layers of a model."""
    from fusemax.cascade.build import load_cascade

    if _is_model(cascade):
        _show_model(cascade, svg, save)
        return
    if save is not None:
        from fusemax.errors import FusemaxError

        raise FusemaxError(f"--save: writes the layers of a model, but {cascade} is a cascade")
    loaded = load_cascade(cascade)
    typer.echo(text_of(loaded))
    if svg is not None:
        from fusemax.analysis.passes import analyse
        from fusemax.plot.dag import draw

        draw(loaded, analyse(loaded), svg)
        typer.echo(f"\ndrawn: {svg}")


def _is_model(name: str) -> bool:
    """Return whether *name* is a configuration: a folder with one, JSON, or YAML that says the kind of model."""
    from fusemax.errors import FusemaxError
    from fusemax.model.config import is_model
    from fusemax.shipped import is_file
    from fusemax.source import read_yaml

    path = Path(name)
    if path.suffix == ".json" or is_file(path / "config.json"):
        return True
    if path.suffix not in (".yaml", ".yml") or not is_file(path):
        return False
    try:
        return is_model(read_yaml(path).data)
    except FusemaxError:
        return False  # whoever reads it as a cascade says what is wrong


def _show_model(name: str, svg: Path | None, save: Path | None) -> None:
    """Print each kind of layer of the model at *name* as a cascade with its sizes; write them into *save*."""
    from fusemax.errors import FusemaxError
    from fusemax.files import replace_file
    from fusemax.model.config import load_model
    from fusemax.model.layers.whole import written

    if svg is not None:
        hint = "--save FOLDER, then fusemax show FOLDER/layer.yaml --svg FILE"
        raise FusemaxError(f"--svg: draws one cascade, but {name} is a model\n  hint: {hint}")
    model = load_model(name)
    typer.echo(f"{model.name} ({model.kind}): {model.depth} layers; P tokens of one sequence")
    for one in written(model):
        times = f"{one.times} times" if one.times > 1 else "once"
        typer.echo(f"\n{one.name}, {times}: {one.cascade.title.partition(', ')[2]}")
        typer.echo(f"sizes: {' '.join(f'{rank}={size}' for rank, size in one.sizes.items())}")
        typer.echo("\n".join(f"  {line}" for line in str(one.cascade).splitlines()))
        if save is not None:
            replace_file(save / f"{one.name}.yaml", one.text)
    if save is not None:
        typer.echo(f"\nwritten: {save}")


def text_of(cascade: Cascade) -> str:
    """Return the description of *cascade* that the command prints."""
    rows = [f"{cascade.name}: {cascade.title}", f"source: {cascade.source}"]
    if cascade.batch:
        rows.append(f"batch ranks: {', '.join(cascade.batch)}")
    rows += ["", "Einsums", *(f"  {line}" for line in str(cascade).splitlines())]
    rows += ["", "Data flow", *(f"  {line}" for line in _flow(cascade))]
    rows += ["", "Operations (per batch element)", *(f"  {line}" for line in _operations(cascade))]
    return "\n".join(rows)


def _flow(cascade: Cascade) -> list[str]:
    rows = []
    width = max(len(einsum.name) for einsum in cascade.computed)
    for einsum in cascade.computed:
        sources = ", ".join(dict.fromkeys(str(access) for access in einsum.reads))
        kind = " (output)" if einsum.name in cascade.outputs else ""
        rows.append(f"{einsum.name:{width}} <- {sources}{kind}")
    return rows


def _operations(cascade: Cascade) -> list[str]:
    from fusemax.analysis.work import plain_operations

    rows = []
    totals: dict[str, list[str]] = {}
    width = max(len(einsum.name) for einsum in cascade.computed)
    for einsum in cascade.computed:
        for operation in plain_operations(cascade, einsum):
            count = "*".join(_sizes(cascade, operation.variables)) or "1"
            rows.append(f"{einsum.name:{width}} {operation.name:8} {count}")
            totals.setdefault(operation.name, []).append(count)
    rows += ["", *(f"{'total':{width}} {name:8} {' + '.join(_collected(c))}" for name, c in totals.items())]
    return rows


def _sizes(cascade: Cascade, variables: frozenset[str]) -> list[str]:
    """Return the sizes of *variables*, with the digits of a partitioned rank taken together (``m1, m0`` is M)."""
    from fusemax.language.syntax import names

    left = {variable.upper() for variable in variables}
    for name, rank in cascade.ranks.items():
        parts = set(names(rank.size)) if rank.size is not None else set()
        if len(parts) > 1 and parts <= left:
            left = (left - parts) | {name}
    return sorted(left)


def _collected(counts: list[str]) -> list[str]:
    return [f"{counts.count(c)}*{c}" if counts.count(c) > 1 else c for c in dict.fromkeys(counts)]
