"""Made-up data sets in the layouts that MMWHS, MSD, KiTS and LiTS are published in, but tiny."""

import json

import numpy as np
import SimpleITK as sitk

MMWHS_VALUES = (205, 420, 500, 550, 600, 820, 850)
BRATS_JSON = {
    "name": "BRATS",
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
}


def rotation(degrees, axes=(0, 1)):
    """A rotation matrix in the plane of two of three axes."""
    matrix = np.eye(3)
    first, second = axes
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[[first, second], [first, second]] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


OBLIQUE = rotation(14) @ rotation(-9, (1, 2))


def write_volume(path, array, *, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=None):
    """Write an array (Z, Y, X) or (C, Z, Y, X) as NIfTI; geometry in SimpleITK's order (x, y, z)."""
    image = sitk.GetImageFromArray(array, isVector=False)
    direction = np.eye(3) if direction is None else np.asarray(direction)
    if array.ndim == 4:
        full = np.eye(4)
        full[:3, :3] = direction
        spacing, origin, direction = (*spacing, 1.0), (*origin, 0.0), full
    image.SetSpacing([float(value) for value in spacing])
    image.SetOrigin([float(value) for value in origin])
    image.SetDirection(direction.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def write_mmwhs(folder, *, cases=20, test_cases=2, modality="ct", first=1001, shape=(8, 12, 16), seed=0):
    """Write `ct_train/ct_train_1001_image.nii.gz` and so on, oblique, with every structure in every label."""
    rng = np.random.default_rng(seed)
    geometry = {"spacing": (0.6, 0.6, 1.1), "origin": (-31.5, 12.25, 4.0), "direction": OBLIQUE}
    for part, count, number in (("train", cases, first), ("test", test_cases, 2001)):
        for index in range(number, number + count):
            stem = folder / f"{modality}_{part}" / f"{modality}_{part}_{index}"
            image = rng.integers(-1000, 1500, shape).astype(np.int16)
            write_volume(stem.with_name(f"{stem.name}_image.nii.gz"), image, **geometry)
            if part == "train":
                label = mmwhs_label(shape)
                write_volume(stem.with_name(f"{stem.name}_label.nii.gz"), label, **geometry)
    return folder


def mmwhs_label(shape):
    """Slabs of every structure along x, with background on both sides."""
    label = np.zeros(shape, np.int16)
    for place, value in enumerate(MMWHS_VALUES, start=2):
        label[2:-2, 2:-2, place : place + 1] = value
    return label


def write_msd(folder, description, *, names, channels=1, test_names=(), shape=(6, 8, 10), seed=0):
    """Write imagesTr, labelsTr, imagesTs and dataset.json, with the headers MSD has (axis-aligned, float images)."""
    rng = np.random.default_rng(seed)
    geometry = {"spacing": (1.0, 1.0, 1.0), "origin": (-1.0, -1.0, 1.0), "direction": np.diag([-1.0, -1.0, 1.0])}
    count = len(description["labels"])
    for name in names:
        write_volume(folder / "imagesTr" / f"{name}.nii.gz", msd_image(rng, channels, shape), **geometry)
        label = rng.integers(0, count, shape).astype(np.uint8)
        write_volume(folder / "labelsTr" / f"{name}.nii.gz", label, **geometry)
    for name in test_names:
        write_volume(folder / "imagesTs" / f"{name}.nii.gz", msd_image(rng, channels, shape), **geometry)
    training = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    content = {**description, "numTraining": len(names), "training": training}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def msd_image(rng, channels, shape):
    """Float intensities; several channels along a fourth axis."""
    return rng.normal(100, 20, shape if channels == 1 else (channels, *shape)).astype(np.float32)


def brats_names(count, first=1):
    return [f"BRATS_{index:03d}" for index in range(first, first + count)]


def hippocampus_names(count):
    return [f"hippocampus_{index:03d}" for index in range(1, count + 1)]


HIPPOCAMPUS_JSON = {
    "name": "Hippocampus",
    "modality": {"0": "MRI"},
    "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
}


# Directions (LPS) of KiTS: slices from superior to inferior along the first axis, then rows, then columns.
KITS_DIRECTION = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
# LiTS has scans whose columns and rows grow to the left and posterior, and scans whose grow to the right and anterior.
LITS_DIRECTIONS = (np.eye(3), np.diag([-1.0, -1.0, 1.0]))
SCAN_SPACING = (0.7, 0.8, 3.0)  # columns, rows, slices, mm


def made_up_scan(rng, *, shape=(6, 14, 12), tumour_slices=(2, 3), cysts=False):
    """An organ with a tumour in some slices: image (HU) and label, (slice, row, column).

    Slices grow to superior, rows to posterior, columns to the left. The tumour covers 2 x 3 pixels, and one pixel in
    the last of its slices; a cyst covers one pixel of the slice above.
    """
    image = rng.integers(-1000, 1500, shape).astype(np.int16)
    label = np.zeros(shape, np.uint8)
    label[1:-1, 3:-3, 2:-4] = 1
    for height in tumour_slices[:-1]:
        label[height, 5:7, 3:6] = 2
    for height in tumour_slices[-1:]:
        label[height, 6, 4] = 2
        if cysts:
            label[height + 1, 7, 3] = 3
    return image, label


def write_kits(folder, *, label_file="segmentation.nii.gz", cases=6, unlabelled=0, cysts=False, **scan):
    """Write `case_00000/imaging.nii.gz` and so on; the unlabelled from number 210. Return what is in them, by case."""
    rng, scans = np.random.default_rng(0), {}
    for number in (*range(cases), *range(210, 210 + unlabelled)):
        name = f"case_{number:05d}"
        image, label = scans[name] = made_up_scan(rng, cysts=cysts, **scan)
        for file, array in (("imaging.nii.gz", image.astype(np.float64)), (label_file, label)):
            if number < 210 or file == "imaging.nii.gz":
                geometry = {"spacing": SCAN_SPACING[::-1], "direction": KITS_DIRECTION}
                write_volume(folder / name / file, array[::-1].transpose(2, 1, 0), **geometry)
    return scans


def write_lits(folder, *, cases=6, test_cases=0, without_tumour=(), **scan):
    """Write `Training Batch 1/volume-0.nii` and so on, not compressed. Return what is in them, by number."""
    rng, scans = np.random.default_rng(1), {}
    for number in range(cases):
        tumour = {"tumour_slices": ()} if number in without_tumour else {}
        image, label = scans[number] = made_up_scan(rng, **{**scan, **tumour})
        batch = folder / f"Training Batch {1 if number < 3 else 2}"
        direction = LITS_DIRECTIONS[number % 2]
        turned = (slice(None), slice(None, None, int(direction[1, 1])), slice(None, None, int(direction[0, 0])))
        for kind, array in (("volume", image), ("segmentation", label)):
            path = batch / f"{kind}-{number}.nii"
            write_volume(path, array[turned], spacing=SCAN_SPACING, origin=(7, -3, 40), direction=direction)
    for number in range(test_cases):
        image, _ = made_up_scan(rng, **scan)
        write_volume(folder / "LITS-Challenge-Test-Data" / f"test-volume-{number}.nii", image, spacing=SCAN_SPACING)
    return scans


def make_nnunet_folders(folder, patch):
    """Make nnU-Net's three folders and set the variables that name them."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (folder / name).mkdir(parents=True)
        patch.setenv(name, str(folder / name))
    return folder


def cut_off(path):
    """Drop the last third of a file, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
