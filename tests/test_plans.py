"""Plans derived from nnU-Net's: what is changed, what is not, and what is refused."""

import copy
import json
import os

import pytest
from example_plans import example_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_dsd.common.errors import DataError, DistillationError, NetworkStructureError, SettingsError, SetupError
from nnunet_dsd.config.settings import PLANS_KEY, Settings, flat_block
from nnunet_dsd.plans import PlanChanges, dataset_folder, derive_plans, heirs, read_plans, write_plans

BLOCK = {"dual": {"temperature": 2.25, "alpha": 0.375}}
HALVED = [16, 32, 64, 128]


def derive(configurations, *, name="nnUNetPlans_T2", plans=None, **changes):
    return derive_plans(plans or example_plans(), configurations, name, PlanChanges(BLOCK["dual"], **changes))


def resolved(plans, configuration):
    """The configuration as nnU-Net itself reads it, inheritance followed."""
    return PlansManager(plans).get_configuration(configuration).configuration


def test_the_block_goes_into_the_named_configuration_and_nothing_else_changes():
    derived, plans = derive(["3d_fullres"]), example_plans()
    assert derived["configurations"]["3d_fullres"].pop(PLANS_KEY) == BLOCK
    assert derived["configurations"] == plans["configurations"]
    assert derived.pop("plans_name") == "nnUNetPlans_T2"
    assert derived.pop("self_distillation_derived_from") == plans.pop("plans_name")
    assert derived == plans


def test_a_setting_asked_for_is_recorded_even_where_it_is_the_default():
    changes = PlanChanges({"temperature": Settings().dual.temperature})
    derived = derive_plans(example_plans(), ["2d"], "nnUNetPlans_T3", changes)
    assert derived["configurations"]["2d"][PLANS_KEY] == {"dual": {"temperature": Settings().dual.temperature}}


def test_several_configurations_get_the_block_each():
    derived = derive(["2d", "3d_fullres"])
    assert [PLANS_KEY in value for value in derived["configurations"].values()] == [True, False, True, False]
    assert derived["configurations"]["2d"][PLANS_KEY] == derived["configurations"]["3d_fullres"][PLANS_KEY] == BLOCK


def test_the_original_plans_are_left_untouched_and_nothing_is_shared_with_them():
    plans = example_plans()
    derived = derive(["3d_fullres", "3d_cascade_fullres", "2d"], plans=plans, width=0.5, batch_size=7)
    assert plans == example_plans()
    derived["configurations"]["2d"]["architecture"]["arch_kwargs"]["strides"][0][0] = 99
    derived["configurations"]["3d_cascade_fullres"]["architecture"]["arch_kwargs"]["strides"][0][0] = 99
    assert plans == example_plans()


def test_batch_size_and_patch_size_are_set_in_the_named_configuration_only():
    derived = derive(["3d_fullres"], batch_size=5, patch_size=(16, 24, 32))
    assert derived["configurations"]["3d_fullres"]["batch_size"] == 5
    assert derived["configurations"]["3d_fullres"]["patch_size"] == [16, 24, 32]
    assert derived["configurations"]["3d_lowres"] == example_plans()["configurations"]["3d_lowres"]


