"""Doctor's checks of the machine: nnU-Net's folders, disk space, the GPU and torch.compile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from nnunet_dsd.cli.doctor_findings import Finding
from nnunet_dsd.common.counting import counted

FOLDER_VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
COMPILE_VARIABLE = "nnUNet_compile"
GIBIBYTE = 2**30
# A checkpoint of a 3d_fullres network takes about 0.25 GiB, a preprocessed data set of 3D images some tens.
PROBLEM_BELOW_GIB = 1
WARNING_BELOW_GIB = 10


def check_folders() -> Iterator[Finding]:
    """Are nnU-Net's three folders set, present, writable and on a disk with space?"""
    for variable in FOLDER_VARIABLES:
        yield check_folder(variable, os.environ.get(variable))


def check_folder(variable: str, folder: str | None) -> Finding:
    """Look at one of nnU-Net's folders."""
    if not folder:
        return Finding(variable, "problem", "not set", f"export {variable}=/a/folder/of/yours")
    if not os.path.isdir(folder):
        return Finding(variable, "problem", f"{folder} is not a folder", f"correct {variable}, or mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        if variable == "nnUNet_raw":
            return Finding(variable, "warning", f"{folder} is read-only", "enough for training, not for adding data")
        return Finding(variable, "problem", f"{folder} is not writable", "change its permissions, or use another")
    return judge_space(variable, folder, shutil.disk_usage(folder).free / GIBIBYTE)


def judge_space(variable: str, folder: str, free_gib: float) -> Finding:
    """Judge the free space on a folder's disk, in GiB."""
    found = f"{folder}, {free_gib:.1f} GiB free"
    if free_gib < PROBLEM_BELOW_GIB:
        return Finding(variable, "problem", found, "free some space: checkpoints and preprocessed data will not fit")
    if free_gib < WARNING_BELOW_GIB:
        return Finding(variable, "warning", found, "enough for small data sets only")
    return Finding(variable, "ok", found)


def check_device() -> Iterator[Finding]:
    """Is there a GPU that PyTorch can use?"""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / GIBIBYTE
        yield Finding(
            "device", "ok", f"{counted(torch.cuda.device_count(), 'GPU')}, first: {properties.name}, {memory:.0f} GiB"
        )
    elif torch.backends.mps.is_available():
        yield Finding("device", "ok", "Apple GPU; train with -device mps")
    else:
        advice = "train with -device cpu (small data only), or install a PyTorch build that fits the GPU's driver"
        yield Finding("device", "warning", f"no GPU that PyTorch {torch.__version__} can use", advice)


def check_compile() -> Iterator[Finding]:
    """Will nnU-Net compile the network?"""
    import torch

    yield judge_compile(os.environ.get(COMPILE_VARIABLE), has_cuda=torch.cuda.is_available())


def judge_compile(value: str | None, *, has_cuda: bool) -> Finding:
    """Say what nnU-Net 2.8 makes of the variable nnUNet_compile on this machine."""
    setting = f"{COMPILE_VARIABLE} is not set" if value is None else f"{COMPILE_VARIABLE}={value}"
    if not has_cuda or os.name == "nt":
        return Finding("torch.compile", "ok", f"off: nnU-Net compiles on CUDA only, and not on Windows ({setting})")
    if value is None or value.lower() in ("true", "1", "t"):
        return Finding("torch.compile", "ok", f"on ({setting}); export {COMPILE_VARIABLE}=f turns it off")
    if value.lower() in ("false", "0", "f"):
        return Finding("torch.compile", "ok", f"off ({setting})")
    return Finding("torch.compile", "warning", f"off: nnU-Net takes {value!r} for a no", "use t or f")
