"""The two processes of a data-parallel training on the CPU: `python distributed_training.py FOLDER RANK [RANK]`.

A process that is given both ranks becomes two, so that what takes seconds to import is imported once.

nnU-Net trains data-parallel on CUDA only. Here its own trainer runs with the device, the backend and the wrapper's
device list changed, nothing else. Each job's outcome goes to `FOLDER/JOB_RANK.pth`.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import pytest
import torch
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as module
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from trainer_workplace import made_up_batch, shrink_transformers, start, trainer_class

from nnunet_dsd.trainers.kd import nnUNetTrainerKD

STEPS = 2


def on_cpu(base):
    """The trainer class with what nnU-Net ties to CUDA undone."""

    class OnCpu(base):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):  # noqa: B008
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.device, self.grad_scaler = torch.device("cpu"), None

    OnCpu.__name__ = base.__name__
    return OnCpu


def train(name, job, rank):
    plans = json.loads(Path(job["plans"]).read_text())
    plans["configurations"]["3d_fullres"]["batch_dice"] = job["batch_dice"]
    plans["configurations"]["3d_fullres"]["self_distillation"] |= job["settings"]
    if "patch" in job:
        plans["configurations"]["3d_fullres"]["patch_size"] = job["patch"]
    trainer = on_cpu(trainer_class(job["trainer"]))(
        plans={**plans, "plans_name": name, "continue_training": False},
        configuration="3d_fullres",
        fold=0,
        dataset_json=json.loads(Path(job["dataset_json"]).read_text()),
    )
    trainer.initialize()
    start(trainer)
    initial = weights(trainer)
    outputs = [trainer.train_step(batch_for(trainer, seed=100 * rank + step)) for step in range(STEPS)]
    trainer.on_train_epoch_end(outputs)
    folder = Path(trainer.output_folder)
    trainer.save_checkpoint(str(folder / "checkpoint_final.pth"))
    distributed.barrier()
    return {
        "initial": initial,
        "weights": weights(trainer),
        "terms": [output.get("terms") for output in outputs],
        "names": list(getattr(trainer.loss, "last_terms", ())),
        "losses": [float(output["loss"]) for output in outputs],
        "log": dict(trainer.logger.local_logger.my_fantastic_logging),
        "batch_size": trainer.batch_size,
        "checkpoint": str(folder / "checkpoint_final.pth"),
        "stock_keys": list(trainer.bare_network().state_dict()),
    }


def batch_for(trainer, seed):
    """A made-up batch; soft labels lie on its images where the trainer learns from some."""
    batch = made_up_batch(trainer, seed=seed)
    if isinstance(trainer, nnUNetTrainerKD):
        data = batch["data"]
        soft = torch.softmax(data + torch.arange(3.0).view(1, 3, 1, 1, 1), dim=1)[:, : trainer.layout.planes]
        batch |= {"data": torch.cat([data, soft, torch.ones_like(data)], dim=1), "keys": ["ball_0"] * len(data)}
    return batch


def weights(trainer):
    return {key: value.detach().clone() for key, value in trainer.bare_network().named_parameters()}


def main(folder, rank, *others):
    children = []
    for other in others:
        if not (child := os.fork()):
            take_part(folder, other)
            return
        children.append(child)
    take_part(folder, rank)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


def take_part(folder, rank):
    torch.set_num_threads(1)
    shrink_transformers(pytest.MonkeyPatch())
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    # Synchronised batch normalisation exists on GPUs only; VNet's layers keep statistics of their own here.
    torch.nn.SyncBatchNorm.convert_sync_batchnorm = staticmethod(lambda network: network)
    module.DDP = lambda network, device_ids: DistributedDataParallel(network)
    for name, job in json.loads((folder / "jobs.json").read_text()).items():
        try:
            outcome = train(name, job, rank)
        except Exception:  # reported by the test of this job; the other jobs go on
            outcome = {"error": traceback.format_exc()}
        torch.save(outcome, folder / f"{name}_{rank}.pth")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
