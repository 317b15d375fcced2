"""A deployed model against nnU-Net's own prediction, file to file: seconds, memory, and how many voxels are equal.

    python benchmarks/deployment.py MODEL_FOLDER IMAGES DEPLOYED [DEPLOYED ...] --fold 0 --rounds 3

Every round runs `nnUNetv2_predict_from_modelfolder` and each folder's `predict.py` in turn, as programs of their own on
the same images, start-up included, without mirroring. Memory is the largest sum over a program's processes of the
memory that is theirs (proportional set size), looked at ten times a second; Linux only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk

Measured = dict[str, list[tuple[float, float]]]  # seconds and MiB of each round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("deployed", type=Path, nargs="+")
    parser.add_argument("--fold", default="0")
    parser.add_argument("--checkpoint", default="checkpoint_final.pth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        report(*measure(arguments, Path(place)))


def measure(arguments: argparse.Namespace, place: Path) -> tuple[Measured, dict[str, float]]:
    """Return what each program took in each round, and the share of voxels that are nnU-Net's."""
    taken: Measured = defaultdict(list)
    equal = {}
    for number in range(arguments.rounds):
        theirs = place / f"nnunet-{number}"
        taken["nnU-Net"].append(run(nnunet_words(arguments, theirs)))
        for folder in arguments.deployed:
            ours = place / f"{folder.name}-{number}"
            words = [sys.executable, str(folder / "predict.py"), "-i", str(arguments.images), "-o", str(ours)]
            taken[folder.name].append(run([*words, "--threads", str(arguments.threads)]))
            equal[folder.name] = equal_voxels(theirs, ours)
    return taken, equal


def nnunet_words(arguments: argparse.Namespace, output: Path) -> list[str]:
    """Return nnU-Net's command."""
    command = Path(sys.executable).with_name("nnUNetv2_predict_from_modelfolder")
    where = ["-i", str(arguments.images), "-o", str(output), "-m", str(arguments.model)]
    options = ["-f", arguments.fold, "-chk", arguments.checkpoint, "-device", "cpu", "--disable_tta"]
    return [str(command), *where, *options, "--disable_progress_bar"]


def run(words: list[str]) -> tuple[float, float]:
    """Return the seconds that a program took, and its largest memory in MiB."""
    start, largest = time.perf_counter(), 0.0
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while process.poll() is None:
        largest = max(largest, memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"{' '.join(words)} failed: {process.stderr.read().decode()[-500:] if process.stderr else ''}")
    return time.perf_counter() - start, largest


def memory(session: int) -> float:
    """Return the memory of all processes of a session in MiB."""
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) == session:
                lines = (path / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has ended
            continue
    return total / 1024


def equal_voxels(first: Path, second: Path) -> float:
    """Return the share of voxels that two folders of label maps agree on."""
    equal = total = 0
    for path in sorted(first.glob("*.nii.gz")):
        one, other = (sitk.GetArrayFromImage(sitk.ReadImage(str(place))) for place in (path, second / path.name))
        equal, total = equal + int(np.equal(one, other).sum()), total + one.size
    return equal / total


def report(taken: Measured, equal: dict[str, float]) -> None:
    """Print a row for each program: medians, the ratio to nnU-Net's time, equal voxels."""
    reference = statistics.median(seconds for seconds, _ in taken["nnU-Net"])
    for name, rounds in taken.items():
        seconds, mebibytes = (statistics.median(values) for values in zip(*rounds, strict=True))
        share = f", {equal[name]:.6%} of voxels equal" if name in equal else ""
        print(f"{name}: {seconds:.1f} s ({reference / seconds:.1f} times as fast), {mebibytes:.0f} MiB{share}")


if __name__ == "__main__":
    main()
