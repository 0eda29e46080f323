"""The contact sheet shows every picture in its place, whole and marked."""

from __future__ import annotations

from PIL import Image

from benchmarks import sheet


def flat(color):
    return Image.new("RGB", (64, 64), color)


def colors(image):
    return {color for _, color in image.getcolors(1 << 24)}


def test_every_picture_is_there_with_its_verdict():
    rows = {
        "first-model": [(flat((250, 1, 1)), True), (flat((1, 250, 1)), False)],
        "second": [(flat((1, 1, 250)), None), (None, None)],
    }
    drawn = sheet.draw(["a red apple", "a purple banana left of a clock"], rows, "note")
    found = colors(drawn)
    for color in ((250, 1, 1), (1, 250, 1), (1, 1, 250)):
        assert color in found
        area = sum(n for n, c in drawn.getcolors(1 << 24) if c == color)
        assert area == sheet.SIDE**2
    for verdict in (sheet.RIGHT, sheet.WRONG, sheet.NONE):
        assert tuple(bytes.fromhex(verdict[1:])) in found


def test_more_models_make_it_taller_and_more_prompts_wider():
    def size(captions, models):
        rows = {f"m{i}": [(None, None)] * captions for i in range(models)}
        return sheet.draw(["a"] * captions, rows, "").size

    assert size(3, 2)[0] - size(2, 2)[0] == size(4, 2)[0] - size(3, 2)[0] >= sheet.SIDE
    assert size(2, 3)[1] - size(2, 2)[1] == size(2, 4)[1] - size(2, 3)[1] >= sheet.SIDE
