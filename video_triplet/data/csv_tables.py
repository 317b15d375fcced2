"""CSV files line by line: every line that cannot be read is found with its number, and the others are still read."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds

LINE_END = re.compile("\r\n|\r|\n")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        line: Its number in the file, from 1.
        cells: By the name of the column, without spaces around them.
    """

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a line; `kind` is one of `video_triplet.data.problems`."""

    line: int
    kind: str
    detail: str
    video: str = ""


def read_lines(path: Path) -> list[tuple[int, str | None]]:
    """Return number, from 1, and text of each line that is not blank; None for a text that is not UTF-8.

    A byte order mark is passed over; the last line needs no end.

    Raises:
        DataError: if the file cannot be read, or is in UTF-16.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    if content.startswith(UTF_16):
        raise DataError(f"{path} is in UTF-16; save it as UTF-8")
    lines = LINE_END.split(content.decode("utf-8-sig", errors="surrogateescape"))
    return [(number, line if _is_text(line) else None) for number, line in enumerate(lines, start=1) if line.strip()]


def read_table(path: Path, *, required: Sequence[str], optional: Sequence[str]) -> tuple[list[Row], list[Finding]]:
    """Read a CSV file with a header line; commas part the cells, double quotes go around a cell with commas.

    A line is a row: a cell cannot hold a line end, so that a quote that is not closed spoils one line only.

    Args:
        path: Of the file.
        required: Columns that must be there.
        optional: Columns that may be there; no other is allowed.

    Returns:
        The rows that could be read, and what is wrong with the header and the others. Where a column is missing the
        rows lack its cells.

    Raises:
        DataError: if the file is empty, or for the reasons of `read_lines`.
    """
    lines = read_lines(path)
    if not lines:
        raise DataError(f"{path} is empty; its first line must be {','.join(required)}")
    header, findings = _header(*lines[0], required, optional)
    rows = []
    for number, line in lines[1:] if header else ():
        cells = _cells(number, line)
        if isinstance(cells, Finding):
            findings.append(cells)
        elif any(cells) and len(cells) != len(header):
            more = "; put a cell with commas in double quotes" if len(cells) > len(header) else ""
            detail = f"{len(cells)} cells, the header has {len(header)}{more}"
            findings.append(Finding(number, kinds.COLUMN_COUNT, detail))
        elif any(cells):
            rows.append(Row(number, dict(zip(header, cells, strict=True))))
    return rows, findings


def _header(
    number: int, line: str | None, required: Sequence[str], optional: Sequence[str]
) -> tuple[list[str], list[Finding]]:
    cells = _cells(number, line)
    if isinstance(cells, Finding):
        return [], [Finding(number, kinds.COLUMNS, f"the header: {cells.detail}")]
    missing = _listed("missing", [name for name in required if name not in cells])
    unknown = _listed("unknown", [name for name in cells if name not in (*required, *optional)])
    twice = _listed("twice", [name for name in dict.fromkeys(cells) if cells.count(name) > 1])
    faults = "; ".join(text for text in (missing, unknown, twice) if text)
    if not faults:
        return cells, []
    allowed = f"allowed are {', '.join(required)} and, if wanted, {', '.join(optional)}"
    return cells, [Finding(number, kinds.COLUMNS, f"{faults}; {allowed}, parted by commas")]


def _listed(what: str, names: Collection[str]) -> str:
    return f"{what}: {', '.join(name or '(no name)' for name in names)}" if names else ""


def _cells(number: int, line: str | None) -> list[str] | Finding:
    if line is None:
        return Finding(number, kinds.LINE_UNREADABLE, "not UTF-8; save the file as UTF-8")
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        return Finding(number, kinds.LINE_UNREADABLE, f"no line of a CSV file ({error})")


def _is_text(line: str) -> bool:
    """Return whether a line was whole UTF-8: bytes that were not came as surrogates, which cannot be encoded."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in line
