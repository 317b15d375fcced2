"""Every kind of problem that a reader or `check` can report: errors first, then notes.

An error means that labels or images are not what they claim to be; a note is worth knowing and harms nothing.
"""

from __future__ import annotations

# Errors in label files.
FILE_MISSING = "label file missing"
FILE_UNREADABLE = "label file unreadable"
VOCABULARY = "vocabulary contradiction"
LINE_UNREADABLE = "line unreadable"
COLUMNS = "column missing or unknown"
VIDEO_NAME = "video name unusable"
COLUMN_COUNT = "wrong number of columns"
NOT_BINARY = "value other than 0 and 1"
CLASS_UNKNOWN = "class id beyond the vocabulary"
CLASS_NAME = "class name unknown"
FRAME_TWICE = "frame number twice"
FRAMES_UNSORTED = "frame numbers not ascending"
FRAME_NOT_EVERYWHERE = "frame not in every label file"
COMPONENTS = "triplet contradicts components"
TWO_PHASES = "two phases in one frame"
PHASE_UNKNOWN = "phase name unknown"

# Errors in images.
IMAGE_PATH = "image path unusable"
IMAGE_TWICE = "image of two frames"
NO_IMAGES = "video without images"
LABEL_WITHOUT_IMAGE = "label without image"
IMAGE_BROKEN = "image broken"
IMAGE_SIZE = "image of another size"

# Errors in data sets of clips (UCF101, HMDB51).
SPLIT_FILE_MISSING = "split file missing"
ENTRY_WITHOUT_VIDEO = "list entry without video"
ENTRY_TWICE = "list entry twice"
CLASS_MISMATCH = "class mismatch"
CLASS_FOLDER_UNKNOWN = "class folder in no list"
VIDEO_TWICE = "video twice"
VIDEO_IN_BOTH_PARTS = "video in training and test"
VIDEO_EMPTY = "video file empty"
VIDEO_BROKEN = "video broken"

# Notes.
PARTLY_TRIPLETS = "only some class names are triplets"
PHASE_FILLED = "phase filled forward"
PHASE_FILE_MISSING = "video without phase file"
PHASE_MISSING = "frame without phase"
FRAME_COUNT = "number of frames differs from the file's own"
FRAMES_SKIPPED = "frame numbers skipped"
IMAGE_WITHOUT_LABEL = "image without label"
IMAGES_WITHOUT_LABELS = "image folder without label file"
IMAGE_BLACK = "image entirely black"

# Notes on data sets of clips.
VIDEO_IN_NO_LIST = "video in no list"
NAMED_OTHERWISE = "file named after another class"
VIDEO_SHORT = "video shorter than a clip"
SOURCE_UNKNOWN = "source not recognised in the name"
SOURCE_SHARED = "source in training and test"

CLIP_ERRORS: tuple[str, ...] = (
    SPLIT_FILE_MISSING,
    ENTRY_WITHOUT_VIDEO,
    ENTRY_TWICE,
    CLASS_MISMATCH,
    CLASS_FOLDER_UNKNOWN,
    VIDEO_TWICE,
    VIDEO_IN_BOTH_PARTS,
    VIDEO_EMPTY,
    VIDEO_BROKEN,
)
CLIP_NOTES: tuple[str, ...] = (
    VIDEO_IN_NO_LIST,
    NAMED_OTHERWISE,
    VIDEO_SHORT,
    SOURCE_UNKNOWN,
    SOURCE_SHARED,
)
ERRORS: tuple[str, ...] = (
    FILE_MISSING,
    FILE_UNREADABLE,
    VOCABULARY,
    LINE_UNREADABLE,
    COLUMNS,
    VIDEO_NAME,
    COLUMN_COUNT,
    NOT_BINARY,
    CLASS_UNKNOWN,
    CLASS_NAME,
    FRAME_TWICE,
    FRAMES_UNSORTED,
    FRAME_NOT_EVERYWHERE,
    COMPONENTS,
    TWO_PHASES,
    PHASE_UNKNOWN,
    IMAGE_PATH,
    IMAGE_TWICE,
    NO_IMAGES,
    LABEL_WITHOUT_IMAGE,
    IMAGE_BROKEN,
    IMAGE_SIZE,
    *CLIP_ERRORS,
)
NOTES: tuple[str, ...] = (
    PARTLY_TRIPLETS,
    PHASE_FILLED,
    PHASE_FILE_MISSING,
    PHASE_MISSING,
    FRAME_COUNT,
    FRAMES_SKIPPED,
    IMAGE_WITHOUT_LABEL,
    IMAGES_WITHOUT_LABELS,
    IMAGE_BLACK,
    *CLIP_NOTES,
)
KINDS: tuple[str, ...] = ERRORS + NOTES


def is_error(kind: str) -> bool:
    """Return whether a kind of problem is an error; what is not listed is one."""
    return kind not in NOTES
