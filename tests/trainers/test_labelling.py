"""Finished models label cases: what is stored is what nnU-Net's own predictor says of each, averaged."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from soft_label_place import GEOMETRY, SoftLabelPlace
from trainer_workplace import (
    CLASSES,
    CLASSES_IGNORE,
    REGIONS,
    REGIONS_IGNORE,
    RESIDUAL,
    CommandLine,
    preprocess,
    small_network,
)

from nnunet_dsd.datasets.names import image_path
from nnunet_dsd.datasets.raw_format import write_volume
from nnunet_dsd.labelling.run import label
from nnunet_dsd.labelling.work import prepare
from nnunet_dsd.soft_labels.folder import PLANES, RECORD, SoftLabelSet
from nnunet_dsd.soft_labels.names import SETS

STRIDES = [[1, 1, 1], [1, 2, 2], [2, 2, 2]]


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    return SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)


def held_out(place, fold):
    return json.loads((place.preprocessed / "splits_final.json").read_text())[fold]["val"]


def predictor_of(model, fold, *, mirroring=False):
    predictor = nnUNetPredictor(
        use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), (fold,), "checkpoint_final.pth")
    return predictor


def preprocessed_by(predictor, files):
    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    names = [str(file) for file in files]
    array, _, _ = preprocessor.run_case(
        names, None, predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
    )
    return np.asarray(array, np.float32)


def said_by(predictor, files):
    """Logits on the predictor's own voxels."""
    return predictor.predict_logits_from_preprocessed_data(torch.from_numpy(preprocessed_by(predictor, files))).float()


def softmax_mean(logits):
    return torch.stack([torch.softmax(one, 0) for one in logits]).mean(0)


def same_as_stored(soft_labels, case, exact):
    """Whether what is stored of a case is a probability as it is written, up to a level where rounding is a tie."""
    planes = torch.from_numpy(soft_labels.planes(case)[:]).int()
    expected = soft_labels.layout.encode(exact).int()
    difference = (planes - expected).abs()
    return planes.shape == expected.shape and difference.max() <= 1 and (difference > 0).float().mean() < 1e-3


def raw(place, case):
    return [image_path(place.folder / "raw" / place.dataset / "imagesTr", case)]


def files_of(folder):
    """Every file's bytes but the locks', by its path in the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def residual(plans):
    plans["configurations"]["3d_fullres"] |= {
        "architecture": small_network(RESIDUAL, STRIDES),
        "patch_size": [8, 8, 16],
    }


@pytest.mark.parametrize("mirroring", [False, True])
def test_each_case_has_the_mean_of_the_models_that_did_not_train_on_it(place, mirroring):
    """Two folds of one model and one of another network with another patch size, against nnU-Net's predictor."""
    plain, other = place.teacher(fold=0), place.teacher(fold=0, plans="other", change=residual)
    assert place.teacher(fold=1) == plain
    soft_labels = place.label(plain, other, unlabelled=place.images(1), mirroring=mirroring)
    manifest = soft_labels.manifest
    assert [teacher.fold for teacher in manifest.teachers] == ["0", "1", "0"]
    assert manifest.mirroring == mirroring
    first, second = (predictor_of(plain, fold, mirroring=mirroring) for fold in (0, 1))
    third = predictor_of(other, 0, mirroring=mirroring)
    for case, models in ((held_out(place, 0)[0], [first, third]), (held_out(place, 1)[0], [second])):
        assert same_as_stored(soft_labels, case, softmax_mean([said_by(one, raw(place, case)) for one in models]))
    assert sorted(manifest.labelled) == sorted({*held_out(place, 0), *held_out(place, 1)})
    new = image_path(place.folder / "unlabelled", "new_0")
    exact = softmax_mean([said_by(one, [new]) for one in (first, second, third)])
    assert same_as_stored(soft_labels, "new_0", exact)
    stored = soft_labels.layout.decode(torch.from_numpy(soft_labels.planes("new_0")[:]))
    assert (stored - exact).abs().max().item() == pytest.approx(soft_labels.record("new_0").largest_error, abs=1e-4)


def coarser_and_turned(plans):
    """Other plans of the same data: the second axis first, larger voxels."""
    plans["transpose_forward"], plans["transpose_backward"] = [1, 0, 2], [1, 0, 2]
    plans["configurations"]["3d_fullres"] |= {
        "spacing": [1.5, 2.0, 1.5],
        "patch_size": [16, 8, 16],
        "architecture": small_network(RESIDUAL, [[1, 1, 1], [2, 1, 2], [2, 2, 2]]),
    }


