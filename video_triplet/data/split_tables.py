"""The official splits of CholecT45 and CholecT50 by video number, as the data sets' authors publish them.

Source: `dataloader_pth.py` of github.com/CAMMA-public/cholect45 and github.com/CAMMA-public/cholect50, whose tables are
the same. Folds are numbered from 1. The order within a fold matters: the rules for validation videos refer to it.
"""

from __future__ import annotations

CHOLECT45_FOLDS: tuple[tuple[int, ...], ...] = (
    (79, 2, 51, 6, 25, 14, 66, 23, 50),
    (80, 32, 5, 15, 40, 47, 26, 48, 70),
    (31, 57, 36, 18, 52, 68, 10, 8, 73),
    (42, 29, 60, 27, 65, 75, 22, 49, 12),
    (78, 43, 62, 35, 74, 1, 56, 4, 13),
)
CHOLECT50_EXTRA: tuple[int, ...] = (111, 96, 103, 110, 92)  # one more at the end of each fold

CROSS_VALIDATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "cholect45-crossval": CHOLECT45_FOLDS,
    "cholect50-crossval": tuple((*fold, extra) for fold, extra in zip(CHOLECT45_FOLDS, CHOLECT50_EXTRA, strict=True)),
}
OFFICIAL_VALIDATION_VIDEOS = 5

# fmt: off
FIXED_SPLITS: dict[str, dict[str, tuple[int, ...]]] = {
    "cholect50": {
        "training": (
            1, 15, 26, 40, 52, 65, 79, 2, 18, 27, 43, 56, 66, 92, 4, 22, 31, 47, 57, 68, 96, 5, 23, 35, 48, 60, 70, 103,
            13, 25, 36, 49, 62, 75, 110,
        ),
        "validation": (8, 12, 29, 50, 78),
        "test": (6, 51, 10, 73, 14, 74, 32, 80, 42, 111),
    },
    "cholect50-challenge": {
        "training": (
            1, 15, 26, 40, 52, 79, 2, 27, 43, 56, 66, 4, 22, 31, 47, 57, 68, 23, 35, 48, 60, 70, 13, 25, 49, 62, 75, 8,
            12, 29, 50, 78, 6, 51, 10, 73, 14, 32, 80, 42,
        ),
        "validation": (5, 18, 36, 65, 74),
        "test": (92, 96, 103, 110, 111),
    },
}
# fmt: on
OFFICIAL_NAMES: tuple[str, ...] = (*CROSS_VALIDATIONS, *FIXED_SPLITS)


def official_videos(name: str) -> list[int]:
    """Return the numbers of all videos of an official split, ascending."""
    parts = CROSS_VALIDATIONS[name] if name in CROSS_VALIDATIONS else FIXED_SPLITS[name].values()
    return sorted(number for part in parts for number in part)
