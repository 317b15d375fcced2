"""A set of soft labels in its folder: written whole, read where it is indexed."""

import json
import resource

import numpy as np
import pytest
import torch
from test_manifest import manifest

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.soft_labels.folder import DISAGREEMENT, LEAST_DISAGREEMENT, PLANES, RECORD, SoftLabelSet

SHAPE = (6, 10, 12)


@pytest.fixture
def written(tmp_path):
    manifest().write(tmp_path)
    return SoftLabelSet.open(tmp_path)


def write(soft_labels, case="a", disagreement=0.25):
    probabilities = torch.softmax(3 * torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)), 0)
    maps = torch.full(SHAPE, disagreement)
    record = soft_labels.write(
        case, probabilities, maps, (disagreement, disagreement / 2), blocks=(4, 8, 8), chunks=(4, 8, 8)
    )
    return probabilities, record


def test_a_case_is_read_as_it_was_written(written):
    probabilities, record = write(written)
    assert written.record("a") == record
    assert (record.shape, record.disagreement, record.disagreement_everywhere) == (SHAPE, 0.25, 0.125)
    stored = written.layout.decode(torch.from_numpy(written.planes("a")[:]))
    assert (stored - probabilities).abs().max() == pytest.approx(record.largest_error)
    assert record.disk_bytes == written.path("a", PLANES).stat().st_size


def test_a_patch_is_the_patch_of_the_whole(written):
    write(written)
    place = (slice(None), slice(1, 5), slice(2, 9), slice(3, 4))
    assert np.array_equal(written.planes("a")[place], written.planes("a")[:][place])


def test_the_disagreement_is_kept_as_a_map(written):
    import blosc2

    write(written)
    assert np.array_equal(blosc2.open(str(written.path("a", DISAGREEMENT)))[:], np.full(SHAPE, 0.25, np.float16))


def test_a_case_is_done_when_its_record_is_there(written):
    assert written.missing() == ["a", "b", "new"]
    write(written, "b")
    assert written.missing() == ["a", "new"]
    written.path("b", RECORD).unlink()
    assert not written.is_done("b")
    write(written, "b")  # over the planes that a killed process left


def test_images_that_teachers_disagree_on_are_named(written):
    for case, value in (("a", 0.1), ("b", 0.3), ("new", 0.2)):
        write(written, case, value)
    assert written.disagreeing(("a", "b", "new"), limit=0.15) == ["b", "new"]
    assert written.disagreeing(("a", "b", "new"), limit=0.3) == []


@pytest.mark.parametrize("broken", ["", "[]", '{"shape": [0]}'])
def test_a_broken_record_is_refused_with_what_to_do(written, broken):
    write(written)
    written.path("a", RECORD).write_text(broken)
    with pytest.raises(DataError, match=r"[dD]elete it, and finish the soft labels with the same command"):
        written.record("a")


def test_a_record_says_what_the_page_says(written):
    write(written)
    content = json.loads(written.path("a", RECORD).read_text())
    assert set(content) == {"shape", "disagreement", "disagreement_everywhere", "largest_error", "disk_bytes"}


def test_the_map_is_within_a_thirty_second_of_the_disagreement(tmp_path):
    import blosc2

    manifest().write(tmp_path)
    soft_labels = SoftLabelSet.open(tmp_path)
    exact = torch.logspace(-6, 1, 720).reshape(SHAPE)
    probabilities = torch.softmax(torch.zeros(3, *SHAPE), 0)
    soft_labels.write("a", probabilities, exact, (0.1, 0.1), blocks=(4, 8, 8), chunks=(4, 8, 8))
    stored = torch.from_numpy(blosc2.open(str(soft_labels.path("a", DISAGREEMENT)))[:]).float()
    kept = exact >= LEAST_DISAGREEMENT
    assert not stored[~kept].any()
    assert ((stored - exact).abs() / exact)[kept].max() < 1 / 32 + 1e-3


def test_what_killed_processes_left_of_some_cases_is_deleted(written):
    write(written)
    kept = [written.path("a", PLANES), written.path("a", ".json").with_name(f".partial-7-b-2{PLANES}")]
    gone = [written.folder / "cases" / f".partial-{pid}-b{ending}" for pid in (1, 23) for ending in (PLANES, RECORD)]
    for path in (*gone, kept[1]):
        path.write_bytes(b"half")
    written.clear(["b"])
    assert [path.exists() for path in (*gone, *kept)] == [False] * 4 + [True] * 2


def test_a_full_disk_is_said_to_be_one(written):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(SetupError, match=r"could not be written .* Make room and run the same command once more"):
            write(written)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((written.folder / "cases").iterdir())
