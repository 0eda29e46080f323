"""A contact sheet: a row of pictures for each model, the same prompt and seed down each column."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, BAR = 96, 6, 3
"""Pixels of a picture, between pictures, and of the bar that tells the verdict."""
RIGHT, WRONG, NONE = "#2a9d5c", "#d1495b", "#c9ccd1"
PAPER, INK, QUIET = "#ffffff", "#16181d", "#5d6470"

Cell = tuple[Image.Image | None, bool | None]
"""A picture, or none; and whether it was judged right, if it was judged."""


def draw(captions: Sequence[str], rows: Mapping[str, Sequence[Cell]], footnote: str) -> Image.Image:
    """Lay the pictures out under their captions, each row beside its model's name."""
    font, small = _font(13), _font(11)
    margin = max(int(font.getlength(name)) for name in rows) + 3 * GAP
    wrapped = ["\n".join(textwrap.wrap(c, 14)) for c in captions]
    head = max(w.count("\n") + 1 for w in wrapped) * 15 + 2 * GAP
    pitch, line = SIDE + GAP, SIDE + BAR + 2 * GAP
    size = margin + pitch * len(captions) + GAP, head + line * len(rows) + 30
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, text in enumerate(wrapped):
        at = margin + i * pitch, head - GAP - 15 * (text.count("\n") + 1)
        pen.multiline_text(at, text, fill=INK, font=small, spacing=3)
    for j, (name, cells) in enumerate(rows.items()):
        top = head + j * line
        pen.text((GAP, top + SIDE / 2), name, fill=INK, font=font, anchor="lm")
        for i, cell in enumerate(cells):
            _place(sheet, pen, (margin + i * pitch, top), cell)
    pen.text((GAP, size[1] - 22), footnote, fill=QUIET, font=small)
    return sheet


def _place(sheet: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], cell: Cell) -> None:
    picture, right = cell
    x, y = at
    if picture is None:
        pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), outline=NONE)
    else:
        sheet.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC), at)
    color = NONE if right is None else RIGHT if right else WRONG
    pen.rectangle((x, y + SIDE + 1, x + SIDE - 1, y + SIDE + BAR), fill=color)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Take the font that matplotlib carries, so that every machine draws the same."""
    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)
