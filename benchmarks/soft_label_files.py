"""What soft labels take on the disk, how far they are from what was written, and how long reading a patch takes.

    python benchmarks/soft_label_files.py IMAGES LABELS --classes 3 --cases 20 --patch 40 56 40 --spread 1
    python benchmarks/soft_label_files.py IMAGES LABELS --classes 134 --cases 4 --patch 96 112 96 --spread 1
    python benchmarks/soft_label_files.py ... --compare      # codecs, levels and filters beside each other

No model is trained: the teachers' probabilities are softmax(log(blurred one-hot labels + 1e-6) + smooth noise), so that
they are unsure at the borders of real structures, and differ a little everywhere. With fewer classes than the labels
have, labels are taken modulo that number. Images are normalised and stored as nnU-Net stores preprocessed cases. Times
are the processor's, on one thread.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from scipy import ndimage

from nnunet_dsd.labelling.prediction import verdict
from nnunet_dsd.soft_labels import folder as files
from nnunet_dsd.soft_labels.manifest import Manifest, TeacherRecord


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--patch", type=int, nargs=3, required=True)
    parser.add_argument("--spread", type=float, default=1.0, help="of the blur, in voxels")
    parser.add_argument("--noise", type=float, default=0.5, help="standard deviation of a logit")
    parser.add_argument("--teachers", type=int, default=4)
    parser.add_argument("--reads", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compare", action="store_true", help="codecs, levels and filters beside each other")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        measure(arguments, Path(place))


def measure(arguments: argparse.Namespace, place: Path) -> None:
    """Write cases as nnU-Net and as soft labels, and print what they take."""
    made = list(made_up_cases(arguments))
    unsure = statistics.mean(float((mean.amax(0) < 0.99).float().mean()) for _, _, mean, _ in made)
    print(f"{arguments.classes} classes, {len(made)} cases; {unsure:.1%} of the voxels with no class above 0.99")
    settings = compressions() if arguments.compare else {"as it is": files.COMPRESSION}
    for name, compression in settings.items():
        files.COMPRESSION = compression
        print(f"{name}: {row(made, arguments, place / name.replace(' ', '_'))}")


def compressions() -> dict[str, dict[str, Any]]:
    """Return the ways to compress that are compared."""
    lz4, zstd = blosc2.Codec.LZ4HC, blosc2.Codec.ZSTD
    filters = (blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE)
    return {
        f"{codec.name} {level} {one.name}": {"codec": codec, "clevel": level, "filters": [one], "nthreads": 1}
        for (codec, level), one in itertools.product(((lz4, 5), (zstd, 1), (zstd, 3), (zstd, 5), (zstd, 9)), filters)
    }


def made_up_cases(arguments: argparse.Namespace) -> Iterator[tuple[Any, Any, torch.Tensor, Any]]:
    """Yield image `(1, *S)`, labels `(1, *S)`, and the teachers' verdict on each case."""
    generator = np.random.default_rng(arguments.seed)
    for path in sorted(arguments.images.iterdir())[: arguments.cases]:
        image = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float32)
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(arguments.labels / path.name))).astype(np.int64)
        inside = tuple(slice(low.min(), low.max() + 1) for low in np.nonzero(image))
        image, labels = image[inside], labels[inside] % arguments.classes
        opinions = (opinion(labels, arguments, generator) for _ in range(arguments.teachers))
        said = verdict(opinions, regions=False)
        normalised = (image - image.mean()) / image.std()
        yield normalised[None], labels[None].astype(np.int16), said.probabilities, said


def opinion(labels: Any, arguments: argparse.Namespace, generator: np.random.Generator) -> torch.Tensor:
    """Return a made-up teacher's probabilities `(K, *S)`."""
    logits = np.zeros((arguments.classes, *labels.shape), dtype=np.float32)
    for value, plane in enumerate(logits):
        noise = ndimage.gaussian_filter(generator.standard_normal(labels.shape, dtype=np.float32), 1.5)
        blurred = ndimage.gaussian_filter((labels == value).astype(np.float32), arguments.spread)
        plane[:] = np.log(blurred.clip(0) + 1e-6) + arguments.noise * noise / noise.std()
    return torch.softmax(torch.from_numpy(logits), dim=0)


