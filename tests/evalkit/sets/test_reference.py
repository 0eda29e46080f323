"""A reference is statistics that say what they are of."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import EvalkitError, ImageError, SpecError
from evalkit.sets import reference
from tests.evalkit.sets.conftest import Eye


def test_a_reference_survives_the_disk(photographs, eyes, tmp_path):
    made = reference.make(photographs, eyes, keep=7)
    reference.write(made, tmp_path / "r.npz")
    read = reference.read(tmp_path / "r.npz")
    assert read.card == made.card
    assert (read.card.count, read.card.kept, read.card.resize) == (12, 7, "clean")
    assert read.card.name == "photographs"
    for name in eyes:
        assert np.array_equal(read.vectors[name], made.vectors[name])
        assert len(read.vectors[name]) == 7
    assert read.moments
    assert made.moments
    assert np.array_equal(read.moments.sigma, made.moments.sigma)


def test_the_digest_is_of_the_pictures_and_not_of_their_names(photographs, eyes):
    before = reference.make(photographs, eyes)
    (photographs / "0.png").rename(photographs / "zebra.PNG")
    after = reference.make(photographs, eyes)
    assert after.card.digest == before.card.digest
    assert np.array_equal(after.vectors["clip"], before.vectors["clip"])
    (photographs / "zebra.PNG").unlink()
    assert reference.make(photographs, eyes).card.digest != before.card.digest


def test_what_is_no_set_is_refused(photographs, eyes, tmp_path):
    with pytest.raises(SpecError, match="no folder"):
        reference.make(tmp_path / "none", eyes)
    with pytest.raises(SpecError, match="Nothing to see with"):
        reference.make(photographs, {})
    (tmp_path / "few").mkdir()
    with pytest.raises(SpecError, match="holds 0 pictures"):
        reference.make(tmp_path / "few", eyes)
    (photographs / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        reference.make(photographs, eyes)


def test_where_it_cannot_be_written_is_said_before_anything_is_seen(tmp_path):
    with pytest.raises(EvalkitError, match="There is no folder"):
        reference.check_place(tmp_path / "none" / "out.npz")
    with pytest.raises(EvalkitError, match="is a folder"):
        reference.check_place(tmp_path)
    reference.check_place(tmp_path / "out.npz")


def test_a_network_that_returns_nan_is_refused(photographs):
    class Broken(Eye):
        def see(self, images):
            return super().see(images) * np.float32(np.nan)

    with pytest.raises(EvalkitError, match="no numbers for 12 of 12"):
        reference.make(photographs, {"clip": Broken("clip")})


@pytest.mark.parametrize("text", [b"", b"no npz", b"PK\x03\x04 torn"])
def test_a_damaged_file_is_refused_in_words(text, tmp_path):
    (tmp_path / "r.npz").write_bytes(text)
    with pytest.raises(EvalkitError, match="no reference that can be read"):
        reference.read(tmp_path / "r.npz")
    with pytest.raises(EvalkitError, match="no reference that can be read"):
        reference.read(tmp_path / "none.npz")


def test_other_weights_than_the_references_are_refused(photographs, eyes):
    card = reference.make(photographs, {"clip": eyes["clip"]}).card
    reference.check(card, {"clip": eyes["clip"]})
    with pytest.raises(SpecError, match="Give the same weights"):
        reference.check(card, {"clip": Eye("another")})
    with pytest.raises(SpecError, match="no vectors of inception"):
        reference.check(card, eyes)


def test_pictures_of_any_mode_are_seen_as_colours(tmp_path, eyes):
    for i, mode in enumerate(("L", "RGBA", "P", "1", "CMYK")):
        suffix = "jpg" if mode == "CMYK" else "png"
        Image.new(mode, (9 + i, 9), 1 if mode in "P1L" else "red").save(tmp_path / f"{i}.{suffix}")
    assert reference.make(tmp_path, eyes).card.count == 5
