"""The languages of the page: catalogues that translators edit, and which language to speak."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from arena.protocol import Text, say
from evalkit.errors import StudyError

if TYPE_CHECKING:
    from babel import Locale

LOCALE = Path(__file__).parent / "locale"
"""The catalogues: ``<language>/LC_MESSAGES/arena.po``, and the template they are made from."""

SOURCE = "en"
"""What the code itself is written in; it needs no catalogue."""

_ACCEPTED = re.compile(
    r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?"
)


@dataclass(frozen=True)
class Language:
    """One language of the page."""

    tag: str

    @property
    def name(self) -> str:
        """What the language calls itself."""
        found = _locale(self.tag).get_display_name() or self.tag
        return found[:1].upper() + found[1:]

    @property
    def direction(self) -> str:
        """Return ltr or rtl."""
        return _locale(self.tag).text_direction

    def gettext(self, message: str) -> str:
        """Return a message in this language."""
        return _translations(self.tag).gettext(message)

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Return a message whose form depends on a number."""
        return _translations(self.tag).ngettext(one, many, number)

    def number(self, value: float) -> str:
        """Write a number as the language does."""
        from babel.numbers import format_decimal

        return format_decimal(value, locale=_locale(self.tag))

    def say(self, text: Text) -> str:
        """Return a study's own words."""
        return say(text, self.tag)


ENGLISH = Language(SOURCE)


def message(text: str) -> str:
    """Mark words for the catalogues that are translated elsewhere, when they are shown."""
    return text


def known() -> tuple[str, ...]:
    """Return the languages that the page speaks: English and those with a catalogue."""
    found = (p.parent.parent.name.replace("_", "-") for p in LOCALE.glob("*/LC_MESSAGES/arena.po"))
    return (SOURCE, *sorted(found))


def check(languages: Sequence[str], what: str) -> None:
    """Refuse languages without a catalogue: half of the page would be in English."""
    missing = [tag for tag in languages if tag not in known()]
    if missing:
        raise StudyError(
            f"{what} is in {', '.join(languages)}, and the page has no words in "
            f"{', '.join(missing)}; it speaks {', '.join(known())}. Leave the others out of "
            f"languages, or translate {LOCALE.name}/arena.pot (CONTRIBUTING.md says how)."
        )


def choose(offered: Sequence[str], wanted: Sequence[str | None], accepted: str | None) -> str:
    """Return the first language asked for that there is, else the browser's, else the study's."""
    for tag in wanted:
        if tag in offered:
            return str(tag)
    for tag in _preferred(accepted or ""):
        for fits in (_same, _same_base):
            found = next((o for o in offered if fits(o, tag)), None)
            if found is not None:
                return found
    return offered[0]


def _preferred(header: str) -> list[str]:
    """Read an Accept-Language header (RFC 9110, section 12.5.4), the most wanted first."""
    found = _ACCEPTED.findall(header[:1000])
    ranked = [(float(weight) if weight else 1.0, tag) for tag, weight in found]
    return [tag for weight, tag in sorted(ranked, key=lambda r: -r[0]) if weight > 0]


def _same(offered: str, tag: str) -> bool:
    return offered.lower() == tag.lower() or tag == "*"


def _same_base(offered: str, tag: str) -> bool:
    return offered.lower().split("-")[0] == tag.lower().split("-")[0]


@cache
def _locale(tag: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(SOURCE)


@cache
def _translations(tag: str) -> gettext.NullTranslations:
    """Compile a catalogue when it is first spoken: what a translator saved needs no build."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    path = LOCALE / tag.replace("-", "_") / "LC_MESSAGES" / "arena.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as stream:
        write_mo(compiled, read_po(stream))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
