"""One call of `nnunet-dsd ablate`: check everything, then run, list, print or report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.ablation.checks import device_note, disk_problems, machine_problems
from nnunet_dsd.ablation.derived_plans import write_derived_plans
from nnunet_dsd.ablation.job_lists import job_list, nnunet_commands, split_running
from nnunet_dsd.ablation.last_steps import last_step_problems, mark_tried, picture_problem
from nnunet_dsd.ablation.listing import runs_table, survey, totals
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.report import Beside, not_drawn, write_report
from nnunet_dsd.ablation.run_steps import job_of, score_step
from nnunet_dsd.ablation.runs import Run, plan_runs
from nnunet_dsd.ablation.scoring import is_predicted, is_scored
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.study_folder import check_study_folder, open_study_folder
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import nearest
from nnunet_dsd.common.tables import print_table
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.runner import Outcome, RunContext, perform, run_jobs
from nnunet_dsd.steps.step import Words


class Session:
    """A checked study on this machine.

    Args:
        study: As declared.
        problems: What was found to be wrong with it.
        places: Where its files are.
        console: What is shown goes there.
        beside: Gives what the report shows with the study's runs, when it is written.

    Raises:
        SettingsError: with every problem of the study and of the data it needs.
        SetupError, DataError: if the folder is another study's.
    """

    def __init__(
        self,
        study: Study,
        problems: Sequence[str],
        places: Places,
        console: Console,
        *,
        beside: Callable[[], Beside] = Beside,
    ) -> None:
        problems = [*problems, *machine_problems(study, places)]
        if problems:
            raise SettingsError(problems, source="the study")
        check_study_folder(places.study, study)
        self.study, self.places, self.console, self.beside = study, places, console, beside
        self.runs = plan_runs(study)

    def show(self) -> None:
        """Print the table of all runs, and what is left."""
        entries = survey(self.study, self.runs, self.places)
        table = runs_table(self.study, entries)
        print_table(table, self.console)
        for line in totals(entries):
            self._say(line)

    def show_commands(self) -> None:
        """Print what a run would do, without doing it; disk space is checked as well."""
        self._require_room()
        missing = self.missing()
        self._try_last_steps(missing)
        self._mark_references(missing)
        for choice in self.study.plans:
            for seed in self.study.seeds:
                path = self.places.preprocessed / f"{self.study.plans_name(choice.name, seed)}.json"
                self._say(f"plans {path.stem}: {'there' if path.is_file() else 'to be written'}")
        free, comments = split_running(missing, self.places)
        for line in (*comments, *map(shlex.join, nnunet_commands(self.study, free, self.places))):
            self._say(line)
        scored = len(self.runs) - len(missing)
        self._say(
            f"then scores of {counted(len(missing), 'run')} ({scored} are finished) and the report "
            f"in {self.places.report}"
        )

    def print_jobs(self, kind: str, ours: Words) -> None:
        """Print a job list of the runs that are missing, as plain text; `ours` is the command that runs the study."""
        missing = self.missing()
        self._require_last_steps(missing)
        self._mark_references(missing)
        print(job_list(kind, ours, self.study, missing, self.places))

    def write_plans(self) -> None:
        """Write the derived plans, and the study to its folder."""
        open_study_folder(self.places.study, self.study)
        for path in write_derived_plans(self.study, self.places):
            self._say(f"plans: {path}")

    def run(self, names: Sequence[str] | None, *, keep_going: bool) -> int:
        """Run what is missing; report if no run is left. Return 1 if a run failed, or is missing in the report.

        Args:
            names: Runs to bring to their end, or None for all.
            keep_going: Whether the others go on after one has failed.

        Raises:
            DistillationError: the failure of a run, if `keep_going` is false.
        """
        chosen = self._chosen(names)
        self._require_room()
        to_run = [run for run in chosen if not is_scored(self.study, run, self.places)]
        self._try_last_steps(to_run)
        self.write_plans()
        if to_run:
            mark_tried(self.study, to_run, self.places, drawn=True)
        jobs = [job_of(self.study, run, self.places) for run in chosen]
        outcome = run_jobs(jobs, RunContext(display=Display(self.console, len(jobs))), keep_going=keep_going)
        if outcome.stopped_by is None or not self._left():
            self._conclude(outcome)
        if outcome.stopped_by is not None:
            raise outcome.stopped_by
        return 1 if outcome.failed or (self.missing() and not self._left()) else 0

    def report(self) -> int:
        """Score the runs that are trained (and predicted), and compare; train and predict nothing."""
        open_study_folder(self.places.study, self.study)
        context = RunContext(display=Display(self.console, len(self.runs)))
        for number, run in enumerate(self.runs, start=1):
            if is_predicted(self.study, run, self.places) and not is_scored(self.study, run, self.places):
                perform(score_step(self.study, run, self.places), number, context)
        self._write_report()
        return 0

    def missing(self) -> list[Run]:
        """Return the runs that are not finished."""
        return [run for run in self.runs if not is_scored(self.study, run, self.places)]

    def _chosen(self, names: Sequence[str] | None) -> tuple[Run, ...]:
        known = tuple(run.name for run in self.runs)
        unknown = [name for name in names or () if name not in known]
        if unknown:
            problems = [f"there is no run '{name}'{nearest(name, known)}" for name in unknown]
            raise SettingsError(problems, source="--only-runs")
        return tuple(run for run in self.runs if names is None or run.name in names)

    def _require_room(self) -> None:
        problems = disk_problems(self.study, self.places)
        if problems:
            raise SettingsError(problems, source="the study")

    def _require_last_steps(self, runs: Sequence[Run]) -> None:
        problems = last_step_problems(self.study, runs, self.places)
        if problems:
            raise SettingsError(problems, source="what the study's last steps need, tried before its first")

    def _try_last_steps(self, runs: Sequence[Run]) -> None:
        """Try what scores and report will need; that there will be no pictures is told, anything else is refused."""
        self._require_last_steps(runs)
        if runs and (note := device_note(self.study)):
            self._say(note)
        if runs and (problem := picture_problem(self.study, runs, self.places)):
            self._say(f"note: the report will have no pictures of cases. {problem}")

    def _mark_references(self, runs: Sequence[Run]) -> None:
        """Spare later calls the references that are in order; problems with pictures are told again by each."""
        if runs and self.places.study.is_dir():  # lists and dry runs make no folder
            mark_tried(self.study, runs, self.places, drawn=False)

    def _conclude(self, outcome: Outcome) -> None:
        """Write the report if all is done but what failed; otherwise leave it to the process that ends last."""
        left = self._left()
        if left and outcome.busy:
            self._say(
                f"no report yet: {counted(len(left), 'run is', 'runs are')} left to other "
                "processes; the last of them writes it"
            )
        elif left:
            self._say(f"no report yet: {counted(len(left), 'run is', 'runs are')} left; see --list")
        elif len(self.missing()) == len(self.runs):
            self._say("no report: every run failed")
        else:
            self._write_report()

    def _left(self) -> list[Run]:
        """Return the runs that have not ended: neither scored nor failed, in this process or another."""
        return [run for run in self.missing() if not self.places.failure(run).is_file()]

    def _write_report(self) -> None:
        folder = write_report(self.study, self.places, self.beside())
        if folder is None:
            self._say("another process is writing the report; if runs are missing in it, run again with --only-report")
            return
        for run in self.missing():
            self._say(f"not in the report: {run.name}")
        for name, reason in not_drawn(folder).items():
            self._say(f"not drawn in the report: {name}. {reason}")
        self._say(f"report: {folder / 'report.html'}")

    def _say(self, text: str) -> None:
        self.console.print(escape(text), soft_wrap=True, highlight=False)
