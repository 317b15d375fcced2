"""`nnunet-dsd convert`: from the command line to the written data set."""

import json
import shutil

import pytest
from made_up_sources import (
    BRATS_JSON,
    HIPPOCAMPUS_JSON,
    brats_names,
    hippocampus_names,
    make_nnunet_folders,
    write_kits,
    write_lits,
    write_mmwhs,
    write_msd,
)

from nnunet_dsd.cli.main import main


@pytest.fixture
def nnunet(tmp_path, monkeypatch):
    """nnU-Net's three folders, empty, with the variables that name them."""
    return make_nnunet_folders(tmp_path / "nnunet", monkeypatch)


@pytest.fixture
def hippocampus(tmp_path):
    return write_msd(tmp_path / "Task04", HIPPOCAMPUS_JSON, names=hippocampus_names(8))


def convert(*words):
    return main(["convert", *map(str, words), "--processes", "1"])


def description(nnunet, name):
    return json.loads((nnunet / "nnUNet_raw" / name / "dataset.json").read_text())


def test_hippocampus_is_written_and_the_next_command_is_said(nnunet, hippocampus, capsys):
    assert convert("msd-hippocampus", hippocampus, "-d", 4, "--test-cases", 2) == 0
    printed = capsys.readouterr().out
    assert "6 cases for training and validation, 2 for the test" in printed
    assert "test: the last 2 in file order" in printed
    assert f"written: {nnunet / 'nnUNet_raw' / 'Dataset004_Hippocampus'}" in printed
    assert f"written: {nnunet / 'nnUNet_preprocessed' / 'Dataset004_Hippocampus' / 'splits_final.json'}" in printed
    assert "next: nnUNetv2_plan_and_preprocess -d 4 --verify_dataset_integrity" in printed


def test_mmwhs_is_written_with_what_was_chosen(nnunet, tmp_path):
    source = write_mmwhs(tmp_path / "mmwhs", cases=5, modality="mr", test_cases=0)
    assert (
        convert("mmwhs", source, "-d", 21, "--modality", "mr", "--incomplete", "--name", "Heart", "--clip", 0, 900) == 0
    )
    assert description(nnunet, "Dataset021_Heart")["channel_names"] == {"0": "MRI"}
    record = json.loads((nnunet / "nnUNet_raw" / "Dataset021_Heart" / "conversion.json").read_text())
    assert record["rules"]["intensities"] == "clipped to 0 to 900"
    assert record["rules"]["spacing"].startswith("1.5 x 1.5 x 2 mm")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ("clipped to -175 to 250", "1.5 x 1.5 x 2 mm")),
        (["--no-clip", "--no-resample"], ("as published", "as published")),
        (["--modality", "mr"], ("as published", "1.5 x 1.5 x 2 mm")),
    ],
)
def test_the_defaults_are_the_papers_for_ct(nnunet, tmp_path, options, expected):
    source = write_mmwhs(tmp_path / "mmwhs", cases=5, test_cases=0)
    write_mmwhs(tmp_path / "mmwhs", cases=5, test_cases=0, modality="mr")
    assert convert("mmwhs", source, "-d", 20, "--incomplete", *options) == 0
    record = json.loads(next((nnunet / "nnUNet_raw").glob("*/conversion.json")).read_text())
    assert record["rules"]["intensities"].startswith(expected[0])
    assert record["rules"]["spacing"].startswith(expected[1])


@pytest.mark.parametrize(("options", "labels"), [([], 4), (["--label-kind", "classes"], 4)])
def test_brats_is_regions_unless_classes_are_asked_for(nnunet, tmp_path, options, labels):
    source = write_msd(tmp_path / "Task01", BRATS_JSON, names=brats_names(4), channels=4)
    assert convert("msd-brats", source, "-d", 1, "--test-cases", 1, *options) == 0
    content = description(nnunet, "Dataset001_BrainTumour")
    assert len(content["labels"]) == labels
    assert ("regions_class_order" in content) is (not options)


def test_any_task_and_the_folds_of_nnunet(nnunet, hippocampus):
    assert convert("msd", hippocampus, "-d", 7) == 0
    assert convert("msd-hippocampus", hippocampus, "-d", 8, "--test-cases", 0, "--split", "nnunet") == 0
    assert list((nnunet / "nnUNet_preprocessed").iterdir()) == []
    assert description(nnunet, "Dataset008_Hippocampus")["numTraining"] == 8


def test_kidneys_are_volumes_with_classes_unless_regions_are_asked_for(nnunet, tmp_path):
    source = tmp_path / "kits"
    write_kits(source / "data", label_file="aggregated_OR_seg.nii.gz", cysts=True)
    words = ("kits21", source, "--incomplete", "--aggregation", "or")
    assert convert(*words, "-d", 21) == 0
    assert convert(*words, "-d", 22, "--label-kind", "regions", "--test-cases", 1) == 0
    classes = {"background": 0, "kidney": 1, "tumour": 2, "cyst": 3}
    assert description(nnunet, "Dataset021_KiTS21")["labels"] == classes
    assert description(nnunet, "Dataset022_KiTS21")["labels"]["masses"] == [2, 3]
    assert description(nnunet, "Dataset022_KiTS21")["numTraining"] == 5


