"""Writes a made-up data set in the layout of CholecT45, with phases in that of Cholec80 and its true probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_folder
from video_triplet.data.cholec80_phases import FRAMES_PER_SECOND, PHASE_FOLDER, phase_file
from video_triplet.data.videos import video_name
from video_triplet.predictions.file import Predictions
from video_triplet.rendered.frame_painting import paint
from video_triplet.rendered.scenes import PHASES, VOCABULARY, Scene, draw_scenes, label_matrix, true_probabilities
from video_triplet.rendered.tissue import draw_abdomen
from video_triplet.vocabulary import HEADS, Head

TRUTH_FILE = "truth.npz"
LABEL_HEADS: tuple[Head, ...] = ("triplet", "instrument", "verb", "target")


def render_dataset(
    folder: Path,
    *,
    videos: int = 6,
    frames: int = 60,
    size: tuple[int, int] = (160, 120),
    seed: int = 0,
    ambiguity: float = 0.25,
) -> None:
    """Write a made-up data set as `folder`, whole or not at all; the same arguments give the same files.

    A video depends only on its number, the seed, and the other arguments, not on how many videos there are. Beside the
    layout, `truth.npz` (read it with `load_predictions`) has the probabilities that the labels were drawn with: 0 or 1,
    but where an action is ambiguous and its label one of two triplets that look the same.

    Args:
        folder: Must not exist, or be empty.
        videos: How many.
        frames: In each, one per second.
        size: Width and height of a frame in pixels.
        seed: Of everything, 0 or more.
        ambiguity: Fraction in [0, 1] of the frames that are not black in which one action is ambiguous.

    Raises:
        DataError: if the folder has files, or an argument is out of its range.
    """
    _check(folder, videos, frames, size, seed, ambiguity)
    with whole_folder(folder) as temporary:
        _write_names(temporary / "dict")
        drawn = {}
        for number in range(1, videos + 1):
            rng = np.random.default_rng([seed, number])
            drawn[video_name(number)] = draw_scenes(rng, frames, ambiguity)
            _write_video(temporary, video_name(number), drawn[video_name(number)], size, rng)
        _truth(drawn).save(temporary / TRUTH_FILE)


def _check(folder: Path, videos: int, frames: int, size: tuple[int, int], seed: int, ambiguity: float) -> None:
    problems = []
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problems.append(f"{folder} is there already; give a new or an empty folder")
    if videos < 1 or frames < 1:
        problems.append(f"{counted(videos, 'video')} of {counted(frames, 'frame')}, at least one of each is needed")
    if min(size) < 32:
        problems.append(f"frames of {size[0]} x {size[1]} pixels, at least 32 x 32 are needed to see anything")
    if seed < 0:
        problems.append(f"seed {seed}, allowed are 0 and more")
    if not 0 <= ambiguity <= 1:
        problems.append(f"ambiguity {ambiguity}, allowed are fractions from 0 to 1")
    if problems:
        raise DataError("the data set cannot be rendered:\n" + "\n".join(f"  - {text}" for text in problems))


def _write_names(folder: Path) -> None:
    folder.mkdir()
    for head in HEADS:
        lines = [f"{index}:{name}" for index, name in enumerate(VOCABULARY.names(head))]
        _write_lines(folder / f"{head}.txt", lines)
    pairs = zip(VOCABULARY.component_ids("iv").tolist(), VOCABULARY.component_ids("it").tolist(), strict=True)
    rows = [",".join(map(str, (index, *VOCABULARY.triplets[index], *pair))) for index, pair in enumerate(pairs)]
    _write_lines(folder / "maps.txt", ["# IVT, I, V, T, IV, IT", *rows])


def _write_video(root: Path, name: str, scenes: list[Scene], size: tuple[int, int], rng: np.random.Generator) -> None:
    for head in LABEL_HEADS:
        rows = enumerate(label_matrix(scenes, head).tolist())
        _write_lines(root / head / f"{name}.txt", [",".join(map(str, (frame, *row))) for frame, row in rows])
    lines = [
        f"{FRAMES_PER_SECOND * second + part}\t{PHASES[scene.phase]}"
        for second, scene in enumerate(scenes)
        for part in range(FRAMES_PER_SECOND)
    ]
    _write_lines(phase_file(root / PHASE_FOLDER, name), ["Frame\tPhase", *lines])
    abdomen = draw_abdomen(rng, size)
    images = root / "data" / name
    images.mkdir(parents=True)
    for frame, scene in enumerate(scenes):
        paint(scene, abdomen, size, rng).save(images / f"{frame:06d}.png", compress_level=1)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _truth(drawn: dict[str, list[Scene]]) -> Predictions:
    lengths = [len(scenes) for scenes in drawn.values()]
    every = [scene for scenes in drawn.values() for scene in scenes]
    return Predictions(
        VOCABULARY,
        tuple(drawn),
        np.repeat(np.arange(len(lengths)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        {head: true_probabilities(every, head) for head in HEADS},
    )
