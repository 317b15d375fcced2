"""Each stage of a deployed model against nnU-Net's own, over grids of shapes, spacings, axes and schemes."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from nnunet_dsd.deploy.runtime.description import Description, Normalisation, Resampling
from nnunet_dsd.deploy.runtime.images import Case, find_cases, read_image, write_labels
from nnunet_dsd.deploy.runtime.labels import label_map
from nnunet_dsd.deploy.runtime.preparing import Prepared, prepare
from nnunet_dsd.deploy.runtime.resampling import resample, resampled_shape, separate_axis
from nnunet_dsd.deploy.runtime.windows import patch_weights, predict_logits, windows
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

SPACINGS = [(1.0, 1.0, 1.0), (3.5, 0.8, 0.9), (0.7, 2.5, 0.7), (0.3, 1.2, 1.2), (5.0, 1.0, 1.3), (1.1, 0.9, 4.0)]
IMAGE = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
LOGITS = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
INTENSITIES = {"mean": 90.0, "std": 40.0, "percentile_00_5": 20.0, "percentile_99_5": 160.0}


def described(**changes):
    usual = {
        "name": "model",
        "runtime": "openvino",
        "runtime_version": "1",
        "precision": "f32",
        "graph": "model.xml",
        "files": {},
        "reader": "itk",
        "file_ending": ".nii.gz",
        "channels": ("MRI",),
        "labels": {"background": 0, "a": 1, "b": 2},
        "patch_size": (8, 8, 8),
        "spacing": (1.0, 1.0, 1.0),
        "transpose": (0, 1, 2),
        "normalisation": (Normalisation("ZScoreNormalization"),),
        "image_resampling": Resampling(3, 0, None),
        "logits_resampling": Resampling(1, 0, None),
        "outputs": 3,
        "region_labels": None,
        "wide_labels": False,
        "mirror_axes": (),
        "measured": {},
    }
    return Description(**{**usual, **changes})


def volume(shape, seed=0):
    return np.random.default_rng(seed).normal(100, 50, shape).astype(np.float32)


@pytest.mark.parametrize("options", [IMAGE, LOGITS, {**IMAGE, "order_z": 1}, {**LOGITS, "force_separate_z": True}])
@pytest.mark.parametrize(("spacing", "wanted"), itertools.permutations(SPACINGS, 2))
def test_volumes_are_resampled_as_nnunet_does(options, spacing, wanted):
    image = volume((17, 22, 20))
    shape = resampled_shape(image.shape, spacing, wanted)
    expected = resample_data_or_seg_to_shape(image[None], shape, spacing, wanted, **options)[0]
    how = Resampling(options["order"], options["order_z"], options["force_separate_z"])
    found = resample(image, shape, how, separate_axis(spacing, wanted, how.separate_z))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3  # of intensities around 100


def as_plans(transpose, spacing, schemes, masks):
    """The parts of nnU-Net's plans that its preprocessor reads."""
    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

    manager = ConfigurationManager(
        {
            "architecture": {},
            "spacing": list(spacing),
            "normalization_schemes": list(schemes),
            "use_mask_for_norm": list(masks),
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": IMAGE,
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_seg_kwargs": {**LOGITS, "is_seg": True},
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": LOGITS,
        }
    )
    backward = [list(transpose).index(axis) for axis in range(3)]
    intensities = {str(channel): INTENSITIES for channel in range(len(schemes))}
    plans = SimpleNamespace(
        transpose_forward=list(transpose),
        transpose_backward=backward,
        foreground_intensity_properties_per_channel=intensities,
    )
    return plans, manager


def normalisations(schemes, masks):
    numbers = {"mean": 90.0, "std": 40.0, "lowest": 20.0, "highest": 160.0}
    return tuple(
        Normalisation(scheme, mask, **(numbers if scheme == "CTNormalization" else {}))
        for scheme, mask in zip(schemes, masks, strict=True)
    )


SCHEMES = [
    (("ZScoreNormalization",), (False,)),
    (("ZScoreNormalization", "ZScoreNormalization"), (True, True)),
    (("CTNormalization",), (False,)),
    (("NoNormalization", "RescaleTo01Normalization"), (False, False)),
    (("RGBTo01Normalization",) * 3, (False,) * 3),
    (("ZScoreNormalization", "CTNormalization"), (True, False)),
]


