"""What fusemax says about wrong files: every message is an expected text."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cli.check import check_file
from fusemax.errors import FusemaxError
from fusemax.machine import load_machine
from tests.mappings import load_mapping

MISTAKES = Path(__file__).parent / "mistakes"
MACHINES = {
    "many": "fusemax",
    "turns": "fusemax",
    "unkept": "fusemax",
    "useless": "fusemax",
    "tile": "fusemax",
    "pass-boundary": "flat",
    "order": "flat",
    "generations": "flat",
    "groups": "h100",
}


def files(kind: str) -> list[str]:
    """The names of the wrong files of one kind."""
    return sorted(path.stem for path in (MISTAKES / kind).glob("*.yaml"))


def shown(error: FusemaxError, folder: Path) -> str:
    """The message with paths as a user in that folder would see them."""
    return str(error).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", files("machine"))
def test_machines(name: str, golden) -> None:
    """A wrong machine file is refused, all mistakes at once."""
    folder = MISTAKES / "machine"
    with pytest.raises(FusemaxError) as caught:
        check_file(folder / f"{name}.yaml")

    golden(f"mistakes/machine-{name}", shown(caught.value, folder))


@pytest.mark.parametrize("name", files("mapping"))
def test_mappings(name: str, golden) -> None:
    """A wrong mapping is refused against its machine and cascade."""
    folder = MISTAKES / "mapping"
    machine, path = load_machine(MACHINES[name])
    with pytest.raises(FusemaxError) as caught:
        load_mapping(str(folder / f"{name}.yaml"), machine, path)

    golden(f"mistakes/mapping-{name}", shown(caught.value, folder))


@pytest.mark.parametrize("name", files("study"))
def test_studies(name: str, golden) -> None:
    """A wrong study file is refused."""
    folder = MISTAKES / "study"
    with pytest.raises(FusemaxError) as caught:
        check_file(folder / f"{name}.yaml")

    golden(f"mistakes/study-{name}", shown(caught.value, folder))
