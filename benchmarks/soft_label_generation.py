"""Frames per second of soft-label generation against the bare forward pass of the same network.

    python benchmarks/soft_label_generation.py                                # Swin-B at 224 px, random frames, CPU
    python benchmarks/soft_label_generation.py --backbone swin_tiny_patch4_window7_224 --device cuda --frames 4096

Both are timed in turn in one process; the ratio of medians says what reading frames, averaging and bookkeeping cost.
The frames are random pixels in a cache on disk, so neither a data set nor a trained model is needed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="swin_base_patch4_window7_224")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        labelling, forward = prepare(Path(folder), arguments)
        forward(), labelling()
        times: dict[str, list[float]] = {"forward": [], "soft labels": []}
        for _ in range(arguments.rounds):
            for name, work in (("forward", forward), ("soft labels", labelling)):
                start = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name}: {arguments.frames / seconds:.2f} frames per second")
    print(f"soft labels / forward: x {medians['soft labels'] / medians['forward']:.3f} of the time")


def prepare(folder: Path, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """Return the two things to time, on the same random frames."""
    from video_triplet.data.cache_writing import prepare_cache
    from video_triplet.data.frame_cache import FrameCache
    from video_triplet.data.provenance import ModelRecord
    from video_triplet.data.videos import TripletDataset, Video
    from video_triplet.models.model_file import TripletModel, build_network
    from video_triplet.models.soft_labels import label_training_frames
    from video_triplet.settings import TripletSettings
    from video_triplet.vocabulary import Vocabulary

    every = [(i, v, t) for v in range(10) for t in range(15) for i in range(6)][:100]
    names = [tuple(f"{part}_{index}" for index in range(size)) for part, size in (("i", 6), ("v", 10), ("t", 15))]
    vocabulary = Vocabulary(*names, (), tuple(every))
    generator = np.random.default_rng(0)
    (folder / "VID01").mkdir()
    for frame in range(arguments.frames):
        pixels = generator.integers(0, 256, (arguments.image_size, arguments.image_size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "VID01" / f"{frame:06d}.png")
    labels = {"triplet": np.zeros((arguments.frames, 100), dtype=np.uint8)}
    video = Video("VID01", folder / "VID01", np.arange(arguments.frames), labels)
    dataset = TripletDataset(folder, "made", vocabulary, {"VID01": video})
    prepare_cache(dataset, folder / "cache", size=arguments.image_size)
    source = FrameCache.open(folder / "cache")
    settings = TripletSettings(
        backbone=arguments.backbone, weights="none", image_size=arguments.image_size, head_set="multi-task"
    )
    network = build_network(settings, vocabulary).to(arguments.device).eval()
    model = TripletModel(network, vocabulary, settings, ModelRecord("bench", "", 1, 1, 1, ("VID01",), ()))
    frames = np.stack([source.read("VID01", frame) for frame in range(arguments.frames)])
    batches = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous().to(arguments.device)

    def labelling() -> None:
        label_training_frames(model, dataset, source, batch_size=arguments.batch_size, workers=arguments.workers)

    @torch.inference_mode()
    def forward() -> None:
        outputs = [network.probabilities(batch)["triplet"] for batch in batches.split(arguments.batch_size)]
        outputs[-1].cpu()

    return labelling, forward


if __name__ == "__main__":
    main()
