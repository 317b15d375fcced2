"""`video-triplet study-teachers`: which epoch makes the best teacher, and do the strategies find it? One command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import add_setting_options, below_lowest, given_options
from nnunet_dsd.common.errors import SettingsError, SetupError
from nnunet_dsd.common.files import require_writable, write_json
from video_triplet.cli.cross_validate_command import (
    DATA_OPTIONS,
    MACHINE_OPTIONS,
    SPLIT_OPTIONS,
    as_options,
    run_step,
    setting_options,
)
from video_triplet.cli.data_options import (
    add_data_options,
    add_machine_options,
    add_split_options,
    find_fold,
    read_dataset,
    read_splits,
    refuse_missing_data,
)
from video_triplet.cli.select_teacher_command import DEFAULT_CRITERION
from video_triplet.demo.pipeline import IMAGE_SIZE
from video_triplet.models.kept_epochs import read_epochs
from video_triplet.settings import TripletSettings
from video_triplet.study.steps import Step
from video_triplet.study.teacher_study import TeacherStudy, control_steps, curve_steps, strategy_steps, teacher_steps
from video_triplet.trainers.catalog import require_video_trainer

if TYPE_CHECKING:
    from video_triplet.predictions.file import Predictions
    from video_triplet.selection.epoch_predictions import Reading

SUMMARY = "train teachers and a student per epoch and strategy, and show whose student is best"
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
    rendered = arguments.data is None
    for trainer in filter(None, (arguments.teacher, arguments.student)):
        require_video_trainer(trainer, "triplets")
    refuse_missing_data(arguments)
    refuse_impossible_numbers(arguments)
    from video_triplet.study.teacher_study_results import choices_of_their_own, collect, write_results

    require_writable(arguments.output)
    if rendered:
        use_rendered_data(arguments)
    study = read_study(arguments)
    refuse_impossible_trainers(study)
    if not arguments.print:
        claim(arguments.output, arguments, rendered=rendered)
    if arguments.print:
        for step in before_the_choices(study):
            print(step.shell_line)
        print("# then one student per choice that is not on the curve")
        return 0
    run_steps(before_the_choices(study), arguments)
    run_steps(strategy_steps(study, choices_of_their_own(study)), arguments)
    reading, truth = read_frames(study, arguments, rendered=rendered)
    print(write_results(study, collect(study, reading, truth), criterion=arguments.criterion))
    print(f"figure: {study.folder / 'study.png'}; every student: {study.folder / 'results.csv'}")
    return 0


def before_the_choices(study: TeacherStudy) -> list[Step]:
    """Return the steps that do not depend on what is chosen."""
    return [*teacher_steps(study), *control_steps(study), *curve_steps(study)]


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
    problems = below_lowest(arguments, {"teacher_epochs": 1, "student_epochs": 1, "workers": 0}, as_options=True)
    if arguments.nodes > 1:
        problems.append("--nodes is more than 1, but the steps follow one another on one machine; --print them instead")
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
    student = arguments.student or student_of(arguments.teacher)
    return TeacherStudy(
        folder=arguments.output,
        teacher=arguments.teacher,
        student=student,
        seeds=tuple(arguments.seeds),
        curve=read_epochs(arguments.curve, arguments.teacher_epochs, source="--curve"),
        strategies=tuple(dict.fromkeys(arguments.strategies)),
        training=(*training, *setting_options(settings)),
        of_role={
            "teacher": ("--epochs", str(arguments.teacher_epochs)),
            "student": ("--epochs", str(arguments.student_epochs)),
        },
        data=data,
        selection=(
            *("--criterion", arguments.criterion, "--student", student),
            *("--sweep-folder", str(arguments.output / "sweep"), *machine),
        ),
        workers=arguments.workers,
    )


def refuse_impossible_trainers(study: TeacherStudy) -> None:
    """Refuse trainers that do not exist, or a teacher in the place of a student.

    Raises:
        RegistryError: if there is no such trainer.
        SettingsError: if one has the other's role.
    """
    from video_triplet.trainers.experiment import find_video_trainer

    roles = {"teacher": study.teacher, "student": study.student}
    wrong = [f"{name} is no {role}" for role, name in roles.items() if find_video_trainer(name).role != role]
    if wrong:
        raise SettingsError(wrong, source="study-teachers")


def claim(folder: Path, arguments: argparse.Namespace, *, rendered: bool) -> None:
    """Open or render the data set, check the split, and remember what the study is.

    Raises:
        SetupError: if the folder holds something that is no study.
        SettingsError: if it holds another study, also one of other labels or images.
    """
    path = folder / MARKER
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        raise SetupError(f"{folder} holds something that is no study of teachers; choose another folder with -o")
    content = {
        name: str(value)
        for name, value in sorted(vars(arguments).items())
        if name not in ("run", "subcommand", "print", "output", "workers", "data", "cache")
    }
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    refuse_another_study(folder, there, content)
    if rendered:
        refuse_impossible_rendering(arguments)
        write_json(path, {**(there or {}), **content})
        render(arguments)
    content |= check_data(arguments)
    refuse_another_study(folder, there, content)
    write_json(path, content)


def refuse_another_study(folder: Path, there: dict[str, str] | None, content: dict[str, str]) -> None:
    """Refuse a folder that was begun as another study.

    Raises:
        SettingsError: with everything that differs.
    """
    changed = [
        f"{name} was {there[name]}, now {value}"
        for name, value in content.items()
        if there is not None and name in there and there[name] != value
    ]
    if changed:
        raise SettingsError(changed, source=f"{folder}, which holds another study (choose another folder)")


def check_data(arguments: argparse.Namespace) -> dict[str, str]:
    """Return hashes of labels and images of the fold's videos.

    Raises:
        LeakError: if the validation videos are the test videos, so that a choice would look at what is reported.
        DataError: if there is no such fold.
    """
    from video_triplet.data.provenance import LeakError
    from video_triplet.data.videos import labels_hash

    dataset, source = read_dataset(arguments, given_options(arguments, TripletSettings).get("image_size"))
    split = find_fold(read_splits(arguments, dataset), arguments.fold)
    if set(split.validation) & set(split.test):
        raise LeakError(
            f"the protocol {split.protocol!r} validates on the test videos: teachers would be chosen on what is "
            "reported; take the protocol 'inner'"
        )
    names = [*split.training, *split.validation, *split.test]
    return {"labels": labels_hash(dataset.subset(names)), "images": source.fingerprint(names)}


def refuse_impossible_rendering(arguments: argparse.Namespace) -> None:
    """Refuse numbers that nothing can be rendered with.

    Raises:
        SettingsError: with all of them.
    """
    lowest = {"videos": 2, "frames": 8, "data_seed": 0, "ambiguity": 0}
    problems = below_lowest(arguments, lowest, as_options=True)
    if arguments.ambiguity > 1:
        problems.append(f"--ambiguity is {arguments.ambiguity}, it is a fraction, at most 1")
    if problems:
        raise SettingsError(problems, source="study-teachers")


def render(arguments: argparse.Namespace) -> None:
    """Render the data set and its cache, unless they are there."""
    from video_triplet.cli.main import main
    from video_triplet.rendered.triplets import render_dataset

    if not arguments.data.is_dir():
        print(f"render {counted(arguments.videos, 'video')} of {counted(arguments.frames, 'frame')}", flush=True)
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


def read_frames(
    study: TeacherStudy, arguments: argparse.Namespace, *, rendered: bool
) -> tuple[Reading, Predictions | None]:
    """Open the data set for scoring; with it, of a rendered one, the true probabilities."""
    from video_triplet.predictions.file import load_predictions
    from video_triplet.rendered.triplets import TRUTH_FILE
    from video_triplet.selection.epoch_predictions import Reading
    from video_triplet.selection.teachers import read_teacher

    teacher = read_teacher(study.teacher_run(study.seeds[0]))
    dataset, source = read_dataset(arguments, teacher.settings["image_size"])
    device = "cpu" if arguments.accelerator == "cpu" else None
    truth = load_predictions(arguments.data / TRUTH_FILE) if rendered else None
    return Reading(dataset, source, device, workers=arguments.workers), truth
