"""Lists of runs, from words and from files: what is read, and that all problems are told at once."""

from pathlib import Path

import pytest
from made_up_comparisons import write_run_list

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.comparison.runs import Run, run_list_from_words, with_baseline
from nnunet_dsd.comparison.runs_file import read_run_list


@pytest.fixture
def files(tmp_path):
    for name in ("a.json", "b.json", "c.json", "dataset.json"):
        (tmp_path / name).write_text("{}")
    for name in ("images", "labels", "predictions"):
        (tmp_path / name).mkdir()
    return tmp_path


def problems_of(call, *arguments):
    with pytest.raises(SettingsError) as caught:
        call(*arguments)
    return "\n".join(caught.value.problems)


def test_words_name_methods_and_files_and_a_repeated_method_has_several_runs(files):
    run_list = run_list_from_words([f"DS={files}/a.json", f"DSD={files}/b.json", f"DSD={files}/c.json"])
    assert run_list.methods == ("DS", "DSD")
    assert [run.evaluation.name for run in run_list.of("DSD")] == ["b.json", "c.json"]
    assert run_list.baseline_method == "DS"


def test_only_the_first_equals_sign_ends_the_method(files):
    (files / "x=1.json").write_text("{}")
    assert run_list_from_words([f"T={files}/x=1.json"]).runs == (Run("T", files / "x=1.json"),)


def test_every_wrong_word_is_told(files):
    text = problems_of(run_list_from_words, ["DSD", f"A={files}/a.json", "=b.json", "C="])
    assert [f"'{word}' is not of the form METHOD=EVALUATION.json" in text for word in ("DSD", "=b.json", "C=")] == [
        True
    ] * 3


def test_every_missing_file_and_every_file_given_twice_is_told(files):
    text = problems_of(
        run_list_from_words, [f"A={files}/a.json", f"B={files}/no.json", f"C={files}/../{files.name}/a.json"]
    )
    assert "B: the evaluation" in text
    assert "C: " in text
    assert "is given already, for A" in text


def test_a_file_is_read_with_paths_from_its_own_folder(files, monkeypatch):
    monkeypatch.chdir("/")
    path = write_run_list(
        files / "runs.json",
        [
            {
                "method": "DS",
                "fold": 0,
                "seed": 1,
                "evaluation": "a.json",
                "predictions": "predictions",
                "notes": "slow",
            },
            {"method": "DSD", "fold": "all", "seed": None, "evaluation": str(files / "b.json")},
        ],
        title="Title",
        baseline="DSD",
        images="images",
        references="labels",
        dataset_json="dataset.json",
    )
    run_list = read_run_list(path)
    assert run_list.runs == (
        Run("DS", files / "a.json", 0, 1, files / "predictions", "slow"),
        Run("DSD", files / "b.json", "all"),
    )
    assert (run_list.title, run_list.baseline_method) == ("Title", "DSD")
    assert (run_list.images, run_list.references) == (files / "images", files / "labels")
    assert run_list.dataset_json == files / "dataset.json"


def test_null_is_the_same_as_not_given(files):
    run = {"method": "DS", "evaluation": "a.json", "fold": None, "seed": None, "predictions": None, "notes": None}
    path = write_run_list(files / "runs.json", [run], baseline=None, images=None, references=None, dataset_json=None)
    assert read_run_list(path).runs == (Run("DS", files / "a.json"),)
    assert read_run_list(path).baseline_method == "DS"


def test_all_wrong_keys_and_types_are_told_at_once(files):
    runs = [
        {"method": 3, "seed": "1", "fold": 0.5, "evaluations": "a.json"},
        "a.json",
        {"method": "", "evaluation": "a.json"},
    ]
    text = problems_of(read_run_list, write_run_list(files / "runs.json", runs, base="DS", images=True))
    for part in (
        "unknown key 'base'; did you mean 'baseline'?",
        "images: got True, expected text",
        "runs[0]: unknown key 'evaluations'; did you mean 'evaluation'?",
        "runs[0]: evaluation is missing",
        "runs[0]: method: got 3, expected text",
        "runs[0]: seed: got '1', expected a whole number",
        "runs[0]: fold: got 0.5, expected a whole number or text",
        "runs[1]: got 'a.json', expected an object",
        "runs[2]: method is empty",
    ):
        assert part in text


