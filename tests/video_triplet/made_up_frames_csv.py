"""Made-up data sets in the layout with one `frames.csv`, whole or damaged, written by the tests that need them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("CuttingMesocolon", "PullingVasDeferens", "ClippingVas", "UrethraDissection")
HEADER = ("video", "frame", "image", "labels")


def draw_rows(
    videos: Sequence[str] = ("OP1", "OP2", "OP3", "OP4"),
    *,
    frames: int = 8,
    classes: Sequence[str] = CLASSES,
    most: int = 1,
    ending: str = "jpg",
    phases: Sequence[str] = (),
    seed: int = 0,
) -> list[dict[str, str]]:
    """Draw up to `most` labels per frame, at least one where it is 1; frame numbers are 10, 35, 60 and so on."""
    rng = np.random.default_rng(seed)
    rows = []
    for video in videos:
        for place in range(frames):
            count = 1 if most == 1 else int(rng.integers(0, most + 1))
            first = int(rng.integers(len(classes)))
            labels = [classes[(first + step) % len(classes)] for step in range(count)]
            number = 10 + 25 * place
            row = {"video": video, "frame": str(number), "image": f"{video}/shot {number}.{ending}"}
            row["labels"] = ";".join(labels)
            if phases:
                row["phase"] = phases[place * len(phases) // frames]
            rows.append(row)
    return rows


def write_table(root: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write `frames.csv` with the columns of the first row."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "frames.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_frames(
    root: Path, rows: Sequence[Mapping[str, str]], *, classes: Sequence[str] | None = CLASSES, size: int = 32
) -> Path:
    """Write a whole data set; the brightness of an image tells its first label, so that something can be learned."""
    write_table(root, rows)
    if classes is not None:
        (root / "classes.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    rng = np.random.default_rng(1)
    names = sorted({row["labels"].split(";")[0] for row in rows})
    for row in rows:
        path = root / row["image"]
        path.parent.mkdir(parents=True, exist_ok=True)
        low = 200 * names.index(row["labels"].split(";")[0]) // len(names)
        Image.fromarray(rng.integers(low, low + 50, (size, size + 8, 3), dtype=np.uint8)).save(path)
    return root


def write_lines(root: Path, *lines: str | bytes) -> Path:
    """Write `frames.csv` from its lines as they are."""
    root.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, bytes) else line.encode() for line in lines]
    (root / "frames.csv").write_bytes(b"\n".join(texts) + b"\n")
    return root
