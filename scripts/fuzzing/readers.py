"""Every reader that is fuzzed, by name."""

from __future__ import annotations

from model.errors import LockstepError
from scripts.fuzzing import data_readers, graph_readers, vector_readers
from scripts.fuzzing.reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader for module in (vector_readers, graph_readers, data_readers) for reader in module.READERS
}


def choose(only: str | None, others: tuple[str, ...] = ()) -> list[str]:
    """The name `only`, or all names: of the readers, and `others`; LockstepError where there is none such."""
    names = [*READERS, *others]
    if only and only not in names:
        raise LockstepError(f"ONLY={only}: there is no such reader; expected one of {', '.join(names)}")
    return [only] if only else names
