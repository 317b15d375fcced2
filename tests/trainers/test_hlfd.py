"""A finished nnU-Net model teaches a smaller one inside nnU-Net."""

import copy
import json
from pathlib import Path

import pytest
import torch
from trainer_workplace import (
    CLASSES,
    REGIONS,
    REGIONS_IGNORE,
    made_up_batch,
    read,
    same_weights,
    stock_network,
    write_model,
)

from nnunet_dsd.common.errors import CheckpointError, SettingsError, TeacherError
from nnunet_dsd.config import PLANS_KEY
from nnunet_dsd.distillation.hierarchical import feedback_value
from nnunet_dsd.networks.taps import HEADS_NAME

TEACHER = "nnUNetTrainerStock__teacher__3d_fullres"
NAME = "nnUNetTrainerHLFD"


def wide_plans(nnunet, dataset, configuration):
    plans = nnunet.plans(dataset, name="teacher")
    plans["configurations"][configuration]["architecture"]["arch_kwargs"]["features_per_stage"] = [
        2 * width
        for width in plans["configurations"][configuration]["architecture"]["arch_kwargs"]["features_per_stage"]
    ]
    return plans


@pytest.fixture
def taught(nnunet, all_label_kinds):
    """Makes a teacher of twice the width, and a student of it."""

    def make(dataset=CLASSES, configuration="3d_fullres", *, trainer="nnUNetTrainerStock", fold=0, **settings):
        plans = wide_plans(nnunet, dataset, configuration)
        plans["configurations"][configuration][PLANS_KEY]["seed"] = 1 + fold
        teacher = nnunet.trainer(trainer, dataset, plans=plans, configuration=configuration, fold=fold)
        teacher.initialize()
        write_model(teacher)
        settings = {"feedback_teacher": f"{trainer}__teacher__{configuration}", "temperature": 4.0, **settings}
        student = nnunet.trainer(NAME, dataset, configuration=configuration, settings=settings)
        return teacher, student

    return make


def initialized(student):
    student.initialize()
    student.set_deep_supervision_enabled(student.enable_deep_supervision)
    student.on_train_epoch_start()
    return student


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
@pytest.mark.parametrize("method", ["hlfd", "skd", "dkd", "hifd", "at"])
def test_a_step_moves_the_student_and_never_the_teacher(taught, method, configuration):
    teacher, student = taught(configuration=configuration, feedback=method)
    initialized(student)
    before = copy.deepcopy(student.teachers[0].network.state_dict())
    assert same_weights(before, teacher.network.state_dict())
    heads = copy.deepcopy(student.heads().state_dict())
    for seed in range(2):
        result = student.train_step(made_up_batch(student, seed))
    assert torch.isfinite(torch.as_tensor(result["loss"]))
    assert same_weights(before, student.teachers[0].network.state_dict())
    assert [key for key, value in student.heads().named_parameters() if value.grad is None] == []
    assert [key for key, value in student.heads().state_dict().items() if torch.equal(value, heads[key])] == []
    assert not any(parameter.requires_grad for parameter in student.teachers[0].parameters())


def test_the_terms_are_those_of_the_views_and_add_up(taught):
    _, student = taught()
    initialized(student)
    batch = made_up_batch(student)
    guide = student.teachers[0](batch["data"])
    student.heads().teach([guide])
    student.network.train()
    output = student.network(batch["data"])
    terms = student.loss.terms(output, batch["target"])
    assert list(terms) == ["labels", "ufd", "ifd_1", "ifd_2", "upd", "ipd_1", "ipd_2"]
    for term in student.feedback:
        made = output.projected[0].get(term.name)
        expected = feedback_value(term, output.student, guide, temperature=4.0, projected=made)
        assert torch.equal(terms[term.name], expected)
    weights = student.loss.weights
    assert weights == pytest.approx(
        {"labels": 1, "ufd": 0.45, "ifd_1": 0.45, "ifd_2": 0.45, **dict.fromkeys(("upd", "ipd_1", "ipd_2"), 0.05)}
    )
    total = sum(weights[name] * value.item() for name, value in terms.items())
    student.heads().teach([guide])
    assert float(student.loss(student.network(batch["data"]), batch["target"])) == pytest.approx(total, rel=1e-5)


