"""`optimizer_state` is stock nnU-Net's own, for every trainer; what stock has no place for lies beside it."""

import inspect

import pytest
import torch
from trainer_workplace import (
    ON_NNUNET_NETWORKS,
    PLAIN,
    RESIDUAL,
    made_up_batch,
    read,
    same_weights,
    start,
    write_model,
)

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.registry import all_trainers
from nnunet_dsd.trainers.checkpoint import HEADS_KEY, OPTIMISER_KEY, SETTINGS_KEY
from nnunet_dsd.trainers.optimiser_state import join_states

LATEST = "checkpoint_latest.pth"


def trained(nnunet, name, **options):
    trainer = nnunet.initialized(name, **options)
    for seed in range(2):
        trainer.train_step(made_up_batch(trainer, seed))
    return trainer


def saved(trainer, name=LATEST):
    path = f"{trainer.output_folder}/{name}"
    trainer.save_checkpoint(path)
    return path


def state_by_name(trainer):
    """Every buffer of the optimiser by the parameter's name, of the parameters that have one."""
    named = {parameter: name for name, parameter in trainer.bare_network().named_parameters()}
    return {
        f"{named[parameter]}/{kind}": torch.as_tensor(value).clone()
        for parameter, buffers in trainer.optimizer.state.items()
        for kind, value in buffers.items()
        if value is not None
    }


def stock_from(nnunet, path, **options):
    stock = nnunet.trainer("nnUNetTrainer", **options)
    stock.load_checkpoint(path)
    stock.bare_network = lambda: stock.network
    return stock


@pytest.mark.parametrize("network", [PLAIN, RESIDUAL])
@pytest.mark.parametrize("name", ON_NNUNET_NETWORKS)
def test_a_stock_trainer_takes_over_the_state_of_every_parameter_it_has(nnunet, name, network):
    trainer = trained(nnunet, name, network=network)
    before = state_by_name(trainer)
    stock = stock_from(nnunet, saved(trainer), network=network)

    assert same_weights(state_by_name(stock), {k: v for k, v in before.items() if not k.startswith(HEADS_KEY)})
    assert len(state_by_name(stock)) > 10
    start(stock)
    assert torch.isfinite(torch.as_tensor(stock.train_step(made_up_batch(stock))["loss"]))


def test_a_student_of_a_teacher_is_taken_over_too(nnunet):
    teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
    teacher.initialize()
    write_model(teacher)
    settings = {"feedback_teacher": "nnUNetTrainerStock__teacher__3d_fullres"}
    student = trained(nnunet, "nnUNetTrainerHLFD", settings=settings)
    before = state_by_name(student)
    heads = {name for name in before if name.startswith(HEADS_KEY)}
    assert heads
    path = saved(student)
    stock = stock_from(nnunet, path)
    assert same_weights(state_by_name(stock), {k: v for k, v in before.items() if k not in heads})
    again = nnunet.trainer("nnUNetTrainerHLFD", settings=settings)
    again.load_checkpoint(path)
    assert same_weights(state_by_name(again), before)


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerMISSU", "nnUNetTrainerStock"])
def test_from_adamw_a_stock_trainer_begins_its_own_optimiser(nnunet, name):
    trainer = trained(nnunet, name, settings={"optimiser": "adamw"})
    path = saved(trainer)
    stock = stock_from(nnunet, path)
    assert state_by_name(stock) == {}
    assert isinstance(stock.optimizer, torch.optim.SGD)
    start(stock)
    stock.train_step(made_up_batch(stock))
    group = stock.optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.99, True, 3e-5)
    again = nnunet.trainer(name, settings={"optimiser": "adamw"})
    again.load_checkpoint(path)
    assert same_weights(state_by_name(again), state_by_name(trainer))


