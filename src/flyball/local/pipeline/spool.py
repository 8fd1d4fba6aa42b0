"""Pushes that wait for the pipeline: one small file each in `.flyball/spool`, put there by rename, oldest first.

A file stays until its push has been through the pipeline, so a control plane that dies loses none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One push: its name and the commit's whole hash."""

    name: str
    commit: str


def waiting(spool: Path) -> list[Job]:
    """All jobs, the oldest first; what is not a job is left alone."""
    if not spool.is_dir():
        return []
    found = sorted(
        ((path.stat().st_mtime_ns, path) for path in spool.iterdir() if not path.name.startswith(".")),
        key=lambda one: (one[0], one[1].name),
    )
    return [Job(name=path.name, commit=path.read_text(encoding="ascii").strip()) for _, path in found]


def done(spool: Path, job: str) -> None:
    """The job has been through the pipeline."""
    (spool / job).unlink(missing_ok=True)
