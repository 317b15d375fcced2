"""torch.compile and half precision change nothing but speed: same loss, stock keys, divergences in float32."""

import functools

import numpy as np
import pytest
import torch
from soft_label_place import SoftLabelPlace
from torch._dynamo import OptimizedModule
from trainer_workplace import PLAIN, RESIDUAL, made_up_batch, read, same_weights, start, stock_network, write_model


@pytest.fixture
def compiled(nnunet, monkeypatch):
    """Make a trainer whose network and Dice loss nnU-Net compiles, as it does on CUDA by default."""

    def make(name, backend, **options):
        trainer = nnunet.trainer(name, **options)
        monkeypatch.setattr(torch, "compile", functools.partial(compile_with, backend=backend))
        monkeypatch.setattr(trainer, "_do_i_compile", lambda: True)
        trainer.initialize()
        trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
        trainer.on_train_epoch_start()
        assert isinstance(trainer.network, OptimizedModule)
        return trainer

    compile_with = torch.compile
    torch._dynamo.reset()
    yield make
    torch._dynamo.reset()


def take_steps(trainer, count=2):
    return [float(trainer.train_step(made_up_batch(trainer, seed))["loss"]) for seed in range(count)]


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerDSDFeatureL2", "nnUNetTrainerBasic"])
def test_a_compiled_training_has_the_losses_of_an_uncompiled_one(nnunet, compiled, name):
    expected = take_steps(nnunet.initialized(name))
    assert take_steps(compiled(name, "aot_eager")) == pytest.approx(expected, rel=1e-4)


def test_a_compiled_student_has_the_losses_of_an_uncompiled_one(nnunet, compiled):
    teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
    teacher.initialize()
    write_model(teacher)
    settings = {"feedback_teacher": "nnUNetTrainerStock__teacher__3d_fullres"}
    expected = take_steps(nnunet.initialized("nnUNetTrainerHLFD", settings=settings))
    assert take_steps(compiled("nnUNetTrainerHLFD", "aot_eager", settings=settings)) == pytest.approx(
        expected, rel=1e-4
    )


def test_compiled_the_bottleneck_still_follows_teachers_that_look_at_the_patch(
    labelled_folder, tmp_path, monkeypatch, compiled
):
    place = SoftLabelPlace(labelled_folder(0, images=False), tmp_path / "own", monkeypatch)
    settings = {"soft_labels": "soft", "teacher_online": True, "kd_feature_weight": 0.5, "temperature": 2.0}

    def steps(student):
        batch = made_up_batch(student)
        batch |= {"data": torch.cat([batch["data"], torch.ones_like(batch["data"])], dim=1), "keys": ["ball_0"] * 2}
        return [student.train_step(batch)["terms"] for _ in range(2)]

    plain = place.student(**settings)
    plain.initialize()
    start(plain)
    expected = steps(plain)
    found = steps(compiled("nnUNetTrainerKD", "aot_eager", fold="all", settings=settings))
    assert np.concatenate(found) == pytest.approx(np.concatenate(expected), rel=1e-4)
    assert expected[0][-1] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("configuration", "network"), [("3d_fullres", PLAIN), ("2d", RESIDUAL)])
def test_a_training_compiled_by_inductor_has_the_losses_of_an_uncompiled_one(nnunet, compiled, configuration, network):
    options = {"configuration": configuration, "network": network}
    expected = take_steps(nnunet.initialized(**options))
    assert take_steps(compiled("nnUNetTrainerDSD", "inductor", **options)) == pytest.approx(expected, rel=1e-3)


def test_the_training_network_compiles_without_graph_breaks(nnunet):
    trainer = nnunet.initialized()
    torch._dynamo.reset()
    network = torch.compile(trainer.network, backend="eager", fullgraph=True)
    batch = made_up_batch(trainer)
    compiled_loss = trainer.loss(network(batch["data"]), batch["target"]).item()
    assert compiled_loss == pytest.approx(
        trainer.loss(trainer.network(batch["data"]), batch["target"]).item(), rel=1e-5
    )


def test_a_compiled_trainer_saves_stock_weights_and_loads_them_again(nnunet, compiled):
    trainer = compiled("nnUNetTrainerDSD", "eager")
    take_steps(trainer)
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    assert read(path)["network_weights"].keys() == stock_network(trainer).state_dict().keys()

    plain = nnunet.initialized()
    plain.load_checkpoint(path)
    again = compiled("nnUNetTrainerDSD", "eager")
    again.load_checkpoint(path)
    weights = dict(trainer.bare_network().named_parameters())
    assert same_weights(weights, dict(plain.bare_network().named_parameters()))
    assert same_weights(weights, dict(again.bare_network().named_parameters()))


def test_a_compiled_network_in_eval_mode_returns_the_stock_output(nnunet, compiled):
    trainer = compiled("nnUNetTrainerDSD", "eager")
    take_steps(trainer, 1)
    stock = stock_network(trainer)
    stock.load_state_dict(trainer.bare_network().state_dict())
    image = made_up_batch(trainer)["data"]
    with torch.no_grad():
        assert torch.equal(trainer.network.eval()(image), stock.eval()(image))


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerDSDMean", "nnUNetTrainerDSDFeatureL2"])
def test_under_autocast_the_maps_are_half_and_the_divergences_float32(nnunet, name, configuration):
    trainer = nnunet.initialized(name, configuration=configuration)
    batch = made_up_batch(trainer)
    exact = trainer.loss(trainer.network(batch["data"]), batch["target"]).item()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = trainer.network(batch["data"])
        result = trainer.train_step(batch)

    assert {part.dtype for part in (*maps.encoders, *maps.decoders)} == {torch.bfloat16}
    terms = {name: value for name, value in trainer.loss.last_terms.items() if "_kl_" in name or "_l2_" in name}
    assert terms
    assert {value.dtype for value in terms.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in terms.values())
    assert float(result["loss"]) == pytest.approx(exact, rel=0.05)
    gradients = [p.grad for p in trainer.network.parameters() if p.requires_grad]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_steps_in_float16_are_finite_and_the_scaler_does_not_collapse(nnunet, monkeypatch):
    monkeypatch.setenv("nnUNet_compile", "f")
    plans = nnunet.plans()
    from trainer_workplace import trainer_class

    trainer = trainer_class("nnUNetTrainerDSD")(
        plans={**plans, "continue_training": False},
        configuration="3d_fullres",
        fold=0,
        dataset_json=nnunet.dataset_json(),
        device=torch.device("cuda"),
    )
    trainer.initialize()
    trainer.set_deep_supervision_enabled(False)
    trainer.on_train_epoch_start()
    losses = take_steps(trainer, 10)
    assert all(torch.isfinite(torch.tensor(losses)))
    assert trainer.grad_scaler.get_scale() >= 1024
