"""The study of teachers as steps: which epoch makes the best teacher, and what do the strategies make of it?

For each seed: a teacher that keeps its epochs, a choice by every strategy (with this teacher as the first one), one
student per epoch of the curve, and one per choice. A choice of a single epoch that is on the curve is that epoch's
student; it is not trained twice. The control learns from the labels themselves, with a student's seed and epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_dsd.steps.step import Step, Words
from video_triplet.models.kept_epochs import epoch_file
from video_triplet.models.run_files import MODEL_FILE, SOFT_LABELS_FILE, TEST_FILE
from video_triplet.study.steps import Options, command_step, words_of

STUDENT_SEED = 100  # a student's seed is this much above its teacher's
HARD_LABELS = "hard labels"


@dataclass(frozen=True, kw_only=True)
class TeacherStudy:
    """What is run.

    Attributes:
        folder: Of everything.
        teacher: Name of the teachers' trainer.
        student: Name of the students' trainer.
        seeds: One teacher and its students each.
        curve: Epochs of the teachers that get a student of their own.
        strategies: Names of those that are compared.
        criterion: Of the choices.
        training: Options of every `train`.
        of_role: Further options of `train` for `"teacher"` and `"student"`.
        data: Options that say where the frames are.
        selection: Options of every `select-teacher`.
        workers: Processes that read frames for soft labels.
    """

    folder: Path
    teacher: str
    student: str
    seeds: tuple[int, ...]
    curve: tuple[int, ...]
    strategies: tuple[str, ...]
    criterion: str
    training: Options
    of_role: Mapping[str, Options]
    data: Options
    selection: Options = field(default_factory=dict)
    workers: int = 0

    def teacher_run(self, seed: int) -> Path:
        """Return the folder of a teacher."""
        return self.folder / "teachers" / f"seed_{seed}"

    def selected(self, seed: int) -> Path:
        """Return the folder of the choices with this teacher first."""
        return self.folder / "selected" / f"seed_{seed}"

    def choice(self, seed: int, strategy: str) -> Path:
        """Return the choice file of a strategy."""
        return self.selected(seed) / f"{strategy}.json"

    def student_run(self, seed: int, taught_by: int | str) -> Path:
        """Return the folder of a student of an epoch (a number), of a strategy's choice or of hard labels (a name)."""
        name = f"epoch_{taught_by:03d}" if isinstance(taught_by, int) else taught_by.replace(" ", "_")
        return self.folder / "students" / f"seed_{seed}" / name


def teacher_steps(study: TeacherStudy) -> list[Step]:
    """Return the trainings of the teachers, and the choices among their epochs."""
    steps = []
    for seed in study.seeds:
        run = study.teacher_run(seed)
        options = words_of(study.training, study.of_role.get("teacher", {}), {"--seed": (str(seed),)})
        command = ("train", "-tr", study.teacher, "-o", str(run), "--keep-epochs", "all", *options)
        steps.append(_once(f"train teacher of seed {seed}", command, run / MODEL_FILE))
    for seed in study.seeds:
        others = [other for other in study.seeds if other != seed]
        runs = [str(study.teacher_run(one)) for one in (seed, *others)]
        command = ("select-teacher", *runs, "-o", str(study.selected(seed)), "--strategies", *study.strategies)
        command += ("--overwrite",)  # a killed run may have left a part of the choices
        command += words_of(study.selection, study.data)
        outputs = (study.choice(seed, name) for name in study.strategies)
        steps.append(_once(f"choose with the teacher of seed {seed} first", command, *outputs))
    return steps


def control_steps(study: TeacherStudy) -> list[Step]:
    """Return a training on the labels themselves per seed: what a student would be without a teacher."""
    steps = []
    for seed in study.seeds:
        run = study.student_run(seed, HARD_LABELS)
        command = ("train", "-tr", study.teacher, "-o", str(run), *_student_options(study, seed))
        steps.append(_once(f"train on {HARD_LABELS}, seed {seed}", command, run / MODEL_FILE, run / TEST_FILE))
    return steps


def curve_steps(study: TeacherStudy) -> list[Step]:
    """Return soft labels and student for every epoch of the curve, seed by seed."""
    steps = []
    for seed in study.seeds:
        for epoch in study.curve:
            weights = epoch_file(study.teacher_run(seed), epoch)
            labelling = (str(weights), *words_of(study.data))
            steps += _student_steps(study, seed, epoch, labelling, f"epoch {epoch} of seed {seed}")
    return steps


def strategy_steps(study: TeacherStudy, of_their_own: Sequence[tuple[int, str]]) -> list[Step]:
    """Return soft labels and student for choices, given by seed and strategy, that have no student on the curve."""
    steps = []
    for seed, strategy in of_their_own:
        labelling = ("--choice", str(study.choice(seed, strategy)))
        steps += _student_steps(study, seed, strategy, labelling, f"{strategy} of seed {seed}")
    return steps


def _student_steps(study: TeacherStudy, seed: int, taught_by: int | str, labelling: Words, title: str) -> list[Step]:
    run = study.student_run(seed, taught_by)
    labels = run / SOFT_LABELS_FILE
    device: Options = {"--device": ("cpu",)} if study.training.get("--accelerator") == ("cpu",) else {}
    more = words_of({"-o": (str(labels),)}, device, {"--workers": (str(study.workers),)})
    start = ("train", "-tr", study.student, "-o", str(run), "--soft-labels", str(labels))
    return [
        _once(f"soft labels of {title}", ("soft-labels", *labelling, *more), labels),
        _once(f"train student of {title}", (*start, *_student_options(study, seed)), run / MODEL_FILE, run / TEST_FILE),
    ]


def _student_options(study: TeacherStudy, seed: int) -> Words:
    own = {"--seed": (str(seed + STUDENT_SEED),), "--choose-epoch": ("last",)}
    return words_of(study.training, study.of_role.get("student", {}), own)


def _once(title: str, words: Words, *outputs: Path) -> Step:
    """Return a step that is finished when its files are there: the folder refuses a study that differs in anything."""
    step = command_step(title, words, outputs)
    return replace(step, is_done=lambda: not step.missing_outputs())
