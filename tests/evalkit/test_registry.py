"""Names lead to classes, wrong names to the right ones, and listing imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from evalkit import registry
from evalkit.errors import EvalkitError, UnknownNameError
from evalkit.records import ModelSpec


def test_every_built_in_can_be_loaded():
    for kind, known in (("generator", registry.GENERATORS), ("scorer", registry.SCORERS)):
        assert list(known) == sorted(known)
        for name in known:
            assert isinstance(registry._load(kind, name), type)


def test_a_wrong_name_is_met_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'clip-score'\?"):
        registry.scorer("clip_score")
    with pytest.raises(UnknownNameError, match="Known: diffusers"):
        registry.generator(ModelSpec(name="x", generator="zzz"))


def test_other_packages_may_add_but_not_replace(monkeypatch):
    mine = EntryPoint("mine", "tests.fakes:Redness", "evalkit.scorers")
    monkeypatch.setattr(registry, "entry_points", lambda group: [mine])
    assert registry.scorer("mine", weights="w").card.weights[0].id == "w"
    clash = EntryPoint("geneval", "tests.fakes:Redness", "evalkit.scorers")
    monkeypatch.setattr(registry, "entry_points", lambda group: [clash])
    with pytest.raises(EvalkitError, match="Two packages offer"):
        registry.names("scorer")


LIGHT = """
import sys
sys.argv = {argv!r}
from {module} import main
try:
    main()
except SystemExit:
    pass
heavy = {{"torch", "diffusers", "transformers", "gradio", "sqlalchemy", "matplotlib"}}
heavy &= set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("evalkit.cli", ["evalkit", "--help"]),
        ("evalkit.cli", ["evalkit", "generate", "--help"]),
        ("evalkit.cli", ["evalkit", "models", "list"]),
        ("evalkit.cli", ["evalkit", "scorers", "list"]),
        ("evalkit.cli", ["evalkit", "prompts", "list"]),
        ("arena.cli", ["arena", "--help"]),
        ("arena.cli", ["arena", "serve", "--help"]),
    ],
)
def test_light_commands_import_nothing_heavy(module, argv):
    code = LIGHT.format(argv=argv, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
