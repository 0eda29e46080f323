"""Models by name; a catalogue that is wrong says which entry and which field."""

from __future__ import annotations

import pytest

from evalkit import catalogue, registry
from evalkit.errors import SpecError, UnknownNameError, WeightsError
from evalkit.records import ModelSpec


def write(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


MINE = """
[mine]
title = "Mine"
generator = "diffusers"
weights = "./mine"
steps = 4
options = { sigmas = [1.0, 0.75, 0.5, 0.25] }
"""


def test_every_entry_is_whole():
    entries = catalogue.entries()
    assert len(entries) >= 20
    for name, entry in entries.items():
        assert entry.name == name
        assert entry.title
        assert entry.generator in registry.names("generator")
        assert type(entry.spec) is ModelSpec
        registry.generator(entry.spec)  # its options make sense to its generator


def test_every_published_model_names_its_source_and_that_it_was_not_run():
    for entry in catalogue.entries().values():
        if entry.generator == "diffusers" and "miniature" not in entry.tags:
            assert entry.source, entry.name
            assert not entry.run_on_weights, entry.name
            assert entry.schedule, entry.name
            assert entry.evaluations, entry.name
            assert {"few-step", "many-step"} & set(entry.tags), entry.name
            assert entry.licence or "local" in entry.tags, entry.name


def test_no_two_entries_are_the_same_model():
    fingerprints = [e.spec.fingerprint for e in catalogue.entries().values()]
    assert len(set(fingerprints)) == len(fingerprints)


def test_an_entry_like_another_takes_over_all_but_what_it_says(tmp_path):
    more = '[b]\nlike = "mine"\nsteps = 2\n[b.options]\ndrop = ["text_encoder_3"]\n'
    found = catalogue.load(write(tmp_path, MINE + more))["b"]
    assert (found.name, found.title, found.steps) == ("b", "Mine", 2)
    assert found.options == {"sigmas": [1.0, 0.75, 0.5, 0.25], "drop": ["text_encoder_3"]}


def test_an_entry_may_be_like_one_of_the_package(tmp_path):
    text = '[mine]\nlike = "sd3.5-flash-local-4"\nweights = "./elsewhere"\n'
    found = catalogue.load(write(tmp_path, text))["mine"]
    original = catalogue.entry("sd3.5-flash-local-4")
    assert found.weights == "./elsewhere"
    assert (found.options, found.steps) == (original.options, original.steps)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[a]\nlike = "b"\n[b]\nlike = "a"', "which is like it"),
        ('[a]\nlike = "a"', "which is like it"),
        ('[a]\nlike = "sdxll"', "model 'a': like: .*Did you mean 'sdxl'"),
        ("[a]\nlike = 3", "model 'a': like: Unknown model '3'"),
        ('[a]\nlike = "sdxl"\noptions = 3', "model 'a': options"),
    ],
)
def test_likeness_that_leads_nowhere(tmp_path, text, words):
    with pytest.raises(SpecError, match=words):
        catalogue.load(write(tmp_path, text))


def test_the_sketch_variants_state_their_faults():
    rates = {
        name: catalogue.spec(name).options
        for name in ("sketch-exact", "sketch-faulty-15", "sketch-faulty-40", "sketch-blurred")
    }
    assert rates["sketch-exact"] == {}
    assert rates["sketch-faulty-15"] == {"faults": 0.15}
    assert rates["sketch-faulty-40"] == {"faults": 0.40}
    assert set(rates["sketch-blurred"]) == {"faults", "blur", "noise"}
    assert rates["sketch-blurred"]["faults"] == rates["sketch-faulty-40"]["faults"]


def test_a_spec_carries_nothing_that_is_only_told():
    entry = catalogue.entry("sdxl-dmd2")
    assert entry.spec == catalogue.spec("sdxl-dmd2")
    assert not {"title", "licence", "notes"} & set(entry.spec.model_dump())


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'sdxl-dmd'\. Did you mean 'sdxl-dmd2'"):
        catalogue.spec("sdxl-dmd")
    with pytest.raises(UnknownNameError, match="Unknown model"):
        catalogue.entry("")


