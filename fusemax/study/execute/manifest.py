"""What identifies a run: version and code, files, jobs, which points are kept; and what differs between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusemax.files import sources_digest
from fusemax.study.jobs.job import Planned


def manifest_of(plan: Planned, chunk_points: int) -> dict[str, Any]:
    """Return what identifies a run: version and code, files, jobs and the size of a chunk."""
    from fusemax import __version__

    return {
        "fusemax": __version__,
        "code": sources_digest(),
        "files": plan.hashes(),
        "jobs": [job.digest() for job in plan.jobs],
        "kept": [[job.keep.kind, *job.keep.measures, job.keep.most] for job in plan.jobs],
        "chunk_points": chunk_points,
    }


def choices_in_words(kept: object) -> str:
    """Return in words which points the jobs of a manifest keep."""
    rows = kept if isinstance(kept, list) else []
    found = dict.fromkeys(_choice(row) for row in rows if isinstance(row, list) and row)
    return " and ".join(found) or "nothing known"


def _choice(row: Sequence[Any]) -> str:
    kind, *measures, most = row
    listed = ", ".join(str(measure) for measure in measures)
    said = {"all": "all points", "front": f"the front of {listed}", "best": f"the {most} best by {listed}"}
    return said.get(str(kind), str(kind))


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two manifests, in words."""
    found: list[str] = []
    if old.get("fusemax") != new["fusemax"]:
        found.append(f"fusemax {old.get('fusemax')} -> {new['fusemax']}")
    elif old.get("code") != new["code"]:
        found.append("the code of fusemax")
    before, after = old.get("files", {}), new["files"]
    found += [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    words = {"kept": "which points are kept", "chunk_points": "points in a chunk"}
    found += [text for key, text in words.items() if old.get(key) != new[key]]
    if not found and old.get("jobs") != new["jobs"]:
        found.append("what is computed")
    return found
