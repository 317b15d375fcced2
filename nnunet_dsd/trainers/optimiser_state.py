"""The optimiser's state in a checkpoint: nnU-Net's own part where nnU-Net looks for it, ours beside it.

A stock trainer has the plain network's parameters and SGD. So `optimizer_state` holds the state of these parameters,
and what stock nnU-Net has no place for (the heads' parameters, the state of AdamW) goes under a key of this package.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.networks.taps import HEADS_NAME

State = Mapping[str, Any]


def is_head(name: str) -> bool:
    """Tell whether a parameter or weight of this name belongs to the training-only heads."""
    return HEADS_NAME in name.split(".")


def head_numbers(optimiser: torch.optim.Optimizer, network: nn.Module) -> set[int]:
    """Return the numbers that the heads' parameters have in the optimiser's state.

    Args:
        optimiser: Of the network.
        network: Bare, heads included.
    """
    heads = {id(parameter) for name, parameter in network.named_parameters() if is_head(name)}
    ordered = (parameter for group in optimiser.param_groups for parameter in group["params"])
    return {number for number, parameter in enumerate(ordered) if id(parameter) in heads}


def split_state(
    state: State, heads: Collection[int], *, parameters: int
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Split an optimiser's state into what a stock trainer loads and what it has no place for.

    Args:
        state: `optimizer.state_dict()`.
        heads: Numbers of the heads' parameters in it.
        parameters: How many parameters the plain network has.

    Returns:
        The state of nnU-Net's SGD on the plain network, at its beginning where the optimiser is another; and the rest
        for `join_states`, None where nothing is left.
    """
    if not _is_sgd(state):
        return _fresh_sgd(parameters), {"stock": [], **state}
    stock = [number for number in _numbers(state) if number not in heads]
    renumbered = {number: new for new, number in enumerate(stock)}
    groups = [
        {**group, "params": [renumbered[number] for number in group["params"] if number in renumbered]}
        for group in state["param_groups"]
    ]
    own = {
        "state": {renumbered[number]: value for number, value in state["state"].items() if number in renumbered},
        "param_groups": [group for group in groups if group["params"]],
    }
    if not heads:
        return own, None
    rest = {number: value for number, value in state["state"].items() if number not in renumbered}
    return own, {"stock": stock, "state": rest, "param_groups": state["param_groups"]}


def join_states(stock: State, rest: State | None) -> dict[str, Any]:
    """Return the state that `split_state` split; without a rest, `stock` as it is (older checkpoints are whole)."""
    if rest is None:
        return dict(stock)
    kept = {rest["stock"][new]: value for new, value in stock["state"].items()} if rest["stock"] else {}
    return {"state": {**kept, **rest["state"]}, "param_groups": rest["param_groups"]}


def state_to_load(state: State, optimiser: torch.optim.Optimizer, *, source: str) -> State:
    """Return the state to load into an optimiser: a checkpoint's, or its own where the checkpoint's is of another kind.

    Args:
        state: The checkpoint's, whole.
        optimiser: That is to be continued.
        source: What it was read from, for the message.

    Raises:
        CheckpointError: if it is of another number of parameters.
    """
    own: State = optimiser.state_dict()
    if _is_sgd(state) != _is_sgd(own):
        return own
    sizes, expected = ([len(group["params"]) for group in one["param_groups"]] for one in (state, own))
    if sizes != expected:
        raise CheckpointError(
            f"{source} was written by another trainer: its optimiser has {sum(sizes)} parameters, this trainer's "
            f"{sum(expected)}. Continue with the trainer that began; to start from its weights use "
            "-pretrained_weights; to predict use nnUNetv2_predict"
        )
    return state


def _numbers(state: State) -> list[int]:
    return [number for group in state["param_groups"] for number in group["params"]]


def _is_sgd(state: State) -> bool:
    return all("momentum" in group for group in state["param_groups"])


def _fresh_sgd(parameters: int) -> dict[str, Any]:
    """Return the state with which nnU-Net's own optimiser begins."""
    weights = [nn.Parameter(torch.empty(0)) for _ in range(parameters)]
    return torch.optim.SGD(weights, lr=1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True).state_dict()
