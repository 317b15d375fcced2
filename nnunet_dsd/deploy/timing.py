"""How fast networks are once they are deployed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from nnunet_dsd.graphs.runtime.engines import load_graph
from nnunet_dsd.graphs.writing import GRAPHS, write_graph


class DeployedNetwork(nn.Module):
    """A network as OpenVINO computes it in float32, which is called as the network itself.

    Args:
        network: Plain, in eval mode, with one output.
        patch: `(1, C, *S)`, the only shape it takes.
        threads: Of the processor.

    Raises:
        SetupError: if OpenVINO is not installed.
    """

    def __init__(self, network: nn.Module, patch: Tensor, *, threads: int) -> None:
        super().__init__()
        with tempfile.TemporaryDirectory() as folder:
            write_graph(network, patch, Path(folder), "openvino")
            graph = Path(folder) / GRAPHS["openvino"]
            self.compute = load_graph(graph, "openvino", precision="f32", device="cpu", threads=threads)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(1, K, *S)` of a patch."""
        return torch.from_numpy(self.compute(images.numpy()))
