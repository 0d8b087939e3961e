"""The verdict on one reading: refused in one clear line, or taken to mean what is written; nothing else will do."""

from __future__ import annotations

import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from model.errors import MOST, LockstepError
from scripts.fuzzing.reader import Reader, WrongAcceptError

CPU_SECONDS, WALL_SECONDS = 4.0, 30.0  # for files of a few kilobytes; the wall's clock ends what waits
MEMORY = 1 << 30  # bytes beyond what the process holds already


class TooSlowError(BaseException):
    """The reading took longer than any file of its size should; no reader may catch it."""


class Verdict(NamedTuple):
    """What a reader did: refused the files, or not; and what is wrong with that, if anything is."""

    refused: bool
    wrong: str | None = None


def judge(reader: Reader, folder: Path) -> Verdict:
    """The verdict on `reader` and the files in `folder`."""
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.check(folder)
    except LockstepError as error:
        return Verdict(True, _complaint(error, reader, folder))
    except WrongAcceptError as error:
        return Verdict(False, f"wrong accept: {error}")
    except TooSlowError:
        return Verdict(False, f"no end after {CPU_SECONDS:.0f} s of work or {WALL_SECONDS:.0f} s in all")
    except MemoryError:
        return Verdict(False, f"takes more than {MEMORY >> 20} MiB; {_place_of_last_call()}")
    except Exception as error:  # what a user would see as a traceback
        told = f"traceback: {type(error).__name__}: {error}; {_place_of_last_call()}"
        return Verdict(False, " ".join(told.split()))
    return Verdict(False)


def _complaint(error: LockstepError, reader: Reader, folder: Path) -> str | None:
    """What is wrong with the line that a refusal says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"takes more than {MEMORY >> 20} MiB before it refuses: {error}"
        cause = cause.__cause__ if cause.__cause__ is not cause else None
    told = str(error)
    if len(told) > MOST:
        return f"a message of {len(told)} characters: {told[:80]}..."
    if not told.isprintable():
        return f"a message that is not one line of text: {told!r}"
    places = (*reader.places, str(folder), *(path.name for path in folder.rglob("*")))
    if not any(place in told for place in places):
        return f"a message that names no place: {told}"
    return None


def _place_of_last_call() -> str:
    """File, line and function in which the exception under way was raised, and ours that led there."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    ours = [
        frame for frame in frames if "/site-packages/" not in frame.filename and "/lib/python" not in frame.filename
    ]
    last = ours[-1] if ours else frames[-1]
    return f"at {Path(last.filename).name}:{last.lineno} in {last.name}"


@contextmanager
def _limits() -> Iterator[None]:
    """While the body runs: so much time, so much memory."""

    def end(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = {number: signal.signal(number, end) for number in (signal.SIGPROF, signal.SIGALRM)}
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        for number, handler in before.items():
            signal.signal(number, handler)
