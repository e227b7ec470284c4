"""``fusemax run``: run a study and leave its tables, figures and report in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import typer

from fusemax.errors import FusemaxError

KINDS: Mapping[str, str] = {
    "sweep": "fusemax.cli.sweep:run",
    "taxonomy": "fusemax.study.taxonomy:run",
    "derivations": "fusemax.study.derivations:run",
}


def run(
    study: str = typer.Argument(help="A study of studies/, such as micro24, or your own file."),
    out: Path = typer.Option(None, "--out", help="Folder of the results; results/<study> if not given."),
) -> None:
    """Run a study: a table on the screen, the results, figures and a report in a folder."""
    from fusemax.study.spec import study_kind

    kind, path = study_kind(study)
    if kind not in KINDS:
        raise FusemaxError(f"{path}: unknown kind of study {kind!r}; there are: {', '.join(KINDS)}")
    module, function = KINDS[kind].split(":")
    getattr(import_module(module), function)(path, out or Path("results") / path.stem)
