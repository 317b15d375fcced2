"""The loss terms are in nnU-Net's logger, its text log, the checkpoint and a figure."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from trainer_workplace import read, spare_nnunets_figure

PREFIX = "distillation/"
EXPECTED = {
    *("output", "decoder_1", "decoder_2", "decoder_3"),
    *("encoder_kl_1", "encoder_kl_2", "decoder_kl_2", "decoder_kl_3"),
    *("encoder_teacher_entropy", "encoder_teacher_dice"),
}


@pytest.fixture(scope="module")
def finished(workplace):
    """A training of three epochs; tests only look at it."""
    trainer = workplace.trainer(settings={"epochs": 3})
    steps, step = [], trainer.train_step

    def recorded(batch):
        steps.append(step(batch))
        return steps[-1]

    trainer.train_step = recorded
    with pytest.MonkeyPatch.context() as patch:
        spare_nnunets_figure(patch)
        trainer.run_training()
    trainer.steps = steps
    return trainer


def test_the_mean_of_every_term_is_logged_once_per_epoch(finished):
    log = finished.logger.local_logger.my_fantastic_logging
    terms = {name.removeprefix(PREFIX): values for name, values in log.items() if name.startswith(PREFIX)}
    assert set(terms) == EXPECTED
    names = list(finished.loss.last_terms)
    for index, name in enumerate(names):
        if name.startswith("encoder_teacher"):
            continue
        expected = [np.mean([finished.steps[2 * epoch + i]["terms"][index] for i in range(2)]) for epoch in range(3)]
        assert terms[name] == pytest.approx(expected, rel=1e-6)


def test_the_logged_terms_with_their_weights_give_the_logged_loss(finished):
    log = finished.logger.local_logger.my_fantastic_logging
    for epoch in range(3):
        total = sum(weight * log[PREFIX + name][epoch] for name, weight in finished.loss.weights.items())
        assert total == pytest.approx(log["train_losses"][epoch], rel=1e-4)


def test_entropy_and_dice_of_the_encoder_teacher_are_numbers_in_every_epoch(finished):
    log = finished.logger.local_logger.my_fantastic_logging
    assert all(0 < value <= math.log(3) + 1e-6 for value in log[PREFIX + "encoder_teacher_entropy"])
    assert all(0 <= value <= 1 for value in log[PREFIX + "encoder_teacher_dice"])


def test_the_checkpoint_s_log_holds_the_terms(finished):
    logging = read(f"{finished.output_folder}/checkpoint_final.pth")["logging"]
    assert {name.removeprefix(PREFIX) for name in logging if name.startswith(PREFIX)} == EXPECTED
    assert {len(values) for values in logging.values()} == {3}


def test_the_text_log_names_the_terms_of_every_epoch(finished):
    text = Path(finished.log_file).read_text()
    assert text.count("loss terms {'output':") == 3
    assert "'encoder_kl_1':" in text


def test_the_figure_lies_next_to_progress_png_and_is_no_empty_picture(finished):
    folder = Path(finished.output_folder)
    picture = imread(folder / "loss_terms.png")
    assert picture.ndim == 3
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20
    assert list(folder.glob("*.part")) == []


def test_nnunet_s_own_figure_still_covers_all_epochs(nnunet, monkeypatch):
    import matplotlib.pyplot as plt

    trainer = nnunet.trainer()
    lengths = []
    original = plt.Axes.plot

    def plot(self, x, *rest, **options):
        lengths.append(len(x))
        return original(self, x, *rest, **options)

    monkeypatch.setattr(plt.Axes, "plot", plot)
    trainer.run_training()
    assert max(lengths) == 2
    assert (Path(trainer.output_folder) / "progress.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["nnUNetTrainerBasic", "nnUNetTrainerStock"])
def test_the_baselines_log_nothing_of_ours(nnunet, without_progress_figure, name):
    trainer = nnunet.trainer(name)
    trainer.run_training()
    logging = read(f"{trainer.output_folder}/checkpoint_final.pth")["logging"]
    assert [key for key in logging if key.startswith(PREFIX)] == []
    assert not (Path(trainer.output_folder) / "loss_terms.png").exists()


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerSDE"])
def test_the_text_log_says_in_words_what_became_of_the_encoder_teacher(nnunet, without_progress_figure, name):
    trainer = nnunet.trainer(name, settings={"epochs": 1})
    entries = trainer.logger.local_logger.my_fantastic_logging
    trainer.initialize()
    trainer.on_epoch_end = lambda: entries[f"{PREFIX}encoder_teacher_dice"].__setitem__(0, 0.004) or step()
    step = type(trainer).on_epoch_end.__get__(trainer)
    trainer.run_training()
    text = Path(trainer.log_file).read_text()
    assert "The encoder half of the method is inert" in text
    assert "(Dice at most 0.004)" in text


@pytest.mark.parametrize("name", ["nnUNetTrainerSDD", "nnUNetTrainerStock"])
def test_where_no_encoder_teaches_nothing_is_said_of_it(nnunet, without_progress_figure, name):
    trainer = nnunet.trainer(name, settings={"epochs": 1})
    trainer.run_training()
    assert "deepest encoder" not in Path(trainer.log_file).read_text()


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("nnUNetTrainerDSDFeatureL2", {}, "{}"),
        ("nnUNetTrainerDSDFeatureL2", {"feature_l2": 0.5}, "{'feature_l2': 0.5}"),
        ("nnUNetTrainerMISSU", {}, "{}"),
        ("nnUNetTrainerMISSU", {"detach_teacher": False}, "{'detach_teacher': False}"),
        ("nnUNetTrainerDSDMean", {"teacher": "deepest"}, "{}"),
        ("nnUNetTrainerDSD", {"temperature": 4.0}, "{'temperature': 4.0}"),
    ],
)
def test_the_log_compares_the_settings_with_the_trainer_s_own_defaults(nnunet, name, settings, said):
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["self_distillation"] = settings
    trainer = nnunet.trainer(name, plans=plans)
    trainer.initialize()
    assert f"that differ from this trainer's defaults: {said}" in Path(trainer.log_file).read_text()


def test_a_student_s_own_temperature_is_no_difference(nnunet):
    from trainer_workplace import write_model

    teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
    teacher.initialize()
    named = {"feedback_teacher": write_model(teacher).name}
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["self_distillation"] = named
    student = nnunet.trainer("nnUNetTrainerHLFD", plans=plans)
    student.initialize()
    assert student.settings.dual.temperature == 4.0
    assert f"that differ from this trainer's defaults: {named}" in Path(student.log_file).read_text()
