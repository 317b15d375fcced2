"""Test cases that the students or their teachers would learn from."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.common.counting import counted, some
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.labelling.copies import copies_among
from nnunet_dsd.labelling.unlabelled import find_images
from nnunet_dsd.labelling.work import Work, own_images


def refuse_learned_test_cases(work: Work, test_images: Path) -> None:
    """Refuse test cases that are training cases or images without labels, by their content: names may be the same.

    Args:
        work: The labelling, with its images.
        test_images: Folder of the test cases.

    Raises:
        DataError: naming them.
    """
    tested = find_images(test_images, work.dataset_json)
    own, _ = own_images(work.soft_labels.manifest.dataset, work.dataset_json)
    learned = {**own, **work.images}
    copies = copies_among(
        {name: paths[0] for name, paths in tested.items()}, {name: paths[0] for name, paths in learned.items()}
    )
    problems = [f"{name} is a copy of {other}" for name, other in copies.items()]
    if problems:
        raise DataError(
            f"{counted(len(problems), 'test case')} in {test_images} would be learned from, as training cases or "
            f"images without labels: {some(problems, separator='; ')}. Give others with --test, or take them out"
        )
