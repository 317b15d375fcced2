"""What the tests of the trainers share: tiny data sets, small plans, trainers on them, commands in processes."""

import contextlib
import copy
import functools
import json
import multiprocessing
import multiprocessing.pool
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.raw_format import write_dataset_json, write_volume
from nnunet_dsd.registry import find_trainer
from nnunet_dsd.trainers.catalog import ENTRIES

SPACING_MM = (2.0, 1.0, 1.0)
SHAPE = (16, 24, 24)
CASES = 5
PLANS = "nnUNetPlans"
DATA_SETS = {
    "Dataset901_Classes": {"background": 0, "inner": 1, "outer": 2},
    "Dataset902_ClassesIgnore": {"background": 0, "inner": 1, "outer": 2, "ignore": 3},
    "Dataset903_Regions": {"background": 0, "whole": [1, 2], "core": [1]},
    "Dataset904_RegionsIgnore": {"background": 0, "whole": [1, 2], "core": [1], "ignore": 3},
}
CLASSES, CLASSES_IGNORE, REGIONS, REGIONS_IGNORE = DATA_SETS
PLAIN, RESIDUAL = "PlainConvUNet", "ResidualEncoderUNet"
ON_MONAI_NETWORKS = [entry.name for entry in ENTRIES if entry.target.startswith("nnunet_dsd.trainers.backbones:")]
TAUGHT = [entry.name for entry in ENTRIES if entry.name.endswith("HLFD")]  # these need a teacher
FROM_SOFT_LABELS = [entry.name for entry in ENTRIES if entry.name.endswith("KD")]  # and these soft labels
ON_NNUNET_NETWORKS = [
    entry.name for entry in ENTRIES if entry.name not in ON_MONAI_NETWORKS + TAUGHT + FROM_SOFT_LABELS
]
# Few and small steps, so that a whole training takes seconds.
BUDGET = {"epochs": 2, "iterations_per_epoch": 2, "validation_iterations_per_epoch": 1, "save_every": 1}
# Written out because the tests rely on it; the package's own defaults may change.
SETTINGS = {
    "temperature": 3.0,
    "alpha": 1.0,
    "beta": 1.0,
    "eta": 1.0,
    "eta_decay": 1.0,
    "reduction": "sum",
    "detach_teacher": False,
    "dice_background": False,
    "bottlenecks": "shared",
    "distillation_ramp": 0.0,
    "optimiser": "sgd",
    "learning_rate": 1e-2,
    "weight_decay": 3e-5,
    "schedule": "poly",
    "seed": 1,
    **BUDGET,
}


class ThreadContext:
    """What nnU-Net asks multiprocessing for; processes would import torch again for seconds each."""

    Pool = staticmethod(multiprocessing.pool.ThreadPool)


def use_threads(patch):
    """Let nnU-Net's helpers be threads of this process."""
    patch.setattr(multiprocessing, "get_context", lambda method=None: ThreadContext)
    patch.setattr("nnunetv2.utilities.utils.Pool", multiprocessing.pool.ThreadPool)


def spare_nnunets_figure(patch):
    """Let nnU-Net draw no figure of its own after an epoch."""
    patch.setattr("nnunetv2.training.logging.nnunet_logger.MetaLogger.plot_progress_png", lambda self, folder: None)


def set_nnunet_folders(patch, data, results):
    patch.setenv("nnUNet_raw", str(data / "raw"))
    patch.setenv("nnUNet_preprocessed", str(data / "preprocessed"))
    patch.setenv("nnUNet_results", str(results))
    patch.setenv("nnUNet_n_proc_DA", "0")  # load data in the training process


