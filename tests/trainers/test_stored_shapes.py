"""The size of a preprocessed image is that which nnU-Net loads, whatever it is stored as, and is read alone."""

import numpy as np
import pytest
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2, nnUNetDatasetNumpy

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.trainers.stored_shapes import stored_shape

IMAGE, LABELS = np.zeros((2, 5, 7, 6), np.float32), np.zeros((1, 5, 7, 6), np.int16)


def save(kind, folder):
    if kind == "b2nd":
        cut = {"chunks": (1, 5, 7, 6), "blocks": (1, 5, 7, 6)}
        nnUNetDatasetBlosc2.save_case(IMAGE, LABELS, {}, str(folder / "a"), **cut)
        return nnUNetDatasetBlosc2(str(folder))
    nnUNetDatasetNumpy.save_case(IMAGE, LABELS, {}, str(folder / "a"))
    if kind == "npy":
        nnUNetDatasetNumpy.unpack_dataset(str(folder), num_processes=1)
        assert (folder / "a.npy").is_file()
    return nnUNetDatasetNumpy(str(folder))


@pytest.mark.parametrize("kind", ["b2nd", "npz", "npy"])
def test_it_is_what_nnunet_loads(kind, tmp_path):
    loaded = save(kind, tmp_path).load_case("a")[0]
    (tmp_path / "a.pkl").unlink()  # is not needed
    assert stored_shape(tmp_path, "a") == loaded.shape == (2, 5, 7, 6)


def test_an_array_with_a_long_header_is_read_too(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, IMAGE, version=(2, 0))
    assert stored_shape(tmp_path, "a") == (2, 5, 7, 6)


def test_no_voxel_is_decompressed(tmp_path):
    """The compressed voxels are overwritten; the header at the beginning of the archive's member is not."""
    nnUNetDatasetNumpy.save_case(np.random.default_rng(0).random((1, 40, 40, 40)), LABELS, {}, str(tmp_path / "a"))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[100_000:200_000] = bytes(100_000)
    (tmp_path / "a.npz").write_bytes(content)
    assert stored_shape(tmp_path, "a") == (1, 40, 40, 40)


@pytest.mark.parametrize("ending", ["b2nd", "npy", "npz"])
def test_a_broken_file_is_named(ending, tmp_path):
    (tmp_path / f"a.{ending}").write_bytes(b"broken")
    with pytest.raises(DataError, match=rf"a\.{ending} cannot be read \(.*\); preprocess the data set anew"):
        stored_shape(tmp_path, "a")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match="no preprocessed image of a in"):
        stored_shape(tmp_path, "a")
