"""Models go back and forth between stock nnU-Net and this package, in one process."""

import pytest
import torch
from trainer_workplace import PLAIN, RESIDUAL, made_up_batch, read, same_weights, stock_network

from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.trainers.catalog import ENTRIES


def predictor_of(trainer, folds=(0,)):
    """What nnUNetv2_predict builds from a results folder."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, folds, "checkpoint_final.pth")
    return predictor


def saved_model(nnunet, name, **options):
    """A trainer after two steps, its results folder complete enough to predict with."""
    from batchgenerators.utilities.file_and_folder_operations import save_json

    trainer = nnunet.initialized(name, **options)
    trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    for seed in range(2):
        trainer.train_step(made_up_batch(trainer, seed))
    save_json(trainer.plans_manager.plans, f"{trainer.output_folder_base}/plans.json")
    save_json(trainer.dataset_json, f"{trainer.output_folder_base}/dataset.json")
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    return trainer


@pytest.mark.parametrize("network", [PLAIN, RESIDUAL])
@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerDSDFeatureL2", "nnUNetTrainerBasic"])
def test_nnunet_predicts_bitwise_what_the_stock_network_with_those_weights_gives(nnunet, name, network):
    trainer = saved_model(nnunet, name, network=network)
    image = torch.randn(1, 12, 20, 22)

    predictor = predictor_of(trainer)
    logits = predictor.predict_logits_from_preprocessed_data(image)

    assert predictor.trainer_name == "nnUNetTrainer"
    assert not hasattr(predictor.network, HEADS_NAME)
    stock = stock_network(trainer)
    stock.load_state_dict(read(f"{trainer.output_folder}/checkpoint_final.pth")["network_weights"])
    predictor.network, predictor.list_of_parameters = stock.eval(), [stock.state_dict()]
    assert torch.equal(logits, predictor.predict_logits_from_preprocessed_data(image))


def test_the_trained_network_itself_predicts_the_same_in_the_final_validation(nnunet):
    trainer = saved_model(nnunet, "nnUNetTrainerDSD")
    image = torch.randn(1, 12, 20, 22)
    predictor = predictor_of(trainer)
    expected = predictor.predict_logits_from_preprocessed_data(image)
    trainer.set_deep_supervision_enabled(False)
    predictor.network = trainer.network.eval()
    assert torch.equal(expected, predictor.predict_sliding_window_return_logits(image).cpu())


def test_an_ensemble_of_folds_is_loaded(nnunet):
    for fold in (0, 1):
        trainer = saved_model(nnunet, "nnUNetTrainerDSD", fold=fold, settings={"seed": fold})
    both, one = predictor_of(trainer, (0, 1)), predictor_of(trainer, (1,))
    image = torch.randn(1, 12, 20, 22)
    assert len(both.list_of_parameters) == 2
    first, second = (p.predict_logits_from_preprocessed_data(image) for p in (both, one))
    assert not torch.equal(first, second)


def backbone(trainer):
    weights = trainer.network.state_dict()
    return {key: value for key, value in weights.items() if ".seg_layers." not in key}


@pytest.mark.parametrize(
    ("source", "target"), [("nnUNetTrainer", "nnUNetTrainerDSD"), ("nnUNetTrainerDSD", "nnUNetTrainer")]
)
def test_pretrained_weights_go_both_ways(nnunet, source, target):
    from nnunetv2.run.run_training import maybe_load_checkpoint

    taught = saved_model(nnunet, source)
    path = f"{taught.output_folder}/checkpoint_final.pth"
    trainer = nnunet.trainer(target, settings={"seed": 99}, fold=1)
    maybe_load_checkpoint(trainer, continue_training=False, validation_only=False, pretrained_weights_file=path)

    assert same_weights(backbone(trainer), backbone(taught))
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.on_train_epoch_start()
    assert torch.isfinite(torch.as_tensor(trainer.train_step(made_up_batch(trainer))["loss"]))


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_nnunet_s_own_look_up_finds_every_trainer(nnunet, name, monkeypatch):
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    from nnunet_dsd.plugin.startup import SEARCH_FOLDER
    from nnunet_dsd.registry import find_trainer

    monkeypatch.setenv("nnUNet_extTrainer", SEARCH_FOLDER)
    assert recursive_find_trainer_class_by_name(name) is find_trainer(name).load()


def test_validation_with_probabilities_writes_them(nnunet, without_progress_figure):
    trainer = nnunet.trainer()
    trainer.run_training()
    trainer.perform_actual_validation(save_probabilities=True)
    assert len(list((nnunet.model_folder() / "fold_0" / "validation").glob("*.npz"))) == 1


def test_validation_can_be_repeated_and_training_continued_afterwards(nnunet, without_progress_figure):
    from nnunetv2.run.run_training import maybe_load_checkpoint

    settings = {"epochs": 1}
    trainer = nnunet.trainer(settings=settings)
    trainer.run_training()
    fresh = nnunet.trainer(settings=settings)
    maybe_load_checkpoint(fresh, continue_training=False, validation_only=True)
    for _ in range(2):
        fresh.perform_actual_validation(save_probabilities=False)
    longer = nnunet.trainer(settings={"epochs": 2})
    maybe_load_checkpoint(longer, continue_training=True, validation_only=False)
    longer.run_training()
    assert longer.current_epoch == 2
