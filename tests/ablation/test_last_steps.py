"""What a study's last steps need is tried on its own cases before its first training."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from study_workplace import StudyWorkplace, write_label_image

from nnunet_dsd.cli.main import main

ORDERS = {"run": (), "dry run": ("--dry-run",), "job list": ("--print-jobs", "shell")}


def ablate(workplace: StudyWorkplace, *options: str) -> int:
    return main(["ablate", str(workplace.file), "-o", str(workplace.output), *options])


def reference(workplace: StudyWorkplace, case: str = "case_1") -> Path:
    return workplace.preprocessed / "gt_segmentations" / f"{case}.nii.gz"


def image(workplace: StudyWorkplace, case: str = "case_1") -> Path:
    return workplace.raw / "imagesTr" / f"{case}_0000.nii.gz"


def probabilities(path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 4, 4), 0.5, np.float32)), str(path))


@pytest.mark.parametrize("options", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_text("no image"), "case_1.nii.gz"),
        (probabilities, "values that are no whole numbers"),
        (lambda path: write_label_image(path, value=7), "label values that the data set does not have: 7 (1 voxels)"),
        (lambda path: write_label_image(path, size=5), "does not lie on its reference's voxels"),
        (lambda path: path.unlink(), "case_1.nii.gz is missing, the reference of a validation case"),
    ],
)
def test_a_reference_that_cannot_be_scored_is_told_before_anything_is_trained(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], spoil, words: str, options: tuple[str, ...]
) -> None:
    spoil(reference(workplace))
    assert ablate(workplace, *options) == 1
    captured = capsys.readouterr()
    assert "what the study's last steps need, tried before its first" in captured.err
    assert words in captured.err
    assert workplace.calls() == []
    assert "nnUNetv2_train" not in captured.out


def test_test_references_are_tried_where_test_cases_are_scored(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.declare(evaluate_on="test")
    reference(workplace).write_text("no image, and not scored either")
    probabilities(workplace.raw / "labelsTs" / "test_1.nii.gz")
    assert ablate(workplace) == 1
    error = capsys.readouterr().err
    assert "test_1.nii.gz holds values that are no whole numbers" in error
    assert "case_1" not in error


def test_references_of_other_folds_are_not_asked_for(workplace: StudyWorkplace) -> None:
    reference(workplace, "case_3").write_text("of fold 1")
    assert ablate(workplace) == 0
    workplace.declare(folds=[0, 1])
    assert ablate(workplace) == 1


def test_without_folds_every_case_that_may_be_scored_is_tried(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace.preprocessed / "splits_final.json").unlink()
    for number in range(6):
        probabilities(reference(workplace, f"case_{number}"))
    assert ablate(workplace) == 1
    error = capsys.readouterr().err
    assert error.count("no whole numbers") == 5
    assert "1 more such references" in error


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_text("no image"), lambda path: path.unlink()], ids=["broken", "gone"]
)
def test_an_image_that_cannot_be_drawn_is_told_and_stops_nothing(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], spoil
) -> None:
    spoil(image(workplace))
    assert ablate(workplace) == 0
    printed = capsys.readouterr().out
    assert "note: the report will have no pictures of cases." in printed
    assert "case_1_0000.nii.gz" in printed
    assert workplace.calls()[-1] == "compare --overwrite"


def test_a_study_whose_cases_are_all_right_says_nothing_of_them(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(workplace) == 0
    assert "pictures" not in capsys.readouterr().out


def test_what_was_tried_is_read_again_only_if_it_has_changed(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    from nnunet_dsd.ablation import last_steps

    original = last_steps.read_labels

    def noting(path: Path, *reader: object):
        read.append(path.name)
        return original(path, *reader)

    monkeypatch.setattr(last_steps, "read_labels", noting)
    workplace.misbehave("nnUNetTrainerBasic", "fail")
    ablate(workplace)
    assert sorted(read) == ["case_0.nii.gz", "case_1.nii.gz"]
    ablate(workplace)
    assert len(read) == 2
    os.utime(reference(workplace), (1, 1))
    workplace.behave("nnUNetTrainerBasic")
    assert ablate(workplace) == 0
    assert read[2:] == ["case_1.nii.gz"]


def noted_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that the names of references are added to as they are tried."""
    from nnunet_dsd.ablation import last_steps

    read: list[str] = []
    original = last_steps.read_labels
    monkeypatch.setattr(
        last_steps, "read_labels", lambda path, reader: (read.append(path.name), original(path, reader))[1]
    )
    return read


@pytest.mark.parametrize("options", [("--dry-run",), ("--print-jobs", "shell")], ids=["dry run", "job list"])
def test_what_a_list_or_dry_run_has_tried_is_not_read_again(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    read = noted_readings(monkeypatch)
    workplace.output.mkdir()  # which neither makes
    for _ in range(2):
        assert ablate(workplace, *options) == 0
    assert ablate(workplace) == 0
    assert sorted(read) == ["case_0.nii.gz", "case_1.nii.gz"]


@pytest.mark.parametrize("options", [("--dry-run",), ("--print-jobs", "shell")], ids=["dry run", "job list"])
def test_a_list_or_dry_run_leaves_the_note_on_pictures_to_the_run(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    image(workplace).write_text("no image")
    assert ablate(workplace, *options) == 0
    capsys.readouterr()
    assert ablate(workplace) == 0
    assert "note: the report will have no pictures of cases." in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {"labels": {**content["labels"], "more": 6}},
        lambda content: {"overwrite_image_reader_writer": "NibabelIO"},
    ],
    ids=["labels", "reader"],
)
def test_references_are_read_again_under_other_labels_or_another_reader(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch, change
) -> None:
    read = noted_readings(monkeypatch)
    workplace.output.mkdir()
    assert ablate(workplace, "--dry-run") == 0
    assert len(read) == 2
    described = workplace.preprocessed / "dataset.json"
    content = json.loads(described.read_text())
    described.write_text(json.dumps({**content, **change(content)}))
    assert ablate(workplace, "--dry-run") == 0
    assert sorted(read[2:]) == ["case_0.nii.gz", "case_1.nii.gz"]


def test_a_finished_study_needs_no_images(workplace: StudyWorkplace) -> None:
    assert ablate(workplace) == 0
    shutil.rmtree(workplace.raw / "imagesTr")
    assert ablate(workplace) == 0


def test_a_missing_program_is_told_before_anything_is_trained(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace.root / "bin" / "nnunet-dsd").unlink()
    monkeypatch.setenv("PATH", f"{workplace.root / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setattr("nnunet_dsd.steps.program.entry_points", lambda **_: ())
    assert ablate(workplace) == 1
    assert "the command nnunet-dsd is neither on the PATH nor beside" in capsys.readouterr().err
    assert workplace.calls() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_cannot_be_written_is_told(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.output.mkdir(mode=0o500)
    assert ablate(workplace) == 1
    assert "the study cannot be written to" in capsys.readouterr().err


def test_figures_that_a_report_lacks_are_told_with_the_report(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(workplace) == 0
    content = {"not_drawn": {"cases": "There is no image."}}
    (workplace.output / "report" / "comparison.json").write_text(json.dumps(content))
    assert ablate(workplace, "--only-report") == 0
    assert "not drawn in the report: cases. There is no image." in capsys.readouterr().out
