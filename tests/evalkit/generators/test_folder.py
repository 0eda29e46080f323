"""Pictures made elsewhere are placed by what their source says, or listed; never by a guess."""

from __future__ import annotations

import csv
import json
import struct
import zlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from evalkit import registry
from evalkit.engine import Local
from evalkit.errors import ImageError, SpecError, UnknownNameError
from evalkit.generate import generate, open_or_create, plan, resolved
from evalkit.generators import folder
from evalkit.generators.folder import Folder, match
from evalkit.prompts import load
from evalkit.records import ModelSpec, Prompt


def picture(seed=0, mode="RGB", side=12):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def save(path, image=None, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture()).save(path, **how)
    return path


@pytest.fixture
def suite():
    texts = ["a photo of a bench", "a photo of a cow", "a photo of a kite"]
    return [Prompt(id=f"{i:05d}", suite="s", text=t) for i, t in enumerate(texts)]


@pytest.fixture
def named():
    """A suite whose prompts have ids of their own."""
    return [Prompt(id=f"p-{t}", suite="s", text=f"a photo of a {t}") for t in ("bench", "cow")]


@pytest.fixture
def layout(tmp_path):
    """GenEval's layout: three prompts with two samples each, and the grids beside them."""
    root = tmp_path / "images"
    for i in range(3):
        for k in range(2):
            save(root / f"{i:05d}" / "samples" / f"{k:04d}.png", picture(10 * i + k))
        save(root / f"{i:05d}" / "grid.png")
    return root


def describe(root, number, **line):
    path = root / f"{number:05d}" / "metadata.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")


def table(tmp_path, rows, columns=("path", "prompt_id", "seed")):
    path = tmp_path / "pictures.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([columns, *rows])
    return path


def placed(matching):
    return {(i.prompt_id, i.seed): "/".join(i.path.parts[-3::2]) for i in matching.items}


# --- GenEval's layout -------------------------------------------------------------------------


def test_folders_are_placed_by_number_and_samples_by_order(layout, suite):
    found = match(layout, suite)
    assert placed(found) == {
        (f"{i:05d}", k): f"{i:05d}/{k:04d}.png" for i in range(3) for k in range(2)
    }
    assert found.seeds() == (0, 1)
    assert (found.missing, found.unmatched, found.unreadable) == ((), (), ())
    assert found.complaints() == []


def test_samples_are_ordered_as_numbers(tmp_path, suite):
    for name in ("2.png", "10.png", "9.png"):
        save(tmp_path / "00000" / "samples" / name)
    found = match(tmp_path, suite)
    assert [i.path.name for i in found.items] == ["2.png", "9.png", "10.png"]
    assert found.seeds() == (0, 1, 2)


def test_metadata_places_a_folder_whose_number_is_not_in_the_suite(layout, suite):
    (layout / "00001").rename(layout / "00441")
    describe(layout, 441, tag="single_object", include=[], prompt="a photo of a cow")
    found = match(layout, suite)
    assert placed(found)["00001", 0] == "00441/0000.png"
    assert found.missing == ()


def test_metadata_that_contradicts_the_folder_s_number_is_an_error(layout, suite):
    describe(layout, 1, prompt="a photo of a kite")
    with pytest.raises(
        ImageError, match="says its prompt is 'a photo of a kite', but prompt '00001"
    ):
        match(layout, suite)


def test_metadata_of_another_suite_is_an_error(layout, suite):
    describe(layout, 0, prompt="a photo of something else")
    with pytest.raises(ImageError, match="another suite"):
        match(layout, suite)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tag": "x"}'])
