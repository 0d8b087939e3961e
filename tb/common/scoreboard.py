"""Scoreboards: what must come out, in order and to the cycle; and coverage points that must be hit."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

from tb.common.measured import write_points


class Scoreboard:
    """Expected results against results, in order, each at its cycle.

    `finish` fails when results are missing, and when none was ever expected: a dead output cannot pass.

    Parameters
    ----------
    name : str
        What is checked, for the messages.
    labels : str
        What the position in a result means, for the messages.
    """

    def __init__(self, name: str, labels: str = "column") -> None:
        self.name = name
        self.labels = labels
        self.checked = 0
        self.promised = 0
        self._expected: deque[tuple[int, tuple[int, ...]]] = deque()

    def expect(self, cycle: int, result: Iterable[int]) -> None:
        """`result` must appear in `cycle`. Cycles are promised in rising order."""
        self._expected.append((cycle, tuple(int(word) for word in result)))
        self.promised += 1

    def check(self, cycle: int, result: Sequence[int] | None) -> None:
        """The block showed `result` in `cycle` (None: its valid flag was low).

        Raises
        ------
        AssertionError
            Naming the cycle, the position, the expected and the shown word.
        """
        due = bool(self._expected) and self._expected[0][0] <= cycle
        if result is None:
            assert not due, f"{self.name}: cycle {cycle}: expected {self._expected[0][1]}, got no valid result"
            return
        assert due, f"{self.name}: cycle {cycle}: got {tuple(result)}, expected no valid result"
        _, expected = self._expected.popleft()
        assert len(result) == len(expected), (
            f"{self.name}: cycle {cycle}: {len(result)} words, expected {len(expected)}"
        )
        for position, (want, got) in enumerate(zip(expected, result, strict=True)):
            assert want == got, f"{self.name}: cycle {cycle}, {self.labels} {position}: expected {want}, got {got}"
        self.checked += 1

    def finish(self) -> None:
        """Every promise was kept, and there was at least one."""
        assert not self._expected, (
            f"{self.name}: {len(self._expected)} results never came, the first due in {self._expected[0]}"
        )
        assert self.promised > 0, f"{self.name}: nothing was ever expected, so nothing was checked"
        assert self.checked == self.promised, f"{self.name}: {self.checked} results checked, {self.promised} expected"


class Coverage:
    """Situations a test must have met, named beforehand. `make coverage` adds up the hits of all runs.

    Parameters
    ----------
    points : names
    """

    def __init__(self, *points: str) -> None:
        self._hits = dict.fromkeys(points, 0)

    def hit(self, point: str, condition: object = True) -> None:
        """Count `point` when `condition` holds; an unknown name is an error (KeyError)."""
        self._hits[point] += bool(condition)

    def record(self) -> None:
        """Leave the hits for `make coverage`: alone, of points that all runs together must meet, not each of them."""
        write_points(self._hits)

    def finish(self) -> None:
        """Every point was hit."""
        self.record()
        missed = [point for point, hits in self._hits.items() if not hits]
        assert not missed, f"coverage: never met: {', '.join(missed)}"


class BitCoverage(Coverage):
    """Bits that a test must have seen at 0 and at 1.

    Parameters
    ----------
    widths : mapping of name to bits
    never : collection of str
        Names whose bits must not be 1.
    """

    def __init__(self, widths: Mapping[str, int], never: Collection[str] = ()) -> None:
        self._widths = dict(widths)
        told = {name: (0,) if name in never else (0, 1) for name in widths}
        super().__init__(
            *(self._point(name, bit, x) for name in widths for bit in range(widths[name]) for x in told[name])
        )

    @staticmethod
    def _point(name: str, bit: int, value: int) -> str:
        return f"{name}[{bit}] is {value}"

    def see(self, name: str, value: int) -> None:
        """`name` holds `value`; a 1 that must not be is an error (KeyError)."""
        for bit in range(self._widths[name]):
            self.hit(self._point(name, bit, value >> bit & 1))
