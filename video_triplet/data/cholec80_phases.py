"""Reader of Cholec80's phases: `phase_annotations/videoNN-phase.txt`, a header and `frame<TAB>Name` at 25 frames/s.

The labels of triplets are at one frame per second, so frame number n of a triplet label file is line 25 n here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem

PHASE_FOLDER = "phase_annotations"
FRAMES_PER_SECOND = 25
# Cholec80's names, and the names of the same phases in the label files of CholecT50 (spelt so), in the order of ids.
PHASE_NAMES: dict[str, str] = {
    "Preparation": "preparation",
    "CalotTriangleDissection": "carlot-triangle-dissection",
    "ClippingCutting": "clipping-and-cutting",
    "GallbladderDissection": "gallbladder-dissection",
    "GallbladderPackaging": "gallbladder-packaging",
    "CleaningCoagulation": "cleaning-and-coagulation",
    "GallbladderRetraction": "gallbladder-extraction",
}
CHOLEC80_PHASES: tuple[str, ...] = tuple(PHASE_NAMES.values())


def find_phase_folder(folder: Path) -> Path:
    """Return the folder that holds the phase files: the one given, or its `phase_annotations`.

    Raises:
        DataError: if neither holds any.
    """
    for candidate in (folder, folder / PHASE_FOLDER):
        if any(candidate.glob("video*-phase.txt")):
            return candidate
    raise DataError(
        f"there are no phase files in {folder}: expected videoNN-phase.txt in it or in its {PHASE_FOLDER}; "
        "they are part of the Cholec80 data set"
    )


def phase_file(folder: Path, video: str) -> Path:
    """Return where the phases of a video are expected: `video01-phase.txt` for `VID01`."""
    digits = re.search(r"\d+", video)
    return folder / (f"video{int(digits[0]):02d}-phase.txt" if digits else f"{video}-phase.txt")


def read_phases(
    folder: Path, video: str, frames: NDArray[np.int64], names: Sequence[str]
) -> tuple[NDArray[np.int64] | None, list[Problem]]:
    """Read the phase of each labelled frame of a video.

    A second without phase takes that of the last second before it, which is reported; before the first there is none.

    Args:
        folder: Holds the phase files.
        video: Name of the video.
        frames: `(N,)` frame numbers at one frame per second.
        names: The phases in the order of their ids; Cholec80's own spelling is understood too.

    Returns:
        `(N,)` phase ids, -1 where there is none, or None if there is no readable file; and what was found wrong.
    """
    path = phase_file(folder, video)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None, [Problem(kinds.PHASE_FILE_MISSING, video, f"there is no {path.name}")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(kinds.FILE_UNREADABLE, video, f"{path.name}: {type(error).__name__}: {error}")]
    by_second, problems = _read_seconds(lines, video, path.name, names)
    if not by_second:
        return None, [*problems, Problem(kinds.FILE_UNREADABLE, video, f"{path.name} gives no phase")]
    phases, filled = _look_up(by_second, frames, video)
    return phases, problems + filled


def _read_seconds(
    lines: Sequence[str], video: str, file: str, names: Sequence[str]
) -> tuple[dict[int, int], list[Problem]]:
    """Return the phase id of each second that has a line of its own, and the lines that could not be read."""
    ids = {name: index for index, name in enumerate(names)}
    by_second: dict[int, int] = {}
    problems = []
    for position, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not (words[0].isascii() and words[0].isdigit()):
            problems.append(Problem(kinds.LINE_UNREADABLE, video, f"{file} line {position}: {line!r}"))
            continue
        frame, name = int(words[0]), PHASE_NAMES.get(words[1], words[1])
        if name not in ids and words[1] not in ids:
            detail = f"{file} line {position}: {words[1]!r}, known are {', '.join(names)}"
            problems.append(Problem(kinds.PHASE_UNKNOWN, video, detail))
        elif frame % FRAMES_PER_SECOND == 0:
            by_second[frame // FRAMES_PER_SECOND] = ids.get(words[1], ids.get(name, -1))
    return by_second, problems


def _look_up(
    by_second: dict[int, int], frames: NDArray[np.int64], video: str
) -> tuple[NDArray[np.int64], list[Problem]]:
    seconds = np.array(sorted(by_second), dtype=np.int64)
    values = np.array([by_second[second] for second in seconds.tolist()], dtype=np.int64)
    positions = np.searchsorted(seconds, frames, side="right") - 1
    phases = np.where(positions >= 0, values[np.maximum(positions, 0)], -1)
    problems = [
        Problem(kinds.PHASE_FILLED, video, f"second {frame} has no phase, that of second {seconds[position]} is used")
        for frame, position in zip(frames.tolist(), positions.tolist(), strict=True)
        if position >= 0 and seconds[position] != frame
    ]
    return phases, problems
