"""Which runtimes and precisions there are. Light: nothing heavy is loaded to read it."""

from __future__ import annotations

from typing import Literal

Runtime = Literal["openvino", "onnx"]
Precision = Literal["f32", "bf16", "f16", "int8"]
RUNTIMES: tuple[Runtime, ...] = ("openvino", "onnx")
PRECISIONS: tuple[Precision, ...] = ("f32", "bf16", "f16", "int8")
