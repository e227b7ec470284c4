"""What several commands ask for: one wording each."""

from __future__ import annotations

from typing import Any

import typer

CASCADE: Any = typer.Argument(help="A cascade of einsums/, such as attention/1-pass, or your own file.")
MACHINE: Any = typer.Option(..., "--machine", help="A machine of arch/, or your own file.")
MAPPING: Any = typer.Option(
    None,
    "--mapping",
    help="A mapping beside the machine, or your own file; 'best': the best one found in 12 s of work; "
    "without it, in 3 s if that is near the bound.",
)
SECONDS: Any = typer.Option(
    None,
    "--seconds",
    min=0.0,
    help="Where no file is named: search for a mapping for so many seconds of work.",
)
VALUES: Any = typer.Option([], "--set", help="Sizes and figures: M=4096 E=64 L3.size=32MiB ...")
JSON: Any = typer.Option(False, "--json", help="Everything as JSON, in SI units.")