def test_without_feedback_there_is_no_teacher_and_the_loss_is_nnunets_own(nnunet):
    student = nnunet.trainer(NAME, settings={"feedback": "none"})
    initialized(student)
    assert student.teachers == student.guides == []
    stock = nnunet.initialized("nnUNetTrainerStock")
    stock.network.load_state_dict(student.network.state_dict())
    batch = made_up_batch(student)
    assert float(student.train_step(batch)["loss"]) == float(stock.train_step(batch)["loss"])


@pytest.mark.parametrize("dataset", [REGIONS, REGIONS_IGNORE])
@pytest.mark.parametrize("loss", ["nnunet", "focal_dice"])
def test_regions_and_ignored_voxels_train(taught, dataset, loss):
    _, student = taught(dataset, supervised_loss=loss)
    initialized(student)
    assert torch.isfinite(torch.as_tensor(student.train_step(made_up_batch(student))["loss"]))


def test_several_folds_teach_by_their_mean(taught, nnunet):
    taught(fold=1)
    _, student = taught(feedback_teacher_folds="0,1", feedback_known_cases=True)
    initialized(student)
    assert len(student.teachers) == 2
    batch = made_up_batch(student)
    guides = [teacher(batch["data"]) for teacher in student.teachers]
    student.heads().teach(guides)
    output = student.network.train()(batch["data"])
    term = student.feedback[0]
    values = [feedback_value(term, output.student, guide, temperature=4.0) for guide in guides]
    assert not torch.equal(*values)
    assert torch.allclose(student.loss.terms(output, batch["target"])["ufd"], torch.stack(values).mean())


def test_the_checkpoint_is_a_stock_one_without_teacher_and_projections(taught):
    _, student = taught()
    initialized(student)
    student.train_step(made_up_batch(student))
    student.save_checkpoint(f"{student.output_folder}/checkpoint_final.pth")
    checkpoint = read(f"{student.output_folder}/checkpoint_final.pth")
    assert checkpoint["trainer_name"] == "nnUNetTrainer"
    stock = stock_network(student)
    assert checkpoint["network_weights"].keys() == stock.state_dict().keys()
    assert checkpoint["distillation_heads"].keys() == {
        f"projections.{name}.{kind}" for name in ("upd", "ipd_1", "ipd_2") for kind in ("weight", "bias")
    }
    stock.load_state_dict(checkpoint["network_weights"])
    student.set_deep_supervision_enabled(False)
    image = made_up_batch(student)["data"]
    with torch.no_grad():
        assert torch.equal(student.network.eval()(image), stock.eval()(image))


def test_the_step_after_loading_is_bitwise_the_one_without_interruption(taught, nnunet):
    _, student = taught()
    initialized(student)
    for seed in range(2):
        student.train_step(made_up_batch(student, seed))
    student.save_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    continued = nnunet.trainer(NAME, plans=copy.deepcopy(student.plans_manager.plans))
    continued.load_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    continued.set_deep_supervision_enabled(True)
    student.current_epoch = 1
    losses = []
    for one in (student, continued):
        one.on_train_epoch_start()
        losses.append([float(one.train_step(made_up_batch(one, seed))["loss"]) for seed in (10, 11)])
    assert losses[0] == losses[1]
    assert same_weights(student.heads().state_dict(), continued.heads().state_dict())


def test_the_log_says_what_teaches_what(taught):
    _, student = taught()
    student.initialize()
    text = Path(student.log_file).read_text()
    assert (
        f"teacher: {TEACHER}, fold 0 (checkpoint_final.pth), in {student.output_folder_base.rpartition('/')[0]}" in text
    )
    assert "ufd: the student's encoder.stages.0 follows the teacher's encoder.stages.1, encoder.stages.2" in text
    assert "ipd_1: the student's decoder.stages.1 follows the teacher's output" in text


def test_validation_needs_no_teacher_and_no_features_are_left(taught):
    _, student = taught()
    initialized(student)
    batch = made_up_batch(student)
    student.train_step(batch)
    assert getattr(student.network, HEADS_NAME)._features == {}
    assert getattr(student.network, HEADS_NAME)._guides == ()
    assert student.teachers[0]._seen == {}
    student.network.eval()
    assert torch.isfinite(torch.as_tensor(student.validation_step(batch)["loss"]))


