"""Graphs in int8: weights and activations of convolutions and matrix products, with ranges seen on real inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.graphs.kinds import Runtime
from nnunet_dsd.graphs.runtime.engines import import_openvino
from nnunet_dsd.graphs.writing import INSTALL, quietly

KEPT_IN_FLOAT = ("MVN",)  # what instance normalisation is in OpenVINO


def quantise(
    source: Path,
    target: Path,
    patches: Sequence[NDArray[np.float32]],
    runtime: Runtime,
    *,
    attention: bool = False,
) -> None:
    """Write the int8 form of a graph; normalisation and the output layer stay in float32.

    Args:
        source: The graph in float32.
        target: Where to.
        patches: Inputs of the graph, on which ranges are taken.
        runtime: Of the graph.
        attention: The network may be made of attention, whose matrix products are quantised too.

    Raises:
        SetupError: if what quantises is not installed.
    """
    try:
        with quietly():
            (_quantise_openvino if runtime == "openvino" else _quantise_onnx)(source, target, patches, attention)
    except ImportError as error:
        raise SetupError(f"{error}: {INSTALL}") from error


def _quantise_openvino(source: Path, target: Path, patches: Sequence[NDArray[np.float32]], attention: bool) -> None:
    openvino = import_openvino()
    import nncf

    model = openvino.Core().read_model(source)
    scope = nncf.IgnoredScope(types=list(KEPT_IN_FLOAT), names=_last_layers(model), validate=False)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(list(patches)),
        subset_size=len(patches),
        ignored_scope=scope,
        fast_bias_correction=True,
        model_type=nncf.ModelType.TRANSFORMER if attention else None,
    )
    openvino.save_model(quantised, target, compress_to_fp16=False)


def _last_layers(model: Any) -> list[str]:
    """Return the names of the convolutions or matrix products that nothing but sums separates from the output."""
    found, waiting = [], [model.get_results()[0].input_value(0).get_node()]
    while waiting:
        node = waiting.pop()
        if node.get_type_name() in ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul"):
            found.append(node.get_friendly_name())
        elif node.get_type_name() in ("Add", "Divide", "Multiply", "Convert"):
            waiting += [node.input_value(index).get_node() for index in range(node.get_input_size())]
    return found


def _quantise_onnx(source: Path, target: Path, patches: Sequence[NDArray[np.float32]], attention: bool) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(patches)

        def get_next(self) -> dict[str, Any] | None:
            patch = next(self.left, None)
            return None if patch is None else {"image": patch}

    graph = onnx.load(str(source), load_external_data=False).graph
    makers = {name: node for node in graph.node for name in node.output}
    quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "ConvTranspose", *(["MatMul", "Gemm"] if attention else [])],
        nodes_to_exclude=_last_onnx_layers(makers, graph.output[0].name),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _last_onnx_layers(makers: dict[str, Any], output: str) -> list[str]:
    found, waiting = [], [output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None:
            continue
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
            found.append(node.name)
        elif node.op_type in ("Add", "Div", "Mul", "Cast"):
            waiting += list(node.input)
    return found