@pytest.mark.parametrize("bordered", [False, True])
@pytest.mark.parametrize(("schemes", "masks"), SCHEMES)
@pytest.mark.parametrize("transpose", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("wanted", [(1.0, 1.0, 1.0), (2.0, 0.8, 0.9), (1.0, 1.0)])
def test_images_are_prepared_as_nnunet_does(wanted, transpose, schemes, masks, bordered):
    rng = np.random.default_rng(1)
    image = rng.integers(1, 255, (len(schemes), 9, 14, 11)).astype(np.float32)
    if bordered:
        image[:, :, :3], image[..., -2:], image[:, 4, 7, 5] = 0, 0, 0  # empty outside, and a hole
    spacing = (2.2, 0.9, 1.0)
    plans, manager = as_plans(transpose, wanted, schemes, masks)
    properties = {"spacing": list(spacing)}
    expected, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        image.copy(), None, properties, plans, manager, {}
    )
    description = described(spacing=wanted, transpose=transpose, normalisation=normalisations(schemes, masks))
    found = prepare(image, spacing, description)
    assert found.array.shape == expected.shape
    assert np.abs(found.array - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())
    assert [[one.start, one.stop] for one in found.crop] == [list(one) for one in properties["bbox_used_for_cropping"]]
    assert found.shape == tuple(properties["shape_before_cropping"])


def test_an_empty_image_is_left_whole():
    description = described()
    found = prepare(np.zeros((1, 5, 6, 7), np.float32), (1.0, 1.0, 1.0), description)
    assert found.array.shape == (1, 5, 6, 7)
    assert np.isfinite(found.array).all()


@pytest.mark.parametrize(
    ("image", "said"),
    [(np.full((1, 4, 4, 4), np.nan, np.float32), "not finite"), (np.ones((1, 1, 4, 4), np.float32), "nothing of")],
)
def test_images_that_cannot_be_prepared_are_refused(image, said):
    with pytest.raises(DeployedModelError, match=said):
        prepare(image, (1.0, 1.0, 1.0), described(spacing=(3.0, 1.0, 1.0)))


def test_colours_beyond_a_byte_are_refused():
    description = described(normalisation=(Normalisation("RGBTo01Normalization"),))
    with pytest.raises(DeployedModelError, match="from 0 to 255 are needed, got 1 to 300"):
        prepare(np.array([1.0, 300.0] * 4, np.float32).reshape(1, 2, 2, 2), (1.0, 1.0, 1.0), description)


def nnunets_predictor(patch, network, *, outputs, mirror=None, step=0.5):
    predictor = nnUNetPredictor(tile_step_size=step, use_mirroring=mirror is not None, device=torch.device("cpu"))
    predictor.allow_tqdm = False
    predictor.network = network
    predictor.allowed_mirroring_axes = mirror
    predictor.configuration_manager = SimpleNamespace(patch_size=list(patch))
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=outputs)
    return predictor


class Lopsided(torch.nn.Module):
    """Logits that depend on where in the patch a voxel is, so that every weight and mirroring shows."""

    def __init__(self, dimensions):
        super().__init__()
        convolution = torch.nn.Conv3d if dimensions == 3 else torch.nn.Conv2d
        torch.manual_seed(3)
        self.convolution = convolution(2, 3, 3, padding=1)

    def forward(self, images):
        ramp = torch.linspace(-1, 2, images[0, 0].numel()).view(1, 1, *images.shape[2:])
        return self.convolution(images) * 3 + ramp


@pytest.mark.parametrize("mirror", [(), (0,), (0, 1)])
@pytest.mark.parametrize("step", [0.5, 0.7, 1.0])
@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((9, 20, 13), (8, 8, 8)),
        ((5, 8, 30), (8, 8, 8)),
        ((3, 7, 5), (6, 8, 10)),
        ((4, 19, 9), (8, 6)),
        ((2, 5, 5), (8, 6)),
    ],
)
def test_logits_of_a_sliding_window_are_nnunets_to_the_last_bit(shape, patch, step, mirror):
    image, network = volume((2, *shape)) / 100, Lopsided(len(patch)).eval()
    predictor = nnunets_predictor(patch, network, outputs=3, mirror=mirror or None, step=step)
    expected = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)).numpy()

    @torch.no_grad()
    def graph(part):
        return network(torch.from_numpy(part)).numpy()

    found = predict_logits(graph, image, patch=patch, outputs=3, step=step, mirror=mirror)
    assert found.dtype == expected.dtype == np.float16
    assert found.shape == expected.shape
    assert (found != expected).mean() < 1e-3  # a last bit where the two add in another order
    assert np.abs(found.astype(np.float32) - expected.astype(np.float32)).max() < 0.01


