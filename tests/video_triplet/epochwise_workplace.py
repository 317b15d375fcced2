"""A Lightning module with a batch-normed encoder whose batches depend on epoch and number alone, and its trainings."""

import sys

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from video_triplet.trainers.epochwise import EpochwiseDistillation


class Classifier(LightningModule):
    """Three batches per epoch; a batch follows from epoch, number and process."""

    def __init__(self, batches=3):
        super().__init__()
        torch.manual_seed(5)
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(4, 3)
        self.epochwise = None
        self.batches = batches
        self.calls = 0
        self.losses = []

    def batch(self, number):
        generator = torch.Generator().manual_seed(100 * self.current_epoch + 10 * number + self.global_rank)
        images = torch.randn(6, 3, 8, 8, generator=generator) + self.global_rank
        return images, torch.randint(0, 3, (6,), generator=generator)

    def training_step(self, batch, batch_idx):
        images, labels = self.batch(batch_idx)
        torch.manual_seed(1000 * self.current_epoch + batch_idx)
        features = self.encoder(images)
        self.calls += 1
        loss = functional.cross_entropy(self.head(features), labels)
        self.cross_entropy = loss.detach()
        if self.epochwise is not None:
            loss = loss + self.epochwise.term(images, features)
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.zeros(self.batches, 1)), batch_size=1)


def train(folder, *callbacks, epochs=3, module=None, checkpoint=None, checkpoints=(), **options):
    """Train a classifier; return it and Lightning's trainer."""
    module = Classifier() if module is None else module
    arguments = {"accelerator": "cpu", "devices": 1, "max_epochs": epochs, "logger": False, **options}
    trainer = Trainer(
        default_root_dir=folder,
        callbacks=[*callbacks, *checkpoints],
        enable_checkpointing=bool(checkpoints),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **arguments,
    )
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    return module, trainer


def each_step(folder):
    """A checkpoint after every step, named by it."""
    return ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)


def each_epoch(folder):
    """A checkpoint at the end of every epoch."""
    return ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)


def values_of(module):
    """All weights and statistics of a module, copied."""
    return {name: values.detach().clone() for name, values in module.state_dict().items()}


def train_on_two_processes(folder):
    """Train under DDP; each process writes what it saw."""
    seed_everything(1, verbose=False)

    class Watched(EpochwiseDistillation):
        def __init__(self):
            super().__init__(epoch_lambda=2.0, epoch_reduction="sum")
            self.starts, self.ends, self.terms = [], [], []

        def on_train_epoch_start(self, trainer, pl_module):
            super().on_train_epoch_start(trainer, pl_module)
            self.starts.append((values_of(self.teacher.encoder), values_of(pl_module.encoder)))

        def term(self, inputs, features):
            before = values_of(self._module.encoder)
            value = super().term(inputs, features)
            after = values_of(self._module.encoder)
            same = all(torch.equal(before[name], after[name]) for name in before)
            self.terms.append((float(value.detach()), inputs, features.detach(), same))
            return value

        def on_train_epoch_end(self, trainer, pl_module):
            self.ends.append(values_of(self.teacher.encoder))

    watched = Watched()
    module, trainer = train(folder, watched, devices=2, strategy="ddp", epochs=2)
    content = {"starts": watched.starts, "ends": watched.ends, "terms": watched.terms, "weights": values_of(module)}
    torch.save(content, f"{folder}/process{trainer.global_rank}.pt")


if __name__ == "__main__":
    train_on_two_processes(sys.argv[1])
