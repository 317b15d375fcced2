"""A finished nnU-Net model teaches MONAI's networks: they learn, resume, and predict without it."""

import json
from pathlib import Path

import pytest
import torch
from trainer_workplace import (
    CLASSES,
    TAUGHT,
    made_up_batch,
    read,
    same_weights,
    shrink_transformers,
    trainer_class,
    write_model,
)

from nnunet_dsd.common.errors import NetworkStructureError, TeacherError
from nnunet_dsd.networks.backbones import BACKBONES
from nnunet_dsd.trainers.hlfd import nnUNetTrainerHLFD

STUDENTS = [name for name in TAUGHT if name != "nnUNetTrainerHLFD"]
RESNETS = ["nnUNetTrainerResNet18UNet_HLFD", "nnUNetTrainerResNet18FCN_HLFD"]
FEATURE_SIZES = {"UNETR": 4, "UNetPlusPlus": 4, "ResNet18UNet": 8, "ResNet18FCN": 4}
PATCHES = {"UNETR": (16, 16, 32), "VNet": (16, 16, 32), "UNetPlusPlus": (16, 16, 32), "DynUNet": (8, 16, 16)}
LARGE = (32, 32, 64)
TEACHER = "nnUNetTrainerStock__teacher__3d_fullres"
HLFD_TERMS = ["labels", "ufd", "ifd_1", "ifd_2", "ifd_3", "upd", "ipd_1", "ipd_2", "ipd_3"]


@pytest.fixture(autouse=True)
def small_transformers(monkeypatch):
    shrink_transformers(monkeypatch)


def network_of(name):
    return name.removeprefix("nnUNetTrainer").removesuffix("_HLFD")


def plans_on(nnunet, patch, configuration, *, name=None, **settings):
    plans = nnunet.plans(name=name, settings=settings)
    plans["configurations"][configuration] |= {"patch_size": list(patch), "batch_size": 2}
    return plans


@pytest.fixture
def taught(nnunet):
    """Makes a student of one of nnU-Net's networks, which was trained on patches of the same size."""

    def make(name, *, patch=None, configuration="3d_fullres", **settings):
        patch = patch or PATCHES.get(network_of(name), LARGE)
        teacher = nnunet.trainer(
            "nnUNetTrainerStock",
            plans=plans_on(nnunet, patch, configuration, name="teacher"),
            configuration=configuration,
        )
        teacher.initialize()
        write_model(teacher)
        return student_of(nnunet, name, patch, configuration, **settings)

    return make


def student_of(nnunet, name, patch, configuration="3d_fullres", **settings):
    settings = {
        "feedback_teacher": f"nnUNetTrainerStock__teacher__{configuration}",
        "feature_size": FEATURE_SIZES.get(network_of(name)),
        "temperature": 4.0,
        **settings,
    }
    return nnunet.trainer(name, plans=plans_on(nnunet, patch, configuration, **settings), configuration=configuration)


def initialized(student):
    student.initialize()
    student.set_deep_supervision_enabled(student.enable_deep_supervision)
    student.on_train_epoch_start()
    return student


def test_every_network_of_the_table_has_a_student():
    assert {network_of(name) for name in STUDENTS} == set(BACKBONES)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_has_one_output_and_hlfds_defaults(name):
    trainer = trainer_class(name)
    assert issubclass(trainer, nnUNetTrainerHLFD)
    assert not trainer.nnunet_deep_supervision
    assert trainer.defaults["temperature"] == 4.0
    assert nnUNetTrainerHLFD.nnunet_deep_supervision


@pytest.mark.parametrize("name", STUDENTS)
def test_a_step_moves_the_student_whose_checkpoint_knows_neither_teacher_nor_projections(taught, name):
    student = initialized(taught(name))
    before = {key: value.clone() for key, value in student.network.named_parameters() if value.requires_grad}
    result = student.train_step(made_up_batch(student))
    assert torch.isfinite(torch.as_tensor(result["loss"]))
    assert [k for k, value in student.network.named_parameters() if value.requires_grad and value.grad is None] == []
    after = dict(student.network.named_parameters())
    convolutions = [key for key in before if key.endswith("weight") and before[key].ndim == 5]
    assert [key for key in convolutions if torch.equal(after[key], before[key])] == []
    path = f"{student.output_folder}/checkpoint_final.pth"
    student.save_checkpoint(path)
    checkpoint = read(path)
    assert checkpoint["trainer_name"] == name
    network = type(student).build_network_architecture(
        student.plans_manager, student.configuration_manager, 1, 3, enable_deep_supervision=False
    )
    assert checkpoint["network_weights"].keys() == network.state_dict().keys()
    network.load_state_dict(checkpoint["network_weights"])
    image = made_up_batch(student)["data"]
    with torch.no_grad():
        assert torch.equal(student.network.eval()(image), network.eval()(image))


@pytest.mark.parametrize("method", ["hlfd", "skd", "hifd", "at", "none"])
@pytest.mark.parametrize("name", RESNETS)
def test_the_methods_train_in_two_dimensions(taught, name, method):
    student = initialized(taught(name, patch=(64, 32), configuration="2d", feedback=method))
    student.train_step(made_up_batch(student))
    terms = student.loss.last_terms
    assert all(torch.isfinite(value) for value in terms.values())
    if method == "hlfd":
        assert list(terms) == HLFD_TERMS


