"""The weights of single epochs beside a run: which are kept, where they are, how much disk they take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError

EPOCH_FOLDER = "epochs"
EPOCH_FILE = re.compile(r"epoch_(\d+)\.pt")
ALL = "all"


def epoch_file(run: Path, epoch: int) -> Path:
    """Return where the weights of an epoch, counted from 1, are."""
    return run / EPOCH_FOLDER / f"epoch_{epoch:03d}.pt"


def epochs_on_disk(run: Path) -> tuple[int, ...]:
    """Return the epochs whose weights a run's folder holds, ascending."""
    matches = (EPOCH_FILE.fullmatch(path.name) for path in (run / EPOCH_FOLDER).glob("epoch_*.pt"))
    return tuple(sorted(int(match[1]) for match in matches if match))


def read_epochs(text: str, epochs: int, *, source: str) -> tuple[int, ...]:
    """Return the epochs that a text such as `all` or `2-8,11` names, ascending.

    Args:
        text: Numbers from 1 and ranges, separated by commas.
        epochs: How many there are.
        source: The option, for the message.

    Raises:
        SettingsError: if it is not of that form, or names an epoch that there is not.
    """
    if text == ALL:
        return tuple(range(1, epochs + 1))
    problems, found = [], set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            problems.append(f"{part!r} is neither a number nor a range such as 2-8; or give {ALL}")
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            problems.append(f"{part.strip()} ends before it begins; give {last}-{first}")
        elif not 1 <= first <= last <= epochs:
            problems.append(f"{part.strip()} is not within the epochs 1 to {epochs}")
        found |= set(range(first, min(last, epochs) + 1))
    if problems:
        raise SettingsError(problems, source=source)
    return tuple(sorted(found))


def epochs_as_text(epochs: Sequence[int]) -> str:
    """Return epochs as `2-4, 7`."""
    parts: list[list[int]] = []
    for epoch in sorted(epochs):
        if parts and epoch == parts[-1][-1] + 1:
            parts[-1].append(epoch)
        else:
            parts.append([epoch])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