def write_raw_data(folder, labels):
    """Nested balls whose intensities tell them apart; with an ignore label, slices at one end are not annotated."""
    rng = np.random.default_rng(0)
    for part, count in (("Tr", CASES), ("Ts", 1)):
        (folder / f"images{part}").mkdir(parents=True)
        (folder / f"labels{part}").mkdir()
        for index in range(count):
            label = nested_balls(rng)
            image = (100.0 * label + rng.normal(0, 10, SHAPE)).astype(np.float32)
            if "ignore" in labels and part == "Tr":
                label[:3] = labels["ignore"]
            geometry = {"spacing_mm": SPACING_MM, "origin_mm": (0.0, 0.0, 0.0)}
            write_volume(image_path(folder / f"images{part}", f"ball_{index}"), image, **geometry)
            write_volume(label_path(folder / f"labels{part}", f"ball_{index}"), label, **geometry)
    write_dataset_json(folder, channel_names=["T1"], labels=labels, training_cases=CASES, description="made up")
    if any(isinstance(value, list) for value in labels.values()):
        path = folder / "dataset.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "regions_class_order": [2, 1]}))


def preprocess(name, plans, configurations):
    """Write plans next to a data set's own and run nnU-Net's preprocessing for some of their configurations."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess_dataset

    folder = Path(os.environ["nnUNet_preprocessed"]) / name
    (folder / f"{plans['plans_name']}.json").write_text(json.dumps(plans))
    preprocess_dataset(int(name[7:10]), plans["plans_name"], configurations, [1], show_progress_bar=False)


def nested_balls(rng):
    centre = np.array(SHAPE) / 2 + rng.uniform(-1, 1, 3)
    axes = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    distance = np.sqrt(sum(((axis - c) * mm) ** 2 for axis, c, mm in zip(axes, centre, SPACING_MM, strict=True)))
    return ((distance < 9).astype(np.uint8) * 2 - (distance < 5)).astype(np.uint8)


def plan_and_preprocess(name, plan_like=None):
    """Run nnU-Net's fingerprint, planning (or take over another data set's plans, which is quicker), preprocessing."""
    number = int(name[7:10])
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
        preprocess_dataset,
    )
    from nnunetv2.experiment_planning.plans_for_pretraining.move_plans_between_datasets import (
        move_plans_between_datasets,
    )

    class QuickExtractor(DatasetFingerprintExtractor):
        """nnU-Net's own with fewer than its hundred million intensity samples, which take seconds."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.num_foreground_voxels_for_intensitystats = 10_000

    extract_fingerprint_dataset(number, QuickExtractor, 1, verbose=False, show_progress_bar=False)
    if plan_like is None:
        plan_experiment_dataset(number)
    else:
        move_plans_between_datasets(plan_like, name, PLANS, PLANS)
        raw, preprocessed = (Path(os.environ[variable]) / name for variable in ("nnUNet_raw", "nnUNet_preprocessed"))
        shutil.copyfile(raw / "dataset.json", preprocessed / "dataset.json")
    configurations = ["3d_fullres", "2d"] if name in (CLASSES, REGIONS_IGNORE) else ["3d_fullres"]
    preprocess_dataset(number, PLANS, configurations, [1], show_progress_bar=False)


class Workplace:
    """Where a test's nnU-Net reads and writes, and the means to make trainers there."""

    def __init__(self, data, results):
        self.data, self.results = data, results

    def plans(self, dataset=CLASSES, *, network=PLAIN, settings=None, name=None):
        """nnU-Net's own plans of a data set with small networks and our block."""
        planned = json.loads((self.data / "preprocessed" / dataset / f"{PLANS}.json").read_text())
        plans = small_plans(planned, network, {**SETTINGS, **(settings or {})})
        plans["plans_name"] = name or plans["plans_name"]
        return plans

    def dataset_json(self, dataset=CLASSES):
        return json.loads((self.data / "preprocessed" / dataset / "dataset.json").read_text())

    def trainer(
        self, name="nnUNetTrainerDSD", dataset=CLASSES, *, configuration="3d_fullres", fold=0, plans=None, **changes
    ):
        """A trainer on the CPU; `changes` go to `plans`."""
        trainer = trainer_class(name)
        plans = copy.deepcopy(plans or self.plans(dataset, **changes))
        return trainer(
            plans={**plans, "continue_training": False},
            configuration=configuration,
            fold=fold,
            dataset_json=self.dataset_json(dataset),
            device=torch.device("cpu"),
        )

    def initialized(self, *arguments, **options):
        trainer = self.trainer(*arguments, **options)
        trainer.initialize()
        start(trainer)
        return trainer

    def model_folder(self, trainer="nnUNetTrainerDSD", dataset=CLASSES, plans=PLANS, configuration="3d_fullres"):
        return self.results / dataset / f"{trainer}__{plans}__{configuration}"


