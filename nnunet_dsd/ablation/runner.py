"""Brings the runs of a study to their end, one after another; what is finished is left alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_dsd.ablation.claims import Claim, claimed
from nnunet_dsd.ablation.commands import Command, evaluate_command, predict_command, train_command
from nnunet_dsd.ablation.derived_plans import plans_settings
from nnunet_dsd.ablation.display import Display, duration
from nnunet_dsd.ablation.known_trainers import is_nnunets_own
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.processes import run_logged
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.scoring import (
    EVALUATION,
    is_predicted,
    is_scored,
    is_trained,
    missing_test_cases,
    predictions_folder,
    references_for,
)
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import training_state
from nnunet_dsd.common.errors import DistillationError, SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, whole_folder, write_text


@dataclass
class Outcome:
    """What became of the runs.

    Attributes:
        failed: names of those that failed.
        busy: names of those that other processes work on.
        stopped_by: the failure after which no other run was started; None if there was none.
    """

    failed: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    stopped_by: DistillationError | None = None


class Runner:
    """Runs the steps of each run that are missing: training, prediction of test cases, scores."""

    def __init__(self, study: Study, places: Places, display: Display) -> None:
        self.study, self.places, self.display = study, places, display

    def run_all(self, runs: Sequence[Run], *, keep_going: bool) -> Outcome:
        """Bring every run to its end that no other process works on.

        Args:
            runs: In order.
            keep_going: Whether the next run is started after one that failed.
        """
        outcome = Outcome()
        for number, run in enumerate(runs, start=1):
            if is_scored(self.study, run, self.places):
                self.display.line("done", number, run.name, "done earlier")
                continue
            with claimed(self.places.lock(run)) as claim:
                if claim is None:
                    outcome.busy.append(run.name)
                    self.display.line("busy", number, run.name, "another process works on it")
                elif error := self._bring_to_end(number, run, claim):
                    outcome.failed.append(run.name)
                    if not keep_going:
                        outcome.stopped_by = error
                        break
                    self.display.console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return outcome

    def score_finished(self, runs: Sequence[Run]) -> None:
        """Score the runs whose cases are predicted; train and predict nothing."""
        for number, run in enumerate(runs, start=1):
            if is_predicted(self.study, run, self.places) and not is_scored(self.study, run, self.places):
                self._score(number, run, None)

    def _bring_to_end(self, number: int, run: Run, claim: Claim) -> DistillationError | None:
        """Do what is missing of a run; return its failure, which is noted for other processes, or None."""
        begin = time.monotonic()
        self.places.failure(run).unlink(missing_ok=True)  # a run that is tried again has not ended
        try:
            self._steps(number, run, claim)
        except DistillationError as error:
            write_text(self.places.failure(run), f"{error}\n")
            self.display.line("failed", number, run.name, f"failed after {duration(time.monotonic() - begin)}")
            return error
        self.display.line("done", number, run.name, duration(time.monotonic() - begin))
        return None

    def _steps(self, number: int, run: Run, claim: Claim) -> None:
        state = training_state(self.places.fold(run))
        if state.stage != "trained":
            command = train_command(self.study, run, state)
            self._run(number, run, "train", command, claim, epochs=declared_epochs(self.study, run))
            if not is_trained(run, self.places):
                raise SetupError(
                    f"nnUNetv2_train ended without error but left no final checkpoint or no validation/summary.json "
                    f"in {self.places.fold(run)}; see {self.places.log(run, 'train')}"
                )
        if not is_predicted(self.study, run, self.places):
            self._predict(number, run, claim)
        if not is_scored(self.study, run, self.places):
            self._score(number, run, claim)

    def _predict(self, number: int, run: Run, claim: Claim) -> None:
        output = self.places.test_predictions(run)
        remove_leftovers(output)
        with whole_folder(output) as temporary:
            self._run(number, run, "predict", predict_command(self.study, run, self.places, temporary), claim)
            missing = missing_test_cases(temporary, self.places)
            if missing:
                raise SetupError(
                    f"nnUNetv2_predict ended without error but did not predict {', '.join(missing)}; "
                    f"see {self.places.log(run, 'predict')}"
                )

    def _score(self, number: int, run: Run, claim: Claim | None) -> None:
        output = self.places.evaluation(run)
        references = references_for(self.study, run, self.places)
        predictions = predictions_folder(self.study, run, self.places)
        command = evaluate_command(self.places, predictions, references, output)
        self._run(number, run, "evaluate", command, claim)
        if not is_scored(self.study, run, self.places):
            raise SetupError(
                f"nnunet-dsd evaluate ended without error but left no {output / EVALUATION}; "
                f"see {self.places.log(run, 'evaluate')}"
            )

    def _run(
        self, number: int, run: Run, step: str, command: Command, claim: Claim | None, *, epochs: int | None = None
    ) -> None:
        with self.display.running(number, f"{step} {run.name}", epochs) as on_line:
            run_logged(command, log=self.places.log(run, step), claim=claim, on_line=on_line)


def declared_epochs(study: Study, run: Run) -> int | None:
    """Return how many epochs a run has, or None for a trainer of nnU-Net's own, which reads no settings."""
    if is_nnunets_own(run.trainer):
        return None
    choice = next(choice for choice in study.plans if choice.name == run.choice)
    return plans_settings(choice, run.seed).training.epochs


def remove_leftovers(path: Path) -> None:
    """Delete a folder that is to be made anew, and the parts of it that a killed process left."""
    for leftover in (path, *path.parent.glob(f"{PARTIAL_PREFIX}*-{path.name}")):
        shutil.rmtree(leftover, ignore_errors=True)
