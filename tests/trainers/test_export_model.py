"""`nnunet-dsd export` turns models of any age into what stock nnU-Net loads, and refuses the rest."""

import json

import pytest
import torch
from trainer_workplace import RESIDUAL, made_up_batch, read, same_weights, small_network, stock_network, write_model

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import CheckpointError, DataError, RegistryError
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.trainers.checkpoint import HEADS_KEY, STOCK_KEYS, TEACHERS_KEY
from nnunet_dsd.trainers.export import export_model

FINAL = "checkpoint_final.pth"
pytestmark = pytest.mark.usefixtures("without_progress_figure")


@pytest.fixture
def trained(nnunet):
    trainer = nnunet.trainer(settings={"epochs": 1})
    trainer.run_training()
    return trainer


@pytest.fixture
def model(nnunet, trained):
    return nnunet.model_folder()


def rewrite(model, **changes):
    path = model / "fold_0" / FINAL
    checkpoint = {**read(path), **changes}
    torch.save({key: value for key, value in checkpoint.items() if value is not None}, path)


def make_older(model, age):
    """Change a checkpoint to what earlier code might have written."""
    checkpoint = read(model / "fold_0" / FINAL)
    heads = {f"{HEADS_NAME}.{key}": value for key, value in checkpoint[HEADS_KEY].items()}
    if age == "named after its trainer":
        rewrite(model, trainer_name="nnUNetTrainerDSD")
    elif age == "heads among the weights":
        rewrite(model, network_weights={**checkpoint["network_weights"], **heads}, **{HEADS_KEY: None})


@pytest.mark.parametrize("age", ["as written today", "named after its trainer", "heads among the weights"])
def test_the_copy_is_stock_only_and_predicts_the_same(trained, model, tmp_path, age):
    make_older(model, age)

    written = export_model(model, tmp_path / "copy", checkpoint=FINAL)

    assert written == [tmp_path / "copy" / "fold_0" / FINAL]
    copy = read(written[0])
    assert copy["trainer_name"] == "nnUNetTrainer"
    stock = stock_network(trained)
    assert copy["network_weights"].keys() == stock.state_dict().keys()
    assert copy.keys() <= set(STOCK_KEYS)
    assert [key for key in copy["logging"] if "distillation" in key] == []
    assert same_weights(copy["network_weights"], trained.bare_network().state_dict())
    for name in ("plans.json", "dataset.json"):
        assert json.loads((tmp_path / "copy" / name).read_text()) == json.loads((model / name).read_text())


def test_the_copy_of_a_student_knows_nothing_of_its_teacher(nnunet, tmp_path):
    teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
    teacher.initialize()
    write_model(teacher)
    settings = {"epochs": 1, "feedback_teacher": "nnUNetTrainerStock__teacher__3d_fullres"}
    student = nnunet.trainer("nnUNetTrainerHLFD", settings=settings)
    student.run_training()
    model = nnunet.model_folder("nnUNetTrainerHLFD")
    assert read(model / "fold_0" / FINAL)[TEACHERS_KEY] == student.teacher_hashes
    (written,) = export_model(model, tmp_path / "copy", checkpoint=FINAL)
    copy = read(written)
    assert copy.keys() <= set(STOCK_KEYS)
    assert same_weights(copy["network_weights"], student.bare_network().state_dict())


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_stock_trainer_validates_and_continues_from_the_copy(nnunet, tmp_path, optimiser):
    trainer = nnunet.trainer(settings={"epochs": 1, "optimiser": optimiser})
    trainer.run_training()
    (written,) = export_model(nnunet.model_folder(), tmp_path / "copy", checkpoint=FINAL)

    stock = nnunet.trainer("nnUNetTrainer")
    stock.load_checkpoint(str(written))
    stock.perform_actual_validation(save_probabilities=False)
    assert (nnunet.model_folder("nnUNetTrainer") / "fold_0" / "validation" / "summary.json").exists()
    stock.on_train_epoch_start()
    assert stock.current_epoch == 1
    assert torch.isfinite(torch.as_tensor(stock.train_step(made_up_batch(stock))["loss"]))


