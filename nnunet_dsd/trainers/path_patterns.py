"""Shortens the paths in a text to their last part, and leaves web addresses and words with slashes as they are."""

from __future__ import annotations

import re

_SLASH = r"[\\/]+"
_CHARACTER = r"""[^\s\\/"'<>|,;()]"""
_RUN = r"""[^\s"'<>|,;()]*"""
_SCHEMES = "(?i:file|smb|cifs|nfs|afp|ssh|sftp):"  # of places on a machine or in a house, not in the web
_HOMES = r"(?i:home|Users|Documents and Settings)"  # what lies there is named after a person
_START = r"(?:~(?:[A-Za-z_][\w.-]*)?|\b[A-Za-z]:|(?<!\]\()\.{1,2}|\$\{?[A-Z_]{2,}\}?|%\w+%)"
_ROOT = rf"(?:{_SCHEMES})?\s*{_START}?{_SLASH}"

_PERSON = re.compile(rf"(.*[\\/]{_HOMES}{_SLASH}[^\\/]+|(\w+:)?[\\/]*root|~[^\\/]*)")
_WHOLE_PATH = re.compile(rf"{_ROOT}(?=[^\\/\s])(?!.*://)[^\n]*")
# The first of these that fits at a place in the text holds; the addresses and words are left as they are.
_ADDRESS = rf"""(?!{_SCHEMES})\b[A-Za-z][\w+.-]+://[^\s"'<>|,;]+"""
_WORDS = r"""(?<![\w\\/.~$%)])\w[\w.-]*/[^\s"'<>|,;():=]*"""
_IN_QUOTES = rf"""(?<!\w")(?<="){_ROOT}[^\n"]*(?=")|(?<!\w')(?<='){_ROOT}[^\n']*(?=')"""
_IN_HOME = (  # whose folders may hold blanks, so up to the last slash before a quote, comma or bracket
    rf"(?:{_SCHEMES})?(?:\b[A-Za-z]:)?"
    rf"""[^\s"'<>|,;():=]*[\\/]{_HOMES}{_SLASH}(?:[^\n"'<>|,;():]*[\\/])?{_RUN}"""
)
_WITH_BACKSLASHES = rf"""(?<![\w\\])(?:[A-Za-z]:|\\)\\(?:[^\n"'<>|,;():/]*\\)?{_RUN}"""
_OTHER = (  # at least two parts where it starts with a slash, of which more than a letter would go
    rf"(?<![\w/\\.~)\]}}#])(?:{_SCHEMES})?(?:{_START}(?:{_SLASH}{_CHARACTER}*)+"
    rf"|(?=(?:{_SLASH}{_CHARACTER}+)*?{_SLASH}{_CHARACTER}{{2,}}[\\/])(?:{_SLASH}{_CHARACTER}+){{2,}})"
)
_IN_TEXT = re.compile(rf"({_ADDRESS})|{_IN_QUOTES}|{_IN_HOME}|({_WORDS})|{_WITH_BACKSLASHES}|{_OTHER}")


def text_without_paths(text: str) -> str:
    """Return a text in which every path is only its last part."""
    if _WHOLE_PATH.fullmatch(text.strip()):
        return last_part(text)
    return _IN_TEXT.sub(lambda found: found[1] or found[2] or last_part(found[0]), text)


def last_part(path: str) -> str:
    """Return the last part of a path with slashes or backslashes, "home" where that is a person's folder."""
    whole = path.strip().rstrip("\\/")
    return "home" if _PERSON.fullmatch(whole) else re.split(r"[\\/]", whole)[-1] or path
