"""CITATION.cff names people as the papers print them, and the project as the software's author."""

from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
FIRST_AUTHORS = {
    "Volumetric medical image segmentation": "Banerjee",
    "Rethinking Intermediate Layers": "Gorade",
    "Self-distillation for Surgical": "Yamlahi",
    "Smarter Self-Distillation": "Yamlahi",
    "Preserve Pre-Trained Knowledge": "Zhou",
    "nnU-Net": "Isensee",
}

each_reference = pytest.mark.parametrize("reference", CITATION["references"], ids=lambda entry: entry["title"][:20])


def test_the_softwares_author_is_the_project():
    assert CITATION["authors"] == [{"name": "The nnunet-dsd project"}]


@each_reference
def test_every_author_of_a_paper_has_a_family_name_and_a_given_name_and_nothing_else(reference):
    assert all(author.keys() == {"family-names", "given-names"} for author in reference["authors"])
    assert all(
        value[0].isupper() and "et al" not in value for author in reference["authors"] for value in author.values()
    )


@each_reference
def test_a_papers_first_author_comes_first(reference):
    (expected,) = (name for title, name in FIRST_AUTHORS.items() if reference["title"].startswith(title))
    assert reference["authors"][0]["family-names"] == expected


def test_the_version_is_the_packages():
    from nnunet_dsd import __version__

    assert CITATION["version"] == __version__
