"""Training-only modules on a network: taps on its levels, and what the forward pass then returns.

The modules are a child of the network and work through forward hooks, so the network keeps its class, its children's
names and its `forward`. In eval mode, and for every caller that only wants weights, they are not there: the output is
the network's own and `state_dict()` has exactly the network's own keys.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nnunet_dsd.common.errors import NetworkStructureError

HEADS_NAME = "distillation_heads"
INPUT_SUFFIX = ":input"


class TappedHeads(nn.Module):
    """Modules that are fed by taps on a network while it trains (see `attach`).

    Args:
        names: Paths of the tapped modules inside the network (see `tap`).
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.tapped_names = tuple(dict.fromkeys(names))
        self._features: dict[str, Tensor] = {}

    def forget(self, module: nn.Module, inputs: Any) -> None:
        """Forward hook before the network: drop what a forward pass that failed may have left.

        Raises:
            NetworkStructureError: in a replica of torch's `DataParallel`, whose hooks would use the original's heads.
        """
        if getattr(module, "_is_replica", False):
            raise NetworkStructureError(
                "a network with distillation heads cannot be trained with DataParallel; use DistributedDataParallel"
            )
        self._features = {}

    def store(self, name: str, features: Tensor) -> None:
        """Keep one level's features until the forward pass ends; in eval mode nothing is kept."""
        if self.training:
            self._features[name] = features

    def complete(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Forward hook of the network: in training mode, return its output together with what the heads make."""
        if not self.training:
            return None
        features, self._features = self._features, {}
        return self.training_output(output, features)

    @abstractmethod
    def training_output(self, main: Tensor, features: Mapping[str, Tensor]) -> Any:
        """Return what the network returns in training mode.

        Args:
            main: The network's own output.
            features: Of every tapped level, by the tap's name.
        """


class Receiver(Protocol):
    """What tapped features are handed to."""

    def store(self, name: str, features: Tensor) -> None:
        """Take the features of one tap."""


class _OutputTap:
    """Forward hook that hands on a module's output."""

    def __init__(self, receiver: Receiver, name: str) -> None:
        self.receiver, self.name = receiver, name

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.receiver.store(self.name, output)


class _InputTap:
    """Forward hook that hands on a module's first input."""

    def __init__(self, receiver: Receiver, name: str) -> None:
        self.receiver, self.name = receiver, name

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        self.receiver.store(self.name, inputs[0])


def tap(network: nn.Module, names: Iterable[str], receiver: Receiver) -> list[RemovableHandle]:
    """Hand features of a network to a receiver in each forward pass; returns the hooks' handles.

    Args:
        network: The network; only its hooks change.
        names: Paths of modules inside it; `path:input` taps what the module is given first instead of what it returns.
        receiver: Its `store` is called with each name and the features.

    Raises:
        NetworkStructureError: if the network lacks one of the modules; it is left as it was.
    """
    tapped = {name: find_module(network, name) for name in names}
    return [
        module.register_forward_pre_hook(_InputTap(receiver, name))
        if name.endswith(INPUT_SUFFIX)
        else module.register_forward_hook(_OutputTap(receiver, name))
        for name, module in tapped.items()
    ]


def attach(network: nn.Module, heads: TappedHeads) -> None:
    """Give a network training-only heads; do it before torch.compile and before wrapping it for data-parallel use.

    Afterwards the network returns what the heads' `training_output` says in training mode and its own output in eval
    mode. Its `state_dict()` and `load_state_dict()` know nothing of the heads; save and restore those by themselves.

    Args:
        network: The network, changed in place.
        heads: The heads, which become its child `distillation_heads`.

    Raises:
        NetworkStructureError: if the network has heads already, or lacks a module that the heads tap.
    """
    if hasattr(network, HEADS_NAME):
        raise NetworkStructureError("this network has distillation heads already; build a fresh one")
    tap(network, heads.tapped_names, heads)
    network.add_module(HEADS_NAME, heads)
    network.register_forward_pre_hook(heads.forget)
    # First in line: a hook that crops the output (see networks.padding) then crops the heads' maps as well.
    network.register_forward_hook(heads.complete, prepend=True)
    network.register_state_dict_post_hook(_drop_heads)
    network.register_load_state_dict_post_hook(_forgive_missing_heads)


def detach(network: nn.Module) -> None:
    """Take the heads and every trace of them off a network, which is then as it was before `attach`.

    Raises:
        NetworkStructureError: if it has none.
    """
    heads = network._modules.pop(HEADS_NAME, None)
    if heads is None:
        raise NetworkStructureError("this network has no distillation heads to take off")
    for module in network.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if getattr(hook, "receiver", _owner(hook)) is heads]:
                del hooks[key]
    for registered in (network._state_dict_hooks, network._load_state_dict_post_hooks):
        for key in [key for key, hook in registered.items() if hook in (_drop_heads, _forgive_missing_heads)]:
            del registered[key]


def _owner(hook: Any) -> Any:
    """Return the object whose method a hook is, if it is one."""
    return getattr(hook, "__self__", None)


def find_module(network: nn.Module, name: str) -> nn.Module:
    """Return the module that a tap's name stands for.

    Raises:
        NetworkStructureError: if the network has no such module; names those it has one level up.
    """
    modules: dict[str, nn.Module] = dict(network.named_modules(remove_duplicate=False))
    path = name.removesuffix(INPUT_SUFFIX)
    if not path or path not in modules:
        raise NetworkStructureError(
            f"{type(network).__name__} has no module named '{path}'; {_nearest_children(modules, path)}. "
            "`network.named_modules()` lists all"
        )
    return modules[path]


def _nearest_children(modules: Mapping[str, nn.Module], path: str) -> str:
    """Say what there is at the deepest point of the path that exists."""
    parent = path
    while parent not in modules:
        parent = parent.rpartition(".")[0]
    owner = f"'{parent}'" if parent else "the network"
    children = ", ".join(name for name, _ in modules[parent].named_children())
    return f"the children of {owner} are: {children or 'none'}"


def _drop_heads(
    module: nn.Module, state_dict: OrderedDict[str, Tensor], prefix: str, local_metadata: dict[str, Any]
) -> None:
    for key in [key for key in state_dict if key.startswith(f"{prefix}{HEADS_NAME}.")]:
        del state_dict[key]
    metadata = getattr(state_dict, "_metadata", {})
    for key in [key for key in metadata if key.startswith(f"{prefix}{HEADS_NAME}")]:
        del metadata[key]


def _forgive_missing_heads(module: nn.Module, incompatible: Any) -> None:
    inside = f"{HEADS_NAME}."
    incompatible.missing_keys[:] = [
        key for key in incompatible.missing_keys if not (key.startswith(inside) or f".{inside}" in key)
    ]
