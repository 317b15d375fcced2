"""Every kind of trainer through nnU-Net's whole loop: epochs, log, figures, checkpoints, validation, continuing."""

from pathlib import Path

import pytest
from test_hlfd import taught  # noqa: F401 - a fixture
from trainer_workplace import ON_NNUNET_NETWORKS, read

from nnunet_dsd.trainers.loss_figure import OTHER, _group_of
from nnunet_dsd.trainers.term_trainer import LOG_PREFIX

TAUGHT = ("nnUNetTrainerHLFD", "nnUNetTrainerResNet18UNet_HLFD")
ON_MONAI = ("nnUNetTrainerDynUNet_MISSU",)
NARROW = {"nnUNetTrainerResNet18UNet_HLFD": {"feature_size": 8}}
SETTINGS = {"epochs": 2, "save_every": 1}


@pytest.mark.parametrize("name", [*ON_NNUNET_NETWORKS, *ON_MONAI, *TAUGHT])
def test_a_training_goes_to_its_end_and_can_be_made_longer(nnunet, taught, without_progress_figure, name):  # noqa: F811
    from nnunetv2.run.run_training import maybe_load_checkpoint

    settings = {**SETTINGS, **NARROW.get(name, {})}
    if name in TAUGHT:
        settings |= {"feedback_teacher": taught()[1].settings.hlfd.feedback_teacher}
    plans = nnunet.plans(settings=settings)
    if name not in ON_NNUNET_NETWORKS:
        plans["configurations"]["3d_fullres"] |= {"patch_size": [32, 32, 64], "batch_size": 1}
    trainer = nnunet.trainer(name, plans=plans)
    trainer.run_training()
    trainer.perform_actual_validation()

    folder = Path(trainer.output_folder)
    assert (folder / "validation" / "summary.json").is_file()
    log = read(folder / "checkpoint_final.pth")["logging"]
    terms = [key.removeprefix(LOG_PREFIX) for key in log if key.startswith(LOG_PREFIX)]
    assert all(len(log[LOG_PREFIX + term]) == 2 for term in terms)
    assert (folder / "loss_terms.png").is_file() is bool(terms) is hasattr(trainer, "heads")
    assert OTHER not in {_group_of(term) for term in terms}

    plans["configurations"]["3d_fullres"]["self_distillation"]["epochs"] = 3
    longer = nnunet.trainer(name, plans=plans)
    maybe_load_checkpoint(longer, continue_training=True, validation_only=False)
    longer.run_training()
    assert read(folder / "checkpoint_final.pth")["current_epoch"] == 3
