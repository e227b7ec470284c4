"""What all tests share: expected texts that can be renewed, and how hard hypothesis tries."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

collect_ignore = ["gpu/interpreted.py"]  # a script of its own, which needs torch
GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that renews the expected texts."""
    parser.addoption("--update-golden", action="store_true", help="write the texts of tests/golden anew")


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on how wide the terminal is: those that want a width set one."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a check ``golden(name, text)``: *text* equals the committed file ``tests/golden/<name>.txt``."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        actual = text.rstrip("\n") + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual, encoding="utf-8")
        if not path.is_file():
            pytest.fail(f"{path} is missing; make it with: pytest {request.node.nodeid} --update-golden")

        assert path.read_text(encoding="utf-8") == actual

    return check
