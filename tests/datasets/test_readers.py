"""Our readers against nnU-Net's own, which are the oracle, over a grid of formats, axes, affines, units and numbers."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from nnunetv2.imageio.reader_writer_registry import (
    determine_reader_writer_from_dataset_json,
    recursive_find_reader_writer_by_name,
)
from PIL import Image
from scipy.spatial.transform import Rotation

from nnunet_dsd.common.errors import DataError, MisfitError
from nnunet_dsd.datasets.geometry import geometry_difference
from nnunet_dsd.datasets.readers.choice import READERS, choose_reader, named_reader

RNG = np.random.default_rng(5)
VOLUME = RNG.integers(0, 3, (4, 5, 6), dtype=np.uint8)  # (x, y, z) for nibabel, (z, y, x) for all others
TURN = Rotation.from_euler("xyz", [12, 7, 23], degrees=True).as_matrix()
SHEAR = np.array([[0.8, 0.1, 0.0], [0.0, 0.9, 0.0], [0.0, 0.0, 3.0]])
AFFINES = {
    "straight": np.diag([0.8, 0.9, 3.0]),
    "flipped": np.diag([-0.8, 0.9, -3.0]),
    "swapped": np.diag([0.8, 0.9, 3.0])[[2, 0, 1]],
    "oblique": TURN @ np.diag([0.8, 0.9, 3.0]),
    "sheared": SHEAR,
    "registered": np.diag([0.8, 0.9, 3.0]) @ TURN,
}


def nifti(path: Path, values: np.ndarray, matrix: np.ndarray, *, unit: str = "mm") -> Path:
    """Write a NIfTI file of the axes (x, y, z) with nibabel."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, (5, -3, 40)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units(unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def no_transform(path: Path) -> Path:
    """Write a NIfTI file of neither qform nor sform, with a negative spacing along z."""
    image = nib.Nifti1Image(VOLUME, None)
    image.header.set_zooms((0.8, 0.9, 3.0))
    image.set_qform(None, code=0)
    image.set_sform(None, code=0)
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    content[88:92] = np.float32(-3).tobytes()
    path.write_bytes(content)
    return path


def scaled(path: Path) -> Path:
    image = nib.Nifti1Image(VOLUME, np.diag([1, 1, 2, 1.0]))
    image.header.set_slope_inter(2, 1)
    nib.save(image, path)
    return path


def itk(path: Path, values: np.ndarray) -> Path:
    image = sitk.GetImageFromArray(values, isVector=False)
    image.SetSpacing((0.8, 0.9, 3.0, 1.0)[: values.ndim])
    sitk.WriteImage(image, str(path))
    return path


def stack(path: Path, spacing: list[float] | None, *, resolution: float = 25.0, compression: str | None = None) -> Path:
    """Write a TIFF stack with a resolution for printing, and its spacing beside it."""
    tifffile.imwrite(path, VOLUME, resolution=(resolution, resolution), compression=compression)
    if spacing:
        path.with_name(path.name.removesuffix(path.suffix).removesuffix("_0000") + ".json").write_text(
            json.dumps({"spacing": spacing})
        )
    return path


def picture(path: Path, mode: str = "L", **options: object) -> Path:
    """Write a picture of 5 x 7 pixels, with a resolution for printing."""
    values = RNG.integers(0, 2, (5, 7), dtype=np.uint8)
    colours = {"RGB": 3, "RGBA": 4, "LA": 2}
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 300)
    elif mode in colours:
        image = Image.fromarray(np.stack([values * (40 + place) for place in range(colours[mode])], axis=-1))
    else:
        image = Image.fromarray(values * 255 if mode == "1" else values).convert(mode)
    image.save(path, dpi=(72, 72), **options)
    return path


