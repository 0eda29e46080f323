"""Names from elsewhere show all that they hold."""

from __future__ import annotations

from evalkit.names import visible


def test_nothing_unseen_turns_a_line_round_or_drives_a_terminal():
    assert visible("a\u202eb\x1b[31mc\u200b") == "a\\u202eb\\u001b[31mc\\u200b"
    for kept in ("模型, é 🦊", "two\nlines\tand more", "👩\u200d🎨"):
        assert visible(kept) == kept