@pytest.mark.parametrize("patch", [(8, 8, 8), (5, 12, 40), (24, 24), (64, 3)])
def test_weights_of_a_patch_are_nnunets(patch):
    expected = compute_gaussian(patch, sigma_scale=1 / 8, value_scaling_factor=10, device=torch.device("cpu"))
    assert np.array_equal(patch_weights(patch), expected.numpy())
    assert patch_weights(patch).min() > 0


@pytest.mark.parametrize("step", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(("shape", "patch"), [((64, 110, 33), (32, 64, 32)), ((4, 50, 50), (32, 50))])
def test_windows_are_nnunets_in_its_order(shape, patch, step):
    predictor = nnunets_predictor(patch, None, outputs=1, step=step)
    expected = [tuple(place[1:]) for place in predictor._internal_get_sliding_window_slicers(shape)]
    assert list(windows(shape, patch, step)) == expected


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(DeployedModelError, match="not finite"):
        predict_logits(
            lambda patch: patch * np.inf,
            np.ones((1, 4, 4, 4), np.float32),
            patch=(4,) * 3,
            outputs=1,
            step=1,
            mirror=(),
        )


LABELS = {"background": 0, "a": 1, "b": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": 2}


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (4, 2), (0, 0)])
def test_label_maps_are_nnunets(first, second, transpose, regions):
    """Smooth logits on another grid, cropped and turned, end in the label map that nnU-Net makes of them."""
    spacing, wanted, rng = SPACINGS[first], SPACINGS[second], np.random.default_rng(5)
    turned_shape, crop = (14, 17, 15), (slice(2, 13), slice(0, 17), slice(3, 12))
    cropped = tuple(one.stop - one.start for one in crop)
    turned_spacing = tuple(spacing[axis] for axis in transpose)
    grid = resampled_shape(cropped, turned_spacing, wanted)
    outputs = 2 if regions else 3
    logits = np.stack(
        [resample(rng.normal(0, 3, (4, 4, 4)), grid, Resampling(3, 3, False), None) for _ in range(outputs)]
    )
    logits = logits.astype(np.float16)
    plans, manager = as_plans(transpose, wanted, ("ZScoreNormalization",), (False,))
    manager_of_labels = LabelManager(REGIONS if regions else LABELS, [1, 2] if regions else None)
    properties = {
        "spacing": spacing,
        "shape_before_cropping": turned_shape,
        "bbox_used_for_cropping": [[one.start, one.stop] for one in crop],
        "shape_after_cropping_and_before_resampling": cropped,
    }
    expected = convert_predicted_logits_to_segmentation_with_correct_shape(
        torch.from_numpy(logits.copy()), plans, manager, manager_of_labels, properties, num_threads_torch=1
    )
    description = described(
        spacing=wanted, transpose=transpose, outputs=outputs, region_labels=(1, 2) if regions else None
    )
    prepared = Prepared(np.empty(0, np.float32), turned_shape, crop, turned_spacing, wanted)
    found = label_map(logits, prepared, description)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert (found != expected).mean() < 2e-3  # ties of half precision in so few voxels
    assert set(np.unique(expected)) == {0, 1, 2}


def write_image(array, path, *, spacing=(0.7, 0.8, 2.5)):
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    image.SetOrigin((1.0, -2.0, 3.0)[: image.GetDimension()])
    SimpleITK.WriteImage(image, str(path))


@pytest.mark.parametrize("reader", [SimpleITKIO, NibabelIO])
def test_volumes_are_read_as_nnunets_readers_read_them(tmp_path, reader):
    for channel in range(2):
        write_image(volume((4, 6, 5), channel), tmp_path / f"case_{channel:04d}.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    array, spacing, _ = read_image(case, described(channels=("T1", "T2")))
    expected, properties = reader().read_images([str(path) for path in case.files])
    assert np.array_equal(array, expected)
    assert spacing == pytest.approx(tuple(properties["spacing"]))


@pytest.mark.parametrize("colours", [1, 3])
def test_pictures_are_read_as_nnunets_reader_reads_them(tmp_path, colours):
    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 3)[: 2 + (colours > 1)]).astype(np.uint8)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels, isVector=colours > 1), str(tmp_path / "a_0000.png"))
    description = described(reader="picture", file_ending=".png", channels=("R", "G", "B")[:colours])
    (case,) = find_cases(tmp_path, ".png")
    array, spacing, geometry = read_image(case, description)
    expected, properties = NaturalImage2DIO().read_images([str(tmp_path / "a_0000.png")])
    assert np.array_equal(array, expected)
    assert spacing == properties["spacing"]
    write_labels(np.ones((1, 6, 5), np.uint8), geometry, tmp_path / "a.png")
    again, _ = NaturalImage2DIO().read_seg(str(tmp_path / "a.png"))
    assert np.array_equal(again, np.ones((1, 1, 6, 5)))


