"""What a study of kind ``audit`` holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fusemax.study.spec.file import Corrected, Correction
from fusemax.study.spec.values import reading, size_value

Length = Annotated[int, reading(size_value)]


class AuditFile(Corrected):
    """A study of ``kind: audit``: a part of another study and corrections of it; ``ours`` is held against others.

    ``start`` says what the counts without corrections are, ``beside`` what still holds when all are made. The figure shows
    the ``lengths``.
    """

    kind: Literal["audit"]
    title: str
    source: str
    doc: str = ""
    base: str
    part: str
    ours: str
    against: list[str] = Field(min_length=1)
    start: str
    beside: str = ""
    lengths: list[Length] = Field(min_length=1)
    corrections: list[Correction] = Field(min_length=1)
