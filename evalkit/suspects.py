"""Pictures that a person should look at: the same one twice, almost the same one, and blank ones.

Near pictures are found by small thumbnails in colour, not by a hash of brightness: a red and a
blue apple on white have the same hash, and telling them apart is what the suites are about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import ImageError
from evalkit.records import Generation
from evalkit.runs import Run

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32
"""Thumbnails' side."""
NEAR = 2.0
"""Root mean square difference of thumbnails, of 255, below which pictures are called near."""
BLANK = 2.0
"""Standard deviation, of 255, below which all three channels of a blank picture lie."""
_ROWS = 500


@dataclass(frozen=True)
class Suspects:
    """Groups of generations of one model, and single ones."""

    same: tuple[tuple[Generation, ...], ...]
    near: tuple[tuple[Generation, ...], ...]
    """Linked by nearness, equal ones left out but for one of each."""
    blank: tuple[Generation, ...]

    def lines(self) -> Iterator[str]:
        """Say what was found, one line each."""
        for kind, groups in (("the same picture", self.same), ("nearly the same", self.near)):
            for group in groups:
                yield f"{group[0].model}: {kind}: {', '.join(map(_where, group))}"
        for one in self.blank:
            yield f"{one.model}: blank: {_where(one)}"

    def __len__(self) -> int:
        return len(self.same) + len(self.near) + len(self.blank)


def _where(generation: Generation) -> str:
    return f"prompt {generation.prompt_id} seed {generation.seed}"


def suspects(run: Run) -> Suspects:
    """Look through a run's pictures; those that cannot be read are for ``Run.damaged``."""
    same: list[tuple[Generation, ...]] = []
    near: list[tuple[Generation, ...]] = []
    blank: list[Generation] = []
    of_model: dict[str, dict[str, list[Generation]]] = defaultdict(lambda: defaultdict(list))
    for generation in run.generations():
        if generation.image is not None:
            of_model[generation.model][generation.image].append(generation)
    for of_image in of_model.values():
        same += [tuple(group) for group in of_image.values() if len(group) > 1]
        kept, thumbnails = [], []
        for group in of_image.values():
            found = _look(run, group[0])
            if found is None:
                continue
            thumbnail, empty = found
            if empty:
                blank += group
            else:  # blank pictures are all near one another: said once is enough
                kept.append(group[0])
                thumbnails.append(thumbnail)
        near += [tuple(kept[i] for i in group) for group in groups(thumbnails)]
    return Suspects(tuple(same), tuple(near), tuple(blank))


def _look(run: Run, generation: Generation) -> tuple[NDArray[np.float32], bool] | None:
    try:
        image = run.images.open(generation.image or "")
    except ImageError:
        return None
    return thumbnail(image), is_blank(image)


def thumbnail(image: Image.Image) -> NDArray[np.float32]:
    """Shrink a picture to 32 x 32 colours, flat."""
    from PIL import Image

    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()


def is_blank(image: Image.Image) -> bool:
    """Say whether a picture is of one colour: what a safety filter or a broken decoder gives."""
    deviation = np.asarray(image.convert("RGB"), np.float32).std(axis=(0, 1))
    return bool((deviation < BLANK).all())


def groups(thumbnails: Sequence[NDArray[np.float32]]) -> list[list[int]]:
    """Group thumbnails that are near, or linked by others that are, in order."""
    parent = list(range(len(thumbnails)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in _pairs(thumbnails):
        parent[max(root(i), root(j))] = min(root(i), root(j))
    found: dict[int, list[int]] = defaultdict(list)
    for i in range(len(thumbnails)):
        found[root(i)].append(i)
    return [group for group in found.values() if len(group) > 1]


def _pairs(thumbnails: Sequence[NDArray[np.float32]]) -> Iterable[tuple[int, int]]:
    """Yield near pairs; squares by products find candidates, which are then measured exactly."""
    if not thumbnails:
        return
    all_of_them = np.stack(thumbnails)
    lengths = (all_of_them.astype(np.float64) ** 2).sum(axis=1)
    limit = NEAR**2 * all_of_them.shape[1]
    for start in range(0, len(all_of_them), _ROWS):
        rows = all_of_them[start : start + _ROWS]
        squares = lengths[start : start + _ROWS, None] + lengths - 2 * (rows @ all_of_them.T)
        for at, j in np.argwhere(squares < 2 * limit + 1e-4 * lengths):
            i = start + int(at)
            if i < j and ((all_of_them[i] - all_of_them[j]) ** 2).mean() < NEAR**2:
                yield i, int(j)
