"""Job lists: what they hold, and that running them does the study."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from study_workplace import StudyWorkplace

from nnunet_dsd.cli.main import main
from nnunet_dsd.steps.lock import claimed

BASIC, DSD = "nnUNetTrainerBasic", "nnUNetTrainerDSD"


def printed(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], kind: str, *options: str) -> str:
    words = ["ablate", str(workplace.file), "-o", str(workplace.output), "--print-jobs", kind, *options]
    assert main(words) == 0
    assert not workplace.output.exists()
    assert workplace.calls() == []
    return capsys.readouterr().out


def run(script: Path, **environment: str) -> None:
    subprocess.run(["bash", str(script)], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def test_lines_for_parallel_are_one_for_each_run_and_do_all_of_it(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(workplace, capsys, "parallel", "--device", "cpu").splitlines()
    assert [shlex.split(line)[-1] for line in lines] == [workplace.name(BASIC), workplace.name(DSD)]
    for line in lines:
        subprocess.run(["bash", "-c", line], check=True, stdout=subprocess.DEVNULL)
    assert workplace.calls() == [
        f"train {BASIC} trial_short_seed1 0 -device cpu",
        f"evaluate {workplace.name(BASIC)}",
        f"train {DSD} trial_short_seed1 0 -device cpu",
        f"evaluate {workplace.name(DSD)}",
        "compare --overwrite",
    ]


def test_a_slurm_script_runs_the_job_of_its_index(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = printed(workplace, capsys, "slurm")
    assert "#SBATCH --array=0-1\n" in text
    script = tmp_path / "jobs.sh"
    script.write_text(text)
    run(script, SLURM_ARRAY_TASK_ID="1")
    assert workplace.calls() == [f"train {DSD} trial_short_seed1 0", f"evaluate {workplace.name(DSD)}"]
    run(script, SLURM_ARRAY_TASK_ID="0")
    assert workplace.calls()[-1] == "compare --overwrite"


def test_a_shell_script_holds_nnunets_commands_and_does_the_study(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    workplace.declare(evaluate_on="test", trainers=[DSD])
    text = printed(workplace, capsys, "shell")
    assert "\nnnUNetv2_train 99 3d_fullres 0 -tr nnUNetTrainerDSD -p trial_short_seed1\n" in text
    assert "\nnnUNetv2_predict -i " in text
    script = tmp_path / "jobs.sh"
    script.write_text(text)
    run(script)
    assert [call.split()[0] for call in workplace.calls()] == ["train", "predict", "evaluate", "compare"]


def test_finished_runs_are_no_jobs(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", str(workplace.file), "-o", str(workplace.output)]
    assert main([*words, "--only-runs", workplace.name(BASIC)]) == 0
    capsys.readouterr()
    assert main([*words, "--print-jobs", "parallel"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == [workplace.name(DSD)]
    assert main(words) == 0
    assert main([*words, "--print-jobs", "slurm"]) == 1
    assert "every run of this study is finished" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["shell", "parallel", "slurm"])
def test_what_is_running_elsewhere_is_a_comment_and_no_job(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    with claimed(workplace.fold(DSD).parent / ".fold_0.lock"):
        lines = printed(workplace, capsys, kind).splitlines()
    assert [line for line in lines if DSD in line] == [f"# {workplace.name(DSD)} is running elsewhere"]
    assert any(BASIC in line for line in lines)
    subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=True)


def test_where_all_that_is_missing_is_running_there_is_no_job(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.declare(trainers=[DSD])
    words = ["ablate", str(workplace.file), "-o", str(workplace.output), "--print-jobs", "parallel"]
    with claimed(workplace.fold(DSD).parent / ".fold_0.lock"):
        assert main(words) == 1
    assert "every run that is missing is running elsewhere" in capsys.readouterr().err
