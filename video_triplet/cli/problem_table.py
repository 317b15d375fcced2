"""The table of problems that the checks print."""

from __future__ import annotations

from collections import Counter

from rich.markup import escape
from rich.table import Column, Table

from video_triplet.data.findings import Findings
from video_triplet.data.problems import is_error
from video_triplet.data.videos import Problem


def problem_table(findings: Findings) -> Table:
    """Return a row per kind and video: the count and the first example; errors come first."""
    groups = Counter((problem.kind, problem.video) for problem in findings.problems)
    first: dict[tuple[str, str], Problem] = {}
    for problem in findings.problems:
        first.setdefault((problem.kind, problem.video), problem)
    table = Table("", "kind", Column("video", overflow="fold"), "count", Column("first example", overflow="fold"))
    for kind in findings.counts:
        for (own_kind, video), count in groups.items():
            if own_kind == kind:
                severity = "error" if is_error(kind) else "note"
                cells = (severity, kind, video or "(all)", str(count), first[kind, video].detail)
                table.add_row(*(escape(cell) for cell in cells))
    return table