def trainer_class(name):
    if name == "nnUNetTrainer":
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

        return nnUNetTrainer
    return find_trainer(name).load()


def shrink_transformers(patch):
    """Let UNETR be built with a transformer of a twentieth of its width; the real one takes a gigabyte to train."""
    from monai.networks import nets

    small = functools.partial(nets.UNETR, hidden_size=48, mlp_dim=96, num_heads=4)
    patch.setattr(nets, "UNETR", small)


def small_plans(plans, network=PLAIN, block=None):
    """Plans as nnU-Net made them, but with three or four stages of 4 to 8 channels and our block."""
    plans = copy.deepcopy(plans)
    for configuration, patch_size, strides in (
        ("2d", [24, 24], [[1, 1], [2, 2], [2, 2]]),
        ("3d_fullres", [8, 16, 16], [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]]),
    ):
        changed = plans["configurations"][configuration]
        changed |= {"patch_size": patch_size, "batch_size": 2, "architecture": small_network(network, strides)}
        if block is not None:
            changed[PLANS_KEY] = dict(block)
    return plans


def cascaded_plans(plans):
    """Add a low resolution and a cascade to plans that have none, as nnU-Net writes them for large images."""
    plans = small_plans(plans, PLAIN, SETTINGS)
    full = plans["configurations"]["3d_fullres"]
    low = copy.deepcopy(full)
    low |= {"data_identifier": "cascaded_3d_lowres", "spacing": [2 * mm for mm in full["spacing"]]}
    low |= {"patch_size": [8, 8, 8], "next_stage": "3d_cascade_fullres"}
    low["architecture"] = small_network(PLAIN, [[1, 1, 1], [2, 2, 2], [2, 2, 2]])
    plans["configurations"] |= {
        "3d_lowres": low,
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
    }
    return {**plans, "plans_name": "cascaded"}


def small_network(network, strides):
    stages, dimensions = len(strides), len(strides[0])
    kwargs = {
        "n_stages": stages,
        "features_per_stage": [4, 6, 8, 8][:stages],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * stages,
        "strides": strides,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
        ("n_blocks_per_stage" if network == RESIDUAL else "n_conv_per_stage"): [1] * stages,
    }
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
        "arch_kwargs": kwargs,
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def start(trainer):
    """Put a trainer where it is when an epoch begins, without loading data."""
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    trainer.on_train_epoch_start()


def made_up_batch(trainer, seed=0):
    """A batch as nnU-Net's loader hands it to `train_step`: noise whose brightness follows a random label map."""
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    generator = torch.Generator().manual_seed(seed)
    manager: LabelManager = trainer.label_manager
    patch = trainer.configuration_manager.patch_size
    size = (trainer.batch_size, 1, *patch)
    values = [v for v in manager.all_labels if v != manager.ignore_label]
    label = torch.randint(0, max(values) + 1, size, generator=generator)
    channels = trainer.num_input_channels
    data = torch.randn(trainer.batch_size, channels, *patch, generator=generator) + label
    if manager.has_ignore_label:
        label[torch.rand(size, generator=generator) < 0.2] = manager.ignore_label
    target = as_regions(label, manager) if manager.has_regions else label.to(torch.int16)
    if trainer.enable_deep_supervision:
        target = [shrink(target, scale) for scale in trainer._get_deep_supervision_scales()]
    return {"data": data, "target": target}


