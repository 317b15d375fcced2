"""Stands in for nnU-Net's programs: takes their options, wants what they need, leaves what they leave, trains nothing.

The first word is the program's name without `nnUNetv2_`.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from example_plans import example_plans

from nnunet_dsd.registry import find_trainer


def folder(variable, dataset):
    """The folder of a data set in one of nnU-Net's."""
    (found,) = Path(os.environ["nnUNet_raw"]).glob(f"Dataset{int(dataset):03d}_*")
    return Path(os.environ[variable]) / found.name


def model(arguments):
    """The results folder of a trainer, plans and configuration."""
    name = f"{arguments.tr}__{arguments.p}__{arguments.configuration}"
    return folder("nnUNet_results", arguments.dataset) / name


def require(*paths):
    """End where something that nnU-Net needs is not there."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        sys.exit(f"missing {missing}")


def plan_and_preprocess(arguments):
    raw = folder("nnUNet_raw", arguments.dataset)
    require(raw / "dataset.json", raw / "imagesTr", raw / "labelsTr")
    target = folder("nnUNet_preprocessed", arguments.dataset)
    target.mkdir(parents=True)
    plans = example_plans()
    plans["configurations"][arguments.configuration]["patch_size"] = [16, 24, 16]  # `size` times a network on it
    (target / "nnUNetPlans.json").write_text(json.dumps({**plans, "dataset_name": raw.name}))
    shutil.copyfile(raw / "dataset.json", target / "dataset.json")


def train(arguments):
    if arguments.tr != "nnUNetTrainer":
        find_trainer(arguments.tr)
    preprocessed = folder("nnUNet_preprocessed", arguments.dataset)
    plans = preprocessed / f"{arguments.p}.json"
    require(plans)
    block = json.loads(plans.read_text())["configurations"][arguments.configuration].get("self_distillation", {})
    fold = f"fold_{arguments.fold}/checkpoint_final.pth"
    if arguments.tr.endswith("HLFD"):
        require(folder("nnUNet_results", arguments.dataset) / block["hlfd"]["feedback_teacher"] / fold)
    (model(arguments) / fold).parent.mkdir(parents=True)
    shutil.copyfile(plans, model(arguments) / "plans.json")
    shutil.copyfile(preprocessed / "dataset.json", model(arguments) / "dataset.json")
    (model(arguments) / fold).touch()


def predict(arguments):
    require(model(arguments) / f"fold_{arguments.f}" / "checkpoint_final.pth", arguments.i)
    arguments.o.mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copyfile(model(arguments) / name, arguments.o / name)
    for image in arguments.i.glob("*_0000.nii.gz"):
        name = image.name.replace("_0000", "")
        shutil.copyfile(arguments.i.parent / "labelsTs" / name, arguments.o / name)


def main():
    program = sys.argv.pop(1)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    if program == "train":
        for name in ("dataset", "configuration", "fold"):
            parser.add_argument(name)
        parser.add_argument("--c", action="store_true")
    else:
        parser.add_argument("-d", dest="dataset", required=True)
        parser.add_argument("-c", dest="configuration", required=True)
    if program == "plan_and_preprocess":
        parser.add_argument("--verify_dataset_integrity", action="store_true")
    else:
        parser.add_argument("-tr", default="nnUNetTrainer")
        parser.add_argument("-p", default="nnUNetPlans")
        parser.add_argument("-device", choices=("cpu",), required=True)  # what these tests run on
    if program == "predict":
        for name, kind in (("-i", Path), ("-o", Path), ("-f", str), ("-npp", int), ("-nps", int)):
            parser.add_argument(name, type=kind, required=True)
    {"plan_and_preprocess": plan_and_preprocess, "train": train, "predict": predict}[program](parser.parse_args())


if __name__ == "__main__":
    main()
