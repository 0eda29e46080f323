"""All models of a command are looked at before any work begins, and all that is wrong is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evalkit import registry
from evalkit.errors import EvalkitError, SpecError
from evalkit.generators import Checkable
from evalkit.records import ModelSpec


@dataclass(frozen=True)
class Checked:
    """One model: what was found, or why it cannot be drawn with."""

    model: str
    told: str
    fails: bool = False


def each(names: Iterable[str], do: Callable[[str], str]) -> list[Checked]:
    """Do something with every model; what the user can cure is kept, a bug is not."""
    found = []
    for name in names:
        try:
            found.append(Checked(name, do(name)))
        except EvalkitError as error:
            found.append(Checked(name, str(error), fails=True))
    return found


def ready(spec: ModelSpec) -> str:
    """Say what a model will be drawn with, or raise what would stop it; no weights are read."""
    generator = registry.generator(spec)
    return generator.check() if isinstance(generator, Checkable) else "ready"


def demand(found: Sequence[Checked]) -> None:
    """Raise SpecError naming every model that failed, with its reason."""
    failed = [one for one in found if one.fails]
    if failed:
        lines = "\n".join(f"  {one.model}: {one.told}" for one in failed)
        raise SpecError(
            f"{len(failed)} of {len(found)} models cannot be drawn with, and nothing was begun:\n"
            f"{lines}\nMend these, or leave them out."
        )
