"""Ratios, shares and points as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence

from fusemax.plot.labels import tick
from fusemax.report.numbers import Case


def than(ratio: float) -> str:
    """Return the word between a *ratio*, as :func:`share` tells it, and what it is of."""
    said = share(ratio)
    return "than" if said.endswith(("less", "more")) else "as" if said == "the same" else "of"


def share(ratio: float) -> str:
    """Return a ratio as more or less than before."""
    if abs(ratio - 1) < 0.0005:
        return "the same"
    if ratio >= 2:
        return f"{times(ratio)} times the"
    return f"{percent(abs(ratio - 1))} {'less' if ratio < 1 else 'more'}"


def times(value: float) -> str:
    """Return a ratio in three digits.

    >>> times(6.7234), times(10.04), times(0.78712)
    ('6.72', '10.0', '0.787')
    """
    return f"{value:#.3g}".rstrip(".")


def listed(names: Sequence[str]) -> str:
    """Return *names* one after another, apart by semicolons where one of them has a comma.

    >>> listed(["FLAT", "FuseMax"]), listed(["FLAT", "FuseMax, best"])
    ('FLAT, FuseMax', 'FLAT; FuseMax, best')
    """
    return ("; " if any("," in name for name in names) else ", ").join(names)


def percent(value: float) -> str:
    """Return a share in percent, to a tenth.

    >>> percent(0.997), percent(0.0767), percent(1.0)
    ('99.7%', '7.7%', '100%')
    """
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def point_of(case: Case) -> str:
    """Return the labels and the length of *case* in words."""
    labels = ", ".join(str(value) for value in case[2] if value is not None)
    length = "" if case[3] is None else tick(case[3])
    return " at ".join(text for text in (labels, length) if text) or "one point"
