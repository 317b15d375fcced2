"""`video-triplet test-clips`: Acc@1 and Acc@5 of a clip classifier on the official test list."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.files import refuse_overwriting
from video_triplet.cli.clip_options import (
    add_clip_cache_option,
    add_clip_data_options,
    add_frame_options,
    add_sound_only_option,
    read_clips,
)
from video_triplet.cli.data_options import refuse_missing_data
from video_triplet.cli.outputs import add_overwrite_option

SUMMARY = "test a clip classifier: 10 clips per video, logits averaged, Acc@1 and Acc@5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, data, frames and what to test on."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model.pt of `video-triplet train-clips`")
    parser.add_argument("-o", "--output", type=Path, help="folder for the results (default: test beside the model)")
    add_overwrite_option(parser)
    add_clip_data_options(parser)
    add_frame_options(parser)
    add_clip_cache_option(parser)
    add_sound_only_option(parser)
    parser.add_argument("--split-number", type=int, help="official split (default: the one of the training)")
    parser.add_argument("--clips", type=int, help="evenly spaced clips per video (default: as set in the training, 10)")
    parser.add_argument("--batch-size", type=int, default=2, metavar="N", help="videos at once (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="reading processes (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda or cuda:NUMBER (default: CUDA where there is one)")


def run(arguments: argparse.Namespace) -> int:
    """Test on the official test list, write the results and print the accuracies."""
    from nnunet_dsd.common.files import require_writable
    from video_triplet.models.run_files import require_model_file

    require_model_file(arguments.model)
    refuse_missing_data(arguments)
    from video_triplet.clips.model_file import load_clip_model
    from video_triplet.clips.splits import official_split
    from video_triplet.clips.testing import TEST_FILES, refuse_other_classes, refuse_other_frames, run_test, write_test

    folder = arguments.output or arguments.model.parent / "test"
    require_writable(folder)
    refuse_overwriting((folder / name for name in TEST_FILES), overwrite=arguments.overwrite)
    model = load_clip_model(arguments.model, device=arguments.device)
    dataset, source = read_clips(arguments)
    refuse_other_classes(model, dataset)
    refuse_other_frames(model, source)
    number = arguments.split_number or model.record.fold or 1
    videos = dataset.subset(official_split(dataset, number, validation_fraction=0).test)
    test = run_test(
        model,
        dataset,
        videos,
        source,
        clips=arguments.clips,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
    )
    write_test(folder, test)
    accuracies = ", ".join(f"Acc@{k} {100 * value:.2f} %" for k, value in test.accuracies.items())
    print(
        f"epoch {model.record.epoch}: {accuracies} on {counted(len(videos), 'test video')} of split "
        f"{number}, {counted(test.clips, 'clip')}"
    )
    print(f"results: {folder}")
    return 0
