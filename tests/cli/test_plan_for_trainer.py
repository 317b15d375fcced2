"""`nnunet-dsd plan --for`: only what one trainer reads is shown and taken."""

import json

import pytest
from example_plans import example_plans

from nnunet_dsd import registry
from nnunet_dsd.cli import plan_options
from nnunet_dsd.cli.main import main
from nnunet_dsd.config.settings import PLANS_KEY, setting_names
from nnunet_dsd.registry import TrainerEntry
from nnunet_dsd.trainers.catalog import ENTRIES

TRAINING = set(setting_names("training"))
SHARED = {"eta", "reduction", "detach_teacher", "bottleneck_init", "dice_background"}
READ = {
    "nnUNetTrainerDSD": {*setting_names("dual"), *TRAINING},
    "nnUNetTrainerDSDMean": {*setting_names("dual"), *TRAINING} - {"teacher"},
    "nnUNetTrainerStock": TRAINING,
    "nnUNetTrainerHLFD": {*setting_names("hlfd"), "temperature", "dice_background", *TRAINING},
    "nnUNetTrainerEpochSD": {"epoch_lambda", "epoch_reduction", "dice_background", *TRAINING},
    "nnUNetTrainerMISSU": {"missu_weight", *SHARED, *TRAINING},
    "nnUNetTrainerUNETR_MISSU": {"missu_weight", "feature_size", *SHARED, *TRAINING},
    "nnUNetTrainerResNet18FCN": {"feature_size", *TRAINING},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "Dataset099_Example"
    folder.mkdir()
    (folder / "nnUNetPlans.json").write_text(json.dumps(example_plans()))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def plan(*options):
    return main(["plan", "-d", "99", "-c", "3d_fullres", "-o", "Mine", *options])


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["plan", *words])
    said = capsys.readouterr()
    return stop.value.code, said.out + said.err


def shown(text):
    options = {word.strip("[],") for word in text.split() if word.lstrip("[").startswith("--")}
    return {name for name in setting_names() if f"--{name.replace('_', '-')}" in options}


@pytest.mark.parametrize("trainer", READ)
@pytest.mark.parametrize("order", ["--for {} --help", "--help --for {}", "--for={} -h"])
def test_help_for_a_trainer_shows_what_it_reads_and_nothing_else(capsys, trainer, order):
    status, text = help_of(capsys, *order.format(trainer).split())
    assert status == 0
    assert shown(text) == READ[trainer]


def test_help_for_a_trainer_has_no_group_without_options(capsys):
    _, text = help_of(capsys, "--for", "nnUNetTrainerStock", "--help")
    assert "the training (default in brackets)" in text
    assert not any(words in text for words in ("dual self-distillation (", "MISSU-style", "HLFD,", "==SUPPRESS=="))
    assert "--batch-size" in text


