"""Epoch-wise self-distillation as a Lightning callback: who teaches when, the loss, resuming, processes, precision."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from epochwise_workplace import Classifier, each_epoch, each_step, train, values_of
from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError, SetupError
from video_triplet.trainers.epochwise import EpochwiseDistillation

pytestmark = pytest.mark.filterwarnings("ignore")


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(values, second[name]) for name, values in first.items())


class Watched(EpochwiseDistillation):
    """Keeps what happened."""

    def __init__(self, epoch_lambda=3.0, epoch_reduction="samples"):
        super().__init__(epoch_lambda=epoch_lambda, epoch_reduction=epoch_reduction)
        self.teachers, self.students, self.terms = [], [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.students.append(values_of(pl_module.encoder))
        super().on_train_epoch_start(trainer, pl_module)

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.teachers.append((trainer.current_epoch, values_of(self.teacher.encoder)))

    def term(self, inputs, features):
        value = super().term(inputs, features)
        self.terms.append((inputs, features.detach().clone(), value.detach().clone(), value.requires_grad))
        return value


@pytest.fixture
def watched(tmp_path):
    """A training of three epochs, and what was seen of it."""
    callback = Watched()
    module, trainer = train(tmp_path, callback, checkpoints=[each_epoch(tmp_path / "ends")])
    return module, trainer, callback, tmp_path / "ends"


def test_the_teacher_of_an_epoch_is_the_encoder_at_its_start(watched):
    _, _, callback, ends = watched
    assert same(callback.students[0], values_of(Classifier().encoder))
    assert [epoch for epoch, _ in callback.teachers] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for epoch, teacher in callback.teachers:
        assert same(teacher, callback.students[epoch])
    for epoch in (1, 2):
        written = torch.load(ends / f"epoch={epoch - 1}.ckpt", weights_only=True)["state_dict"]
        end = {name.removeprefix("encoder."): v for name, v in written.items() if name.startswith("encoder.")}
        assert same(callback.students[epoch], end)


def test_the_term_is_lambda_times_equation_2_and_the_student_is_run_once(watched):
    module, _, callback, _ = watched
    assert module.calls == len(callback.terms) == 9
    for number, (inputs, features, value, has_gradient) in enumerate(callback.terms):
        teacher = Classifier().encoder.eval()
        teacher.load_state_dict(callback.students[number // 3])
        with torch.no_grad():
            distances = (features.double() - teacher(inputs).double()).numpy()
        expected = 3.0 * sum(float(np.square(row).sum()) for row in distances) / len(distances)
        assert float(value) == pytest.approx(expected, rel=1e-5)
        assert has_gradient


def test_the_loss_is_cross_entropy_plus_the_term_and_the_distance_is_logged(watched):
    module, trainer, callback, _ = watched
    assert module.losses[-1] == pytest.approx(float(module.cross_entropy + callback.terms[-1][2]), rel=1e-6)
    epoch = [float(value) / 3.0 for _, _, value, _ in callback.terms[6:]]
    assert float(trainer.callback_metrics["train_epoch_distance"]) == pytest.approx(np.mean(epoch), rel=1e-5)


def test_the_gradient_is_that_of_the_whole_loss(tmp_path):
    module, callback = Classifier(), EpochwiseDistillation(epoch_lambda=2.0)
    seen = []
    module.on_before_optimizer_step = lambda optimizer: seen.append([v.grad.clone() for v in module.parameters()])
    train(tmp_path, callback, module=module, epochs=1, limit_train_batches=1)
    reference = Classifier()
    teacher = Classifier().encoder.eval()
    images, labels = (values.clone() for values in Classifier.batch(_Place(reference), 0))
    torch.manual_seed(0)
    features = reference.encoder(images)
    loss = nn.functional.cross_entropy(reference.head(features), labels)
    loss = loss + 2.0 * (features - teacher(images).detach()).pow(2).mean()
    loss.backward()
    for found, expected in zip(seen[0], reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected.grad)


class _Place:
    """Where a batch belongs, outside a trainer."""

    current_epoch = global_rank = 0

    def __init__(self, module):
        self.module = module


def test_the_teacher_is_no_part_of_the_module_nor_of_its_optimiser(watched):
    module, trainer, callback, ends = watched
    assert module.state_dict().keys() == Classifier().state_dict().keys()
    teacher = {id(values) for values in callback.teacher.parameters()}
    optimised = {id(values) for group in trainer.optimizers[0].param_groups for values in group["params"]}
    assert optimised == {id(values) for values in module.parameters()}
    assert not teacher & optimised
    assert not any(values.requires_grad for values in callback.teacher.parameters())
    assert not any(part.training for part in callback.teacher.encoder.modules())
    written = torch.load(ends / "epoch=2.ckpt", weights_only=True)
    assert written["state_dict"].keys() == Classifier().state_dict().keys()
    assert module.epochwise is None


@pytest.mark.parametrize("step", range(1, 9))
def test_a_training_killed_in_any_step_goes_on_bitwise_with_the_teacher_it_had(tmp_path, step):
    whole, killed = Watched(), Watched()
    expected, _ = train(tmp_path, whole, checkpoints=[each_step(tmp_path / "steps")])
    found, _ = train(tmp_path, killed, checkpoint=tmp_path / "steps" / f"step={step}.ckpt")
    assert found.losses == expected.losses[step:]
    assert same(values_of(found), values_of(expected))
    assert [epoch for epoch, _ in killed.teachers] == [epoch for epoch, _ in whole.teachers[step:]]
    for (_, teacher), (_, other) in zip(killed.teachers, whole.teachers[step:], strict=True):
        assert same(teacher, other)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_training_resumed_at_the_end_of_an_epoch_takes_the_encoder_of_that_end(tmp_path, epoch):
    whole, killed = Watched(), Watched()
    expected, _ = train(tmp_path, whole, checkpoints=[each_epoch(tmp_path / "ends")])
    found, _ = train(tmp_path, killed, checkpoint=tmp_path / "ends" / f"epoch={epoch}.ckpt")
    assert found.losses == expected.losses[3 * (epoch + 1) :]
    assert same(values_of(found), values_of(expected))
    assert same(killed.teachers[0][1], whole.students[epoch + 1])


def test_a_second_training_with_the_same_callback_begins_with_its_own_encoder(tmp_path):
    callback = Watched()
    train(tmp_path, callback, epochs=1)
    other = Classifier()
    other.encoder[0].weight.data.add_(1)
    begun = values_of(other.encoder)
    train(tmp_path, callback, module=other, epochs=1)
    assert same(callback.teacher.encoder.state_dict(), begun)


def test_a_training_without_the_callback_is_not_touched(tmp_path):
    first, _ = train(tmp_path)
    second, _ = train(tmp_path, Watched(epoch_lambda=1e-30))
    assert first.losses == second.losses
    assert same(values_of(first), values_of(second))


def test_a_larger_weight_keeps_the_features_nearer(tmp_path):
    moved = []
    for weight in (1e-6, 30.0):
        callback = Watched(weight, "mean")
        train(tmp_path, callback, epochs=2)
        moved.append(float(callback.terms[-1][2]) / weight)
    assert moved[1] < moved[0]


def test_parts_of_a_step_sum_to_the_whole(tmp_path):
    """With "sum", Lightning's division by the parts is undone."""
    terms = []
    for parts in (1, 3):
        callback = Watched(1.0, "sum")
        train(tmp_path, callback, epochs=1, accumulate_grad_batches=parts)
        terms.append(float(callback.terms[0][2]))
    assert terms[1] == pytest.approx(3 * terms[0], rel=1e-6)


