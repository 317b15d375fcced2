"""Whole trainings with nnU-Net's own data loading, on classes, regions, ignored voxels and a cascade."""

import json

import pytest
import SimpleITK as sitk
import torch
from trainer_workplace import CLASSES, CLASSES_IGNORE, DATA_SETS, REGIONS, REGIONS_IGNORE, made_up_batch, read

pytestmark = pytest.mark.usefixtures("without_progress_figure")


@pytest.mark.parametrize(
    ("dataset", "configuration"),
    [*((name, "3d_fullres") for name in DATA_SETS), (CLASSES, "2d"), (REGIONS_IGNORE, "2d")],
)
def test_a_training_with_data_loading_and_validation_ends_with_a_summary(
    nnunet, all_label_kinds, dataset, configuration
):
    trainer = nnunet.trainer(dataset=dataset, configuration=configuration)
    trainer.run_training()
    trainer.perform_actual_validation(save_probabilities=False)

    folder = nnunet.model_folder(dataset=dataset, configuration=configuration) / "fold_0"
    logging = read(folder / "checkpoint_final.pth")["logging"]
    assert len(logging["train_losses"]) == 2
    assert all(torch.isfinite(torch.as_tensor(logging[key])).all() for key in ("train_losses", "val_losses"))
    summary = json.loads((folder / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == 1
    assert set(summary["mean"]) == ({"1", "2"} if dataset in (CLASSES, CLASSES_IGNORE) else {"(1, 2)", "(1,)"})


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerDSDMean", "nnUNetTrainerDSDFeatureL2"])
@pytest.mark.parametrize("dataset", [CLASSES_IGNORE, REGIONS_IGNORE])
def test_divergences_do_not_look_at_ignored_voxels(nnunet, all_label_kinds, dataset, name):
    trainer = nnunet.initialized(name, dataset=dataset)
    batch = made_up_batch(trainer)
    ignored = (
        batch["target"][:, -1:].bool()
        if trainer.label_manager.has_regions
        else batch["target"] == trainer.label_manager.ignore_label
    )
    assert ignored.any()
    output = trainer.network(batch["data"])
    disturbed = type(output)(*(disturb(part, ignored) for part in output))

    everywhere = type(output)(*(disturb(part, torch.ones_like(ignored)) for part in output))
    plain, changed, control = (trainer.loss(m, batch["target"]).item() for m in (output, disturbed, everywhere))

    assert changed == pytest.approx(plain, rel=1e-5)
    assert control != pytest.approx(plain, rel=1e-3)


def disturb(part, where):
    if isinstance(part, tuple):
        return tuple(disturb(entry, where) for entry in part)
    if part.ndim == 2:  # pooled vectors of the feature term have no voxels
        return part
    noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(7))
    return torch.where(where, part + 3 * noise, part)


@pytest.mark.parametrize("dataset", [REGIONS, REGIONS_IGNORE])
def test_regions_are_told_apart_by_sigmoid_and_not_by_softmax(nnunet, all_label_kinds, dataset):
    trainer = nnunet.initialized(dataset=dataset)
    batch = made_up_batch(trainer)
    output = trainer.network(batch["data"])
    assert output.main.shape[1] == 2
    # Adding one number to all channels changes sigmoid's probabilities and not softmax's.
    shifted = output._replace(encoders=(output.encoders[0] + 2.0, *output.encoders[1:]))
    trainer.loss(output, batch["target"])
    plain = float(trainer.loss.last_terms["encoder_kl_1"])
    trainer.loss(shifted, batch["target"])
    assert float(trainer.loss.last_terms["encoder_kl_1"]) != pytest.approx(plain, rel=1e-3)


def test_a_batch_whose_voxels_are_all_ignored_gives_finite_gradients(nnunet, all_label_kinds):
    trainer = nnunet.initialized(dataset=CLASSES_IGNORE)
    batch = made_up_batch(trainer)
    batch["target"].fill_(trainer.label_manager.ignore_label)
    trainer.train_step(batch)
    gradients = [value.grad for value in trainer.network.parameters() if value.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_cascade_trains_on_the_predictions_of_the_low_resolution(nnunet, cascade_plans):
    low = nnunet.trainer(plans=cascade_plans, configuration="3d_lowres", fold="all")
    low.run_training()
    low.perform_actual_validation(save_probabilities=False)
    previous = nnunet.results / CLASSES / "nnUNetTrainerDSD__cascaded__3d_lowres" / "predicted_next_stage"
    assert len(list((previous / "3d_cascade_fullres").iterdir())) >= 5

    full = nnunet.trainer(plans=cascade_plans, configuration="3d_cascade_fullres")
    full.run_training()
    full.perform_actual_validation(save_probabilities=False)

    assert full.is_cascaded
    assert full.num_input_channels == 3  # the image and one map per foreground class
    folder = nnunet.results / CLASSES / "nnUNetTrainerDSD__cascaded__3d_cascade_fullres" / "fold_0"
    prediction = sitk.ReadImage(str(next((folder / "validation").glob("*.nii.gz"))))
    assert prediction.GetSize() == (24, 24, 16)
    assert read(folder / "checkpoint_final.pth")["network_weights"].keys() == full.bare_network().state_dict().keys()
