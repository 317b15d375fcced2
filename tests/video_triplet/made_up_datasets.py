"""Made-up data sets in both layouts, whole or damaged in one way, written by the tests that need them.

The vocabulary has any number of triplets, so that a reader that counts on 100 of them fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from video_triplet.vocabulary import Vocabulary

# Three videos of CholecT50, licensed for study and not part of the repository: beside or within the checkout.
SAMPLE = next(
    (
        folder
        for parent in (Path(__file__).parents[2], Path(__file__).parents[3])
        if (folder := parent / "shared" / "data" / "cholect50_sample").is_dir()
    ),
    None,
)
PHASES = ("preparation", "clipping-and-cutting")
IMAGE_SIZE = (16, 12)  # width, height


def make_vocabulary(triplets: int = 7, *, phases: Sequence[str] = PHASES) -> Vocabulary:
    """Five instruments, five verbs and four targets (each with its null), and the first of their triplets."""
    instruments = tuple(f"tool_{index}" for index in range(5))
    verbs = (*(f"verb_{index}" for index in range(4)), "null_verb")
    targets = (*(f"organ_{index}" for index in range(3)), "null_target")
    every = [(i, v, t) for v in range(5) for t in range(4) for i in range(5)]
    return Vocabulary(instruments, verbs, targets, tuple(phases), tuple(every[:triplets]))


@dataclass
class MadeUpVideo:
    """Frames with the triplet ids (may be empty) and the phase id (may be -1) of each."""

    triplets: dict[int, list[int]]
    phases: dict[int, int] = field(default_factory=dict)


def make_video(vocabulary: Vocabulary, *, frames: int = 6, first: int = 0, seed: int = 0) -> MadeUpVideo:
    """Draw none to two triplets per frame; the first half of the video is phase 0, the rest phase 1."""
    rng = np.random.default_rng([seed, first])
    numbers = range(first, first + frames)
    triplets = {
        number: sorted(rng.choice(len(vocabulary.triplets), size=rng.integers(0, 3), replace=False).tolist())
        for number in numbers
    }
    return MadeUpVideo(triplets, {number: int(number - first >= frames // 2) for number in numbers})


def expected_labels(video: MadeUpVideo, vocabulary: Vocabulary) -> dict[str, NDArray[np.uint8]]:
    """Spell out the label matrices of a video, frame by frame."""
    heads = ("triplet", "instrument", "verb", "target", "phase")
    labels = {head: np.zeros((len(video.triplets), vocabulary.size(head)), dtype=np.uint8) for head in heads}
    for row, number in enumerate(sorted(video.triplets)):
        for triplet in video.triplets[number]:
            labels["triplet"][row, triplet] = 1
            for head, component in zip(heads[1:4], vocabulary.triplets[triplet], strict=True):
                labels[head][row, component] = 1
        if 0 <= video.phases.get(number, -1) < vocabulary.size("phase"):
            labels["phase"][row, video.phases[number]] = 1
    return labels


def write_images(folder: Path, numbers: Sequence[int], *, size: tuple[int, int] = IMAGE_SIZE, seed: int = 0) -> None:
    """Write one PNG of noise per frame number."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in numbers:
        pixels = rng.integers(1, 256, size=(size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:06d}.png")


def json_row(vocabulary: Vocabulary, triplet: int, phase: int) -> list[float]:
    """One row of 15 numbers for a triplet; -1 for no triplet."""
    instrument, verb, target = (-1, -1, -1) if triplet < 0 else vocabulary.triplets[triplet]
    box = [1.0, 0.25, 0.25, 0.5, 0.5]
    return [triplet, instrument, *box, verb, target, *box, phase]


def json_content(vocabulary: Vocabulary, video: MadeUpVideo) -> dict[str, Any]:
    """Content of a label file in the layout of CholecT50."""
    annotations = {
        str(number): [json_row(vocabulary, triplet, video.phases.get(number, -1)) for triplet in triplets]
        or [json_row(vocabulary, -1, video.phases.get(number, -1))]
        for number, triplets in video.triplets.items()
    }
    categories = {
        head: {str(index): name for index, name in enumerate(vocabulary.names(head))}
        for head in ("instrument", "verb", "target", "phase", "triplet")
    }
    return {
        "info": {},
        "categories": categories,
        "video": 1,
        "fps": 1,
        "num_frames": len(annotations),
        "annotations": annotations,
    }


def write_json_layout(root: Path, vocabulary: Vocabulary, videos: Mapping[str, MadeUpVideo]) -> Path:
    """Write a data set in the layout of CholecT50, images included."""
    (root / "labels").mkdir(parents=True)
    for name, video in videos.items():
        (root / "labels" / f"{name}.json").write_text(json.dumps(json_content(vocabulary, video)))
        write_images(root / "videos" / name, list(video.triplets))
    return root


def change_json(root: Path, video: str, **changes: Any) -> None:
    """Replace top-level entries of a label file."""
    path = root / "labels" / f"{video}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_annotations(root: Path, video: str, changes: Mapping[str, Any]) -> None:
    """Replace the rows of some frames of a label file."""
    content = json.loads((root / "labels" / f"{video}.json").read_text())
    change_json(root, video, annotations={**content["annotations"], **changes})


def write_text_layout(
    root: Path, vocabulary: Vocabulary, videos: Mapping[str, MadeUpVideo], *, separator: str = ":"
) -> Path:
    """Write a data set in the layout of CholecT45, images included, without phases."""
    write_names(root / "dict", vocabulary, separator)
    for name, video in videos.items():
        labels = expected_labels(video, vocabulary)
        for head in ("triplet", "instrument", "verb", "target"):
            (root / head).mkdir(exist_ok=True)
            rows = zip(sorted(video.triplets), labels[head].tolist(), strict=True)
            lines = [",".join(map(str, [number, *row])) for number, row in rows]
            (root / head / f"{name}.txt").write_text("\n".join(lines) + "\n")
        write_images(root / "data" / name, list(video.triplets))
    return root


def write_names(folder: Path, vocabulary: Vocabulary, separator: str = ":") -> None:
    """Write `dict`, with the id and the name parted by `separator`."""
    folder.mkdir(parents=True)
    for head in ("triplet", "instrument", "verb", "target"):
        lines = [f"{index}{separator}{name}" for index, name in enumerate(vocabulary.names(head))]
        (folder / f"{head}.txt").write_text("\n".join(lines) + "\n")
    rows = [",".join(map(str, (index, *parts, 0, 0))) for index, parts in enumerate(vocabulary.triplets)]
    (folder / "maps.txt").write_text("# IVT, I, V, T, IV, IT\n" + "\n".join(rows) + "\n")


def change_line(path: Path, line: int, text: str | None) -> None:
    """Replace a line (the first is 0) of a text file, or take it away."""
    lines = path.read_text().splitlines()
    lines[line : line + 1] = [] if text is None else [text]
    path.write_text("\n".join(lines) + "\n")


def write_phase_file(folder: Path, number: int, seconds: Mapping[int, str]) -> Path:
    """Write a phase file in Cholec80's format: 25 lines for each second that is given."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{25 * second + part}\t{name}" for second, name in seconds.items() for part in range(25)]
    path = folder / f"video{number:02d}-phase.txt"
    path.write_text("Frame\tPhase\n" + "\n".join(lines) + "\n")
    return path