def test_a_model_of_other_voxels_and_axes_is_resampled_as_nnunet_resamples(place):
    teacher = place.teacher(fold=0, plans="turned", change=coarser_and_turned)
    soft_labels = place.label(teacher, unlabelled=place.images(1))
    predictor = predictor_of(teacher, 0)
    files = {held_out(place, 0)[0]: raw(place, held_out(place, 0)[0])}
    files["new_0"] = [image_path(place.folder / "unlabelled", "new_0")]
    for case, paths in files.items():
        logits = said_by(predictor, paths)
        resampled = predictor.configuration_manager.resampling_fn_probabilities(
            logits.permute(0, 2, 1, 3), [16, 24, 24], [2.0, 1.5, 1.5], [2.0, 1.0, 1.0]
        )
        assert tuple(logits.shape[1:]) == (16, 16, 16)
        assert same_as_stored(soft_labels, case, torch.softmax(torch.as_tensor(np.asarray(resampled)).float(), 0))


def test_flat_models_label_for_a_volume_student(place):
    teacher = place.teacher(fold=0, configuration="2d")
    soft_labels = place.label(teacher)
    case = held_out(place, 0)[0]
    logits = said_by(predictor_of(teacher, 0), raw(place, case))
    assert same_as_stored(soft_labels, case, torch.softmax(logits, 0))


@pytest.mark.parametrize("dataset", [REGIONS, REGIONS_IGNORE, CLASSES_IGNORE])
def test_regions_and_ignored_voxels(data_folder, all_label_kinds, nnunet, tmp_path, monkeypatch, dataset):
    place = SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch, dataset)
    teacher = place.teacher(fold=0)
    soft_labels = place.label(teacher, unlabelled=place.images(1))
    regions = dataset in (REGIONS, REGIONS_IGNORE)
    predictor = predictor_of(teacher, 0)
    logits = said_by(predictor, [image_path(place.folder / "unlabelled", "new_0")])
    exact = torch.sigmoid(logits) if regions else torch.softmax(logits, 0)
    assert exact.shape[0] == (2 if regions else 3)
    assert same_as_stored(soft_labels, "new_0", exact)
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    _, labels, _, properties = nnUNetDatasetBlosc2(str(soft_labels.images), ["new_0"]).load_case("new_0")
    likeliest = predictor.label_manager.convert_probabilities_to_segmentation(exact)
    assert (np.asarray(labels[:])[0] == np.asarray(likeliest)).mean() > 0.999
    locations = nnUNetDatasetBlosc2(str(place.preprocessed / "nnUNetPlans_3d_fullres"), ["ball_0"]).load_case("ball_0")
    assert properties["class_locations"].keys() == locations[3]["class_locations"].keys()