def changed_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_teacher_must_be_named_and_there(nnunet, taught):
    taught()
    with pytest.raises(TeacherError, match=f"name one with .*--feedback-teacher.*{TEACHER}"):
        nnunet.trainer(NAME, settings={}).initialize()
    with pytest.raises(TeacherError, match=f"there is no such folder.*{TEACHER}"):
        nnunet.trainer(NAME, settings={"feedback_teacher": "nnUNetTrainerX__teacher__3d_fullres"}).initialize()


def test_everything_wrong_with_a_teacher_is_said_at_once(taught, nnunet):
    teacher, student = taught()
    folder = Path(teacher.output_folder_base)
    changed_json(folder / "dataset.json", labels={"background": 0, "other": 1}, channel_names={"0": "CT"})
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["spacing"] = [4.0, 1.0, 1.0]
    plans["configurations"]["3d_fullres"]["normalization_schemes"] = ["CTNormalization"]
    (folder / "plans.json").write_text(json.dumps(plans))
    (Path(teacher.output_folder) / "checkpoint_final.pth").rename(Path(teacher.output_folder) / "checkpoint_latest.pth")
    with pytest.raises(TeacherError) as refusal:
        student.initialize()
    for words in (
        "training of its fold 0 is not finished: there is checkpoint_latest.pth",
        "its labels are {'background': 0, 'other': 1}",
        "its image channels are {'0': 'CT'}",
        "spacing of [4.0, 1.0, 1.0] mm",
        "its normalization_schemes is ['CTNormalization']",
    ):
        assert words in str(refusal.value)


def test_a_missing_fold_is_named_with_those_there_are(taught):
    _, student = taught(feedback_teacher_folds="3", feedback_known_cases=True)
    with pytest.raises(TeacherError, match=r"fold_3/checkpoint_final.pth; its folds are: fold_0"):
        student.initialize()


def test_a_teacher_of_weights_only_is_refused(taught):
    teacher, student = taught()
    path = Path(teacher.output_folder) / "checkpoint_final.pth"
    torch.save({"network_weights": read(path)["network_weights"]}, path)
    with pytest.raises(CheckpointError, match=r"fold_0/checkpoint_final.pth holds weights.* lacks trainer_name"):
        student.initialize()


def test_a_teacher_that_knows_the_validation_cases_is_refused_unless_asked_for(taught):
    taught(fold=1)
    _, student = taught(feedback_teacher_folds="1")
    with pytest.raises(TeacherError, match="its fold 1 was trained on 1 of the 1 validation cases of this training"):
        student.initialize()
    _, asked = taught(feedback_teacher_folds="1", feedback_known_cases=True)
    asked.initialize()


def test_what_a_fold_held_out_is_read_from_its_own_validation(taught):
    teacher, student = taught()
    validation = Path(teacher.output_folder) / "validation"
    validation.mkdir()
    (validation / "ball_99.nii.gz").touch()
    (validation / "summary.json").touch()
    with pytest.raises(TeacherError, match="its fold 0 was trained on 1 of the 1 validation cases"):
        student.initialize()


def test_an_unfinished_validation_says_nothing_about_what_a_fold_held_out(taught):
    teacher, student = taught()
    validation = Path(teacher.output_folder) / "validation"
    validation.mkdir()
    (validation / "ball_99.nii.gz").touch()
    student.initialize()


def test_a_teacher_of_another_data_set_is_refused_though_labels_and_channels_are_the_same(taught):
    teacher, student = taught()
    folder = Path(teacher.output_folder_base)
    changed_json(folder / "plans.json", dataset_name="Dataset777_Other")
    with pytest.raises(
        TeacherError, match=f"trained on Dataset777_Other, the student is on {CLASSES}: train a teacher"
    ):
        student.initialize()


def with_ct_normalisation(plans):
    plans["configurations"]["3d_fullres"]["normalization_schemes"] = ["CTNormalization"]
    return plans