Maker = Callable[[Path], Path]
FILES: dict[str, Maker] = {
    **{
        f"{name}{ending}": lambda folder, name=name, ending=ending: nifti(folder / f"a{ending}", VOLUME, AFFINES[name])
        for name in AFFINES
        for ending in (".nii", ".nii.gz")
    },
    **{
        f"{kind}.nii.gz": lambda folder, kind=kind: nifti(folder / "a.nii.gz", VOLUME.astype(kind), AFFINES["oblique"])
        for kind in ("int16", "uint16", "float32", "float64", "int32")
    },
    "flat.nii": lambda folder: nifti(folder / "a.nii", VOLUME[:, :, 0], AFFINES["straight"]),
    "flat.nii.gz": lambda folder: itk(folder / "a.nii.gz", VOLUME[0]),
    "channels.nii.gz": lambda folder: itk(folder / "a.nii.gz", np.stack([VOLUME, VOLUME + 1])),
    "no_transform.nii": lambda folder: no_transform(folder / "a.nii"),
    "scaled.nii": lambda folder: scaled(folder / "a.nii"),
    **{f"a{ending}": lambda folder, ending=ending: itk(folder / f"a{ending}", VOLUME) for ending in (".mha", ".nrrd")},
    "flat.mha": lambda folder: itk(folder / "a.mha", VOLUME[0]),
    "channels.nrrd": lambda folder: itk(folder / "a.nrrd", np.stack([VOLUME, VOLUME + 1])),
    **{
        f"spaced_{compression}.tif": lambda folder, compression=compression: stack(
            folder / "a_0000.tif", [3.0, 0.9, 0.8], compression=compression
        )
        for compression in (None, "lzw", "zlib")
    },
    "spaced.tiff": lambda folder: stack(folder / "a_0000.tiff", [3.0, 0.9, 0.8]),
    "without_spacing.tif": lambda folder: stack(folder / "a_0000.tif", None),
    **{f"{mode}.png": lambda folder, mode=mode: picture(folder / "a.png", mode) for mode in ("L", "1", "P", "I;16")},
    **{f"{mode}.png": lambda folder, mode=mode: picture(folder / "a.png", mode) for mode in ("RGB", "RGBA", "LA")},
    **{f"{mode}.bmp": lambda folder, mode=mode: picture(folder / "a.bmp", mode) for mode in ("L", "1", "P", "RGB")},
    **{
        f"{compression}.tif": lambda folder, compression=compression: picture(folder / "a.tif", compression=compression)
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate")
    },
    "group4.tif": lambda folder: picture(folder / "a.tif", "1", compression="group4"),
    "RGB.tif": lambda folder: picture(folder / "a.tif", "RGB"),
    "clear.png": lambda folder: picture(folder / "a.png", "P", transparency=0),
    "moving.png": lambda folder: picture(folder / "a.png", save_all=True, append_images=[Image.new("L", (7, 5))]),
    "cut.png": lambda folder: cut(picture(folder / "a.png")),
    "hello.nii.gz": lambda folder: hello(folder / "a.nii.gz"),
    "hello.png": lambda folder: hello(folder / "a.png"),
    "hello.tif": lambda folder: hello(folder / "a.tif"),
    "plain.nii.gz": lambda folder: plain(folder / "a.nii.gz"),
    "members.nii.gz": lambda folder: members(folder / "a.nii.gz"),
    "behind.nii.gz": lambda folder: behind(folder / "a.nii.gz"),
    "packed.nii": lambda folder: packed(folder / "a.nii"),
}


def hello(path: Path) -> Path:
    path.write_text("hello")
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-30])
    return path


def content(path: Path) -> bytes:
    """The bytes of a NIfTI file."""
    return nifti(path.parent / "content" / "a.nii", VOLUME, AFFINES["oblique"]).read_bytes()


def plain(path: Path) -> Path:
    path.write_bytes(content(path))
    return path


def packed(path: Path) -> Path:
    path.write_bytes(gzip.compress(content(path)))
    return path


def members(path: Path) -> Path:
    path.write_bytes(b"".join(gzip.compress(part) for part in (content(path)[:300], content(path)[300:])))
    return path


def behind(path: Path) -> Path:
    path.write_bytes(gzip.compress(content(path)) + b"behind the end")
    return path


