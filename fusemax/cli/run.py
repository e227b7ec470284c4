"""``fusemax run``: run a study and leave its tables, figures and report in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path

import typer

from fusemax.errors import FusemaxError

KINDS: Mapping[str, str] = {
    "audit": "fusemax.study.audit:run",
    "sweep": "fusemax.cli.sweep:run",
    "taxonomy": "fusemax.study.taxonomy:run",
    "derivations": "fusemax.study.derivations:run",
    "gpu": "fusemax.study.gpu:run",
    "gpu-passes": "fusemax.study.gpu:run_passes",
}


def run(
    study: str = typer.Argument(help="A study of studies/, such as micro24, or your own file."),
    out: Path = typer.Option(None, "--out", help="Folder of the results; results/<study> if not given."),
    pareto: str = typer.Option(None, help="Keep only the Pareto front of measures: latency,energy,area."),
    top: int = typer.Option(None, help="Keep only the best N points by the measure --by."),
    by: str = typer.Option(None, help="The measure of --top, such as energy_delay; -NAME for the largest."),
    resume: bool = typer.Option(False, "--resume", help="Go on with a run that was interrupted."),
    fresh: bool = typer.Option(False, "--fresh", help="Start over, whatever stands in the folder."),
    cluster: str = typer.Option(None, help="Run on the Dask cluster with this scheduler: tcp://host:8786."),
    workers: int = typer.Option(None, help="Run on a local Dask cluster of N processes."),
    chunk: int = typer.Option(None, help="Points in a chunk, the unit of work and of resuming."),
) -> None:
    """Run a study: a table on the screen, the results, figures and a report in a folder.

    Options after --out are for studies whose parts have a grid.
    """
    from fusemax.study.load import study_kind

    kind, path = study_kind(study)
    if kind not in KINDS:
        raise FusemaxError(f"{path}: unknown kind of study {kind!r}; there are: {', '.join(KINDS)}")
    options = {
        "pareto": pareto, "top": top, "by": by, "resume": resume, "fresh": fresh, "cluster": cluster,
        "workers": workers, "chunk": chunk,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    module, function = KINDS[kind].split(":")
    command = getattr(import_module(module), function)
    if given and "options" not in signature(command).parameters:
        listed = ", ".join(f"--{name}" for name in given)
        raise FusemaxError(f"{listed}: a study of kind {kind!r} takes no such option")
    command(path, out or Path("results") / path.stem, **given)
