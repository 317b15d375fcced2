"""The runs of a study as lists of jobs: a shell script, lines for GNU parallel, a Slurm array."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.ablation.claims import is_claimed
from nnunet_dsd.ablation.commands import Command, predict_command, train_command
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.scoring import is_predicted, is_trained
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import training_state
from nnunet_dsd.common.errors import SetupError

FORMATS = ("shell", "parallel", "slurm")
SLURM_HEADER = """\
#!/bin/bash
# Edit these lines for your cluster.
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=12
#SBATCH --mem=48G
#SBATCH --time=48:00:00
#SBATCH --output=%x-%A-%a.txt
"""


def split_running(runs: Sequence[Run], places: Places) -> tuple[list[Run], list[str]]:
    """Return the runs that nobody works on, and a line of comment about each of the others."""
    running = [run for run in runs if is_claimed(places.lock(run))]
    return [run for run in runs if run not in running], [f"# {run.name} is running elsewhere" for run in running]


def nnunet_commands(study: Study, runs: Sequence[Run], places: Places) -> list[Command]:
    """Return nnU-Net's commands for what is missing, in order."""
    commands = []
    for run in runs:
        if not is_trained(run, places):
            commands.append(train_command(study, run, training_state(places.fold(run))))
        if study.evaluate_on == "test" and not is_predicted(study, run, places):
            commands.append(predict_command(study, run, places, places.test_predictions(run)))
    return commands


def job_list(kind: str, source: Sequence[str], study: Study, runs: Sequence[Run], places: Places) -> str:
    """Return a job list for what is missing; of runs that are running elsewhere it holds a comment only.

    Args:
        kind: One of FORMATS. `shell`: nnU-Net's commands, one after another; `parallel`: a line for each run, which
            does all of it and may be started again; `slurm`: those lines as an array job.
        source: The words that name the study on the command line.
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
        return _shell(source, study, free, places, comments)
    lines = [_job(source, places.study, run) for run in free]
    return "\n".join([*comments, *lines]) if kind == "parallel" else _slurm(study, source, places, lines, comments)


def _shell(source: Sequence[str], study: Study, runs: Sequence[Run], places: Places, comments: Sequence[str]) -> str:
    ours = ["nnunet-dsd", "ablate", *source, "-o", str(places.study)]
    commands = [[*ours, "--only-plans"], *nnunet_commands(study, runs, places), [*ours, "--only-report"]]
    return "\n".join(["#!/bin/bash", "set -e", *comments, *map(shlex.join, commands)])


def _job(source: Sequence[str], folder: Path, run: Run) -> str:
    return shlex.join(["nnunet-dsd", "ablate", *source, "-o", str(folder), "--only-runs", run.name])


def _slurm(study: Study, source: Sequence[str], places: Places, lines: Sequence[str], comments: Sequence[str]) -> str:
    header = SLURM_HEADER.format(name=study.name, last=len(lines) - 1)
    noted = "".join(f"{comment}\n" for comment in comments)
    listed = "\n".join(f"    {shlex.quote(line)}" for line in lines)
    report = shlex.join(["nnunet-dsd", "ablate", *source, "-o", str(places.study), "--only-report"])
    return (
        f"{header}\n{noted}jobs=(\n{listed}\n)\n"
        'eval "${jobs[$SLURM_ARRAY_TASK_ID]}"\n'
        f"# The run that is finished last writes the report; to write it by hand:\n# {report}"
    )
