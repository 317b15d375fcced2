"""Graphs in int8: weights and activations of convolutions, with ranges seen on real patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.deploy.graphs import INSTALL, quietly
from nnunet_dsd.deploy.request import Runtime
from nnunet_dsd.deploy.runtime.description import DeployedModelError, Description
from nnunet_dsd.deploy.runtime.images import Case, read_image
from nnunet_dsd.deploy.runtime.preparing import prepare
from nnunet_dsd.deploy.runtime.windows import padded_to_patch, windows

PATCHES = 64  # that ranges are taken from; more changed nothing on Hippocampus
STEP = 0.5
KEPT_IN_FLOAT = ("MVN",)  # what instance normalisation is in OpenVINO


def calibration_patches(cases: Sequence[Case], description: Description) -> list[NDArray[np.float32]]:
    """Return patches `(1, C, *patch)` of prepared images, as many of each image, spread through it evenly.

    Raises:
        DataError: if an image cannot be read.
    """
    share = max(PATCHES // len(cases), 1)
    return [patch for case in cases[:PATCHES] for patch in _patches(case, description, share)]


def _patches(case: Case, description: Description, count: int) -> Iterator[NDArray[np.float32]]:
    try:
        image, spacing, _ = read_image(case, description)
        array = prepare(image, spacing, description).array
    except DeployedModelError as error:
        raise DataError(f"{error}; --calibration takes images as they are predicted") from error
    array, _ = padded_to_patch(array, description.patch_size)
    places = list(windows(array.shape[1:], description.patch_size, STEP))
    for index in np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)):
        place = (slice(None), *places[index])
        yield np.ascontiguousarray(array[place])[None]


def quantise(source: Path, target: Path, patches: Sequence[NDArray[np.float32]], runtime: Runtime) -> None:
    """Write the int8 form of a graph; normalisation and the output layer stay in float32.

    Args:
        source: The graph in float32.
        target: Where to.
        patches: From `calibration_patches`.
        runtime: Of the graph.

    Raises:
        SetupError: if what quantises is not installed.
    """
    try:
        with quietly():
            (_quantise_openvino if runtime == "openvino" else _quantise_onnx)(source, target, patches)
    except ImportError as error:
        raise SetupError(f"{error}: {INSTALL}") from error


def _quantise_openvino(source: Path, target: Path, patches: Sequence[NDArray[np.float32]]) -> None:
    import nncf
    import openvino

    model = openvino.Core().read_model(source)
    scope = nncf.IgnoredScope(types=list(KEPT_IN_FLOAT), names=_last_convolutions(model), validate=False)
    quantised = nncf.quantize(
        model, nncf.Dataset(list(patches)), subset_size=len(patches), ignored_scope=scope, fast_bias_correction=True
    )
    openvino.save_model(quantised, target, compress_to_fp16=False)


def _last_convolutions(model: Any) -> list[str]:
    """Return the names of the convolutions that nothing but sums separates from the output."""
    found, waiting = [], [model.get_results()[0].input_value(0).get_node()]
    while waiting:
        node = waiting.pop()
        if node.get_type_name() in ("Convolution", "ConvolutionBackpropData", "GroupConvolution"):
            found.append(node.get_friendly_name())
        elif node.get_type_name() in ("Add", "Divide", "Multiply", "Convert"):
            waiting += [node.input_value(index).get_node() for index in range(node.get_input_size())]
    return found


def _quantise_onnx(source: Path, target: Path, patches: Sequence[NDArray[np.float32]]) -> None:
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
        op_types_to_quantize=["Conv", "ConvTranspose"],
        nodes_to_exclude=_last_onnx_convolutions(makers, graph.output[0].name),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _last_onnx_convolutions(makers: dict[str, Any], output: str) -> list[str]:
    found, waiting = [], [output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None:
            continue
        if node.op_type in ("Conv", "ConvTranspose"):
            found.append(node.name)
        elif node.op_type in ("Add", "Div", "Mul", "Cast"):
            waiting += list(node.input)
    return found
