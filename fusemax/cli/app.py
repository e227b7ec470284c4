"""The application: every command, and the options that stand before one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import typer

COMMANDS: Mapping[str, str] = {
    "run": "fusemax.cli.run:run",
    "map": "fusemax.cli.map:map_",
    "cost": "fusemax.cli.cost:cost",
    "explain": "fusemax.cli.explain:explain",
    "simulate": "fusemax.cli.simulate:simulate",
    "check": "fusemax.cli.check:check",
    "show": "fusemax.cli.show:show",
    "passes": "fusemax.cli.passes:passes",
    "reduce": "fusemax.cli.reduce:reduce",
    "model": "fusemax.cli.model:model",
    "gpu": "fusemax.cli.gpu:gpu",
    "list": "fusemax.cli.list_:list_",
    "new": "fusemax.cli.new:new",
    "schema": "fusemax.cli.schema:schema",
}


def application() -> typer.Typer:
    """Return the command-line application with every command of :data:`COMMANDS`."""
    app = typer.Typer(
        name="fusemax",
        help="The best way to run an attention algorithm on a machine, and how we know.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_version)
    for name, target in COMMANDS.items():
        module, function = target.split(":")
        entry = getattr(import_module(module), function)
        if isinstance(entry, typer.Typer):
            app.add_typer(entry, name=name)
        else:
            app.command(name)(entry)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from fusemax import __version__

        typer.echo(f"fusemax {__version__}")
        raise typer.Exit()


def _version(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
    ),
) -> None:
    del version  # the callback has answered
