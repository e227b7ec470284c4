"""The texts of ticks: plain numbers, whole numbers with their power of ten, powers of ten."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter, ScalarFormatter

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def level_ticks() -> ScalarFormatter:
    """Return the texts of a level axis: plain where the numbers are near 1, else each with its power of ten."""
    from matplotlib.ticker import ScalarFormatter

    class Whole(ScalarFormatter):
        """Each text says the whole number: nothing stands apart at the end of the axis."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            del pos
            assert self.axis is not None, "ticks stand on an axis"
            largest = max(map(abs, self.axis.get_view_interval()))
            if not largest or 1e-3 <= largest < 1e5:
                return super().__call__(x)
            return (
                "0"
                if x == 0
                else f"{x / 10.0 ** floor(log10(largest)):.4g}·10{_raised(floor(log10(largest)))}"
            )

        def get_offset(self) -> str:
            return ""

    found = Whole(useOffset=False)
    found.set_scientific(False)
    return found


def _raised(exponent: int) -> str:
    return str(exponent).translate(_RAISED)


def log_ticks(axis: Axis) -> FuncFormatter:
    """Return the texts of a logarithmic *axis*: all plain where all are near 1, else all powers of ten."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _: int | None) -> str:
        low, high = sorted(axis.get_view_interval())
        return power(value, plain=low >= 9e-4 and high < 1e4)

    return FuncFormatter(text)


def power(value: float, plain: bool | None = None) -> str:
    """Return the text of a logarithmic tick: a plain number, or a power of ten; near 1 a plain one if *plain* is None.

    >>> power(0.5), power(1000.0), power(1e5), power(2e-6), power(0.1, plain=False)
    ('0.5', '1000', '10⁵', '2·10⁻⁶', '10⁻¹')
    """
    if plain or (plain is None and 1e-2 <= value < 1e4):
        return f"{value:.10g}"
    digits, exponent = f"{value:.3e}".split("e")
    raised, digits = str(int(exponent)).translate(_RAISED), f"{float(digits):g}"
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"
