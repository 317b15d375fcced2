"""A copy to publish holds nothing of any case and no path of the machine; nor is half a copy left behind."""

import errno
import getpass
import json
import pickle
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
import torch
from trainer_workplace import CASES, CLASSES, read, write_model

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import CheckpointError, DataError, SetupError
from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.trainers.export import export_model
from nnunet_dsd.trainers.published import published_checkpoint, published_plans

FINAL = "checkpoint_final.pth"
IDENTIFIERS = [f"ball_{index}" for index in range(CASES)]
HOME, HOST, USER = "/home/schwester_agathe", "stationsrechner-7", "schwester_agathe"
pytestmark = pytest.mark.usefixtures("without_progress_figure")


def texts(value):
    """Every string in nested tables and lists, keys too."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from (*texts(key), *texts(entry))
    elif isinstance(value, list | tuple | set):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str | Path):
        yield str(value)


def everything_said(folder):
    """All text of a folder: names of files, their bytes, and what pickles and checkpoints in them say."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder))
        if path.suffix == ".pth":
            yield from texts(torch.load(path, map_location="cpu", weights_only=False))
            yield from zipfile.ZipFile(path).namelist()
        elif path.is_file():
            yield path.read_bytes().decode("latin-1")


def found_in(folder, *more):
    host = socket.gethostname()
    here = (f"{Path.home()}/", "/tmp/", str(folder.parent), host if len(host) > 4 else HOST, f"/{getpass.getuser()}/")
    wanted = (*here, HOME, HOST, USER, *IDENTIFIERS, *more)
    return {word for text in everything_said(folder) for word in wanted if word in text}


@pytest.fixture(scope="module")
def student(data_folder, tmp_path_factory):
    """A finished and validated student of a teacher that is named by path, with everything nnU-Net leaves of it."""
    from trainer_workplace import Workplace, set_nnunet_folders, use_threads

    with pytest.MonkeyPatch.context() as patch:
        results = tmp_path_factory.mktemp("published") / "results"
        set_nnunet_folders(patch, data_folder, results)
        use_threads(patch)
        patch.setattr("nnunetv2.training.logging.nnunet_logger.MetaLogger.plot_progress_png", lambda self, folder: None)
        nnunet = Workplace(data_folder, results)
        teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
        teacher.initialize()
        path = write_model(teacher)
        plans = nnunet.plans(settings={"epochs": 1, "feedback_teacher": str(path)})
        plans["made_by"] = f"planned on {HOST} in {HOME}/plans by hand"
        trainer = nnunet.trainer("nnUNetTrainerHLFD", plans=plans)
        trainer.dataset_json["dataset"] = {name: {"images": [f"{HOME}/{name}.nii.gz"]} for name in IDENTIFIERS}
        trainer.dataset_json["training"] = [{"image": f"./imagesTr/{name}.nii.gz"} for name in IDENTIFIERS]
        trainer.dataset_json["description"] = f"kept in {HOME}/raw, see https://example.org/data/set"
        trainer.run_training()
        trainer.perform_actual_validation(save_probabilities=True)
    model = nnunet.model_folder("nnUNetTrainerHLFD")
    (model / "dataset.json").write_text(json.dumps(trainer.dataset_json))
    (model / "plans.json").write_text(json.dumps(trainer.plans_manager.plans))
    (model / "fold_0" / "debug.json").write_text(json.dumps({"hostname": HOST, "folder": HOME}))
    crossval = model / "crossval_results_folds_0"
    crossval.mkdir()
    (crossval / "postprocessing.pkl").write_bytes(pickle.dumps(([], [{"labels_or_regions": 1}])))
    (crossval / "postprocessing.json").write_text(json.dumps({"input_folder": HOME}))
    for path in (model / "fold_0" / "validation").glob("*.nii.gz"):
        shutil.copyfile(path, crossval / path.name)
    shutil.copyfile(model / "fold_0" / "validation" / "summary.json", crossval / "summary.json")
    return model


def test_the_model_itself_says_all_that_a_copy_must_not(student):
    found = found_in(student)
    assert {HOST, HOME, *IDENTIFIERS} <= found


def test_nothing_of_a_case_and_no_path_is_in_any_file_of_the_copy(student, tmp_path):
    export_model(student, tmp_path / "copy", checkpoint=FINAL)
    plans_host = {HOST}  # a word in a sentence of the plans, not a path
    assert found_in(tmp_path / "copy") - plans_host == set()
    names = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    results = ("postprocessing.pkl", "plans.json", "dataset.json")
    assert names == {
        "plans.json",
        "dataset.json",
        f"fold_0/{FINAL}",
        *(f"crossval_results_folds_0/{n}" for n in results),
    }


