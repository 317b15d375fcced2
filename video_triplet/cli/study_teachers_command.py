"""`video-triplet study-teachers`: which epoch makes the best teacher, and do the strategies find it? One command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.declared_settings import add_setting_options, below_lowest, given_options
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import require_writable
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
from video_triplet.cli.step_options import (
    MACHINE_OPTIONS,
    SPLIT_OPTIONS,
    as_options,
    data_options,
    setting_options,
    step_caller,
)
from video_triplet.demo.pipeline import IMAGE_SIZE
from video_triplet.models.kept_epochs import read_epochs
from video_triplet.settings import TripletSettings
from video_triplet.study.teacher_study import TeacherStudy
from video_triplet.trainers.catalog import require_video_trainer

if TYPE_CHECKING:
    from video_triplet.study.teacher_study_run import StudyData

SUMMARY = "train teachers and a student per epoch and strategy, and show whose student is best"
STRATEGIES = ("last", "best-mAP", "best-mAP-ensemble", "IT", "IEE", "IESE")
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
    from video_triplet.study.teacher_study_run import before_the_choices, run_teacher_study

    require_writable(arguments.output)
    if rendered:
        use_rendered_data(arguments)
    study = read_study(arguments)
    refuse_impossible_trainers(study)
    if arguments.print:
        for step in before_the_choices(study):
            print(step.shell_line)
        print("# then one student per choice that is not on the curve")
        return 0
    data = study_data(arguments, rendered=rendered)
    size = given_options(arguments, TripletSettings).get("image_size")
    print(run_teacher_study(study, data, describe(arguments), step_caller(arguments), image_size=size))
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

    data, machine = data_options(arguments), as_options(arguments, MACHINE_OPTIONS)
    settings = given_options(arguments, TripletSettings)
    split = {**as_options(arguments, SPLIT_OPTIONS), "-f": (str(arguments.fold),)}
    student = arguments.student or student_of(arguments.teacher)
    return TeacherStudy(
        folder=arguments.output,
        teacher=arguments.teacher,
        student=student,
        seeds=tuple(arguments.seeds),
        curve=read_epochs(arguments.curve, arguments.teacher_epochs, source="--curve"),
        strategies=tuple(dict.fromkeys(arguments.strategies)),
        criterion=arguments.criterion,
        training={**data, **split, **machine, **setting_options(settings)},
        of_role={
            "teacher": {"--epochs": (str(arguments.teacher_epochs),)},
            "student": {"--epochs": (str(arguments.student_epochs),)},
        },
        data=data,
        selection={
            "--criterion": (arguments.criterion,),
            "--student": (student,),
            "--sweep-folder": (str(arguments.output / "sweep"),),
            **machine,
        },
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


def describe(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what must not change when a study goes on."""
    free = ("run", "subcommand", "print", "output", "workers", "data", "cache")
    return {name: str(value) for name, value in sorted(vars(arguments).items()) if name not in free}


def study_data(arguments: argparse.Namespace, *, rendered: bool) -> StudyData:
    """Return where the frames come from."""
    from video_triplet.study.teacher_study_run import Rendering, StudyData

    rendering = (
        Rendering(
            data=arguments.data,
            cache=arguments.cache,
            videos=arguments.videos,
            frames=arguments.frames,
            seed=arguments.data_seed,
            ambiguity=arguments.ambiguity,
            image_size=int(given_options(arguments, TripletSettings)["image_size"]),
        )
        if rendered
        else None
    )
    return StudyData(
        read=lambda size: read_dataset(arguments, size),
        split=lambda dataset: find_fold(read_splits(arguments, dataset), arguments.fold),
        rendering=rendering,
    )
