"""The look of the report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from html import escape
from pathlib import Path

STYLE = """
:root { --ink: #1f2328; --soft: #59636e; --line: #d9dee3; --paper: #ffffff; --tint: #f5f7f9; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--tint); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 20px; margin: 0 0 12px; }
p { margin: 0 0 12px; } .soft { color: var(--soft); }
section, .card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
section { padding: 22px; margin-top: 20px; }
.cards { display: flex; flex-wrap: wrap; gap: 14px; margin-top: 20px; }
.card { padding: 14px 20px; flex: 1 1 150px; }
.card b { display: block; font-size: 28px; color: var(--accent); font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 8px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; margin: 0 0 12px; } table.compact { font-size: 13px; }
.compact th, .compact td { padding: 5px 7px; } .compact th.number { vertical-align: bottom; white-space: normal; }
details { margin: 0 0 12px; } summary { cursor: pointer; color: var(--accent); margin-bottom: 8px; }
h3 { font-size: 16px; margin: 18px 0 8px; }
pre { background: #1f2328; color: #e6edf3; padding: 14px 16px; border-radius: 8px; font-size: 13px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 20px; align-items: start; }
figure { margin: 0 0 18px; } img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 6px; }
"""


def page(title: str, body: Sequence[str], *, width_px: int = 1000) -> str:
    """Return a whole HTML document; the text is at most so wide."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><main style="max-width: {width_px}px">\n' + "\n".join(body) + "\n</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a box with a heading."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def paragraph(text: str, *, soft: bool = False) -> str:
    """Return a paragraph of plain text."""
    return f'<p class="soft">{escape(text)}</p>' if soft else f"<p>{escape(text)}</p>"


def cards(entries: Sequence[tuple[str, str]]) -> str:
    """Return a row of big values with what they are."""
    boxes = (f'<div class="card"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in entries)
    return f'<div class="cards">{"".join(boxes)}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; all columns but the first are numbers."""
    kinds = ["", *[' class="number"'] * (len(headings) - 1)]
    head = "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, headings, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def compact_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, bold: Collection[tuple[int, int]] = ()
) -> str:
    """Return a table of many columns in small print, which can be moved sideways where the window is too narrow.

    Args:
        headings: of the columns; all but the first are numbers.
        rows: their cells.
        bold: places (row, column) of the cells in bold.
    """
    kinds = ["", *[' class="number"'] * (len(headings) - 1)]
    head = "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, headings, strict=True))
    body = []
    for place, row in enumerate(rows):
        texts = [
            f"<b>{escape(text)}</b>" if (place, column) in bold else escape(text) for column, text in enumerate(row)
        ]
        body.append(
            "<tr>" + "".join(f"<td{kind}>{text}</td>" for kind, text in zip(kinds, texts, strict=True)) + "</tr>"
        )
    content = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="scroll"><table class="compact">{content}</table></div>'


def folded(summary: str, *parts: str) -> str:
    """Return parts that are shown on a click."""
    return f"<details><summary>{escape(summary)}</summary>\n" + "\n".join(parts) + "\n</details>"


def picture(path: Path, caption: str) -> str:
    """Return a PNG file as a picture within the page; nothing if there is no such file."""
    if not path.is_file():
        return ""
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{content}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def side_by_side(*parts: str) -> str:
    """Return parts next to each other where the window is wide enough."""
    return f'<div class="pair">{"".join(parts)}</div>'


def code(text: str) -> str:
    """Return a block of commands."""
    return f"<pre>{escape(text)}</pre>"
