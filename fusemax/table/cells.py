"""Cells of a CSV file that a spreadsheet would run as a formula: written with an apostrophe before them, read without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

#: Texts that a spreadsheet takes for a formula, behind apostrophes too; after a sign those that call something.
_RUN = r"'*(?:[=@\t\r]|[-+](?s:.*)[(|!=])"


def guarded(frame: polars.DataFrame) -> polars.DataFrame:
    """Return *frame* with an apostrophe before every text, and name of a column, that a spreadsheet would run.

    >>> import polars
    >>> guarded(polars.DataFrame({"name": ["=1+1", "-", "a"], "n": [-1, 2, 3]}))["name"].to_list()
    ["'=1+1", '-', 'a']
    """
    import polars

    text = polars.col(polars.String)
    run = text.str.contains(f"^{_RUN}")
    found = frame.with_columns(polars.when(run).then(polars.lit("'") + text).otherwise(text).name.keep())
    return found.rename({name: guarded_name(name) for name in frame.columns})


def guarded_name(name: str) -> str:
    """Return *name* as :func:`guarded` writes it.

    >>> guarded_name("=a"), guarded_name("a")
    ("'=a", 'a')
    """
    return f"'{name}" if re.match(_RUN, name) else name


def bare(frame: polars.DataFrame) -> polars.DataFrame:
    """Return *frame* without the apostrophes of :func:`guarded`.

    >>> import polars
    >>> bare(polars.DataFrame({"name": ["'=1+1", "'s", "-"]}))["name"].to_list()
    ['=1+1', "'s", '-']
    """
    import polars

    text = polars.col(polars.String)
    found = frame.with_columns(
        polars.when(text.str.contains(f"^'{_RUN}")).then(text.str.slice(1)).otherwise(text).name.keep()
    )
    return found.rename({name: name[1:] for name in frame.columns if re.match(f"'{_RUN}", name)})