@pytest.mark.parametrize("shape", [(4, 6, 5), (6, 5)])
def test_label_maps_lie_where_nnunet_puts_them(tmp_path, shape):
    write_image(volume(shape), tmp_path / "case_0000.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    array, spacing, geometry = read_image(case, described(patch_size=(8, 8, 8)[: len(shape)]))
    expected, properties = SimpleITKIO().read_images([str(case.files[0])])
    assert np.array_equal(array, expected)
    assert spacing == pytest.approx(tuple(properties["spacing"]), rel=1e-6)
    labels = np.random.default_rng(1).integers(0, 3, array.shape[1:]).astype(np.uint8)
    write_labels(labels, geometry, tmp_path / "ours.nii.gz")
    SimpleITKIO().write_seg(labels, str(tmp_path / "theirs.nii.gz"), properties)
    ours, theirs = (SimpleITK.ReadImage(str(tmp_path / name)) for name in ("ours.nii.gz", "theirs.nii.gz"))
    assert ours.GetPixelID() == theirs.GetPixelID()
    assert np.array_equal(SimpleITK.GetArrayFromImage(ours), SimpleITK.GetArrayFromImage(theirs))
    for entry in ("GetSpacing", "GetOrigin", "GetDirection", "GetSize"):
        assert getattr(ours, entry)() == getattr(theirs, entry)()


def test_cases_are_found_by_their_channels(tmp_path):
    for name in ("b_0000.nii.gz", "b_0001.nii.gz", "a_7_0000.nii.gz", ".partial-1-c_0000.nii.gz", "notes.txt"):
        (tmp_path / name).touch()
    found = find_cases(tmp_path, ".nii.gz")
    (tmp_path / "b.nii.gz").touch()  # a label map, or an image without a channel's number
    found = find_cases(tmp_path, ".nii.gz")
    assert [(case.name, len(case.files)) for case in found] == [("a_7", 1), ("b", 2)]
    assert [case.name for case in find_cases(tmp_path / "b_0000.nii.gz", ".nii.gz")] == ["b"]
    with pytest.raises(DeployedModelError, match=r"no images named such as CASE_0000.mha"):
        find_cases(tmp_path, ".mha")
    with pytest.raises(DeployedModelError, match=r"there is no .*nowhere"):
        find_cases(tmp_path / "nowhere", ".mha")


def test_images_that_do_not_fit_are_refused(tmp_path):
    write_image(volume((4, 6, 5)), tmp_path / "a_0000.nii.gz")
    write_image(volume((4, 6, 6)), tmp_path / "a_0001.nii.gz")
    (tmp_path / "broken_0000.nii.gz").write_bytes(b"nothing")
    first, second = tmp_path / "a_0000.nii.gz", tmp_path / "a_0001.nii.gz"
    with pytest.raises(DeployedModelError, match="its channels differ in size, spacing, origin or direction"):
        read_image(Case("a", (first, second)), described(channels=("T1", "T2")))
    with pytest.raises(DeployedModelError, match=r"1 image channels, expected 2 \(T1, T2\) in files such as a_0000"):
        read_image(Case("a", (first,)), described(channels=("T1", "T2")))
    with pytest.raises(DeployedModelError, match=r"broken_0000.nii.gz is damaged or ends too early"):
        read_image(Case("broken", (tmp_path / "broken_0000.nii.gz",)), described())


def test_channels_must_be_numbered_from_0_without_a_gap(tmp_path):
    for number in (1, 7):
        write_image(volume((4, 6, 5)), tmp_path / f"a_{number:04d}.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    with pytest.raises(
        DeployedModelError, match=r"its channels are a_0001.nii.gz, a_0007.nii.gz, expected a_0000.nii.gz"
    ):
        read_image(case, described(channels=("T1", "T2")))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_file_that_ends_too_early_is_refused(tmp_path, ending):
    """SimpleITK reads what is missing as 0, and says nothing."""
    path = tmp_path / f"a_0000{ending}"
    write_image(volume((20, 30, 30)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DeployedModelError, match=r"ends too early.*copy it again"):
        read_image(Case("a", (path,)), described(file_ending=ending))


@pytest.mark.parametrize("edge", [0.0, -1.0, np.nan])
def test_a_file_that_does_not_say_how_large_its_voxels_are_is_refused(tmp_path, edge):
    """SimpleITK takes 1 mm in its place, or the edge without its sign."""
    path = tmp_path / "a_0000.nii"
    write_image(volume((4, 6, 5)), path)
    content = bytearray(path.read_bytes())
    content[84:88] = np.array([edge], "<f4").tobytes()  # pixdim[2]
    path.write_bytes(content)
    with pytest.raises(DeployedModelError, match=r"its voxels are .* mm; write the right spacing into its file"):
        read_image(Case("a", (path,)), described(file_ending=".nii"))


def test_channels_in_one_file_lie_where_their_volumes_do(tmp_path):
    channels = np.stack([volume((4, 6, 5), seed) for seed in range(2)])
    image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(one) for one in channels])
    image.SetSpacing((0.5, 0.7, 2.0, 1.0))
    image.SetOrigin((5.0, 6.0, 7.0, 0.0))
    SimpleITK.WriteImage(image, str(tmp_path / "a_0000.nii.gz"))
    (case,) = find_cases(tmp_path, ".nii.gz")
    array, spacing, geometry = read_image(case, described(channels=("T1", "T2")))
    expected, properties = SimpleITKIO().read_images([str(case.files[0])])
    assert np.array_equal(array, expected)
    assert spacing == pytest.approx(tuple(properties["spacing"]))
    write_labels(np.ones((4, 6, 5), np.uint8), geometry, tmp_path / "a.nii.gz")
    written = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    assert written.GetSpacing() == pytest.approx((0.5, 0.7, 2.0))
    assert written.GetOrigin() == pytest.approx((5.0, 6.0, 7.0))


