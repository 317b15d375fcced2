"""Modules joined into one file: what is needed, once, and nothing else."""

import runpy

import pytest

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.deploy.program import program as program_of_segmentation
from nnunet_dsd.graphs.single_file import single_file
from video_triplet.deploy.program import program as program_of_triplets

FIRST = '''"""Numbers.

More of them.
"""

from __future__ import annotations

import json
import math
from functools import cache

SIDES: int = 4
LOST = 5


# of nobody's use
@cache
def unused() -> float:
    """Not kept."""
    return math.pi


@cache
def side(length: float) -> float:
    """Kept."""
    return math.sqrt(length * SIDES)  # as text


def written(value: float) -> str:
    return json.dumps(value)
'''
LAST = '''"""The command."""

from __future__ import annotations

from nnunet_dsd.numbers import side

RESULT = side(9.0)
'''


def joined(tmp_path, *sources):
    paths = [tmp_path / f"module_{number}.py" for number in range(len(sources))]
    for path, source in zip(paths, sources, strict=True):
        path.write_text(source)
    return single_file('"""Head."""', paths)


def test_what_the_last_module_needs_is_there_and_nothing_else(tmp_path):
    text = joined(tmp_path, FIRST, LAST)
    for kept in ('"""Head."""', "# Numbers.", "import math", "SIDES: int = 4", "@cache", "# as text", "# The command."):
        assert text.count(kept) == 1
    for left in ("LOST", "unused", "nobody", "json", "nnunet_dsd", "More of them"):
        assert left not in text
    path = tmp_path / "joined.py"
    path.write_text(text)
    assert runpy.run_path(str(path))["RESULT"] == 6.0


def test_a_module_of_which_nothing_is_needed_leaves_no_trace(tmp_path):
    assert "Other" not in joined(tmp_path, '"""Other."""\n\nOTHER = 1\n', FIRST, LAST)


def test_a_name_that_two_modules_define_is_refused_where_it_is_needed(tmp_path):
    with pytest.raises(ShapeError, match=r"define the same names.*side"):
        joined(tmp_path, '"""Other."""\n\n\ndef side(length):\n    return length\n', FIRST, LAST)
    joined(tmp_path, '"""Other."""\n\n\ndef unused(length):\n    return length\n', FIRST, LAST)


def test_a_name_that_no_module_defines_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=r"no module of the runtime defines \['side'\]"):
        joined(tmp_path, LAST)


@pytest.mark.parametrize("program", [program_of_segmentation, program_of_triplets])
def test_programs_import_nothing_of_this_project_or_of_a_training(program):
    text = program("1.2")
    compile(text, "predict.py", "exec")
    lines = [
        line.split()[1].split(".")[0] for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))
    ]
    assert not {"torch", "torchvision", "timm", "nnunetv2", "nnunet_dsd", "video_triplet"} & set(lines)
    assert "nnunet_dsd." not in text
