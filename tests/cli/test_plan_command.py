"""`nnunet-dsd plan`: from the command line to the plans file."""

import json

import pytest
from example_plans import example_plans

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.declared_settings import declares_numbers
from nnunet_dsd.config.settings import (
    PLANS_KEY,
    grouped_block,
    read_settings,
    setting_choices,
    setting_names,
    setting_specs,
    setting_type,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "Dataset099_Example"
    folder.mkdir()
    (folder / "nnUNetPlans.json").write_text(json.dumps(example_plans()))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def plan(*options, output="Mine", configurations=("3d_fullres",)):
    return main(["plan", "-d", "99", "-c", *configurations, "-o", output, *options])


def written(folder, name="Mine"):
    return json.loads((folder / f"{name}.json").read_text())["configurations"]


def test_the_command_of_the_readme_writes_its_settings(folder, capsys):
    assert plan("--temperature", "2", "--alpha", "0.5", output="nnUNetPlans_T2") == 0
    block = written(folder, "nnUNetPlans_T2")["3d_fullres"][PLANS_KEY]
    settings = read_settings(block).dual
    assert (settings.temperature, settings.alpha) == (2.0, 0.5)
    printed = capsys.readouterr().out
    assert f"written: {folder / 'nnUNetPlans_T2.json'}" in printed
    assert "nnUNetv2_train 99 3d_fullres 0 -tr nnUNetTrainerDSD -p nnUNetPlans_T2" in printed


@pytest.mark.parametrize(
    ("options", "trainer"),
    [
        (["--feedback-teacher", "nnUNetTrainer__nnUNetPlans__3d_fullres"], "nnUNetTrainerHLFD"),
        (["--feedback", "none"], "nnUNetTrainerHLFD"),
        (["--preset", "paper-hippocampus"], "nnUNetTrainerDSD"),
        (["--preset", "trial"], "nnUNetTrainerDSD"),
        (["--preset", "trial", "--feedback-teacher", "nnUNetTrainer__nnUNetPlans__3d_fullres"], "nnUNetTrainerHLFD"),
        (["--preset", "paper-brats-swin-light"], "nnUNetTrainerSwinUNETR_DSD"),
        (["--preset", "paper-mmwhs-dynunet"], "nnUNetTrainerDynUNet_DSD"),
        (["--preset", "paper-hippocampus-unetr"], "nnUNetTrainerUNETR_DSD"),
    ],
)
def test_the_training_command_names_a_trainer_that_the_settings_are_for(folder, capsys, options, trainer):
    assert plan(*options) == 0
    assert f"0 -tr {trainer} -p Mine" in capsys.readouterr().out


def test_a_teacher_that_is_not_there_yet_is_noted(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    name = "nnUNetTrainer__nnUNetPlans__3d_fullres"
    assert plan("--feedback-teacher", name) == 0
    model = tmp_path / "results" / folder.name / name
    assert f"there is no teacher {model} yet; it must be trained before the student" in capsys.readouterr().out
    model.mkdir(parents=True)
    (model / "plans.json").write_text("{}")
    assert plan("--feedback-teacher", name, "--overwrite") == 0
    assert f"the teacher {model} is not finished: no fold of it has a checkpoint_final.pth" in capsys.readouterr().out
    (model / "fold_0").mkdir()
    (model / "fold_0" / "checkpoint_final.pth").touch()
    assert plan("--feedback-teacher", name, "--overwrite") == 0
    assert "note:" not in capsys.readouterr().out


def test_a_student_without_a_teacher_is_noted(folder, capsys):
    assert plan("--for", "nnUNetTrainerHLFD", "--feedback-beta", "0.5") == 0
    said = capsys.readouterr().out
    assert "note: nnUNetTrainerHLFD needs a teacher; name one with --feedback-teacher" in said
    assert said.index("note:") < said.index("train with:")
    assert plan("--feedback", "none", "--overwrite") == 0
    assert "needs a teacher" not in capsys.readouterr().out


def test_nnunets_own_trainer_is_told_from_a_mistyped_one(folder, capsys):
    assert plan("--for", "nnUNetTrainer") == 1
    assert "nnUNetTrainer is nnU-Net's own and reads no settings" in capsys.readouterr().err


def test_a_teachers_path_holds_wherever_the_training_starts(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan("--feedback-teacher", "models/nnUNetTrainer__nnUNetPlans__3d_fullres") == 0
    named = written(folder)["3d_fullres"][PLANS_KEY]["hlfd"]["feedback_teacher"]
    assert named == str(tmp_path / "models" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    assert plan("--feedback-teacher", "nnUNetTrainer__nnUNetPlans__3d_fullres/", "--overwrite") == 0
    assert (
        written(folder)["3d_fullres"][PLANS_KEY]["hlfd"]["feedback_teacher"]
        == "nnUNetTrainer__nnUNetPlans__3d_fullres/"
    )


def test_every_configuration_gets_its_training_command(folder, capsys):
    assert plan(configurations=("2d", "3d_cascade_fullres")) == 0
    printed = capsys.readouterr().out
    assert "nnUNetv2_train 99 2d 0" in printed
    assert "nnUNetv2_train 99 3d_cascade_fullres 0" in printed


def another_value(spec):
    """A value of a setting that is allowed and not its default."""
    choices = setting_choices(spec.name)
    if choices:
        return next(word for word in choices if word != spec.default)
    if setting_type(spec.name) is bool:
        return not spec.default
    if setting_type(spec.name) is int:
        return (spec.default or 0) + 1
    if declares_numbers(setting_type(spec.name)):
        return [0, 2]
    if setting_type(spec.name) is str:
        return "0,1" if spec.name.endswith("folds") else "some_text"
    return spec.default / 2 if spec.default else 0.25


# settings that are refused alone
NEEDED_WITH = {"feedback_cache": {"augmentation": False}, "kd_feature_weight": {"teacher_online": True}}


@pytest.mark.parametrize("spec", setting_specs(), ids=lambda spec: spec.name)
def test_every_setting_has_an_option_that_reaches_the_plans(folder, spec):
    value, flag = another_value(spec), spec.name.replace("_", "-")
    words = [str(number) for number in value] if isinstance(value, list) else [str(value)]
    given = [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", *words]
    needed = NEEDED_WITH.get(spec.name, {})
    switches = (f"--{'' if on else 'no-'}{name.replace('_', '-')}" for name, on in needed.items())
    assert plan(*given, *switches) == 0
    assert written(folder)["3d_fullres"][PLANS_KEY] == grouped_block({spec.name: value, **needed})


def test_a_cache_with_augmentation_is_refused_before_anything_is_written(folder, capsys):
    assert plan("--feedback-cache", "2") == 1
    assert "feedback_cache: got 2.0 with augmentation" in capsys.readouterr().err


def test_batch_patch_and_width_change_the_plans_themselves(folder, capsys):
    assert plan("--batch-size", "3", "--patch-size", "16", "24", "32", "--width", "0.5") == 0
    configuration = written(folder)["3d_fullres"]
    assert (configuration["batch_size"], configuration["patch_size"]) == (3, [16, 24, 32])
    assert configuration["architecture"]["arch_kwargs"]["features_per_stage"] == [16, 32, 64, 128]
    assert "[16, 24, 32]" in capsys.readouterr().out


def test_a_preset_is_a_start_that_single_options_change(folder):
    assert plan("--preset", "paper-hippocampus", "--epochs", "5", "--batch-size", "2") == 0
    configuration = written(folder)["3d_fullres"]
    settings = read_settings(configuration[PLANS_KEY]).training
    assert (settings.epochs, settings.optimiser, settings.learning_rate) == (5, "adamw", 1e-4)
    assert (configuration["batch_size"], configuration["patch_size"]) == (2, [32, 32, 32])


@pytest.mark.parametrize(("options", "first"), [([], 16), (["--width", "0.25"], 8)])
def test_a_presets_width_holds_where_none_is_asked_for(folder, options, first):
    assert plan("--preset", "trial", *options) == 0
    arch = written(folder)["3d_fullres"]["architecture"]["arch_kwargs"]
    assert arch["features_per_stage"][0] == first


def test_a_switch_of_a_preset_can_be_turned_off(folder):
    assert plan("--preset", "paper", "--no-dice-background") == 0
    assert read_settings(written(folder)["3d_fullres"][PLANS_KEY]).dual.dice_background is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--temperature", "0"], ["temperature: got 0.0", "more than 0"]),
        (["--temperature", "nan"], ["temperature: got nan", "finite"]),
        (["--alpha", "-1", "--epochs", "0"], ["2 problems", "alpha: got -1.0", "epochs: got 0"]),
        (["--batch-size", "0"], ["batch size 0"]),
        (["--batch-size", "0", "--preset", "paper-hippocampus"], ["batch size 0"]),
        (["--patch-size", "32"], ["(32,) has 1 axis, expected 3 for 3d_fullres, whose patches are"]),
        (["--patch-size", "64", "64"], ["2 axes"]),
        (["--patch-size", "8", "8", "8"], ["does not fit", "(16, 16, 16)"]),
        (["--preset", "nature"], ["unknown preset 'nature'", "paper-mmwhs"]),
        (["-p", "nnUNetResEncUNetMPlans"], ["no plans file", "there are: nnUNetPlans"]),
    ],
)
def test_what_cannot_be_is_refused_on_stderr_without_traceback_and_nothing_is_written(folder, capsys, options, words):
    assert plan(*options) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("nnunet-dsd plan: ")
    assert all(word in printed.err for word in words)
    assert [path.name for path in folder.iterdir()] == ["nnUNetPlans.json"]


def test_unknown_data_sets_and_configurations_are_answered_with_what_exists(folder, capsys):
    assert main(["plan", "-d", "98", "-c", "2d", "-o", "Mine"]) == 1
    assert "there are: Dataset099_Example" in capsys.readouterr().err
    assert plan(configurations=("3d_highres",)) == 1
    assert "there are 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres" in capsys.readouterr().err


def test_a_missing_environment_variable_is_one_line_not_a_traceback(folder, capsys, monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed")
    assert plan() == 1
    assert "nnUNet_preprocessed is not set" in capsys.readouterr().err


def test_overwriting_must_be_asked_for(folder, capsys):
    assert plan("--temperature", "2.5") == 0
    assert plan("--temperature", "3.5") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert read_settings(written(folder)["3d_fullres"][PLANS_KEY]).dual.temperature == 2.5
    assert plan("--temperature", "3.5", "--overwrite") == 0
    assert read_settings(written(folder)["3d_fullres"][PLANS_KEY]).dual.temperature == 3.5


def test_the_plans_derived_from_are_left_as_they_were(folder):
    before = (folder / "nnUNetPlans.json").read_bytes()
    assert plan("--width", "0.5", "--epochs", "3") == 0
    assert (folder / "nnUNetPlans.json").read_bytes() == before


@pytest.mark.parametrize("options", [["--teacher", "me"], ["--epochs", "2.5"], ["--seed", "x"]])
def test_words_the_parser_knows_to_be_wrong_are_usage_errors(folder, capsys, options):
    with pytest.raises(SystemExit) as stop:
        plan(*options)
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_help_shows_every_setting(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["plan", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in setting_names())


@pytest.mark.parametrize(
    ("words", "axes"),
    [(["0", "1"], [0, 1]), (["0,1"], [0, 1]), (["2"], [2]), (["none"], []), ([], []), (["None"], [])],
)
def test_mirror_axes_are_numbers_or_none(folder, words, axes):
    assert plan("--mirror-axes", *words) == 0
    assert written(folder)["3d_fullres"][PLANS_KEY] == {"training": {"mirror_axes": axes}}
    assert read_settings(written(folder)["3d_fullres"][PLANS_KEY]).training.mirror_axes == tuple(axes)
    assert plan("--mirror-axes", *words) == 0  # the same once more says nothing else


@pytest.mark.parametrize(
    ("words", "configurations", "said"),
    [
        (["3"], ["3d_fullres"], "mirror_axes: got 3, allowed is at least 0 and at most 2"),
        (["-1"], ["3d_fullres"], "mirror_axes: got -1, allowed is at least 0"),
        (["0", "0"], ["3d_fullres"], "mirror_axes: got [0, 0], expected each number once"),
        (["2"], ["2d"], "2d: mirror_axes: got [2], but patches of [64, 48] have the axes 0, 1 only"),
        (["0", "2"], ["3d_fullres", "2d"], "2d: mirror_axes: got [0, 2]"),
        (["0", "--no-augmentation"], ["2d"], "mirror_axes: got [0] without augmentation"),
    ],
)
def test_axes_that_are_not_there_are_refused_before_anything_is_written(folder, capsys, words, configurations, said):
    assert plan("--mirror-axes", *words, configurations=configurations) == 1
    assert said in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["nnUNetPlans.json"]


def test_a_word_that_is_no_axis_is_a_usage_error(folder, capsys):
    with pytest.raises(SystemExit):
        plan("--mirror-axes", "x")
    assert "expected whole numbers such as 0 1, or none" in capsys.readouterr().err


SIDED = {"background": 0, "Left-Hippocampus": 1, "Right-Hippocampus": 2, "kidney_L": 3, "kidney_R": 4, "liver": 5}


@pytest.mark.parametrize(
    ("options", "noted"),
    [
        ([], True),
        (["--temperature", "2"], True),
        (["--mirror-axes", "none"], False),
        (["--mirror-axes", "0", "1"], False),
        (["--no-augmentation"], False),
    ],
)
def test_labels_with_sides_are_noted_while_everything_is_mirrored(folder, capsys, options, noted):
    (folder / "dataset.json").write_text(json.dumps({"labels": SIDED}))
    assert plan(*options) == 0
    said = capsys.readouterr().out
    assert ("'Left-Hippocampus' and 'Right-Hippocampus' (and 1 more) look like a left and a right" in said) == noted
    assert ("--mirror-axes none" in said) == noted


@pytest.mark.parametrize("content", ['{"labels": {"background": 0, "left": 1}}', "{", "[]", None])
def test_nothing_is_noted_without_pairs_or_without_a_sound_dataset_json(folder, capsys, content):
    if content is not None:
        (folder / "dataset.json").write_text(content)
    assert plan() == 0
    assert "note:" not in capsys.readouterr().out


@pytest.mark.parametrize("output", ["x" * 300, "taken"])
def test_plans_that_cannot_be_written_are_one_line_not_a_traceback(folder, capsys, output):
    (folder / "taken.json").mkdir()
    assert plan(output=output) == 1
    said = capsys.readouterr().err
    assert said.startswith("nnunet-dsd plan: could not write ")
    assert "make the folder writable, or make room" in said
    assert sorted(path.name for path in folder.iterdir()) == ["nnUNetPlans.json", "taken.json"]


TEACHERS = ("nnUNetTrainerDSD__nnUNetPlans__3d_fullres", "nnUNetTrainer__nnUNetPlans__2d", "other__p__2d")


@pytest.fixture
def results(folder, tmp_path, monkeypatch):
    """The results folder of the data set with three trained models, and a folder that is none."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    models = tmp_path / "results" / folder.name
    for name in TEACHERS:
        (models / name).mkdir(parents=True)
        (models / name / "plans.json").write_text("{}")
    (models / "nnUNetTrainer__nnUNetPlans__3d_unfinished").mkdir()
    return models


@pytest.mark.parametrize(
    ("teacher", "meant"),
    [
        ("nnUNetTrainerdsd__nnUNetPlans__3d_fullres", TEACHERS[0]),
        ("nnUNetTrainer__nnUNetPlans__2dd", TEACHERS[1]),
        ("nnunettrainer__nnunetplans__2d", TEACHERS[1]),
    ],
)
def test_a_mistyped_teacher_is_answered_with_the_trained_models_the_nearest_first(results, capsys, teacher, meant):
    assert plan("--feedback-teacher", teacher) == 0
    said = capsys.readouterr().out
    assert f"there is no teacher {results / teacher} yet" in said
    assert f"did you mean {meant}" in said
    assert f"Trained models there: {meant}, " in said
    assert all(name in said.partition("Trained models there: ")[2] for name in TEACHERS)
    assert "3d_unfinished" not in said


def test_a_mistyped_path_of_a_teacher_is_answered_with_the_models_beside_it(results, capsys):
    assert plan("--feedback-teacher", str(results / "other__p__3d")) == 0
    assert f"did you mean {TEACHERS[2]}? Trained models there: {TEACHERS[2]}, " in capsys.readouterr().out


def test_a_teacher_without_any_trained_model_is_told_so(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    assert plan("--feedback-teacher", "a__b__c") == 0
    assert f"There is no trained model in {folder}" in capsys.readouterr().out
    monkeypatch.delenv("nnUNet_results")
    assert plan("--feedback-teacher", "a__b__d", "--overwrite") == 0
    assert "nnUNet_results is not set, so the teacher a__b__d was not looked for" in capsys.readouterr().out


@pytest.mark.parametrize(("device", "option"), [("cuda", ""), ("cpu", " -device cpu"), ("mps", " -device mps")])
def test_the_last_lines_are_the_commands_to_run_on_this_machine(folder, capsys, monkeypatch, device, option):
    monkeypatch.setattr("nnunet_dsd.cli.plan_command.training_device", lambda: device)
    assert plan(configurations=("2d", "3d_fullres")) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "train with:",
        f"  nnUNetv2_train 99 2d 0 -tr nnUNetTrainerDSD -p Mine{option}",
        f"  nnUNetv2_train 99 3d_fullres 0 -tr nnUNetTrainerDSD -p Mine{option}",
    ]


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (["--preset", "paper-hipocampus"], "paper-hippocampus"),
        (["--preset", "PAPER-MMWHS"], "paper-mmwhs?"),
        (["-p", "nnunetplans"], "nnUNetPlans?"),
    ],
)
def test_mistyped_names_are_answered_with_what_was_meant(folder, capsys, options, meant):
    assert plan(*options) == 1
    assert f"did you mean {meant}" in capsys.readouterr().err


def test_a_mistyped_configuration_and_data_set_are_answered_with_what_was_meant(folder, capsys):
    assert plan(configurations=("3d_fulres",)) == 1
    assert "did you mean 3d_fullres" in capsys.readouterr().err
    assert main(["plan", "-d", "Dataset099_Exmaple", "-c", "2d", "-o", "Mine"]) == 1
    assert "did you mean Dataset099_Example?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plans", "Gone"], ["there is no plans file"]),
        (["--configuration", "4d"], ["no configuration '4d'", "alpha: got -1.0"]),
        (["--dataset", "7"], ["no data set '7'"]),
        (["--for", "nnUNetTrainerDSDD"], ["there is no trainer 'nnUNetTrainerDSDD'"]),
        (["--patch-size", "8", "8"], ["expected 3 for 3d_fullres", "alpha: got -1.0"]),
    ],
)
def test_whatever_is_wrong_is_told_at_once_and_nothing_is_written(folder, capsys, options, said):
    wrong = ["--preset", "payper", "--alpha", "-1", "--batch-size", "0"]
    assert plan(*wrong, *options, output="a__b") == 1
    error = capsys.readouterr().err
    everywhere = ["unknown preset 'payper'", "plans name 'a__b' must be", "batch size 0, allowed is at least 1"]
    for words in (*said, *everywhere):
        assert error.count(words) == 1
    assert "problems in the command:" in error
    assert [path.name for path in folder.iterdir()] == ["nnUNetPlans.json"]