def test_a_flat_image_is_none_for_a_model_of_volumes(tmp_path):
    write_image(volume((6, 5)), tmp_path / "a_0000.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    with pytest.raises(DeployedModelError, match="it is a flat image, and the model takes volumes"):
        read_image(case, described())


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(DeployedModelError, match="Foo is no normalisation"):
        prepare(np.ones((1, 4, 4, 4), np.float32), (1.0,) * 3, described(normalisation=(Normalisation("Foo"),)))


def test_a_graph_that_gives_something_else_is_refused():
    image = np.ones((1, 4, 4, 4), np.float32)
    with pytest.raises(DeployedModelError, match=r"gives \(1, 4, 4, 4\) for a patch, model.json says \(2, 4, 4, 4\)"):
        predict_logits(lambda patch: patch, image, patch=(4, 4, 4), outputs=2, step=1, mirror=())


def test_a_label_map_that_cannot_be_written_leaves_nothing(tmp_path):
    write_image(volume((4, 6, 5)), tmp_path / "a_0000.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    array, _, geometry = read_image(case, described())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.nii.gz").mkdir()
    with pytest.raises(DeployedModelError, match=r"a.nii.gz cannot be written"):
        write_labels(array[0].astype(np.uint8), geometry, tmp_path / "out" / "a.nii.gz")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.nii.gz"]


def test_a_disk_that_fills_up_is_noticed_although_simpleitk_does_not(tmp_path, monkeypatch):
    write_image(volume((4, 6, 5)), tmp_path / "a_0000.nii.gz")
    (case,) = find_cases(tmp_path, ".nii.gz")
    array, _, geometry = read_image(case, described())
    write = SimpleITK.WriteImage

    def write_a_part(image, path, compressed):
        write(image, path, compressed)
        with open(path, "rb+") as file:
            file.truncate(40)

    monkeypatch.setattr(SimpleITK, "WriteImage", write_a_part)
    with pytest.raises(DeployedModelError, match=r"out.nii.gz cannot be written .*is the disk full"):
        write_labels(array[0].astype(np.uint8), geometry, tmp_path / "out.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a_0000.nii.gz"]
