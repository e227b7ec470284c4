"""``cost`` and ``simulate``, tile by tile and register by register, refuse the same points in the same words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fusemax.cli import build
from fusemax.cli.arguments import gathered
from fusemax.errors import FusemaxError

ATTENTION = "attention/1-pass --machine fusemax --mapping fusemax --set B=1 H=1 E=64 F=64 P=1Ki"
SPLIT = "grouped/split-k --machine h100 --mapping decode --set B=1 H=1 R=1 E=64 F=64 P=1"


def refusal(line: str) -> str:
    """Return what ``fusemax`` says of *line*, which it must refuse."""
    with pytest.raises(FusemaxError) as error:
        CliRunner().invoke(build(), gathered(line.split()), catch_exceptions=False)
    return str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (ATTENTION, "cascade attention/1-pass needs a size for M"),
        (f"{ATTENTION} M=0", "--set M: a size is a whole number of at least 1, got '0'"),
        (f"{ATTENTION} M=-4", "--set M: a size is a whole number of at least 1, got '-4'"),
        (f"{ATTENTION} M=1e30", "--set M: a size is at most 9007199254740991, got '1e30'"),
        (f"{ATTENTION} M=1Ki M0=256", "M0 cannot be set: mapping fusemax cuts it under 'tiles:'"),
        (
            f"{ATTENTION} M=1Ki M1=4",
            "M1 cannot be set: it follows from M and what mapping fusemax cuts under 'tiles:'",
        ),
        (
            f"{ATTENTION} M1=4",
            "M would follow from a tile that mapping fusemax cuts under 'tiles:'\n  hint: give M instead of its parts",
        ),
        (f"{ATTENTION} M=1Ki P1=4", "P1 cannot be set: mapping fusemax cuts it under 'tiles:'"),
        (
            f"{ATTENTION} M=1Ki Z=4",
            "Z is no rank or size of cascade attention/1-pass; there are: B, E, F, H, M, M0, M1, P",
        ),
        (f"{ATTENTION} M=1Ki L3.ports=2", "no such figure of the machine: L3.ports"),
        (f"{SPLIT} M=1Ki M0=128", "M0 cannot be set: mapping decode cuts it under 'tiles:'"),
    ],
)
def test_a_point_is_refused_in_the_same_words(line: str, said: str) -> None:
    """Sizes that are missing, none, too many, unknown, or said by the mapping; figures that the machine has not."""
    refusals = [refusal(f"{command} {line}") for command in ("cost", "simulate")]
    assert refusals[0] == refusals[1]
    assert refusals[0].startswith(said)
    if line.startswith("attention"):
        assert refusals[0] == refusal(f"simulate {line} --level pe")


def test_what_does_not_fit_is_told_alike() -> None:
    """Both name the level, every tensor with its bytes, and how to mend it."""
    refusals = [refusal(f"{command} {ATTENTION} M=1Ki L3.size=1KiB") for command in ("cost", "simulate")]
    assert refusals[0] == refusals[1]
    assert "129 KiB (132,096 B) needed (Q 32 KiB (32,768 B)," in refusals[0]