def nnunet_reads(name: str, path: Path) -> tuple[np.ndarray, list[float]] | None:
    """What nnU-Net's reader of this name reads, and its spacing; None if it fails."""
    reader = recursive_find_reader_writer_by_name(name)()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            array, properties = reader.read_images((str(path),))
    except Exception:
        return None
    return array, [float(step) for step in properties["spacing"]]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_file_is_read_as_nnunet_reads_it_or_refused(reader, file, tmp_path: Path) -> None:
    path = FILES[file](tmp_path)
    expected = nnunet_reads(reader.name, path)
    try:
        got, layout = reader.read(path), reader.inspect(path)
    except DataError:
        # SimpleITK's several numbers per voxel: nnU-Net takes them for an axis of space
        assert expected is None or (reader.name.startswith("SimpleITK") and expected[0].shape[-1] in (3, 4))
        return
    assert expected is not None
    array, spacing = expected
    axes = len(got.geometry.size)
    assert np.array_equal(got.array.astype(np.float32).reshape(array.shape), array)
    assert got.geometry == layout.geometry
    assert len(got.array) == layout.channels
    assert got.array.shape[1:] == got.geometry.size[::-1]
    if got.geometry.is_physical:
        assert got.geometry.array_spacing_mm == pytest.approx(spacing[-axes:], rel=1e-6)
    else:  # whatever is printed per inch, a distance is in voxels
        assert got.geometry.array_spacing_mm == (1.0,) * axes
        assert path.suffix in (".png", ".bmp", ".tif", ".tiff") or reader.name == "NaturalImage2DIO"


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith(("hello", "packed"))])
def test_the_reader_that_nnunet_chooses_is_chosen(file, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = FILES[file](tmp_path)
    ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    try:
        expected = determine_reader_writer_from_dataset_json({"file_ending": ending}, str(path), verbose=False).__name__
    except RuntimeError:
        expected = None
    chosen = choose_reader(ending, path)
    if expected is None:
        with pytest.raises(DataError):
            chosen.read(path)
    else:
        assert chosen.name == expected


@pytest.mark.parametrize("name", [reader.name for reader in READERS])
def test_a_named_reader_is_taken_as_nnunet_takes_it(name: str) -> None:
    found = named_reader(name)
    expected = determine_reader_writer_from_dataset_json({"overwrite_image_reader_writer": name}, verbose=False)
    assert found is not None
    assert found.name == expected.__name__ == name
    if name != "SimpleITKIOWithReorient":  # nnU-Net tries it for no ending
        assert set(found.endings) == set(expected.supported_file_endings)


def test_none_is_no_name_and_others_are_refused() -> None:
    assert named_reader("None") is named_reader(None) is None
    with pytest.raises(DataError, match=r"'MyIO' is not one that is known here; known are nnU-Net's NaturalImage2DIO"):
        named_reader("MyIO")


def test_an_ending_that_nnunet_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image reader for the ending '.mhd'"):
        choose_reader(".mhd", tmp_path / "a.mhd")


@pytest.mark.parametrize("name", AFFINES)
def test_nibabel_and_simpleitk_say_that_a_file_lies_at_the_same_place(name: str, tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", VOLUME, AFFINES[name])
    by_nibabel = named_reader("NibabelIO").inspect(path).geometry
    if name in ("sheared", "registered"):
        with pytest.raises(DataError, match=r"not at right angles.*NibabelIO does: write"):
            named_reader("SimpleITKIO").inspect(path)
        assert not by_nibabel.is_orthogonal
    else:
        by_simpleitk = named_reader("SimpleITKIO").inspect(path).geometry
        assert geometry_difference(by_simpleitk, by_nibabel) is None
        assert by_simpleitk.corners_mm() == pytest.approx(by_nibabel.corners_mm(), abs=1e-5)
        assert by_nibabel.is_orthogonal
    assert by_nibabel.affine()[:3, :3] == pytest.approx(AFFINES[name], abs=1e-6)
    assert by_nibabel.affine()[:3, 3] == pytest.approx((5, -3, 40))


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("micron", 0.001), ("meter", 1000.0), ("unknown", 1.0)])
def test_lengths_are_in_mm_whatever_unit_the_header_has(unit: str, factor: float, tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", VOLUME, AFFINES["straight"], unit=unit)
    for name in ("NibabelIO", "SimpleITKIO"):
        spacing = named_reader(name).inspect(path).geometry.spacing_mm
        assert spacing == pytest.approx([step * factor for step in (0.8, 0.9, 3.0)])


@pytest.mark.parametrize(
    ("file", "reader", "words"),
    [
        ("plain.nii.gz", "NibabelIO", "is not compressed, but its name ends in .gz"),
        ("packed.nii", "NibabelIO", "is compressed with gzip, but its name does not end in .gz"),
        ("packed.nii", "SimpleITKIO", "is compressed with gzip, but its name does not end in .gz"),
        ("flat.nii", "NibabelIO", "SimpleITKIO reads others"),
        ("LA.png", "NaturalImage2DIO", "has the shape"),
        ("L.png", "Tiff3DIO", "does not end in .tif or .tiff"),
        ("raw.tif", "Tiff3DIO", "reads stacks of 3 axes"),
    ],
)
def test_what_is_refused_is_called_what_it_is(file: str, reader: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words.replace(".", r"\.")):
        named_reader(reader).read(FILES[file](tmp_path))


@pytest.mark.parametrize(
    "wrong", ["{", "[1, 2, 3]", '{"spacing": [1, 2]}', '{"spacing": [1, 0, 1]}', '{"spacing": "x"}']
)
def test_a_spacing_file_that_is_none_is_refused(wrong: str, tmp_path: Path) -> None:
    path = stack(tmp_path / "a_0000.tif", None)
    (tmp_path / "a.json").write_text(wrong)
    with pytest.raises(DataError, match=r"a\.json"):
        named_reader("Tiff3DIO").inspect(path)


def test_labels_have_their_spacing_under_their_own_name(tmp_path: Path) -> None:
    path = stack(tmp_path / "case.tif", [3.0, 0.9, 0.8])
    reader = recursive_find_reader_writer_by_name("Tiff3DIO")()
    got = named_reader("Tiff3DIO").read(path, "labels")
    assert list(got.geometry.array_spacing_mm) == reader.read_seg(str(path))[1]["spacing"]
    assert got.geometry.is_physical


def test_choosing_a_reader_loads_neither_nnunet_nor_torch(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path; from nnunet_dsd.datasets.readers.choice import choose_reader; "
        f"choose_reader('.png', Path({str(path)!r})); "
        "print(*({'torch', 'nnunetv2', 'SimpleITK', 'nibabel', 'tifffile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stdout
    assert "nnunetv2" not in done.stdout


@pytest.mark.parametrize(
    ("beside", "words"), [('{"spacing": [1, 0, 2]}', "holds the spacing"), ("{", "is no spacing file")]
)
def test_a_stack_with_an_unusable_spacing_file_is_refused_by_the_name_of_that_file(
    beside: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a_0000.tif"
    tifffile.imwrite(path, VOLUME[:, :, [0] * 7].repeat(2, axis=0))  # no axis that may be one of colours
    (tmp_path / "a.json").write_text(beside)
    with pytest.raises(DataError, match=rf"a\.json {words}"):
        choose_reader(".tif", path).inspect(path)


@pytest.mark.parametrize(
    ("name", "file"), [("NaturalImage2DIO", "a.nii.gz"), ("NibabelIO", "a.mha"), ("Tiff3DIO", "a.nii.gz")]
)
def test_a_reader_that_is_named_for_another_format_is_blamed_and_not_the_file(
    name: str, file: str, tmp_path: Path
) -> None:
    path = itk(tmp_path / file, VOLUME)
    with pytest.raises(MisfitError) as refusal:
        named_reader(name).inspect(path)
    assert "`overwrite_image_reader_writer` in the dataset.json" in str(refusal.value)
    assert "damaged" not in str(refusal.value)


def test_a_damaged_file_of_the_readers_own_format_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="it may be damaged"):
        named_reader("NaturalImage2DIO").read(tmp_path / "a.png")


def test_a_file_that_may_not_be_read_is_named_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = itk(tmp_path / "a.mha", VOLUME)

    def refuse(*rest: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.mha cannot be read: Permission denied\."):
        named_reader("SimpleITKIO").read(path)