@pytest.mark.parametrize(
    ("width", "features"),
    [
        (0.5, HALVED),
        (2, [64, 128, 256, 512]),
        (1.0, [32, 64, 128, 256]),
        (0.01, [4, 4, 4, 4]),
        (0.1, [4, 6, 13, 26]),
    ],
)
def test_width_multiplies_the_channels_of_every_stage_down_to_four(width, features):
    derived = derive(["3d_fullres"], width=width)
    assert derived["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] == features
    assert resolved(derived, "3d_lowres")["architecture"]["arch_kwargs"]["features_per_stage"] == [32, 64, 128, 256]


@pytest.mark.parametrize(
    "configurations",
    [
        ["3d_cascade_fullres"],
        ["3d_cascade_fullres", "3d_fullres"],
        ["3d_fullres", "3d_cascade_fullres"],
        ["3d_fullres", "3d_fullres"],
    ],
    ids=" ".join,
)
def test_width_is_applied_once_whatever_the_order_of_inheriting_configurations(configurations):
    derived = derive(configurations, width=0.5, batch_size=3, patch_size=(16, 16, 32))
    for name in configurations:
        found = resolved(derived, name)
        assert found["architecture"]["arch_kwargs"]["features_per_stage"] == HALVED
        assert (found["batch_size"], found["patch_size"]) == (3, [16, 16, 32])
        assert found[PLANS_KEY] == BLOCK
    if "3d_fullres" not in configurations:
        assert derived["configurations"]["3d_fullres"] == example_plans()["configurations"]["3d_fullres"]


def test_the_cascade_keeps_its_inheritance_and_preprocessed_data_stay_shared():
    derived = derive(["3d_cascade_fullres"], width=0.5)
    assert derived["configurations"]["3d_cascade_fullres"]["inherits_from"] == "3d_fullres"
    assert resolved(derived, "3d_cascade_fullres")["previous_stage"] == "3d_lowres"
    assert resolved(derived, "3d_cascade_fullres")["data_identifier"] == "nnUNetPlans_3d_fullres"


def test_only_settings_that_differ_from_the_defaults_are_written():
    plans = derive_plans(example_plans(), ["2d"], "other", PlanChanges({}))
    assert plans["configurations"]["2d"][PLANS_KEY] == {}


def test_plans_can_be_derived_from_derived_plans():
    first = derive(["2d"])
    second = derive_plans(first, ["2d"], "nnUNetPlans_T3", PlanChanges({"temperature": 3.25}))
    assert second["self_distillation_derived_from"] == "nnUNetPlans_T2"
    assert second["configurations"]["2d"][PLANS_KEY] == {"dual": BLOCK["dual"] | {"temperature": 3.25}}
    assert first["configurations"]["2d"][PLANS_KEY] == BLOCK


@pytest.mark.parametrize("name", ["a__b", "", "a b", "a/b", "../x", ".hidden", "-x", "nnUNetPlans\n"])
def test_names_that_would_break_a_results_folder_are_refused(name):
    with pytest.raises(SettingsError, match="must be letters, digits"):
        derive(["2d"], name=name)


@pytest.mark.parametrize("name", ["nnUNetPlans_T2", "mine", "v1.0-b", "_x"])
def test_ordinary_names_are_accepted(name):
    assert derive(["2d"], name=name)["plans_name"] == name


def test_the_name_of_the_original_plans_is_refused():
    with pytest.raises(SettingsError, match="is that of the plans it derives from"):
        derive(["2d"], name="nnUNetPlans")


def test_all_problems_are_listed_at_once():
    changes = PlanChanges({"temperatur": 1, "alpha": -1}, batch_size=0, patch_size=(0, 8), width=9.0)
    with pytest.raises(SettingsError) as refusal:
        derive_plans(example_plans(), ["4d", "2d"], "a__b", changes)
    message = str(refusal.value)
    assert len(refusal.value.problems) == 7
    for words in (
        "no configuration '4d'; there are 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres",
        "plans name 'a__b'",
        "batch size 0",
        "patch size (0, 8)",
        "width 9",
        "did you mean 'temperature'?",
        "alpha: got -1",
    ):
        assert words in message


@pytest.mark.parametrize("width", [0.0, -1.0, 8.5, float("nan")])
def test_an_impossible_width_is_refused(width):
    with pytest.raises(SettingsError, match="allowed is more than 0 and at most 8"):
        derive(["2d"], width=width)


@pytest.mark.parametrize(
    ("patch", "words"),
    [((8, 8, 8), r"nearest that fits is \(16, 16, 16\)"), ((40, 50, 40), r"nearest that fits is \(40, 48, 40\)")],
)
def test_a_patch_the_network_cannot_halve_often_enough_is_refused(patch, words):
    for configuration in ("3d_fullres", "3d_cascade_fullres"):
        with pytest.raises(NetworkStructureError, match=words):
            derive([configuration], patch_size=patch)


@pytest.mark.parametrize(("configuration", "patch"), [("3d_fullres", (64, 64)), ("2d", (32, 32, 32))])
def test_a_patch_of_other_dimensions_than_the_configuration_is_refused_in_words(configuration, patch):
    with pytest.raises(DistillationError, match=f"{len(patch)} axes"):
        derive([configuration], patch_size=patch)


def test_width_is_refused_for_a_network_without_channels_per_stage():
    plans = example_plans()
    plans["configurations"]["2d"]["architecture"] = {"network_class_name": "a.Primus", "arch_kwargs": {"depth": 4}}
    with pytest.raises(NetworkStructureError, match=r"a\.Primus of 2d has no feature channels per stage"):
        derive(["2d"], plans=plans, width=0.5)


@pytest.fixture
def preprocessed(tmp_path, monkeypatch):
    root = tmp_path / "preprocessed"
    for name in ("Dataset004_Hippocampus", "Dataset017_Other", "Dataset040_More"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("nnUNet_preprocessed", str(root))
    return root


@pytest.mark.parametrize("dataset", ["4", "004", "Dataset004_Hippocampus"])
def test_a_data_set_is_found_by_number_and_by_name(preprocessed, dataset):
    assert dataset_folder(dataset) == preprocessed / "Dataset004_Hippocampus"


@pytest.mark.parametrize(
    "dataset", ["5", "Dataset004", "Hippocampus", "Dataset*", "/somewhere/Dataset004_Hippocampus", ""]
)
def test_an_unknown_data_set_is_refused_with_those_there_are(preprocessed, dataset):
    with pytest.raises(DataError) as refusal:
        dataset_folder(dataset)
    message = str(refusal.value)
    assert "Dataset004_Hippocampus, Dataset017_Other, Dataset040_More" in message
    assert "nnUNetv2_plan_and_preprocess" in message


def test_two_data_sets_of_one_number_are_refused(preprocessed):
    (preprocessed / "Dataset004_Copy").mkdir()
    with pytest.raises(DataError, match="2 data sets match '4'"):
        dataset_folder("4")


def test_a_missing_environment_variable_is_named_with_what_to_do(monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed", raising=False)
    with pytest.raises(SetupError, match=r"nnUNet_preprocessed is not set.*export nnUNet_preprocessed="):
        dataset_folder("4")


def test_an_environment_variable_that_names_no_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="nowhere"):
        dataset_folder("4")


def test_plans_are_read_by_name(tmp_path):
    (tmp_path / "nnUNetPlans.json").write_text(json.dumps(example_plans()))
    assert read_plans(tmp_path, "nnUNetPlans") == example_plans()


def test_missing_plans_are_refused_with_those_there_are(tmp_path):
    (tmp_path / "nnUNetResEncUNetMPlans.json").write_text("{}")
    with pytest.raises(DataError, match=r"no plans file .*; there are: nnUNetResEncUNetMPlans"):
        read_plans(tmp_path, "nnUNetPlans")


@pytest.mark.parametrize("content", [b'{"plans_name": "nnUNetPl', b"", b"\xff\xfe\x00"], ids=["cut", "empty", "binary"])
def test_broken_plans_are_refused_by_path(tmp_path, content):
    (tmp_path / "nnUNetPlans.json").write_bytes(content)
    with pytest.raises(DataError, match=r"nnUNetPlans\.json is no valid JSON"):
        read_plans(tmp_path, "nnUNetPlans")


@pytest.mark.parametrize("content", [[], {"Case_001": [0, 1]}, 3], ids=["list", "another table", "number"])
def test_json_that_is_no_plans_is_refused_by_path(tmp_path, content):
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_plans(tmp_path, "dataset")


def test_written_plans_are_read_back_as_they_were(tmp_path):
    plans = derive(["2d"])
    assert write_plans(tmp_path, plans) == tmp_path / "nnUNetPlans_T2.json"
    assert read_plans(tmp_path, "nnUNetPlans_T2") == plans
    assert os.listdir(tmp_path) == ["nnUNetPlans_T2.json"]


def test_the_same_plans_may_be_written_again(tmp_path):
    for _ in range(2):
        write_plans(tmp_path, derive(["2d"]))
    assert os.listdir(tmp_path) == ["nnUNetPlans_T2.json"]


def test_other_plans_of_that_name_are_kept_unless_overwriting_is_asked_for(tmp_path):
    first = derive(["2d"])
    second = copy.deepcopy(first)
    second["configurations"]["2d"]["batch_size"] = 99
    write_plans(tmp_path, first)
    with pytest.raises(DataError, match=r"exists and says something else.*--overwrite"):
        write_plans(tmp_path, second)
    assert read_plans(tmp_path, "nnUNetPlans_T2") == first
    write_plans(tmp_path, second, overwrite=True)
    assert read_plans(tmp_path, "nnUNetPlans_T2") == second


def test_a_broken_file_of_that_name_is_kept_unless_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "nnUNetPlans_T2.json"
    path.write_text("{")
    with pytest.raises(DataError, match="--overwrite"):
        write_plans(tmp_path, derive(["2d"]))
    assert path.read_text() == "{"
    write_plans(tmp_path, derive(["2d"]), overwrite=True)
    assert read_plans(tmp_path, "nnUNetPlans_T2") == derive(["2d"])


def test_nnunets_own_plans_are_never_overwritten(tmp_path):
    own = example_plans()
    path = tmp_path / f"{own['plans_name']}.json"
    path.write_text(json.dumps(own))
    derived = derive_plans(derive(["2d"]), ["2d"], own["plans_name"], PlanChanges({}))
    with pytest.raises(DataError, match="nnU-Net's own plans"):
        write_plans(tmp_path, derived, overwrite=True)
    assert json.loads(path.read_text()) == own


def test_heirs_are_the_configurations_that_share_a_block():
    assert heirs(example_plans(), "3d_fullres") == ["3d_cascade_fullres"]
    assert heirs(example_plans(), "2d") == []


def test_a_bad_patch_is_reported_together_with_a_bad_setting():
    changes = PlanChanges({"temperature": 0}, patch_size=(31, 32, 32))
    with pytest.raises(SettingsError) as caught:
        derive_plans(example_plans(), ["3d_fullres", "3d_lowres"], "nnUNetPlans_bad", changes)
    assert "temperature" in str(caught.value)
    assert "3d_fullres: patch size (31, 32, 32)" in str(caught.value)


def test_a_width_for_plans_of_an_older_nnunet_is_refused():
    plans = example_plans()
    del plans["configurations"]["2d"]["architecture"]
    with pytest.raises(NetworkStructureError, match="plan it again"):
        derive(["2d"], plans=plans, width=0.5)


def test_a_data_set_that_is_nearly_one_is_suggested_and_not_sent_to_be_preprocessed(preprocessed):
    with pytest.raises(DataError) as refusal:
        dataset_folder("Dataset004_Hipocampus")
    assert str(refusal.value).endswith(
        "Dataset040_More; did you mean Dataset004_Hippocampus? If it is another one, run nnUNetv2_plan_and_preprocess "
        "-d Dataset004_Hipocampus first"
    )


@pytest.mark.parametrize(("configuration", "size"), [("2d", (32, 32, 32)), ("3d_fullres", (32, 32)), ("2d", (32,))])
def test_a_patch_of_another_number_of_axes_is_refused_with_the_one_that_fits(configuration, size):
    with pytest.raises(SettingsError) as refusal:
        derive_plans(example_plans(), [configuration], "new", PlanChanges({}, patch_size=size))
    assert f"expected {3 if configuration == '3d_fullres' else 2} for {configuration}" in str(refusal.value)


@pytest.mark.parametrize("block", [None, [1, 2], [], "text", 3])
def test_a_block_that_is_no_table_is_refused_as_what_it_is(block):
    plans = example_plans()
    plans["configurations"]["3d_fullres"]["self_distillation"] = block
    with pytest.raises(SettingsError) as refusal:
        derive_plans(plans, ["3d_fullres"], "new", PlanChanges({}))
    assert f"configurations > 3d_fullres is {block!r}, expected a table of settings" in str(refusal.value)


def as_earlier_versions_wrote_them(plans):
    """The same plans with a flat block."""
    earlier = copy.deepcopy(plans)
    for configuration in earlier["configurations"].values():
        if PLANS_KEY in configuration:
            configuration[PLANS_KEY] = flat_block(configuration[PLANS_KEY])
    return earlier


def test_plans_of_earlier_versions_say_the_same_and_are_written_by_parts(tmp_path):
    plans = derive(["2d"])
    earlier = as_earlier_versions_wrote_them(plans)
    assert earlier["configurations"]["2d"][PLANS_KEY] == BLOCK["dual"]
    (tmp_path / "nnUNetPlans_T2.json").write_text(json.dumps(earlier))
    write_plans(tmp_path, plans)
    assert read_plans(tmp_path, "nnUNetPlans_T2") == plans


@pytest.mark.parametrize("block", [{"temperature": 2.0}, {"alpha": 1, "dual": {}}, {"alhpa": 1}, [1], None, "text"])
def test_plans_of_earlier_versions_that_say_something_else_are_kept(tmp_path, block):
    earlier = as_earlier_versions_wrote_them(derive(["2d"]))
    earlier["configurations"]["2d"][PLANS_KEY] = block
    (tmp_path / "nnUNetPlans_T2.json").write_text(json.dumps(earlier))
    with pytest.raises(DataError, match="exists and says something else"):
        write_plans(tmp_path, derive(["2d"]))


def test_what_is_derived_from_plans_of_earlier_versions_has_parts():
    first = as_earlier_versions_wrote_them(derive(["2d"]))
    second = derive_plans(first, ["2d"], "nnUNetPlans_T3", PlanChanges({"epochs": 3}))
    assert second["configurations"]["2d"][PLANS_KEY] == {**BLOCK, "training": {"epochs": 3}}


def test_plans_whose_block_is_of_both_forms_are_not_derived_from():
    plans = example_plans()
    plans["configurations"]["2d"][PLANS_KEY] = {"alpha": 1.0, "dual": {"beta": 1.0}}
    with pytest.raises(SettingsError, match="'alpha' stands beside the parts; it belongs into 'dual'"):
        derive_plans(plans, ["2d"], "new", PlanChanges({}))
