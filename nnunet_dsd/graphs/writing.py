"""Networks as graphs of a runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError, SetupError
from nnunet_dsd.common.hashes import file_hash
from nnunet_dsd.graphs.kinds import Precision, Runtime
from nnunet_dsd.graphs.runtime.engines import PACKAGES, import_openvino

GRAPHS: dict[Runtime, str] = {"openvino": "model.xml", "onnx": "model.onnx"}
INSTALL = "install what deploying needs: pip install 'nnunet-dsd[deploy]'"


def write_graph(network: nn.Module, patch: Tensor, folder: Path, runtime: Runtime) -> None:
    """Write a network's graph in float32, for patches of one size.

    Args:
        network: Plain, in eval mode, with one output.
        patch: `(1, C, *patch)`.
        folder: Where to.
        runtime: Which.

    Raises:
        SetupError: if what writes graphs is not installed.
        NetworkStructureError: if the network does something that the runtime does not know.
    """
    try:
        with quietly(), torch.no_grad():
            (_write_openvino if runtime == "openvino" else _write_onnx)(network, patch, folder / GRAPHS[runtime])
    except ImportError as error:
        raise SetupError(f"{error}: {INSTALL}") from error
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkStructureError(
            f"this network cannot be written for {runtime} ({reason}); try the other runtime"
        ) from error


def _write_openvino(network: nn.Module, patch: Tensor, path: Path) -> None:
    openvino = import_openvino()

    model = openvino.convert_model(network, example_input=patch, input=[tuple(patch.shape)])
    openvino.save_model(model, path, compress_to_fp16=False)


def _write_onnx(network: nn.Module, patch: Tensor, path: Path) -> None:
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"]}
    torch.onnx.export(network, (patch,), path, dynamo=True, external_data=False, verbose=False, **names)


def runtime_requirement(runtime: str, runtime_version: str) -> str:
    """Return the line of `requirements.txt` for a runtime: at least as new as the one it was deployed with."""
    return f"{PACKAGES[runtime]}>={'.'.join(runtime_version.split('.')[:3])}"


def graph_entries(folder: Path, runtime: Runtime, precision: Precision) -> dict[str, Any]:
    """Return what the description says of the graph in a folder, with the hashes of its files."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".xml", ".bin", ".onnx", ".data"))
    return {
        "runtime": runtime,
        "runtime_version": version(PACKAGES[runtime]),
        "precision": precision,
        "graph": GRAPHS[runtime],
        "files": {path.name: file_hash(path) for path in files},
    }


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what exporters say of themselves off the terminal."""
    loud = [
        logging.getLogger(name) for name in ("torch.onnx", "torch.utils.cpp_extension", "onnxscript", "onnx_ir", "nncf")
    ]
    levels = [logger.level for logger in loud]
    for logger in loud:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)
