"""Step time and memory of epoch-wise self-distillation against the same training step without it.

    OMP_NUM_THREADS=1 python benchmarks/epochwise_cost.py --encoder c3d --rounds 5
    OMP_NUM_THREADS=1 python benchmarks/epochwise_cost.py --encoder c3d --memory

Forward, loss, backward and SGD on random clips. Both steps are taken in turn in one process; the ratio is the median of
the rounds' ratios, the time the processor's. Memory is the peak resident set of a fresh process over three steps.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from nnunet_dsd.distillation.epochwise import PreviousEpoch, epoch_distance
from video_triplet.clips.networks import ClipNetwork


def build(arguments: argparse.Namespace, *, distilled: bool) -> Callable[[], None]:
    """Return one training step on the same random clips."""
    torch.manual_seed(0)
    network = ClipNetwork(arguments.encoder, 101, frames=arguments.frames, size=arguments.size)
    teacher = PreviousEpoch(network.encoder) if distilled else None
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    clips = torch.randint(0, 256, (arguments.batch_size, 3, arguments.frames, arguments.size, arguments.size))
    labels = torch.randint(0, 101, (arguments.batch_size,))

    def step() -> None:
        inputs = network.normalised(clips)
        features = network.encoder(inputs)
        loss = functional.cross_entropy(network.head(features), labels)
        if teacher is not None:
            loss = loss + epoch_distance(features, teacher(inputs), reduction="mean")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def processor_seconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def measure_time(arguments: argparse.Namespace) -> None:
    plain, distilled = (build(arguments, distilled=choice) for choice in (False, True))
    plain(), distilled()
    rounds = [(processor_seconds(plain), processor_seconds(distilled)) for _ in range(arguments.rounds)]
    ratios = [after / before for before, after in rounds]
    seconds = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print(f"{arguments.encoder}: {seconds[0]:.2f} s without, {seconds[1]:.2f} s with")
    print(f"ratio x {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds)")


def measure_memory(arguments: argparse.Namespace) -> None:
    for choice in ("without", "with"):
        command = [sys.executable, __file__, *sys.argv[1:], "--peak-of", choice]
        print(choice, subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def print_peak(arguments: argparse.Namespace) -> None:
    step = build(arguments, distilled=arguments.peak_of == "with")
    for _ in range(3):
        step()
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="c3d")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    parser.add_argument("--peak-of", choices=["without", "with"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = print_peak if arguments.peak_of else measure_memory if arguments.memory else measure_time
    work(arguments)


if __name__ == "__main__":
    main()
