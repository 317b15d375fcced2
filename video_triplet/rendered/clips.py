"""Writes made-up data sets of clips in the layout of UCF101: a source task of motions and a target task of shapes.

In the source task the class is how a shape moves, and its form says nothing; in the target task the class is the form,
and its motion says nothing. A network that is fine-tuned from the one to the other may forget what motion is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import whole_folder
from video_triplet.rendered.clip_painting import SHAPES, Look, Pose, draw_background, paint_frame

Task = Literal["motions", "shapes"]
TASKS: tuple[str, ...] = get_args(Task)
RATE = 25
BITS_PER_SECOND = 2_000_000
SPLITS = 3
TEST_SHARE = 0.25


def _travel(dx: float, dy: float, growth: float = 0.0) -> Callable[[float, Pose], Pose]:
    return lambda time, first: Pose(
        first.x + dx * (time - 0.5), first.y + dy * (time - 0.5), first.radius * (1 + growth * (time - 0.5)), first.turn
    )


def _across(time: float, first: Pose) -> Pose:
    """Move to the left or to the right, so that a mirrored clip is of the same class."""
    return _travel(0.45 if first.turn < math.pi else -0.45, 0)(time, first)


MOTIONS: Mapping[str, Callable[[float, Pose], Pose]] = {
    "MoveAcross": _across,
    "MoveUp": _travel(0, -0.45),
    "MoveDown": _travel(0, 0.45),
    "Grow": _travel(0, 0, 1.0),
    "Shrink": _travel(0, 0, -1.0),
    "Stay": _travel(0, 0),
}


@dataclass(frozen=True)
class ClipSize:
    """How large a rendered data set is.

    Attributes:
        groups: Of each class; the clips of one are kept together by every split, as cuts of one film are.
        clips: Of each group.
        frames: Of each clip.
        size: Height and width in pixels, even numbers.
    """

    groups: int = 12
    clips: int = 5
    frames: int = 24
    size: tuple[int, int] = (48, 64)

    def __post_init__(self) -> None:
        problems = below_lowest(self, {"groups": 4, "clips": 1, "frames": 2})
        if any(side < 16 or side % 2 for side in self.size):
            problems.append(f"size is {self.size}, it must be even numbers of at least 16 pixels")
        if problems:
            raise SettingsError(problems, source="the rendered clips")


def render_clips(folder: Path, task: Task, *, size: ClipSize | None = None, seed: int = 0) -> None:
    """Write a data set as `folder`, whole or not at all; the same arguments give the same pixels.

    Groups with even numbers are mp4 files, the others avi files. Split k tests on every fourth group, from the k-th on.

    Args:
        folder: Must not exist, or be empty.
        task: `"motions"` or `"shapes"`.
        size: How large; None for the default.
        seed: Of everything, 0 or more.

    Raises:
        SettingsError: if there is no such task, or the seed is negative.
    """
    if task not in TASKS or seed < 0:
        problems = [] if task in TASKS else [f"there is no task {task!r}; there are {', '.join(TASKS)}"]
        problems += [f"seed is {seed}, it must be at least 0"] if seed < 0 else []
        raise SettingsError(problems, source="the rendered clips")
    size = size or ClipSize()
    classes = tuple(MOTIONS) if task == "motions" else tuple(SHAPES)
    with whole_folder(folder) as temporary:
        for number, name in enumerate(classes):
            for group in range(1, size.groups + 1):
                rng = np.random.default_rng([seed, TASKS.index(task), number, group])
                for clip in range(1, size.clips + 1):
                    background = draw_background(rng, size.size)
                    path = temporary / "UCF-101" / clip_name(name, group, clip)
                    frames = _clip_frames(task, name, background, size.frames, rng)
                    encode(path.with_suffix(".avi" if group % 2 else ".mp4"), frames, size.size)
        write_lists(temporary / "ucfTrainTestlist", classes, size)


def clip_name(name: str, group: int, clip: int) -> str:
    """Return the entry of a list."""
    return f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi"


def write_lists(folder: Path, classes: Sequence[str], size: ClipSize) -> None:
    """Write `classInd.txt` and the lists of all splits."""
    folder.mkdir(parents=True)
    _write(folder / "classInd.txt", [f"{number} {name}" for number, name in enumerate(classes, start=1)])
    every = round(1 / TEST_SHARE)
    for split in range(1, SPLITS + 1):
        parts: dict[str, list[str]] = {"train": [], "test": []}
        for number, name in enumerate(classes, start=1):
            for group in range(1, size.groups + 1):
                entries = [clip_name(name, group, clip) for clip in range(1, size.clips + 1)]
                if (group - split) % every == 0:
                    parts["test"] += entries
                else:
                    parts["train"] += [f"{entry} {number}" for entry in entries]
        for part, lines in parts.items():
            _write(folder / f"{part}list{split:02d}.txt", lines)


def encode(path: Path, frames: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> None:
    """Encode frames as MPEG-4; size is height and width in pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BITS_PER_SECOND
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def _clip_frames(
    task: Task, name: str, background: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> Iterable[NDArray[np.uint8]]:
    """Yield the frames of one clip; what the class does not say is drawn at random."""
    shapes = tuple(SHAPES)
    shape = name if task == "shapes" else shapes[rng.integers(len(shapes))]
    red, green, blue = (int(value) for value in rng.integers(120, 256, size=3))
    look = Look(shape, (red, green, blue), background)
    x, y = rng.uniform(0.4, 0.6, size=2).tolist()
    first = Pose(x, y, float(rng.uniform(0.16, 0.24)), float(rng.uniform(0, 2 * np.pi)))
    move = MOTIONS[name] if task == "motions" else _wander(rng)
    for index in range(count):
        yield paint_frame(look, move(index / max(1, count - 1), first), rng)


def _wander(rng: np.random.Generator) -> Callable[[float, Pose], Pose]:
    """Return a motion with any direction and growth: nothing that the class depends on."""
    dx, dy = rng.uniform(-0.3, 0.3, size=2).tolist()
    return _travel(dx, dy, float(rng.uniform(-0.4, 0.4)))


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