def row(made: list[Any], arguments: argparse.Namespace, place: Path) -> str:
    """Return sizes, errors and times of all cases, written in one way."""
    teacher = TeacherRecord("made up", "0", "none", "none", ())
    manifest = Manifest(
        "made up", {}, arguments.classes, False, 1, False, False, (teacher,), {}, tuple(map(str, range(len(made))))
    )
    soft_labels = files.SoftLabelSet(place, manifest)
    place.mkdir()
    sizes: dict[str, float] = dict.fromkeys(("case", "soft labels", "disagreement"), 0.0)
    voxels, seconds, errors = 0, 0.0, []
    for number, (image, labels, _, said) in enumerate(made):
        sizes["case"] += stored_case(place / f"case_{number}", image, labels, arguments.patch)
        blocks, chunks = comp_blosc2_params(labels.shape, tuple(arguments.patch), 1)
        start = time.process_time()
        means = (said.mean_disagreement, said.mean_everywhere)
        record = soft_labels.write(
            str(number), said.probabilities, said.disagreement, means, blocks=blocks[1:], chunks=chunks[1:]
        )
        seconds += time.process_time() - start
        sizes["soft labels"] += record.disk_bytes
        sizes["disagreement"] += soft_labels.path(str(number), files.DISAGREEMENT).stat().st_size
        voxels += labels.size
        errors.append(record.largest_error)
    reading, image_reading = reading_times(soft_labels, made, arguments, place)
    shown = ", ".join(f"{name} {size / voxels:.3f}" for name, size in sizes.items())
    return (
        f"bytes per voxel: {shown}; soft labels / case x {sizes['soft labels'] / sizes['case']:.2f}, with the map x "
        f"{(sizes['soft labels'] + sizes['disagreement']) / sizes['case']:.2f}; largest error {max(errors):.4f}; "
        f"a patch {1000 * reading[0]:.2f} ms to read, {1000 * reading[1]:.2f} ms decoded (its image "
        f"{1000 * image_reading:.2f} ms); writing {seconds / len(made):.2f} s a case"
    )


def stored_case(place: Path, image: Any, labels: Any, patch: list[int]) -> float:
    """Write a case as nnU-Net's preprocessing does; return the bytes of image and labels."""
    cuts = [comp_blosc2_params(array.shape, tuple(patch), array.itemsize) for array in (image, labels)]
    (blocks, chunks), (label_blocks, label_chunks) = cuts
    nnUNetDatasetBlosc2.save_case(
        image,
        labels,
        {},
        str(place),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=label_chunks,
        blocks_seg=label_blocks,
    )
    return sum(Path(f"{place}{ending}").stat().st_size for ending in (".b2nd", "_seg.b2nd"))


def reading_times(
    soft_labels: files.SoftLabelSet, made: list[Any], arguments: argparse.Namespace, place: Path
) -> tuple[tuple[float, float], float]:
    """Return the median seconds of a patch's planes, of its probabilities, and of its image."""
    generator = np.random.default_rng(arguments.seed)
    planes, decoded, images = [], [], []
    for _ in range(arguments.reads):
        number = int(generator.integers(len(made)))
        shape = made[number][1].shape[1:]
        sizes = [min(size, patch) for size, patch in zip(shape, arguments.patch, strict=True)]
        starts = [int(generator.integers(full - size + 1)) for full, size in zip(shape, sizes, strict=True)]
        cut = (slice(None), *(slice(start, start + size) for start, size in zip(starts, sizes, strict=True)))
        start = time.process_time()
        found = soft_labels.planes(str(number))[cut]
        planes.append(time.process_time() - start)
        soft_labels.layout.decode(torch.from_numpy(found))
        decoded.append(time.process_time() - start)
        start = time.process_time()
        blosc2.open(urlpath=f"{place}/case_{number}.b2nd", mode="r", dparams={"nthreads": 1})[cut]
        images.append(time.process_time() - start)
    return (statistics.median(planes), statistics.median(decoded)), statistics.median(images)


if __name__ == "__main__":
    main()