def test_metadata_that_cannot_be_read(layout, suite, text):
    (layout / "00000" / "metadata.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(ImageError, match=r"00000/metadata\.jsonl is not a line"):
        match(layout, suite)


def test_equal_texts_are_told_apart_by_their_number(layout):
    twins = [Prompt(id=f"{i:05d}", suite="s", text="a cow") for i in range(3)]
    for i in range(3):
        describe(layout, i, prompt="a cow")
    assert placed(match(layout, twins)) == {
        (f"{i:05d}", k): f"{i:05d}/{k:04d}.png" for i in range(3) for k in range(2)
    }


def test_what_belongs_to_no_prompt_and_what_is_missing_is_listed(layout, suite):
    save(layout / "00007" / "samples" / "0000.png")
    save(layout / "notes" / "0000.png")
    save(layout / "00000" / "samples" / "final.png")
    save(layout / "00000" / "0000.png")
    (layout / "00000" / "samples" / "0003.txt").touch()
    for path in (layout / "00002" / "samples").iterdir():
        path.unlink()
    found = match(layout, suite)
    strays = {p.relative_to(layout).as_posix(): reason for p, reason in found.unmatched}
    assert set(strays) == {
        "00007/samples/0000.png",
        "notes",
        "00000/samples/final.png",
        "00000/samples/0003.txt",
        "00000/0000.png",
    }
    assert "no prompt number 7" in strays["00007/samples/0000.png"]
    assert found.missing == ("00002",)
    assert any(line == "missing: no picture of 1 prompts: 00002" for line in found.complaints())
    assert len(found.complaints()) == 6


def test_unreadable_pictures_are_listed_with_a_reason(layout, suite):
    samples = layout / "00000" / "samples"
    (samples / "0000.png").write_bytes(b"")
    (samples / "0001.png").write_bytes((samples / "0001.png").read_bytes()[:200])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(layout / "00001" / "samples" / "0000.png")
    (layout / "00002" / "samples" / "0001.png").write_bytes(_png_header(60_000, 60_000))
    matching = match(layout, suite)
    found = {p.relative_to(layout).as_posix(): r for p, r in matching.unreadable}
    assert set(found) == {
        f"0000{i}/samples/000{k}.png" for i, k in ((0, 0), (0, 1), (1, 0), (2, 1))
    }
    assert "more than 8 bits" in found["00001/samples/0000.png"]
    assert "decompression bomb" in found["00002/samples/0001.png"]
    assert sum(line.startswith("unreadable: ") for line in matching.complaints()) == 4


def _png_header(width, height):
    """Begin a PNG that claims to be huge."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", 0)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: (p / "0").mkdir(), lambda p: p.rmdir()])
def test_a_source_that_is_no_layout(tmp_path, suite, make):
    root = tmp_path / "empty"
    root.mkdir()
    make(root)
    with pytest.raises(ImageError):
        match(root, suite)


def test_pictures_of_another_suite_altogether(tmp_path, suite):
    save(tmp_path / "00099" / "samples" / "0.png")
    with pytest.raises(ImageError, match="None of the 1 pictures"):
        match(tmp_path, suite)


# --- CSV ----------------------------------------------------------------------------------------


def test_a_table_by_id_with_seeds(tmp_path, named):
    for name in "abc":
        save(tmp_path / f"{name}.png")
    rows = [("a.png", "p-bench", 7), ("b.png", "p-cow", 3), ("c.png", "p-bench", 2)]
    found = match(table(tmp_path, rows), named)
    items = {(i.prompt_id, i.seed): i.path.name for i in found.items}
    assert items == {("p-bench", 7): "a.png", ("p-bench", 2): "c.png", ("p-cow", 3): "b.png"}
    assert found.seeds() == (2, 3, 7)


def test_a_table_by_text_without_seeds(tmp_path, named):
    (tmp_path / "漢 字").mkdir()
    save(tmp_path / "漢 字" / "é.webp", lossless=True)
    save(tmp_path / "b.jpg")
    rows = [("漢 字/é.webp", "a photo of a cow"), ("b.jpg", "a photo of a cow")]
    found = match(table(tmp_path, rows, ("path", "prompt")), named)
    assert [(i.prompt_id, i.seed, i.path.name) for i in found.items] == [
        ("p-cow", 0, "é.webp"),
        ("p-cow", 1, "b.jpg"),
    ]
    assert found.missing == ("p-bench",)


def test_an_unknown_id_is_listed_and_a_file_that_is_not_there_is_unreadable(tmp_path, named):
    rows = [("a.png", "p-bench", 0), ("b.png", "p-dog", 0)]
    save(tmp_path / "b.png")
    found = match(table(tmp_path, rows), named)
    assert [(p.name, r) for p, r in found.unmatched] == [
        ("b.png", "no prompt with id 'p-dog' is free")
    ]
    assert "There is no file" in found.unreadable[0][1]


def test_a_picture_that_one_row_places_is_listed_where_another_names_an_unknown_prompt(
    tmp_path, named
):
    save(tmp_path / "b.png")
    found = match(table(tmp_path, [("b.png", "p-cow", 0), ("b.png", "p-dog", 0)]), named)
    assert [i.prompt_id for i in found.items] == ["p-cow"]
    assert [reason for _, reason in found.unmatched] == ["no prompt with id 'p-dog' is free"]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([], (), "needs the columns"),
        ([], ("path", "seed"), r"needs the columns.*Found: path, seed"),
        ([], ("file", "prompt_id"), "needs the columns"),
        ([("a.png", "p-cow", "x")], ("path", "prompt_id", "seed"), "line 2: seed .*found 'x'"),
        ([("a.png", "p-cow", "-1")], ("path", "prompt_id", "seed"), "line 2: seed"),
        ([("a.png", "p-cow", "0.5")], ("path", "prompt_id", "seed"), "line 2: seed"),
        ([("", "p-cow")], ("path", "prompt_id"), "line 2: a path"),
        ([("a.png", "")], ("path", "prompt_id"), "line 2: a path and a prompt_id"),
        (
            [("a.png", "p-cow", 1), ("b.png", "p-cow", 1)],
            ("path", "prompt_id", "seed"),
            "line 3: seed 1 of this prompt is already in line 2",
        ),
        (
            [("a.png", "p-cow", "a photo of a bench")],
            ("path", "prompt_id", "prompt"),
            "says its prompt is 'a photo of a bench', but prompt 'p-cow'",
        ),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path, named, rows, columns, words):
    with pytest.raises(ImageError, match=words):
        match(table(tmp_path, rows, columns), named)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b'path,prompt_id\n"open'])
def test_a_table_that_cannot_be_read(tmp_path, named, data):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"t\.csv"):
        match(path, named)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=8))
def test_every_row_is_placed_once_or_the_table_is_refused(tmp_path_factory, rows):
    tmp_path = tmp_path_factory.mktemp("t")
    suite = [Prompt(id=x, suite="s", text=f"text {x}") for x in "abc"]
    path = table(tmp_path, [(f"{i}.png", x, seed) for i, (x, seed) in enumerate(rows)])
    if len(set(rows)) < len(rows):
        with pytest.raises(ImageError, match="already in line"):
            match(path, suite)
        return
    found = match(path, suite)
    assert {(i.prompt_id, i.seed, i.path.name) for i in found.items} == {
        (x, seed, f"{i}.png") for i, (x, seed) in enumerate(rows)
    }
    assert set(found.missing) == set("abc") - {x for x, _ in rows}


# --- drawing by reading -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mode", "how"),
    [
        ("a.png", "RGB", {}),
        ("a.png", "P", {}),
        ("a.png", "L", {}),
        ("a.webp", "RGB", {"lossless": True}),
        ("a.jpg", "RGB", {"quality": 90}),
    ],
)
def test_pixels_are_kept_exactly(tmp_path, named, name, mode, how):
    path = save(tmp_path / name, picture(3, mode), **how)
    source = table(tmp_path, [(name, "p-cow", 5)])
    read = Folder(folder.spec("theirs", source)).draw([named[1]], [5])[0]
    assert read.image.mode == "RGB"
    assert read.seconds is None
    assert read.peak_memory_mb is None
    assert np.array_equal(np.asarray(read.image), np.asarray(Image.open(path).convert("RGB")))


def test_what_is_missing_or_damaged_has_a_reason(layout, suite):
    (layout / "00001" / "samples" / "0000.png").write_bytes(b"no picture")
    generator = registry.generator(folder.spec("theirs", layout))
    pictures = generator.draw([suite[0], suite[1], suite[0]], [0, 0, 9])
    assert [p.error is None for p in pictures] == [True, False, False]
    assert "not a picture that can be read" in pictures[1].error
    assert pictures[2].error == "no picture of prompt '00000' with seed 9"


def test_a_layout_of_a_suite_with_ids_of_its_own(layout, named):
    found = match(layout, named)
    spec = folder.spec("theirs", layout, found)
    assert spec.options == {"order": ["p-bench", "p-cow"]}
    pictures = Folder(spec).draw(named, [0, 1])
    assert np.array_equal(np.asarray(pictures[1].image), np.asarray(picture(11)))


def test_the_usual_ids_need_no_order(layout, suite):
    assert folder.spec("theirs", layout, match(layout, suite)).options == {}


def test_other_pictures_are_another_model(tmp_path, layout, named):
    save(tmp_path / "a.png")
    source = table(tmp_path, [("a.png", "p-cow", 0)])
    by_table = folder.spec("theirs", source)
    save(tmp_path / "a.png", picture(8))
    assert folder.spec("theirs", source).fingerprint != by_table.fingerprint
    by_layout = resolved(folder.spec("theirs", layout))
    save(layout / "00000" / "samples" / "0000.png", picture(99))
    assert resolved(folder.spec("theirs", layout)).fingerprint != by_layout.fingerprint


def test_a_moved_folder_is_the_same_model(tmp_path, layout):
    here = resolved(folder.spec("theirs", layout))
    there = resolved(folder.spec("theirs", layout.rename(tmp_path / "elsewhere")))
    assert here.fingerprint == there.fingerprint


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(name="m", generator="folder"),
        ModelSpec(name="m", generator="folder", weights="x", options={"ordr": []}),
    ],
)
def test_a_spec_that_makes_no_sense(spec):
    with pytest.raises(SpecError, match="'m'"):
        Folder(spec)


def test_an_import_is_a_run_like_any_other(tmp_path, layout, suite):
    path = tmp_path / "suite.txt"
    path.write_text("\n".join(p.text for p in suite), encoding="utf-8")
    chosen = load(path)
    (layout / "00002" / "samples" / "0001.png").unlink()
    found = match(layout, chosen.prompts)
    spec = resolved(folder.spec("theirs", layout, found))
    run = open_or_create(tmp_path / "runs" / "r", chosen, [spec], found.seeds())
    made = generate(run, Local(), ["theirs"], found.seeds())
    assert [(g.prompt_id, g.seed) for g in made if g.error] == [("00002", 1)]
    assert all(g.seconds is None for g in made)
    assert plan(run, ["theirs"], found.seeds()).left == 0
    first = next(g for g in made if (g.prompt_id, g.seed) == ("00000", 0))
    assert np.array_equal(np.asarray(run.images.open(first.image)), np.asarray(picture(0)))
    facts = run.manifest.realised["theirs"]
    assert facts["made_elsewhere"]
    assert facts["weights"]["digest"].startswith("sha256:")


def test_metadata_inside_a_picture_does_not_reach_the_store(tmp_path, suite, layout):
    from evalkit.images import ImageStore

    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "made by model X")
    path = layout / "00000" / "samples" / "0000.png"
    picture(0).save(path, pnginfo=info)
    store = ImageStore(tmp_path / "store")
    read = Folder(folder.spec("theirs", layout)).draw([suite[0]], [0])[0]
    assert b"model X" not in store.read(store.put(read.image))


STYLED = [
    Prompt(id=id_, suite="s", text=f"text {id_}", category=category)
    for id_, category in (("a", "anime"), ("b", "photo"), ("c", "anime"), ("d", "photo"))
]


def drawn_by(source, prompts, layout, seed=0):
    """Import pictures as the command does, and return the colour that each prompt gets."""
    found = match(source, prompts, layout)
    generator = Folder(folder.spec("theirs", source, found))
    pictures = generator.draw(prompts, [seed] * len(prompts))
    return found, [p.image and p.image.getpixel((0, 0)) for p in pictures]


def coloured(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def test_hpsv2s_layout_counts_within_a_style(tmp_path):
    coloured(tmp_path / "anime/00001.png", (1, 2, 3))
    coloured(tmp_path / "photo/00000.jpg", (255, 255, 255))
    coloured(tmp_path / "photo/00007.png", (9, 9, 9))
    (tmp_path / "read.me").touch()
    found, colours = drawn_by(tmp_path, STYLED, "hpsv2")
    assert colours == [None, (255, 255, 255), (1, 2, 3), None]
    assert found.missing == ("a", "d")
    told = "\n".join(found.complaints())
    assert "no prompt number 7 of 'photo' is free" in told
    assert "read.me: it is not in the folder of a style" in told


def test_imagerewards_layout_names_the_prompt_and_the_seed(tmp_path):
    prompts = [p.model_copy(update={"id": f"00{p.id}_1"}) for p in STYLED]
    coloured(tmp_path / "00a_1_0.png", (1, 1, 1))
    coloured(tmp_path / "00c_1_0.png", (2, 2, 2))
    coloured(tmp_path / "00c_1_1.png", (3, 3, 3))
    coloured(tmp_path / "loose.png", (4, 4, 4))
    found, colours = drawn_by(tmp_path, prompts, "imagereward")
    assert colours == [(1, 1, 1), None, (2, 2, 2), None]
    assert drawn_by(tmp_path, prompts, "imagereward", seed=1)[1][2] == (3, 3, 3)
    assert found.seeds() == (0, 1)
    assert "loose.png" in found.complaints()[0]


@pytest.mark.parametrize("layout", ["hpsv2", "imagereward"])
def test_an_empty_folder_is_shown_its_layout(tmp_path, layout):
    with pytest.raises(ImageError, match="holds no pictures in"):
        match(tmp_path, STYLED, layout)


def test_an_unknown_layout_is_named(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'hpsv2'"):
        match(tmp_path, STYLED, "hpsv")


def test_a_csv_may_name_urls(tmp_path):
    """A server of the test's own, one picture that it has and one that it has not."""
    coloured(tmp_path / "www/one.png", (7, 8, 9))
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "www")
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        table = tmp_path / "table.csv"
        table.write_text(f"path,prompt_id\n{root}/one.png,a\n{root}/two.png,b\nodd://x/y.png,c\n")
        found = match(table, STYLED)
        assert found.missing == ("d",)
        pictures = Folder(folder.spec("theirs", table, found)).draw(STYLED, [0] * 4)
        server.shutdown()
    assert pictures[0].image.getpixel((0, 0)) == (7, 8, 9)
    assert "404" in pictures[1].error
    assert "odd" in pictures[2].error
