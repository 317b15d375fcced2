"""Commands as lists of jobs: a shell script, a Slurm array; lines for GNU parallel are the commands themselves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nnunet_dsd.steps.step import Words

SLURM_HEADER = """\
#!/bin/bash
# Edit these lines for your cluster.
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
{gpu}#SBATCH --cpus-per-task=12
#SBATCH --mem=48G
#SBATCH --time=48:00:00
#SBATCH --output=%x-%A-%a.txt
"""


def shell_script(commands: Sequence[Words], comments: Sequence[str]) -> str:
    """Return a script of commands that are run one after another."""
    return "\n".join(["#!/bin/bash", "set -e", *comments, *map(shlex.join, commands)])


def array_job(name: str, lines: Sequence[str], comments: Sequence[str], *, last: str, gpu: bool = True) -> str:
    """Return a Slurm array job.

    Args:
        name: Of the job.
        lines: A command line for each of its tasks.
        comments: Lines about what it leaves out.
        last: The command that writes the report, said in a comment.
        gpu: Whether a task needs one.
    """
    header = SLURM_HEADER.format(name=name, last=len(lines) - 1, gpu="#SBATCH --gres=gpu:1\n" if gpu else "")
    noted = "".join(f"{comment}\n" for comment in comments)
    listed = "\n".join(f"    {shlex.quote(line)}" for line in lines)
    return (
        f"{header}\n{noted}jobs=(\n{listed}\n)\n"
        'eval "${jobs[$SLURM_ARRAY_TASK_ID]}"\n'
        f"# The run that is finished last writes the report; to write it by hand:\n# {last}"
    )