def test_unknown_keys_are_told_once_and_together_with_missing_files(files):
    runs = [{"method": "A", "seed": seed, "evaluation": f"no{seed}.json", "prediction": "x"} for seed in range(3)]
    path = write_run_list(files / "runs.json", runs, images="none", colour="red")
    with pytest.raises(SettingsError) as caught:
        read_run_list(path)
    assert list(caught.value.problems) == [
        "unknown key 'colour'; known: title, baseline, images, references, dataset_json, runs, facts",
        "runs[0] and 2 more: unknown key 'prediction'; did you mean 'predictions'?",
        *(f"A seed {seed}: the evaluation {files}/no{seed}.json does not exist" for seed in range(3)),
        f"images: the folder {files}/none does not exist",
    ]


@pytest.mark.parametrize("inside", ["evaluation.json", "evaluation/evaluation.json"])
def test_a_folder_as_evaluation_is_told_with_the_file_that_is_in_it(files, inside):
    (files / "images/evaluation").mkdir()
    (files / "images" / inside).write_text("{}")
    text = problems_of(run_list_from_words, [f"A={files}/images"])
    assert text.endswith(f"{files}/images is a folder; give the file in it: {files}/images/{inside}")


def test_a_folder_without_an_evaluation_names_no_file_that_does_not_exist(files):
    text = problems_of(run_list_from_words, [f"A={files}/images"])
    assert text.endswith("is a folder; give the evaluation.json that nnunet-dsd evaluate writes; there is none in it")


def test_spaces_around_a_name_make_no_other_method(files):
    run_list = run_list_from_words([f" A={files}/a.json", f"A ={files}/b.json"])
    assert run_list.methods == ("A",)
    assert with_baseline(run_list, " A").baseline_method == "A"
    runs = [{"method": f"A{' ' * number}", "evaluation": f"{'ab'[number]}.json"} for number in range(2)]
    assert read_run_list(write_run_list(files / "runs.json", runs, baseline="A ")).methods == ("A",)
    assert "' =x.json' is not of the form METHOD=EVALUATION.json" in problems_of(run_list_from_words, [" =x.json"])
    blank = write_run_list(files / "runs.json", [{"method": "  ", "evaluation": "a.json"}])
    assert "runs[0]: method is empty" in problems_of(read_run_list, blank)


def test_all_missing_files_are_told_at_once(files):
    runs = [{"method": "A", "fold": 0, "seed": 2, "evaluation": "no.json", "predictions": "nothing"}]
    path = write_run_list(
        files / "runs.json", runs, images="none", references="none", dataset_json="no.json", baseline="B"
    )
    text = problems_of(read_run_list, path)
    for part in (
        "A fold 0 seed 2: the evaluation",
        "A fold 0 seed 2: the folder of predictions",
        "images: the folder",
        "references: the folder",
        "dataset_json: the file",
        "the baseline 'B' has no run; there are A",
    ):
        assert part in text


def test_two_runs_of_one_fold_and_seed_are_refused_but_unknown_ones_are_not(files):
    first = {"method": "A", "fold": 0, "seed": 1, "evaluation": "a.json"}
    again = {**first, "evaluation": "b.json"}
    text = problems_of(read_run_list, write_run_list(files / "runs.json", [first, again]))
    assert "A fold 0 seed 1: given twice; tell the runs apart by fold or seed" in text
    unknown = [{"method": "A", "evaluation": name} for name in ("a.json", "b.json")]
    assert len(read_run_list(write_run_list(files / "runs.json", unknown)).runs) == 2


def test_no_run_at_all_is_refused(files):
    assert "there is no run" in problems_of(read_run_list, write_run_list(files / "runs.json", []))


@pytest.mark.parametrize("text", ["", "[]", "3", "{"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(DataError, match=r"runs\.json is no list of runs"):
        read_run_list(tmp_path / "runs.json")
    with pytest.raises(DataError, match="does not exist"):
        read_run_list(Path("nowhere.json"))


def test_the_baseline_can_be_chosen_later_among_the_methods(files):
    run_list = run_list_from_words([f"A={files}/a.json", f"B={files}/b.json"])
    assert with_baseline(run_list, "B").baseline_method == "B"
    assert with_baseline(run_list, None) == run_list
    assert "the baseline 'C' has no run; there are A, B" in problems_of(with_baseline, run_list, "C")
