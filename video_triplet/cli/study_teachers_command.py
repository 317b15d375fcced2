"""`video-triplet study-teachers`: which epoch makes the best teacher, and do the strategies find it? One command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.declared_settings import add_setting_options, given_options
from nnunet_dsd.errors import SettingsError
from nnunet_dsd.files import require_writable, write_json
from video_triplet.cli.cross_validate_command import as_options, run_step, setting_options
from video_triplet.cli.data_options import (
    add_data_options,
    add_machine_options,
    add_split_options,
    find_fold,
    read_dataset,
    read_splits,
)
from video_triplet.cli.select_teacher_command import DEFAULT_CRITERION
from video_triplet.demo.pipeline import IMAGE_SIZE
from video_triplet.kept_epochs import read_epochs
from video_triplet.settings import TripletSettings
from video_triplet.study.steps import Step
from video_triplet.study.teacher_study import TeacherStudy, curve_steps, strategy_steps, teacher_steps

if TYPE_CHECKING:
    from video_triplet.predictions import Predictions
    from video_triplet.selection.epoch_predictions import Reading

SUMMARY = "train teachers and a student per epoch and strategy, and show whose student is best"
DATA_OPTIONS = ("data", "phases", "cache")
SPLIT_OPTIONS = ("split", "protocol", "folds", "validation_videos", "split_seed")
MACHINE_OPTIONS = ("accelerator", "devices", "nodes", "precision", "workers")
STRATEGIES = ("last", "best-mAP", "best-mAP-ensemble", "IT", "IEE", "IESE")
MARKER = "study.json"
# What a rendered data set is learned with; a user's own data takes the trainers' defaults.
RENDERED_NETWORK = {
    "backbone": "swin_tiny_patch4_window7_224",
    "backbone_options": json.dumps(
        {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
    ),
    "weights": "none",
    "image_size": IMAGE_SIZE,
    "batch_size": 16,
    "learning_rate": 5e-4,
    "augmentation": "none",
}
RENDERED_SPLIT, RENDERED_FOLDS, RENDERED_VALIDATION = "k-fold", 3, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the seeds, the curve, the criterion, data, split, machine and settings."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for everything")
    parser.add_argument("-tr", "--teacher", default="SwinTripletTeacher", help="teachers' trainer (%(default)s)")
    parser.add_argument("--student", help="students' trainer (default: the teacher's own student)")
    parser.add_argument("-f", "--fold", type=int, default=1, help="fold to set apart (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the teachers (default: 1 2 3)")
    parser.add_argument("--teacher-epochs", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--student-epochs", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--curve", default="all", help="epochs that get a student, such as 1-4,8 (default: all)")
    parser.add_argument("--criterion", default=DEFAULT_CRITERION, help="of `select-teacher` (default: %(default)s)")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), metavar="NAME", help="(default: all six)")
    parser.add_argument("--print", action="store_true", help="print the commands instead of running them")
    group = parser.add_argument_group("rendered data, where no --data is given")
    group.add_argument("--videos", type=int, default=12, help="to render (default: %(default)s)")
    group.add_argument("--frames", type=int, default=80, help="per video (default: %(default)s)")
    group.add_argument("--data-seed", type=int, default=1, help="of the rendered data (default: %(default)s)")
    group.add_argument("--ambiguity", type=float, default=0.25, help="fraction of ambiguous frames (default: 0.25)")
    add_data_options(parser, required=False)
    add_split_options(parser)
    add_machine_options(parser)
    add_setting_options(parser.add_argument_group("settings of every training"), TripletSettings)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and write results and figure."""
    from video_triplet.study.teacher_study_results import choices_of_their_own, collect, write_results

    rendered = arguments.data is None
    refuse_impossible_numbers(arguments)
    require_writable(arguments.output)
    if rendered:
        use_rendered_data(arguments)
    study = read_study(arguments)
    claim(arguments.output, arguments)
    if rendered and not arguments.print:
        render(arguments)
    if arguments.print:
        for step in [*teacher_steps(study), *curve_steps(study)]:
            print(as_command(step))
        print("# then one student per choice that is not on the curve")
        return 0
    run_steps([*teacher_steps(study), *curve_steps(study)], arguments)
    run_steps(strategy_steps(study, choices_of_their_own(study)), arguments)
    reading, truth = read_frames(arguments, rendered=rendered)
    print(write_results(study, collect(study, reading, truth), criterion=arguments.criterion))
    print(f"figure: {study.folder / 'study.png'}; every student: {study.folder / 'results.csv'}")
    return 0


def refuse_impossible_numbers(arguments: argparse.Namespace) -> None:
    """Refuse a study that cannot be run.

    Raises:
        SettingsError: with everything that is wrong.
    """
    from video_triplet.selection.criteria import criteria
    from video_triplet.selection.plugins import find_named
    from video_triplet.selection.strategies import strategies

    find_named(criteria(), arguments.criterion, what="criterion")
    needed = max(find_named(strategies(), name, what="strategy").runs for name in arguments.strategies)
    numbers = {"--teacher-epochs": arguments.teacher_epochs, "--student-epochs": arguments.student_epochs}
    problems = [f"{name} is {value}, it must be at least 1" for name, value in numbers.items() if value < 1]
    if len(set(arguments.seeds)) < len(arguments.seeds):
        problems.append("--seeds names a seed twice")
    if len(arguments.seeds) < needed:
        problems.append(f"these strategies need {needed} --seeds, got {len(arguments.seeds)}")
    given = given_options(arguments, TripletSettings)
    instead = {"seed": "--seeds", "epochs": "--teacher-epochs and --student-epochs", "choose_epoch": "nothing"}
    for name, option in instead.items():
        if name in given:
            problems.append(f"--{name.replace('_', '-')} is set by the study; give {option} instead")
    if problems:
        raise SettingsError(problems, source="study-teachers")


