"""What fusemax says about wrong cascades: every message is an expected text."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemax.cascade.build import load_cascade
from fusemax.errors import ProblemsError

MISTAKES = Path(__file__).parent.parent / "mistakes" / "cascade"


@pytest.mark.parametrize("name", sorted(path.stem for path in MISTAKES.glob("*.yaml")))
def test_messages(name: str, golden) -> None:
    """A wrong cascade is refused with every mistake, its place, and a way to mend it."""
    with pytest.raises(ProblemsError) as caught:
        load_cascade(str(MISTAKES / f"{name}.yaml"))

    golden(f"mistakes/cascade-{name}", str(caught.value).replace(f"{MISTAKES}/", ""))
