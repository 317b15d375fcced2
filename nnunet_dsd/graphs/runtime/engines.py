"""The runtimes that compute a graph."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.graphs.runtime.folders import DeployedModelError, GraphDescription

# From `(1, C, *patch)` to `(1, K, *patch)`, or whatever the graph gives, which holds until the next call.
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}
HINTS = {"f32": "f32", "bf16": "bf16", "f16": "f16", "int8": "f32"}  # int8 is in the graph; the rest of it is float32


def load_network(folder: Path, description: GraphDescription, *, device: str, threads: int | None) -> Network:
    """Return the graph of a folder, ready to compute patches `(1, C, *patch)`.

    Args:
        folder: With the graph's files.
        description: The model's.
        device: `cpu`; with ONNX Runtime also `cuda` and `tensorrt`; with OpenVINO any name of its devices.
        threads: Of the processor; None: the runtime's choice.

    Raises:
        DeployedModelError: if the runtime is not installed, cannot read the graph, or lacks the device.
    """
    _require_version(PACKAGES[description.runtime], description.runtime_version)
    graph = folder / description.graph
    return load_graph(graph, description.runtime, precision=description.precision, device=device, threads=threads)


def load_graph(graph: Path, runtime: str, *, precision: str, device: str, threads: int | None) -> Network:
    """Return a graph ready to compute; arguments and errors as of `load_network`."""
    load = {"openvino": _openvino, "onnx": _onnx}[runtime]
    try:
        return load(graph, precision, device, threads)
    except ImportError as error:
        raise DeployedModelError(f"{error}: install what requirements.txt names") from error
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DeployedModelError(
            f"{runtime} cannot load {graph.name} on {device} ({reason}); see whether its version is the one of "
            "requirements.txt"
        ) from error


def _require_version(package: str, least: str) -> None:
    found = _installed(package) or _installed(f"{package}-gpu")
    if found is None:
        raise DeployedModelError(f"{package} is not installed: pip install -r requirements.txt")
    if _numbers(found) < _numbers(least):
        raise DeployedModelError(
            f"{package} {found} is older than {least}, with which the model was deployed: pip install -r "
            "requirements.txt"
        )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def import_openvino() -> Any:
    """Return OpenVINO without its telemetry, which would send word of its use to others; it has a stand-in for that."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _openvino(graph: Path, precision: str, device: str, threads: int | None) -> Network:
    openvino = import_openvino()
    core = openvino.Core()
    if device.upper().split(".")[0] not in core.available_devices:
        raise DeployedModelError(
            f"OpenVINO computes here on {', '.join(core.available_devices)}, not on '{device}'; for an NVIDIA GPU "
            "deploy the model with --runtime onnx"
        )
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if device == "cpu" and threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(str(graph), device.upper(), options)
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if precision in ("bf16", "f16") and taken != precision:
        raise DeployedModelError(f"this processor does not compute in {precision} but in {taken}; deploy the model so")
    request = compiled.create_infer_request()

    def compute(patch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(request.infer([patch], share_inputs=True, share_outputs=True)[0])

    return compute


def _onnx(graph: Path, precision: str, device: str, threads: int | None) -> Network:
    import onnxruntime

    if device not in PROVIDERS:
        raise DeployedModelError(f"ONNX Runtime computes on {', '.join(PROVIDERS)}, not on '{device}'")
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise DeployedModelError(f"this ONNX Runtime has no {device}; install onnxruntime-gpu in its place")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(
        str(graph), options, providers=list(dict.fromkeys([PROVIDERS[device], PROVIDERS["cpu"]]))
    )
    name = session.get_inputs()[0].name
    run: Callable[..., Any] = session.run

    def compute(patch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(run(None, {name: patch})[0])

    return compute
