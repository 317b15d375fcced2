"""The runs of a study as lists of jobs: a shell script, lines for GNU parallel, a Slurm array."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.run_steps import job_of
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.job_lists import array_job, shell_script
from nnunet_dsd.steps.lock import is_claimed
from nnunet_dsd.steps.step import Words


def split_running(runs: Sequence[Run], places: Places) -> tuple[list[Run], list[str]]:
    """Return the runs that nobody works on, and a line of comment about each of the others."""
    running = [run for run in runs if is_claimed(places.lock(run))]
    return [run for run in runs if run not in running], [f"# {run.name} is running elsewhere" for run in running]


def nnunet_commands(study: Study, runs: Sequence[Run], places: Places) -> list[Words]:
    """Return nnU-Net's commands for what is missing, in order."""
    steps = [step for run in runs for step in job_of(study, run, places).steps if step.command]
    return [step.command_now() for step in steps if step.is_done is None or not step.is_done()]


def job_list(kind: str, ours: Words, study: Study, runs: Sequence[Run], places: Places) -> str:
    """Return a job list for what is missing; of runs that are running elsewhere it holds a comment only.

    Args:
        kind: `shell`: nnU-Net's commands, one after another; `parallel`: a line for each run, which
            does all of it and may be started again; `slurm`: those lines as an array job.
        ours: The command that runs the study, which takes `--only-plans`, `--only-runs` and `--only-report`.
        study: The study.
        runs: Those that are missing.
        places: Where its files are.

    Raises:
        SetupError: if nothing is missing, or all of it is running, and so there is no job.
    """
    if not runs:
        raise SetupError("every run of this study is finished, so there is no job; make the report with --only-report")
    free, comments = split_running(runs, places)
    if not free:
        raise SetupError("every run that is missing is running elsewhere, so there is no job; see --list")
    if kind == "shell":
        missing = nnunet_commands(study, free, places)
        return shell_script([(*ours, "--only-plans"), *missing, (*ours, "--only-report")], comments)
    lines = [shlex.join((*ours, "--only-runs", run.name)) for run in free]
    if kind == "parallel":
        return "\n".join([*comments, *lines])
    return array_job(study.name, lines, comments, last=shlex.join((*ours, "--only-report")), gpu=study.device != "cpu")