def use_rendered_data(arguments: argparse.Namespace) -> None:
    """Fill in data, split and network of the rendered data set where the user gave none."""
    arguments.data = arguments.output / "data"
    arguments.cache = arguments.output / "frames"
    if arguments.split == "cholect45-crossval":  # the parser's default, which rendered videos do not have
        arguments.split = RENDERED_SPLIT
        arguments.folds = arguments.folds or RENDERED_FOLDS
        arguments.validation_videos = arguments.validation_videos or RENDERED_VALIDATION
    given = given_options(arguments, TripletSettings)
    for name, value in RENDERED_NETWORK.items():
        if name not in given:
            setattr(arguments, name, value)


def read_study(arguments: argparse.Namespace) -> TeacherStudy:
    """Return the study that the options describe."""
    from video_triplet.selection.sweep import student_of

    sound = ("--sound-only",) if arguments.sound_only else ()
    data = as_options(arguments, DATA_OPTIONS) + sound
    machine = as_options(arguments, MACHINE_OPTIONS)
    settings = given_options(arguments, TripletSettings)
    training = (*data, *as_options(arguments, SPLIT_OPTIONS), *machine, "-f", str(arguments.fold))
    return TeacherStudy(
        folder=arguments.output,
        teacher=arguments.teacher,
        student=arguments.student or student_of(arguments.teacher),
        seeds=tuple(arguments.seeds),
        curve=read_epochs(arguments.curve, arguments.teacher_epochs, source="--curve"),
        strategies=tuple(arguments.strategies),
        training=(*training, *setting_options(settings)),
        of_role={
            "teacher": ("--epochs", str(arguments.teacher_epochs)),
            "student": ("--epochs", str(arguments.student_epochs)),
        },
        data=data,
        selection=("--criterion", arguments.criterion, *machine),
    )


def claim(folder: Path, arguments: argparse.Namespace) -> None:
    """Remember what the study is, so that another one does not mix with it.

    Raises:
        SettingsError: if the folder holds another study.
    """
    content = {
        name: str(value)
        for name, value in sorted(vars(arguments).items())
        if name not in ("run", "subcommand", "print", "output", "workers", "data", "cache")
    }
    path = folder / MARKER
    if path.is_file():
        there = json.loads(path.read_text(encoding="utf-8"))
        changed = [f"{name} was {there.get(name)}, now {content.get(name)}" for name in {**there, **content}
                   if there.get(name) != content.get(name)]  # fmt: skip
        if changed:
            raise SettingsError(changed, source=f"{folder}, which holds another study (choose another folder)")
    elif not arguments.print:
        write_json(path, content)


def render(arguments: argparse.Namespace) -> None:
    """Render the data set and its cache, unless they are there."""
    from video_triplet.cli.main import main
    from video_triplet.demo.rendering import render_dataset

    if not arguments.data.is_dir():
        print(f"render {arguments.videos} videos of {arguments.frames} frames", flush=True)
        render_dataset(
            arguments.data,
            videos=arguments.videos,
            frames=arguments.frames,
            seed=arguments.data_seed,
            ambiguity=arguments.ambiguity,
        )
    size = str(given_options(arguments, TripletSettings)["image_size"])
    if main(["prepare", str(arguments.data), "-o", str(arguments.cache), "--size", size, "--workers", "1"]):
        raise SettingsError(["the frames could not be prepared"], source="study-teachers")


def run_steps(steps: Sequence[Step], arguments: argparse.Namespace) -> None:
    """Run every step that has not written its files; each goes on where it was killed."""
    for number, step in enumerate(steps, start=1):
        if all(path.is_file() for path in step.outputs):
            continue
        print(f"[{number}/{len(steps)}] {step.title}", flush=True)
        run_step(step, in_process=arguments.devices * arguments.nodes == 1)


def read_frames(arguments: argparse.Namespace, *, rendered: bool) -> tuple[Reading, Predictions | None]:
    """Open the data set for scoring; with it, of a rendered one, the true probabilities."""
    from video_triplet.demo.rendering import TRUTH_FILE
    from video_triplet.predictions import load_predictions
    from video_triplet.selection.epoch_predictions import Reading
    from video_triplet.selection.teachers import read_teacher

    seed = arguments.seeds[0]
    run_folder = arguments.output / "teachers" / f"seed_{seed}"
    dataset, source = read_dataset(arguments, read_teacher(run_folder).settings["image_size"])
    find_fold(read_splits(arguments, dataset), arguments.fold)
    device = "cpu" if arguments.accelerator == "cpu" else None
    truth = load_predictions(arguments.data / TRUTH_FILE) if rendered else None
    return Reading(dataset, source, device, workers=arguments.workers), truth


def as_command(step: Step) -> str:
    """Return a step as a line of a shell script."""
    import shlex

    return shlex.join(["video-triplet", *step.command])
