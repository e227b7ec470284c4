"""Print the lowest version of every dependency that pyproject.toml allows, as constraints for pip: see `make floors`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def floors() -> list[str]:
    """Return ``name==version`` for each run-time dependency."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    return [re.sub(r"^([\w-]+)>=([\w.]+)$", r"\1==\2", entry) for entry in declared]


if __name__ == "__main__":
    print("\n".join(floors()))