def test_who_follows_whom_without_a_decoder_is_in_the_log(taught):
    student = initialized(taught("nnUNetTrainerResNet18FCN_HLFD", patch=(64, 32), configuration="2d"))
    text = Path(student.log_file).read_text()
    assert "ufd: the student's encoder.act follows the teacher's encoder.stages.1" in text
    assert "upd: the student's encoder.layer3 follows the teacher's decoder.stages.0" in text
    assert "ipd_1: the student's encoder.layer2 follows the teacher's output" in text
    assert "ipd_3: the student's encoder.act follows the teacher's output" in text


@pytest.mark.parametrize("name", RESNETS)
def test_the_step_after_loading_is_bitwise_the_one_without_interruption(taught, nnunet, name):
    student = initialized(taught(name, patch=(64, 32), configuration="2d"))
    for seed in range(2):
        student.train_step(made_up_batch(student, seed))
    student.save_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    continued = student_of(nnunet, name, (64, 32), "2d")
    continued.load_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    student.current_epoch = 1
    losses = []
    for one in (student, continued):
        one.on_train_epoch_start()
        losses.append([float(one.train_step(made_up_batch(one, seed))["loss"]) for seed in (10, 11)])
    assert losses[0] == losses[1]
    assert same_weights(student.heads().state_dict(), continued.heads().state_dict())
    assert same_weights(student.network.state_dict(), continued.network.state_dict())


@pytest.mark.parametrize(
    ("name", "patch", "size"),
    [
        ("nnUNetTrainerResNet18UNet_HLFD", (40, 56, 40), "64 64 64"),
        ("nnUNetTrainerResNet18FCN_HLFD", (32, 32, 40), "32 32 64"),
        ("nnUNetTrainerSwinUNETR_HLFD", (40, 64, 32), "64 64 32"),
        ("nnUNetTrainerVNet_HLFD", (40, 56, 40), "48 64 48"),
    ],
)
def test_a_patch_that_the_student_would_pad_is_refused_before_a_teacher_is_looked_for(nnunet, name, patch, size):
    student = student_of(nnunet, name, patch, feedback_teacher=None)
    with pytest.raises(NetworkStructureError, match=rf"would pad patches of .*--patch-size {size}`"):
        student.initialize()


def test_a_student_without_a_teacher_is_refused(nnunet):
    student = student_of(nnunet, "nnUNetTrainerResNet18FCN_HLFD", LARGE, feedback_teacher=None)
    with pytest.raises(TeacherError, match="name one with"):
        student.initialize()


def test_a_network_without_a_decoder_can_teach(nnunet):
    plans = plans_on(nnunet, LARGE, "3d_fullres", name="teacher", feature_size=4)
    teacher = nnunet.trainer("nnUNetTrainerResNet18FCN", plans=plans)
    teacher.initialize()
    write_model(teacher)
    student = student_of(
        nnunet,
        "nnUNetTrainerResNet18UNet_HLFD",
        LARGE,
        feedback_teacher="nnUNetTrainerResNet18FCN__teacher__3d_fullres",
    )
    initialized(student)
    assert torch.isfinite(torch.as_tensor(student.train_step(made_up_batch(student))["loss"]))


@pytest.mark.parametrize("teaching", ["ResNet18UNet", "UNetPlusPlus"])
def test_a_teacher_stays_in_eval_mode_with_the_statistics_it_had(nnunet, teaching):
    plans = plans_on(nnunet, LARGE, "3d_fullres", name="teacher", feature_size=FEATURE_SIZES[teaching])
    teacher = nnunet.trainer(f"nnUNetTrainer{teaching}", plans=plans)
    teacher.initialize()
    write_model(teacher)
    name = f"nnUNetTrainer{teaching}__teacher__3d_fullres"
    student = initialized(student_of(nnunet, "nnUNetTrainerDynUNet_HLFD", LARGE, feedback_teacher=name))
    frozen = student.teachers[0]
    before = {key: values.clone() for key, values in frozen.network.state_dict().items()}
    assert any("running_mean" in key for key in before) == (teaching == "ResNet18UNet")
    for mode in (True, False):
        frozen.train(mode)
        student.network.train()
        student.train_step(made_up_batch(student))
        assert not any(module.training for module in frozen.modules())
        assert same_weights(before, frozen.network.state_dict())


@pytest.mark.parametrize("name", RESNETS)
def test_nnunets_predictor_needs_neither_teacher_nor_heads(taught, nnunet, name, tmp_path, monkeypatch):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    student = initialized(taught(name, patch=(64, 32), configuration="2d"))
    student.train_step(made_up_batch(student))
    model = write_model(student)
    (Path(nnunet.results) / CLASSES / TEACHER.replace("3d_fullres", "2d") / "plans.json").unlink()
    predictor = nnUNetPredictor(
        use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False, perform_everything_on_device=False
    )
    predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
    image = torch.randn(1, 3, 70, 80)
    logits = predictor.predict_logits_from_preprocessed_data(image)
    assert logits.shape == (3, 3, 70, 80)
    assert json.loads((model / "plans.json").read_text())["configurations"]["2d"]["patch_size"] == [64, 32]
