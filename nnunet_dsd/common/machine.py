"""What the machine allows: how many processes, and whether somebody looks at a progress bar."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def usable_processes(most: int) -> int:
    """Return how many processes to use unless told: one per core this process may use, at most `most`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, most)


def processes_for(work: float, *, each: float, most: int) -> int:
    """Return how many processes to use for some work unless told: as many as it is worth starting.

    A process that starts loads Python and libraries first, which takes seconds where the machine is busy.

    Args:
        work: How much there is to do, in any unit.
        each: The least of it that is worth a process of its own, in the same unit.
        most: At most so many, and one per core.
    """
    return max(1, min(usable_processes(most), int(work // each)))


def free_bytes(path: Path) -> int:
    """Return the free space on the disk of a path that may not exist yet."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def training_device() -> str:
    """Return the device that nnU-Net can train on here, as its `-device` names it; loads torch."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_problem(device: str) -> str | None:
    """Return why PyTorch cannot compute on a device of its names; None where it can. Loads torch but for the CPU."""
    if device == "cpu":
        return None
    import torch

    there = torch.backends.mps.is_available() if device == "mps" else torch.cuda.is_available()
    name = "MPS" if device == "mps" else "CUDA"
    return None if there else f"PyTorch finds no {name} device here; give --device cpu"


def is_continuous_integration() -> bool:
    """Return whether this is run by a service whose logs nobody watches while they grow."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def progress_is_shown() -> bool:
    """Return whether progress goes to a terminal; never in continuous integration."""
    return sys.stderr.isatty() and not is_continuous_integration()
