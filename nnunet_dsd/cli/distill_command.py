"""`nnunet-dsd distill`: many finished models into one, large into small, with images without labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.ablation.study import DEVICES
from nnunet_dsd.cli.ablate_command import JOB_FORMATS
from nnunet_dsd.cli.plan_options import add_named_settings, given_named_settings
from nnunet_dsd.common.command_line import OneValue
from nnunet_dsd.config.settings import setting_names
from nnunet_dsd.pipelines.request import CHOSEN, STARTS, Distillation

SUMMARY = "distil finished models into one: soft labels, student, controls, and was it worth it"
SETTINGS = tuple(
    name for name in (*setting_names("kd"), "temperature", *setting_names("training")) if name not in CHOSEN
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the data, the teachers, the students, where to, what to do."""
    parser.add_argument("-d", "--dataset", required=True, help="number, or name such as Dataset004_Hippocampus")
    parser.add_argument("-c", "--configuration", required=True, help="the students', such as 3d_fullres")
    parser.add_argument(
        "-p", "--plans", default="nnUNetPlans", help="plans that the students' derive from (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the study")
    parser.add_argument("--name", help="of the soft labels and of derived plans (default: the folder's name)")
    _add_teachers(parser.add_argument_group("teachers and images"))
    _add_students(parser.add_argument_group("students and their controls"))
    add_named_settings(parser, "settings of the students", SETTINGS)
    parser.add_argument("--keep-going", action="store_true", help="after a run has failed go on with the next one")
    parser.add_argument("--only-runs", nargs="+", metavar="RUN", help="only these runs, by the names of --print-jobs")
    instead = parser.add_argument_group("instead of running").add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="check everything and show the commands")
    instead.add_argument("--list", action="store_true", help="show which trainings are done, unfinished and missing")
    instead.add_argument("--print-jobs", choices=JOB_FORMATS, help="print the missing students as a list of jobs")
    instead.add_argument(
        "--only-labels", action="store_true", help="make soft labels, score the teachers, train nothing"
    )
    instead.add_argument("--only-plans", action="store_true", help="write the students' plans, run nothing")
    instead.add_argument("--only-report", action="store_true", help="score and compare what is trained, train nothing")


def _add_teachers(teachers: argparse._ArgumentGroup) -> None:
    teachers.add_argument("--teacher", nargs="+", required=True, metavar="MODEL", help="as for `soft-labels`")
    teachers.add_argument(
        "--folds", nargs="+", metavar="FOLD", help="of every teacher (default: all that are finished)"
    )
    teachers.add_argument("--checkpoint", default="checkpoint_final.pth", help="of every fold (default: %(default)s)")
    teachers.add_argument("--unlabelled", type=Path, metavar="FOLDER", help="images without labels")
    teachers.add_argument(
        "--test",
        nargs=2,
        type=Path,
        metavar=("IMAGES", "LABELS"),
        help="folders of test cases and their references (default: the data set's imagesTs and labelsTs)",
    )


def _add_students(students: argparse._ArgumentGroup) -> None:
    students.add_argument("--width", type=float, help="factor on the feature channels of every stage")
    students.add_argument(
        "--patch-size", action=OneValue, type=int, nargs="+", metavar="VOXELS", help="as in the plans"
    )
    students.add_argument("--batch-size", type=int, help="patches per step")
    students.add_argument("--fold", default="all", help="that they are trained on (default: %(default)s)")
    students.add_argument(
        "--seeds", type=int, nargs="+", default=[1], help="a student and controls for each (default: 1)"
    )
    students.add_argument(
        "--start",
        choices=STARTS,
        help="a teacher's weights, the student's own supervised training of the same length, or weights by chance "
        "(default: teacher where a teacher has the student's network, else own)",
    )
    students.add_argument(
        "--mirroring",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="of soft labels and of predictions of the test cases",
    )
    students.add_argument("--device", choices=DEVICES, help="default: nnU-Net's")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; the status is 1 if a training failed."""
    asked = Distillation(
        dataset=arguments.dataset,
        configuration=arguments.configuration,
        from_plans=arguments.plans,
        teachers=tuple(arguments.teacher),
        teacher_folds=tuple(arguments.folds) if arguments.folds else None,
        checkpoint=arguments.checkpoint,
        name=arguments.name or arguments.output.resolve().name,
        folder=arguments.output,
        unlabelled=arguments.unlabelled,
        test=tuple(arguments.test) if arguments.test else None,
        fold=_fold(arguments.fold),
        seeds=tuple(arguments.seeds),
        start=arguments.start,
        width=arguments.width,
        patch_size=tuple(arguments.patch_size) if arguments.patch_size else None,
        batch_size=arguments.batch_size,
        settings=given_named_settings(arguments, SETTINGS),
        mirroring=arguments.mirroring,
        device=arguments.device,
    )
    return _do(arguments, asked)


def _do(arguments: argparse.Namespace, asked: Distillation) -> int:
    from rich.console import Console

    from nnunet_dsd.pipelines.run import Pipeline

    pipeline = Pipeline(asked, Console())
    if arguments.dry_run:
        pipeline.show_commands()
    elif arguments.list:
        pipeline.session.show()
    elif arguments.print_jobs:
        pipeline.print_jobs(arguments.print_jobs)
    elif arguments.only_labels:
        pipeline.label()
    elif arguments.only_plans:
        pipeline.write_plans()
    elif arguments.only_report:
        return pipeline.report()
    else:
        return pipeline.run(arguments.only_runs, keep_going=arguments.keep_going)
    return 0


def _fold(word: str) -> int | str:
    return int(word) if word.isdecimal() else word
