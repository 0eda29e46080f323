"""What the small ImageReward learns from: a faithful picture beside a faulty one, and two texts."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.geneval import plural
from evalkit.miniature import views
from evalkit.miniature.captions import Sentence, exactly, miss, word
from evalkit.miniature.facts import Bools, of_scene
from evalkit.miniature.faults import FAULTS, blur, noise
from evalkit.miniature.rendering import Rendered, Scene, render
from evalkit.miniature.scenes import (
    CLASSES,
    MOST,
    TASKS,
    Pairs,
    random_requirements,
    sample,
    shows,
    truths,
)
from evalkit.miniature.views import Labels, Pixels
from evalkit.records import Requirements

CONTENT = tuple(FAULTS)
DAMAGE = ("blur", "noise", "vae")
KINDS = CONTENT + DAMAGE
KIND_WEIGHTS = {
    "wrong_color": 2.0,
    "wrong_count": 1.5,
    "wrong_position": 3.0,
    "wrong_class": 1.0,
    "blur": 0.5,
    "noise": 0.5,
    "vae": 0.5,
}
"""How often each fault is drawn for training: the harder to see, the more."""
_TASKS = {
    "wrong_color": ("colors", "color_attr"),
    "wrong_count": ("counting",),
    "wrong_position": ("position",),
}
NOUNS = 2


@dataclass(frozen=True)
class Contests:
    """Pairs of pictures (faithful, faulty) [n, 2, 3, side, side] and two texts for each pair.

    The first text is true of the faithful picture only. The second is true of the faulty picture
    only where ``turned``; else it is a near miss of the first. ``kinds`` are indices of ``KINDS``.
    ``nouns`` [n, text, 2] are the classes a text names (-1: none) and ``spots`` where, in tokens.
    """

    pixels: Pixels
    classes: Labels
    holds: Bools
    known: Bools
    texts: npt.NDArray[np.bytes_]
    nouns: Labels
    spots: Labels
    turned: Bools
    kinds: Labels

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Contest:
    """One pair before it is drawn: scenes, and sentences as in ``Contests``."""

    kind: str
    faithful: Scene
    faulty: Scene
    sentences: tuple[Sentence, Sentence]
    turned: bool


def plan(kind: str, rng: random.Random, pairs: Pairs) -> Contest:
    """Draw a prompt, a scene that fulfils it and one that does not; damage only comes later."""
    others: Pairs = "train" if pairs == "train" else "all"
    while True:
        wanted = random_requirements(rng.choice(_TASKS.get(kind, TASKS)), rng, pairs=pairs)
        scene = sample(wanted, rng, pairs=pairs)
        sentence = word(wanted, rng)
        if kind in DAMAGE:
            return Contest(kind, scene, scene, (sentence, miss(sentence, rng, pairs=others)), False)
        wrong = FAULTS[kind](scene, wanted, rng, pairs=others)
        if wrong is None:
            continue
        other = _true_of(wrong, scene, wanted.tag)
        second = word(rng.choice(other), rng) if other else miss(sentence, rng, pairs=others)
        return Contest(kind, scene, wrong, (sentence, second), bool(other))


def _true_of(scene: Scene, other: Scene, tag: str) -> list[Requirements]:
    """Return what is true of one scene and not of the other, in the form of one task."""
    said = [r for r in truths(scene) if r.tag == tag and r.include[0].count <= MOST]
    if tag == "counting":
        said = [exactly(r.include[0], r.include[0].count) for r in said]
    return [r for r in said if not shows(other, r)]


def draw(seed: str, count: int, pairs: Pairs = "train", vae: float = 0.0) -> Contests:
    """Draw contests by lot; in a share ``vae`` both pictures have been through the VAE."""
    rng = random.Random(seed)
    kinds = rng.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()), k=count)
    return shown([plan(k, rng, pairs) for k in kinds], rng, vae=vae)


def shown(contests: list[Contest], rng: random.Random, *, vae: float) -> Contests:
    """Make the pictures of contests and pack all that is known of them."""
    return _packed(contests, *pictures_of(contests, rng, vae=vae))


def pictures_of(
    contests: list[Contest], rng: random.Random, *, vae: float
) -> tuple[list[tuple[Rendered, Rendered]], list[list[Image.Image]]]:
    """Render contests at several sides, and return the pictures as they are judged beside that."""
    sent = [rng.random() < vae and c.kind != "vae" for c in contests]
    pictures = []
    for contest, through in zip(contests, sent, strict=True):
        side = views.SIDE if through or contest.kind == "vae" else rng.choice(views.RENDER_SIDES)
        pictures.append((render(contest.faithful, side), render(contest.faulty, side)))
    images = [[a.image, b.image] for a, b in pictures]
    _send(images, [(i, k) for i, through in enumerate(sent) if through for k in (0, 1)], rng, 0.0)
    damaged = [(i, 1) for i, c in enumerate(contests) if c.kind == "vae"]
    _send(images, damaged, rng, rng.uniform(0.1, 0.3))
    for pair, contest in zip(images, contests, strict=True):
        pair[1] = _damaged(pair[1], contest.kind, rng)
    return pictures, images


def _send(
    images: list[list[Image.Image]],
    which: list[tuple[int, int]],
    rng: random.Random,
    jitter: float,
) -> None:
    """Put some of the pictures through the VAE."""
    decoded = views.decoded([images[i][k] for i, k in which], rng, jitter)
    for (i, k), image in zip(which, decoded, strict=True):
        images[i][k] = image


def _damaged(image: Image.Image, kind: str, rng: random.Random) -> Image.Image:
    if kind == "blur":
        return blur(image, rng.uniform(0.25, 1.0))
    if kind == "noise":
        return noise(image, rng.uniform(0.2, 1.0), rng.getrandbits(32))
    return image


def _packed(
    contests: list[Contest],
    pictures: list[tuple[Rendered, Rendered]],
    images: list[list[Image.Image]],
) -> Contests:
    facts = [[of_scene(s) for s in (c.faithful, c.faulty)] for c in contests]
    named = [[_nouns(s) for s in c.sentences] for c in contests]
    return Contests(
        pixels=np.stack([[views.pixels(i) for i in pair] for pair in images]),
        classes=np.stack([[views.class_map(p) for p in pair] for pair in pictures]),
        holds=np.stack([[f.holds for f in pair] for pair in facts]),
        known=np.stack([[f.known for f in pair] for pair in facts]),
        texts=np.array([[s.text.encode() for s in c.sentences] for c in contests], dtype="S80"),
        nouns=np.array([[[n for n, _ in t] for t in pair] for pair in named], np.int8),
        spots=np.array([[[at for _, at in t] for t in pair] for pair in named], np.int8),
        turned=np.array([c.turned for c in contests]),
        kinds=np.array([KINDS.index(c.kind) for c in contests], np.int8),
    )


def _nouns(sentence: Sentence) -> list[tuple[int, int]]:
    """Find the classes a text names, and the token of each noun's last word ([CLS] is token 0)."""
    tokens = sentence.text.replace("-", " - ").split()
    found = []
    for clause in () if sentence.any_class else sentence.requirements.include:
        name = plural(clause.class_name) if clause.count > 1 else clause.class_name
        noun = name.split()
        starts = range(len(tokens) - len(noun) + 1)
        # The colour orange comes before the noun: the last match is the thing.
        at = max(i for i in starts if tokens[i : i + len(noun)] == noun)
        found.append((CLASSES.index(clause.class_name), at + len(noun)))
    return (found + [(-1, 0)] * NOUNS)[:NOUNS]