def test_how_it_was_made_and_where_from_stays_known(student, tmp_path):
    (written,) = export_model(student, tmp_path / "copy", checkpoint=FINAL)
    plans, dataset = (json.loads((tmp_path / "copy" / name).read_text()) for name in ("plans.json", "dataset.json"))
    block = plans["configurations"]["3d_fullres"][PLANS_KEY]
    assert block["feedback_teacher"] == "nnUNetTrainerStock__teacher__3d_fullres"
    assert plans["made_by"] == f"planned on {HOST} in plans by hand"
    assert dataset["description"] == "kept in raw, see https://example.org/data/set"
    assert dataset.keys() >= {"labels", "channel_names", "file_ending", "numTraining"}
    arguments = read(written)["init_args"]
    assert (arguments["plans"], arguments["dataset_json"]) == (plans, dataset)


def test_validation_comes_along_when_asked_for_and_even_then_without_paths(student, tmp_path):
    assert main(["export", str(student), "-o", str(tmp_path / "copy"), "--with-validation"]) == 0
    validation = tmp_path / "copy" / "fold_0" / "validation"
    case = next(validation.glob("ball_*.nii.gz"))
    assert case.read_bytes() == (student / "fold_0" / "validation" / case.name).read_bytes()
    summary = json.loads((validation / "summary.json").read_text())
    assert summary["metric_per_case"][0]["prediction_file"] == case.name
    assert (tmp_path / "copy" / "dataset_fingerprint.json").exists()
    assert found_in(tmp_path / "copy") - {HOST, *IDENTIFIERS} == set()


def test_validation_that_is_not_there_is_refused_before_anything_is_written(student, tmp_path):
    model = tmp_path / student.name
    shutil.copytree(student, model)
    (model / "fold_0" / "validation" / "summary.json").unlink()
    with pytest.raises(DataError, match=r"no validation results in fold_0.*--val"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL, with_validation=True)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_damaged_scores_of_a_validation_are_named_and_nothing_is_left(student, tmp_path, content):
    model = tmp_path / student.name
    shutil.copytree(student, model)
    (model / "fold_0" / "validation" / "summary.json").write_text(content)
    with pytest.raises(
        DataError, match=r"fold_0/validation/summary\.json is damaged; let nnUNetv2_train .* --val make"
    ):
        export_model(model, tmp_path / "copy", checkpoint=FINAL, with_validation=True)
    assert not (tmp_path / "copy").exists()


def refused(student, output, capsys):
    assert main(["export", str(student), "-o", str(output)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("nnunet-dsd export: ")
    assert "Traceback" not in said
    assert "-o" in said
    return said


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_an_output_below_a_file_is_refused_in_words(student, tmp_path, capsys, place):
    (tmp_path / "file").write_text("mine")
    assert main(["export", str(student), "-o", str(tmp_path / place)]) == 1
    said = capsys.readouterr().err
    assert "is a file" in said or "is not empty" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_place_where_even_root_may_not_write_is_refused_in_words(student, capsys):
    refused(student, Path("/proc/copy"), capsys)


def test_a_name_that_is_too_long_is_refused_in_words(student, tmp_path, capsys):
    refused(student, tmp_path / ("x" * 300), capsys)


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_a_full_disk_leaves_nothing_behind(student, tmp_path, capsys, monkeypatch, failure):
    def full(content, target, *rest):
        Path(target).write_bytes(b"PK half a checkpoint")
        raise failure

    monkeypatch.setattr(torch, "save", full)
    said = refused(student, tmp_path / "copy", capsys)
    assert "make room" in said
    assert "--c" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_permission_is_refused_in_words(student, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda *rest, **more: False)
    assert "read-only" in refused(student, tmp_path / "copy", capsys)
    monkeypatch.undo()

    def forbidden(*rest, **more):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(SetupError, match=r"cannot be written to .* is read-only"):
        export_model(student, tmp_path / "copy", checkpoint=FINAL)


def test_the_data_set_of_these_tests_has_its_name_in_the_plans_only(student):
    assert json.loads((student / "plans.json").read_text())["dataset_name"] == CLASSES


@pytest.mark.parametrize("lacking", ["init_args", "logging"])
def test_a_checkpoint_of_weights_only_is_not_published(lacking):
    whole = {"network_weights": {}, "init_args": {}, "logging": {}}
    assert published_checkpoint(whole)["network_weights"] == {}
    with pytest.raises(CheckpointError, match=f"lacks {lacking}"):
        published_checkpoint({key: value for key, value in whole.items() if key != lacking})


def test_a_teacher_in_a_block_of_parts_is_named_without_its_path():
    plans = {"configurations": {"3d_fullres": {PLANS_KEY: {"hlfd": {"feedback_teacher": "/data/of/someone/a__b__c/"}}}}}
    block = published_plans(plans)["configurations"]["3d_fullres"][PLANS_KEY]
    assert block == {"hlfd": {"feedback_teacher": "a__b__c"}}
