"""Runs made up of values, for tests of what is made of scores."""

from __future__ import annotations

from evalkit.records import Generation, Prompt, Score


def world(values, categories=None, model="m"):
    """Make prompts, generations and scores from rows of values (None is missing)."""
    categories = categories or ["c"] * len(values)
    prompts = {
        f"p{i}": Prompt(id=f"p{i}", suite="s", text="t", category=c)
        for i, c in enumerate(categories)
    }
    generations, scores = [], []
    for i, row in enumerate(values):
        for seed, value in enumerate(row):
            made = Generation(
                id=f"{model}{i}.{seed}", prompt_id=f"p{i}", model=model, seed=seed, image="0" * 64
            )
            reason = None if value is not None else "broken"
            generations.append(made)
            scores.append(
                Score(generation_id=made.id, scorer="s", version=1, value=value, reason=reason)
            )
    return prompts, generations, scores


def pair(a, b, categories=None):
    """Make one world of two models' values on the same prompts and seeds."""
    prompts, ga, sa = world(a, categories, "a")
    _, gb, sb = world(b, categories, "b")
    return prompts, ga + gb, sa + sb
