"""`video-triplet select-teacher`: which epochs of which teachers label the frames, with table, figure and reasons."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import refuse_overwriting, require_writable
from nnunet_dsd.common.paths import require_paths
from nnunet_dsd.common.tables import print_table
from video_triplet.cli.data_options import (
    add_data_options,
    add_machine_options,
    read_dataset,
    read_machine,
    refuse_missing_data,
)
from video_triplet.cli.outputs import add_overwrite_option
from video_triplet.predictions.pooling import MEANS

if TYPE_CHECKING:
    from video_triplet.selection.criteria import Criterion
    from video_triplet.selection.epoch_predictions import Reading
    from video_triplet.selection.selecting import Measured, Picked
    from video_triplet.selection.strategies import Strategy
    from video_triplet.selection.teachers import TeacherRun

SUMMARY = "choose the epochs of one or several teachers whose soft labels a student learns from"
DEFAULT_CRITERION = "reference-probability"
DEFAULT_SWEEP_EPOCHS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the teachers, what decides, the sweep, and where the frames are."""
    parser.add_argument(
        "runs", type=Path, nargs="+",
        help="folders of teachers trained with --keep-epochs; the first is the teacher of IT, IEE and the baselines",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for choices and figure")
    add_overwrite_option(parser)
    parser.add_argument("--epochs", default="all", help="epochs to choose from: all that were kept, or such as 2-8")
    parser.add_argument("--criterion", default=DEFAULT_CRITERION, help="what decides (default: %(default)s)")
    parser.add_argument(
        "--strategies", nargs="+", metavar="NAME", help="which choices to write (default: all that can be made)"
    )
    parser.add_argument("--mean", choices=MEANS, default="arithmetic", help="of the members (default: %(default)s)")
    parser.add_argument("--members", type=int, metavar="N", help="at most N epochs of a teacher, the best ones")
    parser.add_argument("--batch-size", type=int, default=64, help="frames at once (default: %(default)s)")
    group = parser.add_argument_group("sweep, for --criterion student-sweep")
    group.add_argument("--student", help="trainer of the students (default: the teacher's own student)")
    group.add_argument(
        "--sweep-epochs", type=int, default=DEFAULT_SWEEP_EPOCHS, help="of each student (default: %(default)s)"
    )
    group.add_argument("--sweep-folder", type=Path, metavar="FOLDER", help="of the students (default: OUTPUT/sweep)")
    group.add_argument("--sweep-seeds", type=int, nargs="+", default=[2], help="one student each (default: 2)")
    add_data_options(parser)
    add_machine_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure every epoch, print the table, draw the figure, write one choice per strategy."""
    require_paths(folders={f"RUN {position}": run for position, run in enumerate(arguments.runs, start=1)}, files={})
    refuse_missing_data(arguments)
    from video_triplet.models.kept_epochs import epochs_as_text
    from video_triplet.selection.criteria import STUDENT_SWEEP, criteria
    from video_triplet.selection.figure import draw_selection
    from video_triplet.selection.plugins import find_named
    from video_triplet.selection.selecting import measure
    from video_triplet.selection.table import table_rows, write_table
    from video_triplet.selection.teachers import candidate_epochs, read_teachers

    refuse_impossible_numbers(arguments)
    if arguments.cache and arguments.output.resolve() == arguments.cache.resolve():
        raise SettingsError(["--output is the folder of the --cache; choose another"], source="select-teacher")
    criterion = find_named(criteria(), arguments.criterion, what="criterion")
    runs = read_teachers(arguments.runs)
    chosen = find_strategies(arguments.strategies, len(runs))
    epochs = [candidate_epochs(run, arguments.epochs) for run in runs]
    for teacher, found in zip(runs, epochs, strict=True):
        gaps = sorted(set(range(found[0], found[-1])) - set(found))
        if gaps and arguments.epochs == "all":
            print(
                f"{teacher.folder} lacks the epochs {epochs_as_text(gaps)}; the choice is among {epochs_as_text(found)}"
            )
    require_writable(arguments.output)
    written = ["table.csv", "selection.png", *(f"{strategy.name}.json" for strategy in chosen)]
    refuse_overwriting((arguments.output / name for name in written), overwrite=arguments.overwrite)
    reading = read_frames_of(runs, arguments)
    swept = sweep(runs, epochs, reading, arguments) if criterion.name == STUDENT_SWEEP else None
    shown = [one for one in criteria().values() if one.measure or one.name == criterion.name]
    measured = measure(runs, epochs, shown, reading, swept=swept)
    picked = pick_all(chosen, criterion, measured, arguments)
    header, rows = table_rows(measured, criterion, picked)
    show_table(header, rows)
    write_table(arguments.output / "table.csv", header, rows)
    draw_selection(measured, criterion, shown, picked, arguments.output / "selection.png")
    write_choices(picked, criterion, measured, arguments)
    return 0


def refuse_impossible_numbers(arguments: argparse.Namespace) -> None:
    """Refuse numbers that make no sense.

    Raises:
        SettingsError: with all of them.
    """
    from video_triplet.selection.criteria import STUDENT_SWEEP

    lowest = {"members": 1, "batch_size": 1, "sweep_epochs": 1, "workers": 0}
    problems = below_lowest(arguments, lowest, as_options=True)
    if len(set(arguments.sweep_seeds)) < len(arguments.sweep_seeds):
        problems.append("--sweep-seeds names a seed twice")
    if arguments.criterion == STUDENT_SWEEP and arguments.devices * arguments.nodes > 1:
        problems.append(
            "the sweep trains its students one after another on one device; leave out --devices and --nodes"
        )
    if problems:
        raise SettingsError(problems, source="select-teacher")


def find_strategies(names: Sequence[str] | None, teachers: int) -> list[Strategy]:
    """Return the strategies that were asked for, or all that so many teachers allow."""
    from video_triplet.selection.plugins import find_named
    from video_triplet.selection.strategies import strategies

    known = strategies()
    if names is None:
        for strategy in (one for one in known.values() if one.runs > teachers):
            print(f"{strategy.name} is left out: it needs at least {counted(strategy.runs, 'teacher')}, got {teachers}")
        return [strategy for strategy in known.values() if strategy.runs <= teachers]
    return [find_named(known, name, what="strategy") for name in dict.fromkeys(names)]


def read_frames_of(runs: Sequence[TeacherRun], arguments: argparse.Namespace) -> Reading:
    """Open the data set that the teachers were trained on.

    Raises:
        DataError: if its labels are other ones, or the teachers have images of several sizes.
    """
    from video_triplet.data.videos import labels_hash
    from video_triplet.selection.epoch_predictions import Reading

    sizes = {run.settings["image_size"] for run in runs}
    if len(sizes) > 1:
        raise DataError(f"the teachers have images of {sorted(sizes)} pixels; choose among teachers of one size")
    dataset, source = read_dataset(arguments, sizes.pop())
    for teacher in runs:
        names = [*teacher.videos("training"), *teacher.videos("validation")]
        same_labels = labels_hash(dataset.subset(names)) == teacher.labels
        if not same_labels or source.fingerprint(names) != teacher.images:
            raise DataError(
                f"{arguments.data} has other {'images' if same_labels else 'labels or frames'} than {teacher.folder} "
                "was trained with; give that data set, and --phases and --sound-only if the training had them"
            )
    device = "cpu" if arguments.accelerator == "cpu" else None
    return Reading(dataset, source, device, arguments.batch_size, arguments.workers)


def sweep(
    runs: Sequence[TeacherRun], epochs: Sequence[tuple[int, ...]], reading: Reading, arguments: argparse.Namespace
) -> dict[tuple[int, int], float]:
    """Train a short student per epoch and say beforehand how many."""
    from video_triplet.selection.sweep import Sweep, student_of, sweep_students

    student = arguments.student or student_of(runs[0].trainer)
    wanted = Sweep(
        folder=arguments.sweep_folder or arguments.output / "sweep",
        student=student,
        epochs=arguments.sweep_epochs,
        seeds=tuple(arguments.sweep_seeds),
    )
    trainings = sum(map(len, epochs)) * len(wanted.seeds)
    print(
        f"sweep: {counted(trainings, 'training')} of {student} with {counted(wanted.epochs, 'epoch')} each", flush=True
    )
    return sweep_students(runs, epochs, wanted, reading, read_machine(arguments))


def pick_all(
    chosen: Sequence[Strategy], criterion: Criterion, measured: Measured, arguments: argparse.Namespace
) -> list[Picked]:
    """Return what each strategy picks; where none was named, those that cannot pick are left out with a word."""
    from video_triplet.selection.selecting import pick

    picked = []
    for strategy in chosen:
        try:
            picked.append(pick(strategy, criterion, measured, arguments.members))
        except DataError as error:
            if arguments.strategies or strategy.uses_criterion:
                raise
            print(f"{strategy.name} is left out: {error}")
    return picked


def write_choices(
    picked: Sequence[Picked],
    criterion: Criterion,
    measured: Measured,
    arguments: argparse.Namespace,
) -> None:
    """Write one choice per strategy and print its reasons."""
    from video_triplet.selection.selecting import as_choice
    from video_triplet.selection.strategies import strategies

    for name in strategies().keys() - {found.strategy.name for found in picked}:
        stale = arguments.output / f"{name}.json"
        if stale.is_file():
            stale.unlink()
            print(f"{stale} was of an earlier run and does not belong to this table; it was removed")
    for found in picked:
        path = arguments.output / f"{found.strategy.name}.json"
        if path.is_file():
            print(f"{path} was of an earlier run and is replaced")
        choice = as_choice(found, criterion, measured, mean=arguments.mean, path=path)
        choice.save(path)
        print(f"{found.strategy.name} ({found.strategy.summary}): {path}")
        for sentence in choice.why:
            print(f"  {sentence}")
    print(f"figure: {arguments.output / 'selection.png'}; table: {arguments.output / 'table.csv'}")


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    print_table(table, Console())
