"""A small data set of noise images, built by hand, for the tests of everything that reads frames."""

from pathlib import Path

import numpy as np
from PIL import Image

from video_triplet.data.videos import TripletDataset, Video
from video_triplet.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_names(
    ["grasper", "hook"],
    ["grasp", "dissect", "null_verb"],
    ["gallbladder", "null_target"],
    ["preparation", "dissection"],
    ["grasper,grasp,gallbladder", "hook,dissect,gallbladder", "grasper,null_verb,null_target"],
)


def noise(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_video(root, name, frames, *, seed=0):
    """Write one noise image per frame and return the video with random labels."""
    folder = Path(root) / name
    folder.mkdir(parents=True)
    for frame in frames:
        Image.fromarray(noise(34, 60, [seed, frame])).save(folder / f"{frame:06d}.png")
    generator = np.random.default_rng(seed)
    labels = {
        head: generator.integers(0, 2, (len(frames), VOCABULARY.size(head)), dtype=np.uint8)
        for head in ("triplet", "instrument", "phase")
    }
    return Video(name, folder, np.array(frames, dtype=np.int64), labels)


def write_dataset(root, counts=(12, 5, 3)):
    """Write videos VID01, VID02 and so on, with frame numbers that start at 3 and skip every second."""
    videos = {
        f"VID{number:02d}": write_video(root, f"VID{number:02d}", range(3, 3 + 2 * count, 2), seed=number)
        for number, count in enumerate(counts, start=1)
    }
    return again(TripletDataset(Path(root), "by hand", VOCABULARY, videos))


def again(dataset):
    """The same data set with its folders to be listed afresh."""
    videos = {
        name: Video(name, video.folder, video.frames, video.labels) for name, video in sorted(dataset.videos.items())
    }
    return TripletDataset(dataset.root, dataset.layout, dataset.vocabulary, videos)
