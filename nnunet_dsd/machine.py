"""What the machine allows: how many processes, and whether somebody looks at a progress bar."""

from __future__ import annotations

import os
import sys


def usable_processes(most: int) -> int:
    """Return how many processes to use unless told: one per core this process may use, at most `most`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, most)


def progress_is_shown() -> bool:
    """Return whether progress goes to a terminal; never in continuous integration."""
    return sys.stderr.isatty() and os.environ.get("CI", "").lower() not in ("1", "true")
