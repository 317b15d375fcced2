"""The report holds scores, pictures and commands in one file."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from nnunet_dsd.common.report_page import picture, table
from nnunet_dsd.datasets.phantom import LABELS, write_phantom_dataset
from nnunet_dsd.demo.assessment import assess, score_rows
from nnunet_dsd.demo.folder import DemoFolder, open_demo_folder
from nnunet_dsd.demo.report import write_report
from nnunet_dsd.demo.settings import DemoSettings
from nnunet_dsd.demo.steps import demo_steps
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.evaluation.results import Evaluation, Score
from nnunet_dsd.evaluation.structures import Structure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DemoFolder:
    """Demo folder whose predictions are the references, apart from the second case, which misses the tail."""
    import SimpleITK as sitk

    folder = open_demo_folder(tmp_path_factory.mktemp("demo") / "folder")
    write_phantom_dataset(folder.raw, training_cases=5, test_cases=3, seed=1)
    folder.predictions.mkdir()
    for index, path in enumerate(sorted((folder.raw / "labelsTs").iterdir())):
        image = sitk.ReadImage(str(path))
        kept = image * sitk.Cast(image != LABELS["tail"], sitk.sitkUInt8) if index == 1 else image
        sitk.WriteImage(kept, str(folder.predictions / path.name))
    assess(folder)
    return folder


def test_assessment_scores_every_case(folder: DemoFolder) -> None:
    evaluation = read_evaluation_json(folder.scores_json)
    assert [score.dice for score in evaluation.of("bulb")] == [1.0, 1.0, 1.0]
    assert [score.dice for score in evaluation.of("tail")] == [1.0, 0.0, 1.0]
    assert evaluation.hd95_summary("tail").undefined == 1
    assert len(folder.scores_csv.read_text().splitlines()) == 1 + 2 * 3


def test_report_holds_scores_pictures_and_commands_and_refers_to_nothing_outside(folder: DemoFolder) -> None:
    settings = DemoSettings(folder=folder.root)
    steps = demo_steps(settings, folder)
    write_report(settings, folder, steps, {step.name: 61.0 for step in steps})
    html = folder.report.read_text(encoding="utf-8")
    assert html.count('src="data:image/png;base64,') == html.count("<img") == 2
    assert "http" not in html
    assert "<td>tail</td>" in html
    assert "0.667 ± 0.577" in html
    assert "nnUNetv2_train 990 3d_fullres 0 -tr nnUNetTrainerDSD" in html
    assert f"export nnUNet_results={folder.root}/nnUNet_results" in html
    assert "6:06" in html


@pytest.mark.parametrize(("dice", "words"), [("0.0", "encoder half of the method is inert"), ("0.41", "Dice of 0.410")])
def test_report_says_in_words_what_became_of_the_encoder_teacher(folder: DemoFolder, dice: str, words: str) -> None:
    settings = DemoSettings(folder=folder.root)
    fold = folder.fold(settings.trainer)
    fold.mkdir(parents=True, exist_ok=True)
    line = f"2026-11-27 17:00:00.1: loss terms {{'output': 1.0, 'encoder_teacher_dice': {dice}}}\n"
    (fold / "training_log_2026_11_27_17_00_00.txt").write_text(line * 3)
    steps = demo_steps(settings, folder)
    write_report(settings, folder, steps, {step.name: 61.0 for step in steps})
    assert words in folder.report.read_text(encoding="utf-8")


def test_a_picture_is_the_file_and_a_missing_one_is_left_out(folder: DemoFolder) -> None:
    html = picture(folder.overlays, "x < y")
    assert base64.b64encode(folder.overlays.read_bytes()).decode() in html
    assert "x &lt; y" in html
    assert picture(folder.root / "absent.png", "x") == ""


def test_text_cannot_break_the_page() -> None:
    assert "<td>&lt;b&gt;</td>" in table(("name",), [("<b>",)])


def test_undefined_distances_are_counted_in_the_table() -> None:
    sizes = {"surface_dice": 0.5, "rvd": 0.0, "abs_rvd": 0.0, "prediction_ml": 1.0, "reference_ml": 1.0}
    sizes |= {"prediction_voxels": 1, "reference_voxels": 1}
    scores = (
        Score("a", "x", dice=0.5, hd95_mm=3.0, asd_mm=1.0, **sizes),
        Score("b", "x", dice=0.0, hd95_mm=math.nan, asd_mm=math.nan, **sizes),
    )
    rows = score_rows(Evaluation((Structure("x", (1,)),), scores))
    deviation = np.std([0.5, 0.0], ddof=1)
    assert rows == [("x", f"0.250 ± {deviation:.3f}", "3.00 ± nan (1 undefined)", "2")]