def test_tumour_slices_are_written_with_what_was_chosen(nnunet, tmp_path, capsys):
    write_lits(tmp_path / "lits")
    words = ("lits", tmp_path / "lits", "-d", 17, "--incomplete", "--tumour-slices", "--min-tumour-mm2", 2)
    assert convert(*words, "--window", 0, 100, "--test-cases", 1) == 0
    printed = capsys.readouterr().out
    assert "5 cases for training and validation, 1 for the test" in printed
    assert "6 slices of them with tumour" in printed
    assert "slices: axial, with tumour of 2 mm2 or more" in printed
    assert "intensities: 0 to 100 HU, clipped, scaled to 0 to 1" in printed
    assert description(nnunet, "Dataset017_LiTSTumourSlices")["numTraining"] == 5


def test_tumour_slices_are_converted_again_but_not_over_another_split(nnunet, tmp_path, capsys):
    write_lits(tmp_path / "lits")
    words = ("lits", tmp_path / "lits", "-d", 17, "--incomplete", "--tumour-slices")
    assert convert(*words) == 0
    (raw,) = (nnunet / "nnUNet_raw").iterdir()
    (splits,) = (nnunet / "nnUNet_preprocessed").rglob("splits_final.json")
    before = splits.read_text()
    shutil.rmtree(raw)
    assert convert(*words) == 0
    assert splits.read_text() == before
    shutil.rmtree(raw)
    splits.write_text(json.dumps(json.loads(before)[:2]))
    capsys.readouterr()
    assert convert(*words) == 1
    assert "holds splits_final.json of an earlier data set" in capsys.readouterr().err
    assert not raw.exists()


def test_a_check_writes_nothing(nnunet, hippocampus, capsys):
    assert convert("msd-hippocampus", hippocampus, "-d", 4, "--test-cases", 2, "--check-only") == 0
    assert "sound; about" in capsys.readouterr().out
    assert list((nnunet / "nnUNet_raw").iterdir()) == []
    assert list((nnunet / "nnUNet_preprocessed").iterdir()) == []


def test_what_is_wrong_with_the_data_is_said_on_stderr_without_traceback(nnunet, hippocampus, capsys):
    (hippocampus / "labelsTr" / "hippocampus_003.nii.gz").unlink()
    assert convert("msd-hippocampus", hippocampus, "-d", 4) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("nnunet-dsd convert: 3 problems in ")
    assert "hippocampus_003.nii.gz has no label" in printed
    assert "--test-cases N accepts another number" in printed


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["mmwhs", "--test-cases", "3"], "--test-cases does not go with mmwhs"),
        (["msd", "--no-resample"], "--no-resample does not go with msd"),
        (["msd-hippocampus", "--label-kind", "classes"], "--label-kind does not go with msd-hippocampus"),
        (["mmwhs", "--clip", "5", "5"], "the first must be less than the second"),
        (["mmwhs", "--clip", "0", "5", "--no-clip"], "--clip and --no-clip contradict each other"),
        (["mmwhs", "--tumour-slices"], "--tumour-slices does not go with mmwhs"),
        (["kits19", "--aggregation", "or"], "--aggregation does not go with kits19"),
        (["lits", "--split", "nnunet"], "--split does not go with lits"),
        (["lits", "--window", "0", "1"], "--window is for --tumour-slices"),
        (["lits", "--tumour-slices", "--window", "1", "nan"], "--window 1 nan; two finite numbers"),
        (["lits", "--tumour-slices", "--min-tumour-mm2", "-1"], "--min-tumour-mm2 -1; allowed is a finite area"),
        (["lits", "--tumour-slices", "--label-kind", "regions"], "--tumour-slices has tumour alone"),
        (["msd-brats", "--split", "nnunet", "--validation-cases", "3"], "leaves to nnU-Net"),
    ],
)
def test_options_that_do_not_fit_are_refused(nnunet, tmp_path, capsys, words, problem):
    assert convert(words[0], tmp_path, "-d", 1, *words[1:]) == 1
    assert problem in capsys.readouterr().err


def test_no_process_is_too_few(nnunet, tmp_path, capsys):
    assert main(["convert", "msd", str(tmp_path), "-d", "1", "--processes", "0"]) == 1
    assert "--processes 0; at least 1 is needed" in capsys.readouterr().err


def test_small_volumes_are_converted_in_this_process(nnunet, hippocampus, monkeypatch):
    monkeypatch.setattr("nnunet_dsd.common.workers._pool", None)
    assert main(["convert", "msd-hippocampus", str(hippocampus), "-d", "4", "--test-cases", "2"]) == 0


@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed"])
@pytest.mark.parametrize("data_set", ["mmwhs", "msd-hippocampus", "msd-brats"])
def test_nnunets_folders_are_asked_for_before_the_source(nnunet, tmp_path, monkeypatch, capsys, variable, data_set):
    monkeypatch.delenv(variable)
    assert convert(data_set, tmp_path / "nowhere", "-d", 4) == 1
    assert f"{variable} is not set" in capsys.readouterr().err


def test_folds_that_are_left_to_nnunet_need_no_preprocessed_folder(nnunet, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("nnUNet_preprocessed")
    assert convert("mmwhs", tmp_path / "nowhere", "-d", 4, "--split", "nnunet") == 1
    assert "nowhere is no folder" in capsys.readouterr().err