@pytest.mark.parametrize("file", ["checkpoint_latest.pth", "checkpoint_best.pth", "checkpoint_final.pth"])
def test_the_checkpoints_of_a_whole_training_are_continued_and_validated_by_stock(
    nnunet, without_progress_figure, file
):
    trainer = nnunet.trainer(settings={"epochs": 3 if file == LATEST else 2})
    if file == LATEST:
        trainer.on_train_end = lambda: None
    trainer.run_training()
    stock = stock_from(nnunet, f"{trainer.output_folder}/{file}")
    stock.num_epochs, stock.num_iterations_per_epoch, stock.num_val_iterations_per_epoch = stock.current_epoch + 1, 1, 1
    stock.perform_actual_validation(save_probabilities=False)
    stock.run_training()
    assert read(f"{stock.output_folder}/checkpoint_final.pth")["trainer_name"] == "nnUNetTrainer"


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_checkpoint_of_an_earlier_version_with_the_whole_state_in_one_place_is_still_continued(nnunet, optimiser):
    options = {"settings": {"optimiser": optimiser}}
    trainer = trained(nnunet, "nnUNetTrainerDSD", **options)
    path = saved(trainer)
    content = read(path)
    earlier = {key: value for key, value in content.items() if key != OPTIMISER_KEY}
    earlier["optimizer_state"] = join_states(content["optimizer_state"], content[OPTIMISER_KEY])
    assert earlier["optimizer_state"]["param_groups"] == trainer.optimizer.state_dict()["param_groups"]
    torch.save(earlier, path)
    again = nnunet.trainer(**options)
    again.load_checkpoint(path)
    assert same_weights(state_by_name(again), state_by_name(trainer))


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("nnUNetTrainerDSD", "nnUNetTrainerBasic"),
        ("nnUNetTrainerDSD", "nnUNetTrainerStock"),
        ("nnUNetTrainerMISSU", "nnUNetTrainerStock"),
        ("nnUNetTrainerEpochSD", "nnUNetTrainerStock"),
        ("nnUNetTrainerDSD", "nnUNetTrainerMISSU"),
        ("nnUNetTrainerMISSU", "nnUNetTrainerDSD"),
        ("nnUNetTrainerSDE", "nnUNetTrainerSDD"),
        ("nnUNetTrainer", "nnUNetTrainerDSD"),
    ],
)
@pytest.mark.parametrize(("optimiser", "epoch"), [("sgd", 0), ("adamw", 1)])
def test_another_trainers_checkpoint_is_refused_in_words_and_changes_nothing(nnunet, writer, reader, optimiser, epoch):
    settings = {"optimiser": optimiser}
    other = nnunet.initialized(writer, settings=settings)
    other.current_epoch = epoch
    path = saved(other)
    trainer = trained(nnunet, reader, settings=settings)
    before = {k: v.clone() for k, v in trainer.bare_network().named_parameters()}, state_by_name(trainer)
    with pytest.raises(CheckpointError, match=LATEST):
        trainer.load_checkpoint(path)
    assert same_weights(before[0], dict(trainer.bare_network().named_parameters()))
    assert same_weights(before[1], state_by_name(trainer))


@pytest.mark.parametrize("change", ["optimizer_state", "logging", "init_args", "none"])
def test_a_checkpoint_of_weights_alone_is_refused_for_continuing(nnunet, change):
    path = saved(nnunet.initialized())
    content = read(path)
    if change == "none":
        content["optimizer_state"] = None
    else:
        content.pop(change)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="-pretrained_weights"):
        nnunet.trainer().load_checkpoint(path)


@pytest.mark.parametrize("how", ["position", "filename_or_checkpoint", "checkpoint"])
@pytest.mark.parametrize("kind", ["text", "path", "read already"])
@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock"])
def test_a_checkpoint_is_taken_by_position_and_under_both_of_nnunet_s_names(nnunet, tmp_path, name, kind, how):
    trainer = trained(nnunet, name)
    path = saved(trainer)
    given = {"text": path, "path": tmp_path.__class__(path), "read already": read(path)}[kind]
    again = nnunet.trainer(name)
    again.load_checkpoint(given) if how == "position" else again.load_checkpoint(**{how: given})
    assert again.current_epoch == 1
    assert same_weights(state_by_name(again), state_by_name(trainer))
    assert same_weights(again.network.state_dict(), trainer.network.state_dict())


def test_a_call_without_a_checkpoint_or_with_two_is_a_mistake(nnunet):
    trainer = nnunet.trainer()
    for given in ((), ("a.pth", "b.pth")):
        with pytest.raises(TypeError):
            trainer.load_checkpoint(*given)
    with pytest.raises(TypeError, match="one checkpoint"):
        trainer.load_checkpoint("a.pth", checkpoint="b.pth")


def test_a_refused_dict_is_not_printed_into_the_message(nnunet):
    content = read(saved(nnunet.initialized()))
    for broken in ({"weights": content["network_weights"]}, content | {HEADS_KEY: {}}, {"network_weights": {}}):
        with pytest.raises(CheckpointError) as refusal:
            nnunet.trainer().load_checkpoint(broken)
        assert len(str(refusal.value)) < 2000
        assert "tensor(" not in str(refusal.value)


def test_a_checkpoint_that_knows_not_of_a_later_setting_had_its_default(nnunet):
    path = saved(nnunet.initialized(settings={"epochs": 5}))
    content = read(path)
    content[SETTINGS_KEY].pop("augmentation")
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="augmentation was True, is False"):
        nnunet.trainer(settings={"epochs": 5, "augmentation": False}).load_checkpoint(path)


def own_methods(trainer, stock):
    for name in dir(stock):
        ours, theirs = (inspect.getattr_static(one, name) for one in (trainer, stock))
        if ours is not theirs and inspect.isroutine(getattr(stock, name)) and not name.startswith("__"):
            yield name
    yield "__init__"


@pytest.mark.parametrize("entry", all_trainers("segmentation"), ids=lambda entry: entry.name)
def test_overridden_methods_can_be_called_as_nnunet_s_own(entry):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    trainer = entry.load()
    for name in own_methods(trainer, nnUNetTrainer):
        ours, theirs = (inspect.signature(getattr(one, name)).parameters for one in (trainer, nnUNetTrainer))
        for mine, stock in zip(ours.values(), theirs.values(), strict=False):
            assert (mine.name, mine.kind) == (stock.name, stock.kind), f"{entry.name}.{name}"
            assert stock.default is stock.empty or mine.default == stock.default, f"{entry.name}.{name}({mine.name})"
        assert len(ours) >= len(theirs), f"{entry.name}.{name}"
        added = list(ours.values())[len(theirs) :]
        assert all(one.default is not one.empty or one.kind == one.VAR_KEYWORD for one in added), f"{entry.name}.{name}"
