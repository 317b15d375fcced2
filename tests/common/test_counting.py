"""Counts with their nouns."""

import pytest

from nnunet_dsd.common.counting import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 videos"), (1, "1 video"), (2, "2 videos")])
def test_a_noun_follows_its_count(count, text):
    assert counted(count, "video") == text


def test_a_plural_of_its_own_is_taken():
    assert [counted(n, "class", "classes") for n in (1, 3)] == ["1 class", "3 classes"]
