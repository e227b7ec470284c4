"""The command line. Commands import what they need when they run, so that help is quick.

Each command lives in a module of its own and is one entry in ``COMMANDS`` (:mod:`fusemax.cli.app`). Nothing but the standard
library is imported before :func:`main` runs: who stops the command meanwhile is answered as at any other time.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typer


def build() -> typer.Typer:
    """Return the command-line application with every command."""
    from fusemax.cli.app import application

    return application()


def main() -> None:
    """Run the command line; a mistake of the user's ends with its message and exit code 1."""
    try:
        _open_what_is_closed()
        os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever windows the shell asks for
        _run()
    except KeyboardInterrupt:
        _end("stopped", 130)


def _run() -> None:
    from fusemax.errors import FusemaxError

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
        _end(readable(f"{error}{hint}"), 1)
    except (RecursionError, MemoryError) as error:
        what = (
            "nested too deeply"
            if isinstance(error, RecursionError)
            else "larger than the memory that is left"
        )
        _end(f"the input is {what}; this is a gap in fusemax: please report what you typed", 1)
    except OSError as error:
        _print_no_more()
        _end(
            f"{error.filename or 'what is printed'}: cannot be read or written ({error.strerror or error})", 1
        )


def _end(text: str, code: int) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Let what goes to a stream that was closed (``>&-``) go nowhere, rather than into the next file that is opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the life of the process


def _print_no_more() -> None:
    """Let what is left to print go nowhere: at its end Python would fail on it again."""
    from contextlib import suppress

    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
