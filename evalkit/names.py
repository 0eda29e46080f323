"""Names that came from elsewhere, as they can be shown."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Controls but for tabs and line breaks, and marks of direction; joiners of letters are none."""


def visible(text: str) -> str:
    """Write as its number what cannot be seen, yet turns a line round or drives a terminal."""
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
