"""What lies beside a deployed model for people: its README, and what to install."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.graphs.writing import runtime_requirement


def requirements(description: Description) -> str:
    """Return `requirements.txt`: the runtime at least as new as the one it was deployed with, and three libraries."""
    runtime = runtime_requirement(description.runtime, description.runtime_version)
    return "\n".join(["numpy>=1.26", "scipy>=1.11", "SimpleITK>=2.3", runtime, ""])


def told(found: Mapping[str, Any], precision: str) -> list[str]:
    """Return in words what was measured of a graph in fewer bits; nothing where nothing was.

    Args:
        found: As in the description.
        precision: Of the graph.
    """
    if not found:
        return []
    seconds = found["seconds_a_case"]
    lines = [
        f"{precision} against f32 on {counted(found['cases'], 'image')}: {100 * found['equal_voxels']:.3f} % of voxels "
        f"equal, Dice of the two {found['dice_with_f32']:.4f}, {seconds[precision]:g} s a case instead of "
        f"{seconds['f32']:g}"
    ]
    if precision in found:
        pairs = [(name, found["f32"][name], found[precision][name]) for name in ("dice", "hd95_mm")]
        known = [f"{name} {a:.4f} -> {b:.4f}" for name, a, b in pairs if a is not None and b is not None]
        lines.append(f"against the references: {', '.join(known)}")
    return lines


def readme(description: Description) -> str:
    """Return `README.md` of a deployed model."""
    ending = description.file_ending
    channels = "\n".join(
        f"| `CASE_{number:04d}{ending}` | {name} |" for number, name in enumerate(description.channels)
    )
    labels = "\n".join(f"| {label} | {name} |" for name, label in description.labels.items())
    measured = "".join(f"{line}.\n\n" for line in told(description.measured, description.precision))
    edges = " x ".join(f"{edge:g}" for edge in description.spacing)
    return f"""# {description.name}

A trained nnU-Net model that runs by itself: {description.runtime}, {description.precision}, voxels of {edges} mm.

{measured}```bash
pip install -r requirements.txt
python predict.py -i IMAGES -o LABEL_MAPS      # Python 3.10 or newer
```

`IMAGES` holds one file for each image and channel:

| file | channel |
|---|---|
{channels}

`LABEL_MAPS` gets `CASE{ending}` for each, where its image lies. Stopped, the same command goes on; cases that fail
are listed at the end and in `failed.json`. `--mirror` averages over mirrored images as `nnUNetv2_predict` does unless
told otherwise: better by little, and slower by as many times as there are ways to mirror.

| label | structure |
|---|---|
{labels}

From Python, with an array `(channels, z, y, x)` and the edges of a voxel in mm in the same order:

```python
from predict import Predictor

labels = Predictor("FOLDER")(array, spacing)
```

This is a research tool. It is no medical device, and nobody has tested it for your patients.
"""
