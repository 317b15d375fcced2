"""Images per second of one core: our input pipeline against that of the published code.

    pip install opencv-python-headless albumentations
    python benchmarks/input_pipeline.py DATASET --rounds 7 --csv input_pipeline.csv

DATASET is a folder in either official layout. The published pipeline is `cv2.imread`, `cvtColor` and albumentations'
Resize, HorizontalFlip, ShiftScaleRotate, HueSaturationValue, Normalize and ToTensorV2, stacked into a batch; ours reads
a frame cache (made in a temporary folder, not timed) or the PNGs, augments, stacks and normalises. Batches of all
pipelines are taken in turn in one process with one thread each, on the same frames; seconds are those the processor
spent on this process, so other work on the machine disturbs little. The ratio is the median of the rounds' ratios.
All files are in the operating system's cache: the speed of the disk is not measured.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import torch
from albumentations.pytorch import ToTensorV2
from torch import Tensor
from torch.utils.data import default_collate

from video_triplet.data.augmentation import PRESETS
from video_triplet.data.cache_writing import prepare_cache
from video_triplet.data.frame_cache import FrameCache
from video_triplet.data.frame_sources import FolderFrames, FrameSource, only_frames_of
from video_triplet.data.frames import TripletFrames
from video_triplet.data.reading import open_dataset
from video_triplet.data.videos import TripletDataset, Video

BATCH = 64
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PUBLISHED = "published (OpenCV, albumentations)"
Batches = Callable[[Sequence[int]], Tensor]


def published_pipeline(videos: Sequence[Video], size: int) -> Batches:
    paths = [video.image_path(frame) for video in videos for frame in video.frames.tolist()]
    transform = albumentations.Compose(
        [
            albumentations.Resize(size, size),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ShiftScaleRotate(p=0.5, border_mode=cv2.BORDER_REFLECT_101),
            albumentations.HueSaturationValue(5, 5, 5, p=0.5),
            albumentations.Normalize(),
            ToTensorV2(),
        ]
    )

    def batch(rows: Sequence[int]) -> Tensor:
        images = [cv2.cvtColor(cv2.imread(str(paths[row])), cv2.COLOR_BGR2RGB) for row in rows]
        return torch.stack([transform(image=image)["image"] for image in images])

    return batch


def normalise(batch: Tensor) -> Tensor:
    """`(B, 3, S, S)` uint8 as the pre-trained weights of timm expect it, by ImageNet's mean and standard deviation."""
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) * 255 for values in (IMAGENET_MEAN, IMAGENET_STD))
    return batch.to(torch.float32).sub_(mean).div_(deviation)


def our_pipeline(videos: Sequence[Video], source: FrameSource, preset: str) -> Batches:
    frames = TripletFrames(videos, source, ("triplet",), augmentation=PRESETS[preset])
    return lambda rows: normalise(default_collate([frames[row] for row in rows])["image"])


def pipelines(dataset: TripletDataset, cache: FrameCache) -> tuple[dict[str, Batches], int]:
    """Every pipeline by name, and the number of frames."""
    videos = only_frames_of(dataset.videos.values(), cache)
    found = {PUBLISHED: published_pipeline(videos, cache.size)}
    for preset in PRESETS:
        found[f"cache, {preset}"] = our_pipeline(videos, cache, preset)
    found["PNG files, paper"] = our_pipeline(videos, FolderFrames(dataset, cache.size), "paper")
    return found, sum(len(video) for video in videos)


def measure(found: dict[str, Batches], frames: int, rounds: int) -> dict[str, list[float]]:
    """Images per second of processor time of each pipeline in each round, after one round that is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in found}
    for rows in rounds_of_rows(frames, rounds + 1):
        for name, batch in found.items():
            start = time.process_time()
            shape = tuple(batch(rows).shape)
            rates[name].append(len(rows) / (time.process_time() - start))
            if shape[:2] != (BATCH, 3):
                sys.exit(f"{name} gave a batch of {shape}")
    return {name: values[1:] for name, values in rates.items()}


def rounds_of_rows(frames: int, rounds: int) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(rounds):
        yield torch.randint(frames, (BATCH,), generator=generator).tolist()


def summarise(rates: dict[str, list[float]]) -> list[dict[str, str]]:
    """One row per pipeline: median images per second, and the ratio to the published one with its smallest round."""
    rows = []
    for name, values in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(values, rates[PUBLISHED], strict=True)]
        rows.append(
            {
                "pipeline": name,
                "images per second": f"{statistics.median(values):.0f}",
                "ratio": f"{statistics.median(ratios):.2f}",
                "smallest ratio": f"{min(ratios):.2f}",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATASET")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    dataset = open_dataset(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        prepare_cache(dataset, Path(folder), size=arguments.size, skip_broken=True)
        found, frames = pipelines(dataset, FrameCache.open(Path(folder)))
        rows = summarise(measure(found, frames, arguments.rounds))
    print(f"{frames} frames, batches of {BATCH}, {arguments.rounds} rounds, one core")
    for row in rows:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
