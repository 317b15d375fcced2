"""Fixtures: data that nnU-Net planned and preprocessed once, and folders of its own for every test."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from soft_label_place import SoftLabelPlace
from trainer_workplace import (
    CLASSES,
    DATA_SETS,
    CommandLine,
    Workplace,
    cascaded_plans,
    plan_and_preprocess,
    preprocess,
    set_nnunet_folders,
    spare_nnunets_figure,
    use_threads,
    write_raw_data,
    write_small_plans,
)

from nnunet_dsd.plugin.lookup import many_lookups


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def quick_lookups():
    """Spare nnU-Net's look-ups of trainers, which these tests make by the hundred, most of their time."""
    with many_lookups():
        yield


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """A folder with nnU-Net's `raw` and `preprocessed` of the data set with classes; tests only read it."""
    folder = tmp_path_factory.mktemp("nnunet")
    prepare(folder, CLASSES)
    return folder


@pytest.fixture(scope="session")
def all_label_kinds(data_folder):
    """The data sets with an ignore label and with regions, in the same folder."""
    for name in DATA_SETS:
        if name != CLASSES:
            prepare(data_folder, name, plan_like=CLASSES)


@pytest.fixture(scope="session")
def labelled_folder(data_folder, tmp_path_factory):
    """Returns a folder with finished teachers and their soft labels, made once; a `SoftLabelPlace` begins with a copy.

    There are a teacher for each of `folds`, and soft labels of all of them: of labelled cases, and, if `images`, of
    three images without labels.
    """

    @functools.cache
    def make(*folds, images=True):
        with pytest.MonkeyPatch.context() as patch:
            use_threads(patch)
            place = SoftLabelPlace(data_folder, tmp_path_factory.mktemp("labelled") / "own", patch)
            teachers = [place.teacher(fold=fold) for fold in folds]
            place.label(teachers[0], unlabelled=place.images() if images else None)
        return place.folder

    return make


@pytest.fixture
def cascade_plans(nnunet):
    """Plans with a low resolution and a cascade, preprocessed."""
    plans = cascaded_plans(json.loads((nnunet.data / "preprocessed" / CLASSES / "nnUNetPlans.json").read_text()))
    preprocess(CLASSES, plans, ["3d_lowres"])
    return plans


def prepare(folder, name, **options):
    with pytest.MonkeyPatch.context() as patch:
        set_nnunet_folders(patch, folder, folder / "results")
        patch.setenv("nnUNet_n_proc_DA", "1")  # 0 crashes nnU-Net's planner
        use_threads(patch)
        write_raw_data(folder / "raw" / name, DATA_SETS[name])
        plan_and_preprocess(name, **options)


@pytest.fixture
def nnunet(data_folder, tmp_path, monkeypatch):
    """nnU-Net's folders of this test: shared data, results of its own; helper processes are threads."""
    set_nnunet_folders(monkeypatch, data_folder, tmp_path / "results")
    use_threads(monkeypatch)
    return Workplace(data_folder, tmp_path / "results")


@pytest.fixture(scope="module")
def workplace(data_folder, tmp_path_factory):
    """What `nnunet` is to one test, for all tests of a module: for models that are trained once and then looked at."""
    with pytest.MonkeyPatch.context() as patch:
        results = tmp_path_factory.mktemp("trained") / "results"
        set_nnunet_folders(patch, data_folder, results)
        use_threads(patch)
        yield Workplace(data_folder, results)


@pytest.fixture
def without_progress_figure(monkeypatch):
    """Spare a test the figures of every epoch, which take seconds: nnU-Net's own, and ours, which is an empty file."""
    spare_nnunets_figure(monkeypatch)
    monkeypatch.setattr("nnunet_dsd.trainers.term_trainer.draw_loss_terms", lambda terms, target: Path(target).touch())


@pytest.fixture
def command_line(data_folder, tmp_path):
    """Commands on a private copy of the preprocessed data, with small plans named `tiny`."""
    for part in ("raw", "preprocessed"):
        shutil.copytree(data_folder / part / CLASSES, tmp_path / part / CLASSES)
    (tmp_path / "results").mkdir()
    line = CommandLine(tmp_path, tmp_path / "results")
    write_small_plans(line, "tiny")
    return line
