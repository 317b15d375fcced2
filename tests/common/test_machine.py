"""What the machine allows."""

import pytest

from nnunet_dsd.common import machine
from nnunet_dsd.common.machine import processes_for


@pytest.mark.parametrize(
    ("work", "cores", "most", "expected"),
    [(0, 8, 8, 1), (99, 8, 8, 1), (199, 8, 8, 1), (200, 8, 8, 2), (1e9, 8, 8, 8), (1e9, 2, 8, 2), (1e9, 8, 4, 4)],
)
def test_a_process_is_started_for_enough_work_alone(work, cores, most, expected, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert processes_for(work, each=100, most=most) == expected
