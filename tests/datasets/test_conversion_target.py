"""Where a converted data set goes: whole or not at all, never into or beside another one, with its splits."""

import itertools
import json
import os
import shutil

import pytest
from made_up_sources import HIPPOCAMPUS_JSON, hippocampus_names, write_msd

from nnunet_dsd.common.errors import SettingsError, SetupError
from nnunet_dsd.datasets import conversion as conversion_module
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.msd import MsdSettings, read_hippocampus
from nnunet_dsd.datasets.splits import Fold
from nnunet_dsd.datasets.targets import find_target, require_disk_space

FOLDS = (Fold(("a", "b"), ("c",)),)
NAME = "Dataset004_Hippocampus"


@pytest.fixture
def hippocampus(tmp_path):
    source = write_msd(tmp_path / "Task04", HIPPOCAMPUS_JSON, names=hippocampus_names(8))
    return read_hippocampus(source, MsdSettings(test_cases=2))


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_splits_lie_where_nnunet_reads_them_and_beside_the_raw_data(nnunet, hippocampus):
    target = find_target(4, "Hippocampus", hippocampus.folds)
    convert(hippocampus, target, processes=1)
    assert target.splits == nnunet / "nnUNet_preprocessed" / NAME / "splits_final.json"
    splits = json.loads(target.splits.read_text())
    assert splits == json.loads((nnunet / "nnUNet_raw" / NAME / "splits_final.json").read_text())
    cases = {path.name.removesuffix(".nii.gz") for path in (target.raw / "labelsTr").iterdir()}
    assert set(splits[0]["train"]) | set(splits[0]["val"]) == cases


def test_two_processes_write_what_one_does(nnunet, hippocampus):
    for number, processes in ((4, 1), (5, 2)):
        convert(hippocampus, find_target(number, "Hippocampus", hippocampus.folds), processes=processes)
    one, two = (nnunet / "nnUNet_raw" / f"Dataset00{number}_Hippocampus" for number in (4, 5))
    assert everything_below(one) == everything_below(two)
    assert len(everything_below(one)) == 2 * 8 + 3
    for name in everything_below(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_nothing_behind(nnunet, hippocampus, monkeypatch, error):
    target = find_target(4, "Hippocampus", hippocampus.folds)
    real, written = conversion_module.write_case, []

    def fail_at_the_third(case, **options):
        if len(written) == 2:
            raise error
        written.append(case)
        real(case, **options)

    monkeypatch.setattr(conversion_module, "write_case", fail_at_the_third)
    with pytest.raises((SetupError, KeyboardInterrupt)):
        convert(hippocampus, target, processes=1)
    assert len(written) == 2
    assert [path for path in nnunet.rglob("*") if path.parent != nnunet] == []


def test_an_existing_data_set_is_never_touched(nnunet):
    (nnunet / "nnUNet_raw" / NAME).mkdir()
    with pytest.raises(SetupError, match="exists; delete it, or give another number"):
        find_target(4, "Hippocampus", FOLDS)


@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"])
def test_a_number_that_another_data_set_has_is_refused(nnunet, variable):
    (nnunet / variable / "Dataset004_Spleen").mkdir()
    with pytest.raises(SetupError, match=r"number 4 is taken by .*Dataset004_Spleen"):
        find_target(4, "Hippocampus", FOLDS)


def test_preprocessed_cases_of_an_earlier_data_set_are_refused(nnunet):
    folder = nnunet / "nnUNet_preprocessed" / NAME
    folder.mkdir()
    (folder / "nnUNetPlans.json").write_text("{}")
    for folds in (FOLDS, ()):
        with pytest.raises(SetupError, match=r"holds nnUNetPlans\.json of an earlier data set"):
            find_target(4, "Hippocampus", folds)


def test_another_split_that_nnunet_would_keep_is_refused_and_the_same_is_not(nnunet):
    folder = nnunet / "nnUNet_preprocessed" / NAME
    folder.mkdir()
    for text, folds in itertools.product(('[{"train": ["a"], "val": ["b"]}]', "[{", "[]"), (FOLDS, ())):
        (folder / "splits_final.json").write_text(text)
        with pytest.raises(SetupError, match=r"holds splits_final\.json of an earlier data set"):
            find_target(4, "Hippocampus", folds)
    (folder / "splits_final.json").write_text(json.dumps([{"train": ["a", "b"], "val": ["c"]}]))
    assert find_target(4, "Hippocampus", FOLDS).splits == folder / "splits_final.json"


@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed"])
def test_a_missing_folder_of_nnunet_is_said(nnunet, monkeypatch, variable):
    monkeypatch.setenv(variable, str(nnunet / "nowhere"))
    with pytest.raises(SetupError, match=f"export {variable}="):
        find_target(4, "Hippocampus", FOLDS)
    monkeypatch.delenv(variable)
    with pytest.raises(SetupError, match=f"{variable} is not set"):
        find_target(4, "Hippocampus", FOLDS)


def test_without_folds_only_the_raw_folder_is_needed(nnunet, monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed")
    monkeypatch.delenv("nnUNet_results")
    assert find_target(4, "Hippocampus", ()).splits is None


def test_impossible_numbers_and_names_are_refused_together():
    with pytest.raises(SettingsError) as caught:
        find_target(1000, "a/b", FOLDS)
    assert len(caught.value.problems) == 2


def test_too_little_room_is_said_before_anything_is_written(nnunet, hippocampus, monkeypatch):
    target = find_target(4, "Hippocampus", hippocampus.folds)
    needed = check_sources(hippocampus, processes=1).output_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, int(needed) - 1))
    with pytest.raises(SetupError, match=r"GB are free at .* needs about"):
        convert(hippocampus, target, processes=1)
    assert list((nnunet / "nnUNet_raw").iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, int(needed) + 1))
    require_disk_space(target, needed)


def test_the_estimate_is_near_what_is_written(nnunet, hippocampus):
    target = find_target(4, "Hippocampus", hippocampus.folds)
    findings = convert(hippocampus, target, processes=1)
    written = sum(path.stat().st_size for path in target.raw.rglob("*.nii.gz"))
    assert 0.5 < findings.output_bytes / written < 2


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="there is no /proc")
@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed"])
def test_a_target_that_cannot_be_written_to_is_refused_before_a_volume_is_read(nnunet, monkeypatch, variable):
    monkeypatch.setenv(variable, "/proc")
    with pytest.raises(SetupError, match=f"cannot be written to /proc/{NAME}: /proc .* Let {variable} be a folder"):
        find_target(4, "Hippocampus", FOLDS)
