"""How large and how fast the networks are that trainers build from plans."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import Tensor, nn

from nnunet_dsd.common.errors import DataError, DistillationError, SettingsError
from nnunet_dsd.config.misplaced_blocks import refuse_misplaced_blocks
from nnunet_dsd.config.settings import PLANS_KEY, SOURCE, read_settings
from nnunet_dsd.config.training_settings import mirror_axes_problems
from nnunet_dsd.networks.cost import median_ratio, multiply_adds, parameter_count, seconds_in_turn
from nnunet_dsd.trainers.plain_network import build_plain_network, nnunet_trainer
from nnunet_dsd.trainers.planned import PlannedTrainer

Deployed = Callable[[nn.Module, Tensor], nn.Module]


@dataclass(frozen=True)
class ModelRequest:
    """A trainer, the plans and the configuration that it builds its network for, and the data set's description."""

    trainer: str
    configuration: str
    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of nnU-Net's model folder."""
        return f"{self.trainer}__{self.plans['plans_name']}__{self.configuration}"


@dataclass(frozen=True)
class ModelSize:
    """One row of the table.

    `patch_size` is in voxels per axis; `multiply_adds` and `seconds` (median over the rounds) are for one patch;
    `relative_time` is the median over the rounds of this model's time divided by the first model's; `threads` are those
    of the processor; `deployed_seconds` are those of the network as `nnunet-dsd deploy` writes it, None where that was
    not asked for.
    """

    trainer: str
    plans: str
    configuration: str
    patch_size: str
    parameters: int
    multiply_adds: int
    seconds: float
    relative_time: float
    rounds: int
    threads: int
    deployed_seconds: float | None = None


def measure_sizes(
    requests: Sequence[ModelRequest], *, rounds: int, threads: int, deployed: Deployed | None = None
) -> list[ModelSize]:
    """Build each model's network as inference does, with random weights, and measure all in turn on the CPU.

    Args:
        requests: Which models.
        rounds: Measurements of each model's time.
        threads: Of the processor.
        deployed: Makes of a network and a patch the deployed network, which is measured too, in the same turns.

    Raises:
        DataError: listing the models whose network cannot be built.
    """
    networks, images = _build_all(requests)
    work = [multiply_adds(network, image) for network, image in zip(networks, images, strict=True)]
    others = [deployed(network, image) for network, image in zip(networks, images, strict=True)] if deployed else []
    everything = [*networks, *others], [*images, *images[: len(others)]]
    times = seconds_in_turn(*everything, rounds=rounds, threads=threads)
    medians = [statistics.median(taken) for taken in times]
    deployed_seconds: list[float | None] = [*medians[len(networks) :]] or [None] * len(networks)
    return [
        ModelSize(
            trainer=request.trainer,
            plans=str(request.plans["plans_name"]),
            configuration=request.configuration,
            patch_size=" ".join(str(voxels) for voxels in image.shape[2:]),
            parameters=parameter_count(network),
            multiply_adds=count,
            seconds=medians[index],
            relative_time=median_ratio(times[index], times[0]),
            rounds=rounds,
            threads=threads,
            deployed_seconds=deployed_seconds[index],
        )
        for index, (request, network, image, count) in enumerate(zip(requests, networks, images, work, strict=True))
    ]


def _build_all(requests: Sequence[ModelRequest]) -> tuple[list[nn.Module], list[Tensor]]:
    networks, images, problems = [], [], []
    for request in requests:
        try:
            network, image = _build(request)
        except DistillationError as error:
            problems.append(f"{request.name}: {error}")
            continue
        networks.append(network)
        images.append(image)
    if problems:
        raise DataError("; ".join(problems))
    return networks, images


def _build(request: ModelRequest) -> tuple[nn.Module, Tensor]:
    """Return the network in eval mode and one patch of noise `(1, C, *S)`."""
    configurations = request.plans["configurations"]
    if request.configuration not in configurations:
        raise DataError(f"these plans have no such configuration; there are: {', '.join(configurations)}")
    plans = PlansManager(dict(request.plans))
    manager = plans.get_configuration(request.configuration)
    with contextlib.redirect_stdout(io.StringIO()):  # nnU-Net tells where it searches
        _refuse_settings(request)
        network = build_plain_network(request.trainer, plans, manager, request.dataset_json)
    channels = determine_num_input_channels(plans, manager, dict(request.dataset_json))
    image = torch.randn(1, channels, *manager.patch_size, generator=torch.Generator().manual_seed(0))
    return network.eval(), image


def _refuse_settings(request: ModelRequest) -> None:
    """Refuse plans whose settings the trainer would refuse, or would not read: it would train another network.

    Raises:
        SettingsError: with everything that is wrong with them.
    """
    trainer = nnunet_trainer(request.trainer)
    if issubclass(trainer, PlannedTrainer):
        trainer.planned_settings(request.plans, request.configuration)
        return
    refuse_misplaced_blocks(request.plans, source=f"the plans '{request.plans['plans_name']}'")
    planned = PlansManager(dict(request.plans)).get_configuration(request.configuration)
    settings = read_settings(planned.configuration.get(PLANS_KEY))  # which this trainer does not read
    if problems := mirror_axes_problems(settings.training.mirror_axes, planned.patch_size):
        raise SettingsError(problems, source=SOURCE)