def test_intensities_must_be_the_same_where_normalisation_uses_them(nnunet, taught):
    teacher, student = taught()
    folder = Path(teacher.output_folder_base)
    plans = json.loads((folder / "plans.json").read_text())
    plans["foreground_intensity_properties_per_channel"]["0"]["mean"] *= 1.1
    (folder / "plans.json").write_text(json.dumps(plans))
    student.initialize()  # normalises each image by itself
    own = with_ct_normalisation(copy.deepcopy(student.plans_manager.plans))
    (folder / "plans.json").write_text(json.dumps(with_ct_normalisation(plans)))
    with pytest.raises(TeacherError, match="its normalisation knows intensities"):
        nnunet.trainer(NAME, plans=own).initialize()
    plans["foreground_intensity_properties_per_channel"]["0"]["mean"] /= 1.1
    (folder / "plans.json").write_text(json.dumps(plans))
    nnunet.trainer(NAME, plans=own).initialize()


def test_regions_in_another_order_are_refused(taught):
    teacher, student = taught(REGIONS)
    path = Path(teacher.output_folder_base) / "dataset.json"
    labels = json.loads(path.read_text())["labels"]
    changed_json(path, labels={name: labels[name] for name in ("background", "core", "whole")})
    with pytest.raises(TeacherError, match=r"its regions come in the order \['background', 'core', 'whole'\]"):
        student.initialize()


@pytest.mark.parametrize(("teaching", "learning"), [("3d_fullres", "3d_cascade_fullres"), ("3d_cascade_fullres",) * 2])
def test_the_second_stage_of_a_cascade_is_taught_by_one_of_its_kind(nnunet, cascade_plans, teaching, learning):
    teacher = nnunet.trainer(
        "nnUNetTrainerStock", plans={**cascade_plans, "plans_name": "teacher"}, configuration=teaching
    )
    teacher.initialize()
    write_model(teacher)
    plans = copy.deepcopy(cascade_plans)
    plans["configurations"]["3d_fullres"][PLANS_KEY]["feedback_teacher"] = f"nnUNetTrainerStock__teacher__{teaching}"
    student = nnunet.trainer(NAME, plans=plans, configuration=learning)
    if teaching == learning:
        initialized(student)
        assert torch.isfinite(torch.as_tensor(student.train_step(made_up_batch(student))["loss"]))
    else:
        with pytest.raises(
            TeacherError, match="takes 1 input channels, the student 3: one of them is the second stage"
        ):
            student.initialize()


def test_a_completed_name_with_a_separator_is_a_name(taught):
    _, student = taught(feedback_teacher=f"{TEACHER}/")
    student.initialize()


@pytest.mark.parametrize("folds", ["0,", "a", "0-2", ""])
def test_folds_that_are_none_are_refused(taught, folds):
    with pytest.raises(SettingsError, match=f"got '{folds}', expected folds with commas between"):
        taught(feedback_teacher_folds=folds)


def test_a_fold_or_checkpoint_that_is_not_there_is_no_leak(taught):
    _, student = taught(feedback_teacher_folds="3")
    with pytest.raises(TeacherError) as refusal:
        student.initialize()
    assert "fold_3/checkpoint_final.pth; its folds are: fold_0" in str(refusal.value)
    assert "was trained on" not in str(refusal.value)
    assert "refused: " in Path(student.log_file).read_text()
    _, student = taught(feedback_teacher_checkpoint="checkpoint_bst.pth")
    with pytest.raises(
        TeacherError, match=r"fold 0 has no checkpoint_bst.pth, but checkpoint_final.pth: name one with"
    ):
        student.initialize()


def test_a_training_goes_on_under_the_teacher_it_had_only(taught, nnunet):
    teacher, student = taught()
    initialized(student)
    path = f"{student.output_folder}/checkpoint_latest.pth"
    student.save_checkpoint(path)
    plans = copy.deepcopy(student.plans_manager.plans)
    nnunet.trainer(NAME, plans=plans).load_checkpoint(path)
    with torch.no_grad():
        next(teacher.network.parameters()).add_(1)
    write_model(teacher)
    with pytest.raises(CheckpointError, match="was taught by other weights of the teacher's fold 0"):
        nnunet.trainer(NAME, plans=plans).load_checkpoint(path)