def test_bfloat16_takes_the_distance_in_float32(tmp_path):
    callback = Watched()
    module, _ = train(tmp_path, callback, precision="bf16-mixed", epochs=2)
    assert all(np.isfinite(module.losses))
    for inputs, features, value, _ in callback.terms[:3]:
        assert value.dtype == torch.float32
        teacher = Classifier().encoder.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            expected = 3.0 * (features.float() - teacher(inputs).float()).square().sum(dim=1).mean()
        assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert all(v.dtype == torch.float32 for v in callback.teacher.parameters())


def test_two_processes_have_one_teacher_and_the_term_touches_no_statistics(tmp_path):
    script = Path(__file__).with_name("epochwise_workplace.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"process{rank}.pt", weights_only=False) for rank in (0, 1))
    for epoch in (0, 1):
        teacher = one["starts"][epoch][0]
        assert same(teacher, one["starts"][epoch][1])
        for other in (two["starts"][epoch][0], one["ends"][epoch], two["ends"][epoch]):
            assert same(teacher, other)
    assert not same(one["starts"][1][1], two["starts"][1][1])  # each process has statistics of its own
    assert not same(one["starts"][0][0], one["starts"][1][0])
    assert all(term[3] for process in (one, two) for term in process["terms"])
    for process in (one, two):
        for number, (value, inputs, features, _) in enumerate(process["terms"]):
            teacher = Classifier().encoder.eval()
            teacher.load_state_dict(one["starts"][number // 3][0])
            with torch.no_grad():
                expected = 2.0 * 2 * float((features - teacher(inputs)).square().sum())
            assert value == pytest.approx(expected, rel=1e-5)
    weights = [{n: v for n, v in process["weights"].items() if "running" not in n} for process in (one, two)]
    assert same(*weights)


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf")])
def test_weights_that_do_not_distil_are_refused(weight):
    with pytest.raises(SettingsError, match=r"allowed is more than 0; with 0, leave the callback out"):
        EpochwiseDistillation(epoch_lambda=weight)


def test_a_module_without_encoder_is_refused(tmp_path):
    module = Classifier()
    del module.epochwise
    with pytest.raises(NetworkStructureError, match="Classifier cannot be distilled epoch by epoch"):
        train(tmp_path, EpochwiseDistillation(epoch_lambda=1.0), module=module)


def test_the_term_outside_a_training_is_refused():
    with pytest.raises(SetupError, match="no teacher here"):
        EpochwiseDistillation(epoch_lambda=1.0).term(torch.zeros(1), torch.zeros(1))


def test_a_training_that_began_without_it_cannot_take_it_up_within_an_epoch(tmp_path):
    train(tmp_path, checkpoints=[each_step(tmp_path / "steps")])
    with pytest.raises(SetupError, match="checkpoint of the end of an epoch"):
        train(tmp_path, Watched(), checkpoint=tmp_path / "steps" / "step=1.ckpt")
