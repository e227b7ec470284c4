"""One page that tells a study: headline, story, figures, and the comparison with what is published."""

from __future__ import annotations

from fusemax.report.page import Study, write

__all__ = ["Study", "write"]
