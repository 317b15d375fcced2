"""`distill` from its beginning to its report: soft labels, teachers' scores, students and controls, was it worth it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from nnunet_dsd.ablation.places import Places, find_places
from nnunet_dsd.ablation.report import Beside
from nnunet_dsd.ablation.session import Session
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.study_folder import STUDY_FILE, open_study_folder
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import json_or_none
from nnunet_dsd.labelling.work import prepare
from nnunet_dsd.pipelines.commands import distill_command, label_command, label_request
from nnunet_dsd.pipelines.costs import Cost, measure_cost
from nnunet_dsd.pipelines.gap import gap_lines, mean_dice
from nnunet_dsd.pipelines.held_out import refuse_learned_test_cases
from nnunet_dsd.pipelines.request import Distillation
from nnunet_dsd.pipelines.starting import starts_from_teachers
from nnunet_dsd.pipelines.students import FIRST, first_phase, start_of, students
from nnunet_dsd.pipelines.teachers import Group, evaluation_of, groups, runs_of, teacher_steps
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.runner import RunContext, run_steps
from nnunet_dsd.steps.step import Step

COSTS = "costs.json"


class Pipeline:
    """A distillation whose teachers, data and plans were found and fit.

    Args:
        asked: What was asked for.
        console: What is shown goes there.

    Raises:
        DistillationError: whatever keeps it from running, before anything is written.
    """

    def __init__(self, asked: Distillation, console: Console) -> None:
        self.asked, self.console = asked, console
        self.work = prepare(label_request(asked))
        found = {teacher.model.folder: teacher.model.folds for teacher in self.work.teachers}
        self.teachers = groups(list(found.items()))
        self.starts = starts_from_teachers(asked, self.work)
        self.first = None if self.starts is not None or asked.start == "scratch" else first_phase(asked)
        self.study = students(asked, self._starts())
        self.places = find_places(self.study, asked.folder)
        if self.places.test_images.is_dir():  # else the study says what is missing
            refuse_learned_test_cases(self.work, self.places.test_images)
        self.session = self._session(self.study, self.places)
        self.first_session = self._first_session()

    def _starts(self) -> Mapping[int, str]:
        if self.starts is not None:
            return self.starts
        first = self.first
        return {} if first is None else {seed: start_of(first, seed, self.asked.fold) for seed in self.asked.seeds}

    def _session(self, study: Study, places: Places, *, taught: bool = True) -> Session:
        options = {"beside": self._beside} if taught else {}
        return Session(study, [], places, self.console, **options)

    def _first_session(self) -> Session | None:
        if self.first is None:
            return None
        return self._session(self.first, find_places(self.first, self.asked.folder / "first"), taught=False)

    def steps(self) -> list[Step]:
        """Return what comes before the students: soft labels, the teachers' predictions and scores."""
        asked = self.asked
        soft_labels = self.work.soft_labels
        label = Step(
            name="soft-labels",
            title=f"soft labels '{asked.name}'",
            command=label_command(asked),
            is_done=lambda: _is_labelled(soft_labels),
            log=self.places.study / "logs" / "soft-labels.txt",
        )
        return [
            label,
            *teacher_steps(
                self.teachers,
                self.places,
                checkpoint=asked.checkpoint,
                device=asked.device,
                mirroring=asked.mirroring,
            ),
        ]

    def show_commands(self) -> None:
        """Print what a run would do, without doing it."""
        for step in self.steps():
            done = step.is_done is not None and step.is_done()
            self._say(f"# {step.title}: done" if done else shlex.join(step.command))
        if self.first_session is not None:
            self.first_session.show_commands()
        self.session.show_commands()

    def run(self, names: Sequence[str] | None, *, keep_going: bool) -> int:
        """Bring every part to its end; return 1 if a training failed, or is left to other processes.

        Args:
            names: Of the students' runs, or None for all.
            keep_going: Whether the others go on after one has failed.
        """
        self.label()
        if self.first_session is not None and (failed := self.first_session.run(None, keep_going=keep_going)):
            return failed
        for line in self.gap():
            self._say(line)
        return self.session.run(names, keep_going=keep_going)

    def label(self) -> None:
        """Make the soft labels and score the teachers, as far as that is not done; train nothing."""
        open_study_folder(self.places.study, self.study)
        steps = self.steps()
        run_steps(steps, RunContext(display=Display(self.console, len(steps))))

    def write_plans(self) -> None:
        """Write the students' plans, and the study to its folder."""
        self.session.write_plans()

    def print_jobs(self, kind: str) -> None:
        """Print a job list of the students that are missing.

        Raises:
            SetupError: if what they need is not there yet.
        """
        ours = distill_command(self.asked)
        waiting = [step for step in self.steps() if step.is_done and not step.is_done()]
        if waiting:
            raise SetupError(
                f"before the students can be sent elsewhere, {counted(len(waiting), 'step')} must be done, first "
                f"{waiting[0].title}: run {shlex.join((*ours, '--only-labels'))}"
            )
        if self.first_session is not None and self.first_session.missing():
            raise SetupError(
                "the students start from their own first phase, which is not trained yet. Send that elsewhere with "
                f"`nnunet-dsd ablate {self.first_session.places.study / STUDY_FILE} --print-jobs {kind}`, or run "
                f"{shlex.join(ours)} as it is"
            )
        self.session.print_jobs(kind, ours)

    def report(self) -> int:
        """Score and compare what is trained; train nothing."""
        return self.session.report()

    def gap(self) -> list[str]:
        """Say how much better than the student's start the teachers are: what there is to be gained."""
        teachers = {group.name: mean_dice(evaluation_of(group, self.places)) for group in self.teachers}
        return gap_lines(teachers, self._start_dice(), unlabelled=self.asked.unlabelled is not None)

    def _start_dice(self) -> tuple[str, float] | None:
        """Return what the students start from, and its mean Dice, where that is scored."""
        if self.first_session is not None:
            places, runs = self.first_session.places, self.first_session.runs
            return FIRST, float(np.mean([mean_dice(places.evaluation(run)) for run in runs]))
        if self.starts is None:
            return None
        single = self.teachers[0]
        return single.name, mean_dice(evaluation_of(single, self.places))

    def _beside(self) -> Beside:
        """Return the teachers, and what every model costs, for the report."""
        facts = {method: _facts(cost) for method, cost in self._costs().items()}
        return Beside(runs_of(self.teachers, self.places), facts)

    def _costs(self) -> dict[str, Cost]:
        """Return the cost of every method, measured once and kept."""
        path = self.places.study / COSTS
        known = {name: Cost(**value) for name, value in (json_or_none(path) or {}).items()}
        for group in self.teachers:
            if group.name not in known:
                known[group.name] = _sum([self._teacher_cost(one) for one in group.of or (group,)])
        for run in self.session.runs:
            if run.method not in known and self.places.fold(run).is_dir():
                folder = self.places.results / run.model
                known[run.method] = self._cost(folder, (str(run.fold),), "checkpoint_final.pth")
        write_json(path, {name: asdict(cost) for name, cost in known.items()})
        return known

    def _teacher_cost(self, group: Group) -> Cost:
        if group.model is None:
            raise DataError(f"{group.name} is no model")
        return self._cost(group.model, group.folds, self.asked.checkpoint)

    def _cost(self, model: Path, folds: tuple[str, ...], checkpoint: str) -> Cost:
        images = sorted(self.places.test_images.glob(f"*_0000{self.places.file_ending()}"))
        sizes = sorted(images, key=lambda path: path.stat().st_size)
        typical = sizes[len(sizes) // 2].name.removesuffix(f"_0000{self.places.file_ending()}")
        channels = sorted(self.places.test_images.glob(f"{typical}_????{self.places.file_ending()}"))
        return measure_cost(model, folds, checkpoint=checkpoint, images=channels, mirroring=self.asked.mirroring)

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _is_labelled(soft_labels: SoftLabelSet) -> bool:
    return soft_labels.folder.is_dir() and not soft_labels.missing()


def _facts(cost: Cost) -> dict[str, str]:
    deployed = "-" if cost.deployed_seconds is None else f"{cost.deployed_seconds:.2f}"
    return {
        "parameters": f"{cost.parameters / 1e6:.2f} M",
        "seconds a case (CPU)": f"{cost.seconds:.2f}",
        "deployed": deployed,
    }


def _sum(costs: list[Cost]) -> Cost:
    deployed = [cost.deployed_seconds for cost in costs if cost.deployed_seconds is not None]
    return Cost(
        sum(cost.parameters for cost in costs),
        sum(cost.seconds for cost in costs),
        sum(deployed) if len(deployed) == len(costs) else None,
    )
