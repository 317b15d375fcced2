"""Work in several processes: order, errors, killed processes, interrupts, and the end of the parent."""

import os
import signal
import time
from functools import partial

import pytest
import SimpleITK as sitk
from ending_processes import die, end_at_work

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.workers import as_done, for_each, in_order


def last_of_five(item, *, folder):
    """The first item is ready when the others are, which the other process does meanwhile."""
    if item:
        (folder / str(item)).touch()
    while item == 0 and len(list(folder.iterdir())) < 4:
        time.sleep(0.01)
    return item


def refuse_two(item):
    if item == 2:
        raise DataError("two is refused")
    return item


def process_of(item):
    return os.getpid()


def simpleitk_threads(item):
    return sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()


@pytest.mark.parametrize("at_once", [1, 2, 7])
@pytest.mark.parametrize("processes", [0, 1, 2])
def test_every_item_is_done_once_and_known_by_its_number(processes, at_once):
    found = list(as_done(str, range(10, 15), processes=processes, at_once=at_once))
    assert sorted(found) == [(number, str(10 + number)) for number in range(5)]


def test_results_keep_the_order_of_the_items_whoever_is_ready_first(tmp_path):
    works = []
    for name in ("each", "order", "done"):
        (tmp_path / name).mkdir()
        works.append(partial(last_of_five, folder=tmp_path / name))
    assert for_each(works[0], range(5), processes=2, description="") == [0, 1, 2, 3, 4]
    assert list(in_order(works[1], range(5), processes=2)) == [0, 1, 2, 3, 4]
    assert next(number for number, _ in as_done(works[2], range(5), processes=2)) != 0


@pytest.mark.parametrize(
    ("processes", "items", "at_once", "others"),
    [(0, 9, 1, False), (1, 9, 1, False), (2, 1, 1, False), (2, 4, 4, False), (2, 5, 4, True), (2, 2, 1, True)],
)
def test_other_processes_are_started_where_there_is_work_for_two(processes, items, at_once, others):
    found = {process for _, process in as_done(process_of, range(items), processes=processes, at_once=at_once)}
    assert (os.getpid() not in found) == others
    assert len(found) <= max(1, processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_no_items_give_nothing(processes):
    assert for_each(str, [], processes=processes, description="") == []


@pytest.mark.parametrize("run", [as_done, in_order, partial(for_each, description="")])
@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_one_item_is_raised_as_it_is(run, processes):
    with pytest.raises(DataError, match="two is refused"):
        list(run(refuse_two, range(5), processes=processes))


def test_a_killed_process_is_said_with_what_to_do():
    message = "one of 2 processes was killed, most often for lack of memory; give fewer with --processes"
    with pytest.raises(SetupError, match=message):
        for_each(die, range(4), processes=2, description="")
    with pytest.raises(SetupError, match=r"^too little memory$"):
        list(in_order(die, range(4), processes=2, killed="too little memory"))


def test_a_process_takes_one_core_for_simpleitk():
    assert set(in_order(simpleitk_threads, range(4), processes=2)) == {1}


WAIT = """
from ending_processes import tell_and_wait
from nnunet_dsd.common.workers import for_each
for_each(tell_and_wait, range(2), processes=2, description="")
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_processes_end_with_the_one_that_started_them(ending):
    status, errors = end_at_work(WAIT, ending=ending)
    assert status == -ending
    assert errors.count(b"Traceback") == (ending == signal.SIGINT)