@pytest.mark.parametrize("name", [NAME, "nnUNetTrainerEpochSD", "nnUNetTrainerDSD"])
def test_the_background_counts_in_nnunets_dice_where_asked(taught, nnunet, name):
    _, student = taught(dice_background=True)
    trainer = student if name == NAME else nnunet.trainer(name, settings={"dice_background": True})
    losses = []
    for background in (True, False):
        initialized(trainer)
        supervised = trainer.loss.supervised
        dice = getattr(supervised, "loss", supervised).dc
        assert dice.do_bg
        dice.do_bg = background
        losses.append(float(trainer.train_step(made_up_batch(trainer))["loss"]))
        trainer.was_initialized = False
    assert losses[0] != losses[1]


def test_a_trainer_without_a_teacher_says_so_where_the_plans_name_one(taught, nnunet):
    _, student = taught()
    alone = nnunet.trainer("nnUNetTrainerStock", plans=copy.deepcopy(student.plans_manager.plans))
    alone.initialize()
    assert "The plans name a teacher, but nnUNetTrainerStock trains without one" in Path(alone.log_file).read_text()
    student.initialize()
    assert "The plans name a teacher" not in Path(student.log_file).read_text()


def test_a_teacher_that_cannot_take_the_students_patch_is_refused(taught, nnunet):
    _, student = taught()
    plans = copy.deepcopy(student.plans_manager.plans)
    plans["configurations"]["3d_fullres"]["patch_size"] = [6, 16, 16]
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] |= {
        "n_stages": 3, "features_per_stage": [4, 6, 8], "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "kernel_sizes": [[3] * 3] * 3, "n_conv_per_stage": [1] * 3, "n_conv_per_stage_decoder": [1] * 2,
    }  # fmt: skip
    with pytest.raises(TeacherError, match=r"cannot take the student's patches of \(6, 16, 16\)|pads inside"):
        nnunet.trainer(NAME, plans=plans).initialize()


def test_a_student_of_other_depth_learns(taught, nnunet):
    _, student = taught()
    plans = copy.deepcopy(student.plans_manager.plans)
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] |= {
        "n_stages": 3, "features_per_stage": [4, 6, 8], "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "kernel_sizes": [[3] * 3] * 3, "n_conv_per_stage": [1] * 3, "n_conv_per_stage_decoder": [1] * 2,
    }  # fmt: skip
    shallow = initialized(nnunet.trainer(NAME, plans=plans))
    assert torch.isfinite(torch.as_tensor(shallow.train_step(made_up_batch(shallow))["loss"]))


def test_defaults_are_the_papers(nnunet, taught):
    _, student = taught()
    plans = copy.deepcopy(student.plans_manager.plans)
    del plans["configurations"]["3d_fullres"][PLANS_KEY]["temperature"]
    settings = nnunet.trainer(NAME, plans=plans).settings
    assert (settings.temperature, settings.feedback_beta, settings.feedback_lambda) == (4.0, 0.9, 0.1)


def test_a_compiled_student_is_one_graph_that_is_not_compiled_again_for_every_batch(taught):
    _, student = taught()
    initialized(student)
    student.network.train()
    torch._dynamo.reset()  # what other tests compiled in this process would count as a first compilation
    compiled = torch.compile(student.network, backend="eager", fullgraph=True)
    heads = student.heads()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for seed in range(3):
            image = made_up_batch(student, seed)["data"]
            heads.teach([student.teachers[0](image)])
            made = compiled(image)
    heads.teach([student.teachers[0](image)])
    expected = student.network(image)
    assert torch.allclose(made.student.output, expected.student.output, atol=1e-5)
    for name, maps in expected.projected[0].items():
        assert torch.allclose(made.projected[0][name], maps, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_gives_finite_losses(taught, kind):
    _, student = taught()
    initialized(student)
    batch = made_up_batch(student)
    with torch.no_grad():  # behind the norms, so that features are large whatever the image
        for one in (student.network, student.teachers[0]):
            for module in one.modules():
                if isinstance(module, torch.nn.InstanceNorm3d):
                    module.weight.mul_(30)
    with torch.autocast("cpu", dtype=kind):
        guide = student.teachers[0](batch["data"])
        assert (
            max(features.abs().max() for features in guide.features if features.numel()) > 16
        )  # 16^4 overflows float16
        student.heads().teach([guide])
        loss = student.loss(student.network.train()(batch["data"]), batch["target"])
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in student.heads().parameters())
