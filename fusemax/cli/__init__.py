"""The command line. Commands import what they need when they run, so that help is quick.

Each command lives in a module of its own and is one entry in :data:`COMMANDS`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module

import typer

from fusemax.errors import FusemaxError

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


def build() -> typer.Typer:
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


def main() -> None:
    """Run the command line; a mistake of the user's ends with its message and exit code 1."""
    _open_what_is_closed()
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever windows the shell asks for
    try:
        from fusemax.cli.arguments import command_line

        try:
            build()(args=command_line())
        finally:
            sys.stdout.flush()
    except FusemaxError as error:
        from fusemax.cascade.sizes import MissingSizeError
        from fusemax.errors import readable

        names = error.names if isinstance(error, MissingSizeError) else ()
        hint = f"\n  hint: --set {' '.join(f'{name}=...' for name in names)}" if names else ""
        typer.echo(readable(f"{error}{hint}"), err=True)
        sys.exit(1)
    except (RecursionError, MemoryError) as error:
        what = (
            "nested too deeply"
            if isinstance(error, RecursionError)
            else "larger than the memory that is left"
        )
        typer.echo(f"the input is {what}; this is a gap in fusemax: please report what you typed", err=True)
        sys.exit(1)
    except OSError as error:
        what = error.filename or "what is printed"
        typer.echo(f"{what}: cannot be read or written ({error.strerror or error})", err=True)
        _print_no_more()
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)


def _open_what_is_closed() -> None:
    """Let what goes to a stream that was closed (``>&-``) go nowhere, rather than into the next file that is opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the life of the process


def _print_no_more() -> None:
    """Let what is left to print go nowhere: at its end Python would fail on it again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
