"""A section of the page, and how a result becomes a piece of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from model.errors import LockstepError
from scripts.reporting.markup import missing, unreadable
from scripts.reporting.results import Fields, Source


@dataclass
class Section:
    """A section that is being put together.

    Parameters
    ----------
    anchor, heading : str

    Attributes
    ----------
    parts : list of str
        HTML.
    data : int
        Results that it shows.
    absent : list of (what, make line)
        Results that are not there.
    broken : dict
        What is wrong with results that are there and cannot be used, by their titles.
    """

    anchor: str
    heading: str
    parts: list[str] = field(default_factory=list)
    data: int = 0
    absent: list[tuple[str, str]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def add(self, *parts: str) -> None:
        """Put HTML at the end."""
        self.parts += parts

    def show(self, title: str, render: Callable[[], str]) -> None:
        """Add what `render` gives, which tells by LockstepError that its result cannot be used."""
        try:
            content = render()
        except LockstepError as error:
            self.fail(title, str(error))
            return
        self.data += 1
        self.add(content)

    def fail(self, title: str, problem: str) -> None:
        """Add a result that is there and cannot be used."""
        self.broken[title] = problem
        self.add(unreadable(problem))

    def show_source(self, source: Source, render: Callable[[Fields], str]) -> None:
        """Add what `render` makes of the result, or say that it is missing or unreadable."""
        if source.fields is None:
            if source.missing:
                self.absent.append((source.title, source.make))
            else:
                self.fail(source.title, source.problem)
            return
        fields = source.fields
        self.show(source.title, lambda: render(fields))

    def html(self) -> str:
        """All of it; what is missing comes last."""
        return "".join(self.parts) + missing(self.absent)


def by_network(*lists: Iterable[Source]) -> dict[str, list[Source]]:
    """Sources of several targets by network, in the order of the first list that has it."""
    found: dict[str, list[Source]] = {}
    for sources in lists:
        for source in sources:
            found.setdefault(source.network, []).append(source)
    return found