def test_several_channels(place):
    raw_folder = place.folder / "raw" / CLASSES
    rng = np.random.default_rng(3)
    for case in [path.name.removesuffix("_0000.nii.gz") for path in (raw_folder / "imagesTr").glob("*_0000.nii.gz")]:
        noise = rng.normal(0, 10, (16, 24, 24)).astype(np.float32)
        write_volume(image_path(raw_folder / "imagesTr", case, channel=1), noise, **GEOMETRY)
    for path in (raw_folder / "dataset.json", place.preprocessed / "dataset.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "channel_names": {"0": "T1", "1": "T2"}}))
    plans = json.loads((place.preprocessed / "nnUNetPlans.json").read_text())
    for name in ("2d", "3d_fullres"):
        changed = plans["configurations"][name]
        changed |= {"normalization_schemes": ["ZScoreNormalization"] * 2, "use_mask_for_norm": [False] * 2}
    intensities = plans["foreground_intensity_properties_per_channel"]
    intensities["1"] = intensities["0"]
    preprocess(CLASSES, plans, ["3d_fullres"])
    teacher = place.teacher(fold=0)
    soft_labels = place.label(teacher, unlabelled=place.images(1, channels=2))
    files = [image_path(place.folder / "unlabelled", "new_0", channel=channel) for channel in (0, 1)]
    assert same_as_stored(soft_labels, "new_0", torch.softmax(said_by(predictor_of(teacher, 0), files), 0))
    assert soft_labels.manifest.channels == 2


def test_in_sample_lets_every_model_label_every_case_and_the_file_says_so(place):
    teacher = place.teacher(fold="all")
    soft_labels = place.label(teacher, in_sample=True)
    assert soft_labels.manifest.in_sample
    assert set(soft_labels.manifest.labelled) == {f"ball_{index}" for index in range(5)}
    assert set(soft_labels.manifest.labelled.values()) == {(0,)}


@pytest.fixture
def unbroken(place):
    """A request, and the files that it makes in one go."""
    teacher = place.teacher(fold=0)
    images = place.images(2)
    whole = place.label(teacher, name="whole", unlabelled=images)
    return (lambda name, **changes: place.request(teacher, name=name, unlabelled=images, **changes)), whole


@pytest.mark.parametrize("moves", [1, 2, 4, 7])
def test_stopped_at_any_file_it_goes_on_to_the_same_files(place, unbroken, monkeypatch, moves):
    request, whole = unbroken
    left, replace = [moves], os.replace

    def failing(source, target):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(KeyboardInterrupt):
            label(prepare(request("soft")), say=lambda line: None)
    assert label(prepare(request("soft")), say=lambda line: None) == []
    assert files_of(place.preprocessed / SETS / "soft") == files_of(whole.folder)


def test_what_is_labelled_is_not_labelled_again(place, unbroken):
    request, whole = unbroken
    times = {case: whole.path(case, PLANES).stat().st_mtime_ns for case in whole.manifest.cases}
    whole.path("new_1", RECORD).unlink()
    (whole.folder / "cases" / f".partial-999999-new_1{PLANES}").write_bytes(b"left by a killed process")
    said = []
    assert label(prepare(request("whole")), say=said.append) == []
    assert said[0].startswith("1 case to label")
    changed = [case for case in times if whole.path(case, PLANES).stat().st_mtime_ns != times[case]]
    assert changed == ["new_1"]
    assert not list((whole.folder / "cases").glob(".partial-*"))


def test_parts_make_what_one_run_makes(place, unbroken):
    request, whole = unbroken
    left = label(prepare(request("soft", part=(2, 2))), say=lambda line: None)
    assert left == list(whole.manifest.cases[0::2])
    assert label(prepare(request("soft", part=(1, 2))), say=lambda line: None) == []
    assert files_of(place.preprocessed / SETS / "soft") == files_of(whole.folder)


COMMAND = "nnunet_dsd.cli.main:main"


def test_two_processes_share_the_work_and_one_is_killed(place, unbroken):
    request, whole = unbroken
    line = CommandLine(place.folder, place.folder / "results")
    teacher = request("soft").teachers[0]
    words = ["soft-labels", "-d", CLASSES, "-c", "3d_fullres", "--teacher", teacher, "-o", "soft", "--no-mirroring"]
    words += ["--unlabelled", place.folder / "unlabelled", "--device", "cpu"]
    soft = SoftLabelSet(place.preprocessed / SETS / "soft", whole.manifest)
    with (
        line.running(COMMAND, *words, "--part", "1/2") as first,
        line.running(COMMAND, *words, "--part", "2/2") as last,
    ):
        mine = whole.manifest.cases[0]
        while first.poll() is None and not soft.path(mine, PLANES).exists():
            time.sleep(0.005)
        os.killpg(first.pid, signal.SIGKILL)
        assert last.wait(timeout=300) == 0, last.said()
        assert "run the other parts, or this command once more" in last.said()
    assert set(whole.manifest.cases[1::2]).isdisjoint(soft.missing())
    assert label(prepare(request("soft")), say=lambda line: None) == []
    assert files_of(soft.folder) == files_of(whole.folder)


def test_stock_nnunet_sees_what_it_saw_before(place):
    def seen():
        stock = place.trainer("nnUNetTrainer", CLASSES, fold=0)
        stock.initialize()
        training, validation = stock.get_tr_and_val_datasets()
        outside = {name: content for name, content in files_of(place.preprocessed).items() if not name.startswith(SETS)}
        return stock.do_split(), sorted(training.identifiers), sorted(validation.identifiers), outside

    teacher = place.teacher(fold=0)
    before = seen()
    place.label(teacher, unlabelled=place.images())
    assert seen() == before
    assert "dataset_fingerprint.json" in before[3]
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    cases = DatasetFingerprintExtractor(901, 1).dataset
    assert sorted(cases) == [f"ball_{index}" for index in range(5)]
    assert not [name for name in files_of(Path(place.folder) / "raw") if "new_" in name]