def test_the_command_writes_the_copy_and_says_how_to_predict(model, tmp_path, capsys):
    assert main(["export", str(model), "-o", str(tmp_path / "copy"), "-f", "0"]) == 0
    said = capsys.readouterr().out
    assert "written, outputs equal" in said
    assert "nnUNetv2_predict_from_modelfolder" in said


def test_another_checkpoint_of_the_fold_can_be_chosen(model, tmp_path):
    written = export_model(model, tmp_path / "copy", checkpoint="checkpoint_best.pth")
    assert [path.name for path in written] == ["checkpoint_best.pth"]


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"lacks plans.json and dataset.json"):
        export_model(tmp_path, tmp_path / "copy", checkpoint=FINAL)


def test_a_missing_fold_is_refused_by_name(model, tmp_path):
    with pytest.raises(DataError, match="fold_3"):
        export_model(model, tmp_path / "copy", folds=["0", "3"], checkpoint=FINAL)
    assert not (tmp_path / "copy").exists()


def test_a_model_without_the_checkpoint_is_refused(model, tmp_path):
    with pytest.raises(DataError, match=r"no fold of .* has a checkpoint_latest\.pth"):
        export_model(model, tmp_path / "copy", checkpoint="checkpoint_latest.pth")


def test_an_output_folder_that_holds_something_is_refused(model, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="empty"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine.txt"]


def test_plans_of_another_architecture_are_refused_and_nothing_is_left(model, tmp_path):
    plans = json.loads((model / "plans.json").read_text())
    strides = [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]]
    plans["configurations"]["3d_fullres"]["architecture"] = small_network(RESIDUAL, strides)
    (model / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(CheckpointError, match="another architecture"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)
    assert not (tmp_path / "copy").exists()


def test_a_checkpoint_of_an_unknown_trainer_is_refused(model, tmp_path):
    rewrite(model, trainer_name="nnUNetTrainerFromElsewhere")
    with pytest.raises(RegistryError, match="nnUNetTrainerFromElsewhere"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)


def test_a_network_only_its_own_trainer_can_build_is_refused(model, tmp_path, monkeypatch):
    from nnunet_dsd.trainers.variants import nnUNetTrainerDSD

    rewrite(model, trainer_name="nnUNetTrainerDSD")
    monkeypatch.setattr(nnUNetTrainerDSD, "build_network_architecture", staticmethod(lambda *rest: None), raising=False)
    with pytest.raises(CheckpointError, match="only nnUNetTrainerDSD can build"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)


def test_a_copy_whose_output_differs_is_not_left_behind(model, tmp_path, monkeypatch):
    monkeypatch.setattr("nnunet_dsd.trainers.export.outputs_equal", lambda *rest: False)
    with pytest.raises(CheckpointError, match="another output"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)
    assert list(tmp_path.rglob("copy/**/*.pth")) == []


def test_a_truncated_checkpoint_is_refused(model, tmp_path):
    path = model / "fold_0" / FINAL
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        export_model(model, tmp_path / "copy", checkpoint=FINAL)


@pytest.mark.parametrize("lacking", ["trainer_name", "init_args", "logging"])
def test_a_checkpoint_of_weights_only_is_refused(model, tmp_path, capsys, lacking):
    rewrite(model, **{lacking: None})
    assert main(["export", str(model), "-o", str(tmp_path / "copy")]) == 1
    said = capsys.readouterr().err
    assert f"lacks {lacking}" in said
    assert "Traceback" not in said
    assert not (tmp_path / "copy").exists()


def test_a_checkpoint_without_its_optimiser_is_exported(model, trained, tmp_path):
    rewrite(model, optimizer_state=None)
    (written,) = export_model(model, tmp_path / "copy", checkpoint=FINAL)
    assert same_weights(read(written)["network_weights"], trained.bare_network().state_dict())
