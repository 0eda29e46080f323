"""The catalogue as text is whole, and the table in the docs is the one that the command prints."""

from __future__ import annotations

from pathlib import Path

from evalkit import catalogue, recipes, registry

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
ENTRIES = catalogue.entries()


def test_the_docs_table_is_the_commands():
    """Mend it by: evalkit models list --markdown."""
    table = "\n".join(recipes.markdown(ENTRIES.values()))
    assert table in DOCS.read_text(encoding="utf-8")


def test_every_published_model_is_in_the_table():
    rows = [line.split(" | ")[0] for line in recipes.markdown(ENTRIES.values())][2:]
    ours = {n for n, e in ENTRIES.items() if e.generator == "sketch" or "miniature" in e.tags}
    assert rows == [f"| `{name}`" for name in ENTRIES if name not in ours]


def test_a_row_holds_the_recipe():
    lines = {line.split("`")[1]: line for line in [*recipes.markdown(ENTRIES.values())][2:]}
    assert lines["sdxl-dmd2"] == (
        "| `sdxl-dmd2` | StableDiffusionXL, LCM | 4 | 0 | 999, 749, 499, 249 | 4 "
        "| CC BY-NC-SA 4.0 | no | no | no |"
    )
    assert "StableDiffusionXL, DDIM (timestep_spacing trailing)" in lines["hyper-sdxl"]
    assert "| image-reward | no |" in lines["hyper-sdxl"]
    assert "| 981, 961, 941, ..., 1 (50) | 100 |" in lines["sdxl"]
    assert "| Stability AI Community | yes |" in lines["sd3.5-medium"]


def test_the_list_shows_licence_and_gating():
    lines = {line.split()[0]: line for line in recipes.lines(ENTRIES.values())}
    assert list(lines) == list(ENTRIES)
    assert "gated  SD3.5 Medium [Stability AI Community]" in lines["sd3.5-medium"]
    assert "gated" not in lines["sdxl-turbo"]
    assert lines["sketch-exact"].endswith("Sketch, exact [–]")


def test_rewards_are_scores_that_there_are():
    """A name that no score has would mark nothing."""
    named = {reward for entry in ENTRIES.values() for reward in entry.rewards}
    assert named
    assert named <= set(registry.SCORERS)