def test_of_many_names_the_nearest_few_are_told_and_what_lists_all():
    with pytest.raises(UnknownNameError) as raised:
        catalogue.spec("SD3.5-Flash-Local")
    text = str(raised.value)
    assert "Did you mean 'sd3.5-flash-local-4'?" in text
    assert text.count("sd3.5-flash-local") > 2
    assert "'evalkit models list' lists all." in text
    assert len(text) < 300
    with pytest.raises(UnknownNameError, match=r"'nobody'\. \d+ known; 'evalkit models list'"):
        catalogue.spec("nobody")


def test_a_catalogue_of_yours_is_added(tmp_path):
    known = catalogue.entries(write(tmp_path, MINE))
    assert set(known) == {*catalogue.entries(), "mine"}
    assert catalogue.spec("mine", known).options["sigmas"] == [1.0, 0.75, 0.5, 0.25]
    with pytest.raises(UnknownNameError):
        catalogue.spec("mine")


def test_a_name_is_given_once(tmp_path):
    path = write(tmp_path, MINE.replace("[mine]", "[sdxl]"))
    with pytest.raises(SpecError, match=r"mine\.toml: model 'sdxl' is already in the catalogue"):
        catalogue.entries(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[m]\ntitle = "M"\ngenerator = "d"\nstep = 4', "model 'm': .*Did you mean 'steps'"),
        ('[m]\ntitle = "M"\ngenerator = "d"\nsteps = 0', "model 'm': steps: .*found 0"),
        ('[m]\ntitle = "M"\ngenerator = "d"\nsteps = "x"', "model 'm': steps: .*found 'x'"),
        ('[m]\ntitle = "M"\ngenerator = "d"\nguidance = -1', "model 'm': guidance"),
        ('[m]\ngenerator = "d"', "model 'm': title: Field required"),
        ('[m]\ntitle = ""\ngenerator = "d"', "model 'm': title"),
        ('[m]\ntitle = "M"', "model 'm': generator"),
        ('[m]\ntitle = "M"\ngenerator = "d"\nname = "n"', "model 'm': .*field 'name'"),
        ('m = "M"', r"model 'm': expected a table \(\[m\]\), found 'M'"),
        ("[m", "cannot be read as TOML"),
        ("[m]\n[m]", "cannot be read as TOML"),
        ('["é 漢"]\ntitle = 1\ngenerator = "d"', "model 'é 漢': title"),
    ],
)
def test_a_wrong_entry_is_named_with_its_field(tmp_path, text, words):
    with pytest.raises(SpecError, match=words):
        catalogue.load(write(tmp_path, text))


def test_a_catalogue_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="There is no catalogue"):
        catalogue.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="cannot be read"):
        catalogue.load(tmp_path / "bad.toml")
    with pytest.raises(SpecError, match="cannot be read"):
        catalogue.load(tmp_path)
    assert catalogue.load(write(tmp_path, "")) == {}


def test_a_pipeline_s_folder_is_a_model_of_its_own_name(tmp_path):
    folder = tmp_path / "my-student"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}", encoding="utf-8")
    spec = catalogue.spec(str(folder))
    assert (spec.name, spec.generator, spec.weights) == ("my-student", "diffusers", str(folder))


def test_a_folder_that_is_no_pipeline(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no model_index\.json"):
        catalogue.spec(str(tmp_path))
    with pytest.raises(SpecError, match="no folder at"):
        catalogue.spec(str(tmp_path / "nowhere"))


def test_what_the_package_carries_is_named_by_miniature(tmp_path, monkeypatch):
    (tmp_path / "student").mkdir()
    monkeypatch.setattr("evalkit.weights.MINIATURE_ROOT", tmp_path)
    spec = catalogue.spec("miniature/student")
    assert (spec.name, spec.weights) == ("student", "miniature/student")
    with pytest.raises(UnknownNameError, match="Did you mean 'miniature/student'"):
        catalogue.spec("miniature/studnet")
