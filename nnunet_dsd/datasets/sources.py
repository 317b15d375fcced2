"""The cases of a source data set: which files there are, and what is missing or doubled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class SourceCase:
    """One case as it was published: an image, which may hold several channels, and its label if there is one."""

    name: str
    image: Path
    label: Path | None


@dataclass
class Listing:
    """Cases in file order, and everything that is wrong with the list itself."""

    cases: tuple[SourceCase, ...] = ()
    problems: list[str] = field(default_factory=list)


def volume_name(path: Path) -> str | None:
    """Return a NIfTI file's name without its ending; None for other files and hidden ones (macOS adds `._NAME`)."""
    if path.name.startswith("."):
        return None
    return next((path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending)), None)


def by_name(paths: Iterable[Path], problems: list[str]) -> dict[str, Path]:
    """Return the volumes among some files by name, in file order; add names that two files share to the problems."""
    found: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        name = volume_name(path)
        if name is None or not path.is_file():
            continue
        if name in found:
            problems.append(f"{name} is there twice: {found[name]} and {path}; remove one")
        else:
            found[name] = path
    return found


def pair(images: Mapping[str, Path], labels: Mapping[str, Path], *, labelled: bool = True) -> Listing:
    """Put images and labels of the same name together.

    Args:
        images: images by case.
        labels: labels by case.
        labelled: whether an image without label is a problem.
    """
    problems = [f"{path} has no image" for name, path in labels.items() if name not in images]
    if labelled:
        problems += [f"{path} has no label" for name, path in images.items() if name not in labels]
    cases = tuple(SourceCase(name, path, labels.get(name)) for name, path in images.items())
    return Listing(cases, problems)