def write_model(trainer, *, final=True):
    """What nnU-Net leaves of a finished training, without training."""
    folder = Path(trainer.output_folder)
    trainer.save_checkpoint(str(folder / ("checkpoint_final.pth" if final else "checkpoint_latest.pth")))
    plans = {key: value for key, value in trainer.plans_manager.plans.items() if key != "continue_training"}
    (folder.parent / "plans.json").write_text(json.dumps(plans))
    (folder.parent / "dataset.json").write_text(json.dumps(trainer.dataset_json))
    return folder.parent


def as_regions(label, manager):
    regions = [region if isinstance(region, tuple | list) else (region,) for region in manager.foreground_regions]
    if manager.has_ignore_label:
        regions.append((manager.ignore_label,))
    return torch.cat([torch.isin(label, torch.tensor(region)) for region in regions], dim=1)


def shrink(target, scale):
    steps = tuple(slice(None, None, round(1 / axis)) for axis in scale)
    return target[(slice(None), slice(None), *steps)]


def stock_network(trainer):
    """The network that stock nnU-Net builds from a trainer's plans, as for inference."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    return nnUNetTrainer.build_network_architecture(
        trainer.plans_manager,
        trainer.configuration_manager,
        trainer.num_input_channels,
        trainer.label_manager.num_segmentation_heads,
        enable_deep_supervision=False,
    )


def read(path):
    return torch.load(path, map_location="cpu", weights_only=False)


def same_weights(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class CommandLine:
    """nnU-Net's commands in processes of their own, on this test's folders."""

    def __init__(self, data, results):
        self.data, self.results = data, results

    def environment(self, **variables):
        return os.environ | {
            "nnUNet_raw": str(self.data / "raw"),
            "nnUNet_preprocessed": str(self.data / "preprocessed"),
            "nnUNet_results": str(self.results),
            "nnUNet_n_proc_DA": "1",
            "nnUNet_def_n_proc": "1",
            "OMP_NUM_THREADS": "1",
            **variables,
        }

    @contextlib.contextmanager
    def running(self, target, *arguments, **variables):
        """Start `module:function` as its console script would; yield the process; end it and all its helpers."""
        module, function = target.split(":")
        code = f"import sys; from {module} import {function}; sys.argv[0] = '{function}'; sys.exit({function}())"
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
                env=self.environment(**variables),
                cwd=self.results.parent,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            process.said = lambda: (said.seek(0), said.read())[1]
            try:
                yield process
            finally:
                # nnU-Net's data loading processes outlive a parent that was killed.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(self, target, *arguments, expect=0, **variables):
        with self.running(target, *arguments, **variables) as process:
            process.wait(timeout=500)
            assert (process.returncode == 0) == (expect == 0), process.said()
            return process.said()


TRAIN = "nnunetv2.run.run_training:run_training_entry"
PREDICT = "nnunetv2.inference.predict_from_raw_data:predict_entry_point"
PREDICT_FOLDER = "nnunetv2.inference.predict_from_raw_data:predict_entry_point_modelfolder"


def write_small_plans(line, name, dataset=CLASSES, **settings):
    folder = line.data / "preprocessed" / dataset
    plans = small_plans(json.loads((folder / f"{PLANS}.json").read_text()), PLAIN, {**SETTINGS, **settings})
    (folder / f"{name}.json").write_text(json.dumps({**plans, "plans_name": name}))


def fold_folder(results, trainer="nnUNetTrainerDSD", plans="tiny", configuration="3d_fullres", fold=0):
    return Path(results) / CLASSES / f"{trainer}__{plans}__{configuration}" / f"fold_{fold}"


def command_line_arguments(trainer, plans, configuration="3d_fullres", fold=0):
    return (CLASSES, configuration, fold, "-tr", trainer, "-p", plans, "-device", "cpu")
