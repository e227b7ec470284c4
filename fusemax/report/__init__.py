"""One page that tells a study: headline, story, figures, and the comparison with what is published."""

from __future__ import annotations

from fusemax.report.page import write
from fusemax.report.study import Points, Short, Study

__all__ = ["Points", "Short", "Study", "write"]