def test_help_groups_all_settings_by_method_and_names_who_reads_them(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    status, text = help_of(capsys, "--help")
    assert status == 0
    assert shown(text) == set(setting_names())
    for words in (
        "MISSU-style self-distillation (default in brackets):\n  read by nnUNetTrainerMISSU, and those of other "
        "networks that end alike, such as nnUNetTrainerUNETR_MISSU\n",
        "epoch-wise self-distillation (default in brackets):\n  read by nnUNetTrainerEpochSD\n",
        "the training (default in brackets):\n  read by every trainer of this package\n",
        "  read by the trainers of UNETR, SwinUNETR, VNet, UNetPlusPlus, DynUNet, ResNet18UNet, ResNet18FCN\n",
        "  read by nnUNetTrainerDSD, nnUNetTrainerDSDFeatureL2, and those of other networks that end alike, such as "
        "nnUNetTrainerUNETR_DSD; in part by nnUNetTrainerDS, ",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("trainer", "hint"),
    [("nnUNetTrainerMISU", "did you mean nnUNetTrainerMISSU"), ("TripletSwin", "there is no trainer 'TripletSwin'")],
)
def test_a_trainer_that_there_is_not_is_answered_with_what_was_meant(folder, capsys, trainer, hint):
    status, text = help_of(capsys, "--for", trainer, "--help")
    assert status == 2
    assert hint in text
    assert plan("--for", trainer) == 1
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trainer", "options", "said"),
    [
        (
            "nnUNetTrainerStock",
            ["--alpha", "1"],
            "--alpha is not read by nnUNetTrainerStock, but by nnUNetTrainerDSD",
        ),
        ("nnUNetTrainerSDD", ["--alpha", "1"], "--alpha is not read by nnUNetTrainerSDD, but by nnUNetTrainerDSD, "),
        ("nnUNetTrainerDSD", ["--missu-weight", "1"], "but by nnUNetTrainerMISSU, and those of other networks"),
        ("nnUNetTrainerDSD", ["--feature-size", "8"], "but by the trainers of UNETR, SwinUNETR, VNet"),
        ("nnUNetTrainerMISSU", ["--no-detach-teacher", "--alpha", "0"], "--alpha is not read by nnUNetTrainerMISSU"),
        ("nnUNetTrainerHLFD", ["--eta", "1"], "--eta is not read by nnUNetTrainerHLFD"),
        ("nnUNetTrainerEpochSD", ["--epoch-lambda", "1", "--beta", "1"], "--beta is not read by nnUNetTrainerEpochSD"),
        (
            "nnUNetTrainerResNet18FCN",
            ["--dice-background"],
            "--dice-background is not read by nnUNetTrainerRes",
        ),
    ],
)
def test_an_option_that_the_trainer_would_not_read_is_refused_with_those_that_do(
    folder, capsys, trainer, options, said
):
    assert plan("--for", trainer, *options) == 1
    error = capsys.readouterr().err
    assert f"1 problem in the options for {trainer}" in error
    assert said in error
    assert [path.name for path in folder.iterdir()] == ["nnUNetPlans.json"]


def test_all_options_that_are_not_read_are_listed_at_once(folder, capsys):
    assert plan("--for", "nnUNetTrainerStock", "--alpha", "1", "--eta", "1", "--epochs", "5") == 1
    error = capsys.readouterr().err
    assert "2 problems in the options for nnUNetTrainerStock" in error
    assert "--epochs" not in error


@pytest.mark.parametrize("trainer", READ)
def test_what_the_trainer_reads_is_taken_and_its_command_is_named(folder, capsys, trainer):
    assert plan("--for", trainer, "--epochs", "5", "--no-augmentation") == 0
    assert f"0 -tr {trainer} -p Mine" in capsys.readouterr().out
    block = json.loads((folder / "Mine.json").read_text())["configurations"]["3d_fullres"][PLANS_KEY]
    assert block == {"training": {"epochs": 5, "augmentation": False}}


def test_a_preset_may_hold_more_than_the_trainer_reads(folder, capsys):
    assert plan("--for", "nnUNetTrainerStock", "--preset", "paper-hippocampus", "--epochs", "5") == 0
    assert "-tr nnUNetTrainerStock" in capsys.readouterr().out
    block = json.loads((folder / "Mine.json").read_text())["configurations"]["3d_fullres"][PLANS_KEY]
    assert (block["dual"]["alpha"], block["training"]["epochs"]) == (1.0, 5)


@pytest.mark.parametrize("words", [["--help"], []])
def test_a_trainer_that_does_not_say_what_it_reads_is_refused(folder, capsys, monkeypatch, words):
    entry = TrainerEntry(name="Silent", target="a:Silent", kind="segmentation", summary="of another package")
    found = registry.Registry({entry.name: entry, **{other.name: other for other in ENTRIES}})
    monkeypatch.setattr(registry, "installed_registry", lambda: found)
    said = "Silent does not say which settings it reads (`reads` of its entry); leave --for out"
    if words:
        assert said in help_of(capsys, "--for", "Silent", *words)[1]
    else:
        assert plan("--for", "Silent", "--alpha", "1") == 1
        assert said in capsys.readouterr().err


def test_the_catalogue_names_only_settings_that_there_are():
    assert {name for entry in ENTRIES for name in plan_options.settings_read_by(entry.name)} <= set(setting_names())
