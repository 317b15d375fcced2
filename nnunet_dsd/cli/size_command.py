"""`nnunet-dsd size`: parameters, multiply-adds and inference time of models, trained or not."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from nnunet_dsd.ablation.known_trainers import trainer_problem
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import require_writable_file, write_rows
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.common.likeness import listed
from nnunet_dsd.common.tables import print_table
from nnunet_dsd.plans import dataset_folder, read_plans

if TYPE_CHECKING:
    from nnunet_dsd.trainers.sizes import ModelSize

Model = tuple[str, str, dict[str, Any], dict[str, Any]]  # trainer, configuration, plans, dataset.json
RELATIVE_TIME = (
    "time: the median over the rounds. relative time: the median over the rounds of a model's time "
    "divided by the first "
    "model's in the same round, which other work on the machine slows alike; so it is not the quotient of the two "
    "medians. Where the two differ much, the machine was busy: measure again, or with more --rounds."
)
SUMMARY = "compare models by parameters, multiply-adds and CPU time of one patch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which models, how to measure, where to write."""
    parser.add_argument("-d", "--dataset", help="data set number or name (in nnUNet_preprocessed)")
    parser.add_argument("-c", "--configuration", nargs="+", default=[], help="configurations of the plans")
    parser.add_argument("-p", "--plans", nargs="+", default=["nnUNetPlans"], help="plans (default: nnUNetPlans)")
    parser.add_argument("-tr", "--trainers", nargs="+", default=["nnUNetTrainer"], help="default: nnUNetTrainer")
    parser.add_argument(
        "-m", "--models", nargs="+", type=Path, default=[], help="model folders TRAINER__PLANS__CONFIGURATION"
    )
    parser.add_argument("-o", "--output", type=Path, help="CSV file to write too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each model is timed (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: %(default)s)")
    parser.add_argument(
        "--deployed", action="store_true", help="time the networks as `nnunet-dsd deploy` writes them too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure the models, print the table and write it."""
    _check(arguments)
    if arguments.output:
        require_writable_file(arguments.output)
    models = [*_planned(arguments), *(_from_folder(folder) for folder in arguments.models)]
    from nnunet_dsd.trainers.sizes import ModelRequest, ModelSize, measure_sizes  # with torch, after the checks

    requests = [ModelRequest(*model) for model in models]
    deployed = None
    if arguments.deployed:
        from nnunet_dsd.deploy.timing import DeployedNetwork

        deployed = partial(DeployedNetwork, threads=arguments.threads)
    sizes = measure_sizes(requests, rounds=arguments.rounds, threads=arguments.threads, deployed=deployed)
    console = Console()
    print_table(_table(sizes), console)
    if len(sizes) > 1:
        console.print(RELATIVE_TIME, soft_wrap=True, highlight=False)
    if arguments.output:
        write_rows(arguments.output, ModelSize, sizes)
        print(f"written: {arguments.output}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    problems = [
        f"--{name}: got {getattr(arguments, name)}, at least 1 is needed"
        for name in ("rounds", "threads")
        if getattr(arguments, name) < 1
    ]
    if bool(arguments.dataset) != bool(arguments.configuration):
        problems.append("-d and -c belong together: name the data set and the configurations of its plans")
    if not arguments.dataset and not arguments.configuration and not arguments.models:
        problems.append("no model is named: give -d and -c, or model folders with -m")
    if problems:
        raise SettingsError(problems, source="the command line")


def _planned(arguments: argparse.Namespace) -> list[Model]:
    """Return every configuration of every plans with every trainer."""
    if not arguments.dataset:
        return []
    folder = dataset_folder(arguments.dataset)
    dataset = _read_json(folder / "dataset.json")
    every_plans = [read_plans(folder, name) for name in arguments.plans]
    models = [
        (trainer, configuration, plans, dataset)
        for plans in every_plans
        for configuration in arguments.configuration
        for trainer in arguments.trainers
    ]
    problems = [problem for model in models for problem in _model_problems(*model[:3])]
    if problems:
        raise SettingsError(problems, source="the command line")
    return models


def _model_problems(trainer: str, configuration: str, plans: Mapping[str, Any]) -> list[str]:
    """Return what can be seen to be wrong with a model before torch and nnU-Net are loaded."""
    model, known = f"{trainer}__{plans['plans_name']}__{configuration}", plans["configurations"]
    problems = []
    if configuration not in known:
        problems.append(f"{model}: these plans have no such configuration; there are: {listed(configuration, known)}")
    if unknown := trainer_problem(trainer):
        problems.append(f"{model}: nnU-Net finds no trainer {trainer}: {unknown}")
    return problems


def _from_folder(folder: Path) -> Model:
    from nnunet_dsd.trainers.model_folder import read_model_folder, trainer_and_configuration

    plans, dataset_json = read_model_folder(folder)
    return (*trainer_and_configuration(folder, plans), plans, dataset_json)


def _read_json(path: Path) -> dict[str, Any]:
    advice = "give a data set that nnU-Net planned"
    return read_object(path, broken=lambda reason: f"{path} cannot be read ({reason}); {advice}")


def _table(sizes: list[ModelSize]) -> Table:
    table = Table(title=f"one patch on the CPU, threads: {sizes[0].threads}", title_justify="left")
    deployed = ["deployed (s)"] if sizes[0].deployed_seconds is not None else []
    for column in ("model", "patch", "parameters (M)", "multiply-adds (G)", "time (s)", "relative time", *deployed):
        words = column in ("model", "patch")
        table.add_column(column, justify="left" if words else "right", no_wrap=words, overflow="fold")
    for size in sizes:
        table.add_row(
            f"{size.trainer}__{size.plans}__{size.configuration}",
            size.patch_size,
            f"{size.parameters / 1e6:.3f}",
            f"{size.multiply_adds / 1e9:.3f}",
            f"{size.seconds:.3f}",
            f"{size.relative_time:.3f}",
            *([] if size.deployed_seconds is None else [f"{size.deployed_seconds:.4f}"]),
        )
    return table
