"""The name that somebody meant: one rule for every "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that is most like *name*; None when none is.

    >>> nearest("fusemx", ["flat", "fusemax"]), nearest("x", ["flat"])
    ('fusemax', None)
    """
    from difflib import get_close_matches

    names = list(known)
    found = get_close_matches(name, names, 1)
    if not found:
        folded = {other.casefold(): other for other in names}
        found = [folded[near] for near in get_close_matches(name.casefold(), folded, 1)]
    return found[0] if found else None


def meant(name: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown *name*: what is near, or all that is *known*.

    >>> meant("fusemx", ["flat", "fusemax"]), meant("x", ["flat", "fusemax"])
    ("did you mean 'fusemax'?", 'there are: flat, fusemax')
    """
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"there are: {listed(names)}" if names else "there are none"


def listed(names: Iterable[str]) -> str:
    """Return *names* one after the other, in quotes where a comma stands in one of them.

    >>> listed(["flat", "fusemax"]), listed(["FLAT, unfused", "FLAT"])
    ('flat, fusemax', "'FLAT, unfused', 'FLAT'")
    """
    known = list(names)
    return ", ".join(map(repr, known) if any("," in name for name in known) else known)
