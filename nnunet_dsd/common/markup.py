"""Names and sentences in Markdown and LaTeX: every sign is printed as it is, none is taken for a command."""

from __future__ import annotations

import re

MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~$#&^])")
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "|": r"$\vert$",
    "<": r"$<$",
    ">": r"$>$",
    "[": "{[}",  # after the end of a row or a rule, [ would begin an option, and * be part of the command
    "*": "{*}",
    "`": r"\textasciigrave{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def markdown_text(text: str) -> str:
    """Escape what Markdown, or its tables, would read as more than text; a line break becomes a space."""
    return MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as a command, and keep two hyphens from becoming a dash; a break becomes a space."""
    escaped = "".join(LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)
