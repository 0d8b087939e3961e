"""Yosys and nextpnr: the pinned builds from PyPI (WebAssembly, the same figures everywhere), or those on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError

NAMES = ("yosys", "nextpnr-ice40", "nextpnr-ecp5")
CHOICES = ("pypi", "native")
VERSION_FLAG = {"yosys": "-V"}
LIMIT_SECONDS = 1800.0


class ToolError(Exception):
    """A tool failed or did not end; the message has its last words and names its log."""


@dataclass(frozen=True)
class Tool:
    """A program that can be run.

    Parameters
    ----------
    name : str
        One of NAMES.
    program : str
        Its path.
    source : str
        ``pypi`` or ``native``.
    version : str
        What it says of itself.
    """

    name: str
    program: str
    source: str
    version: str

    def run(self, arguments: Sequence[str], folder: Path, log: str, limit: float = LIMIT_SECONDS) -> None:
        """Run to a good end in `folder`, all output into the file `log` there.

        The builds for WebAssembly see few other folders: what is read and written must lie below `folder`, and be named
        from there.

        Raises
        ------
        ToolError
            When it fails, or is not ready after `limit` seconds.
        """
        path = folder / log
        with path.open("wb") as file:
            try:
                done = subprocess.run(
                    [self.program, *arguments],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                )
            except subprocess.TimeoutExpired as error:
                raise ToolError(f"{self.name} was not ready after {limit:.0f} s; see {path}") from error
        if done.returncode:
            raise ToolError(f"{self.name}: {last_words(path)}; see {path}")


def last_words(log: Path) -> str:
    """The first line of `log` with an error, else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors[:1] or lines[-1:] or ["no output"])[0]


def find(name: str, choice: str | None = None) -> Tool:
    """The tool called `name`: from PyPI where that is installed, else the one on PATH.

    Parameters
    ----------
    name : str
        One of NAMES.
    choice : {"pypi", "native"}, optional
        That one or none.

    Raises
    ------
    LockstepError
        When it is not there, or `choice` is none of CHOICES.
    """
    if choice not in (None, *CHOICES):
        raise LockstepError(f"TOOLS={choice} is unknown; expected {' or '.join(CHOICES)}")
    beside = str(Path(sys.executable).parent / f"yowasp-{name}")
    found = {"pypi": shutil.which(beside) or shutil.which(f"yowasp-{name}"), "native": shutil.which(name)}
    for source in CHOICES if choice is None else (choice,):
        program = found[source]
        if program is not None:
            return Tool(name, program, source, _version(program, VERSION_FLAG.get(name, "--version")))
    where = "on PATH" if choice == "native" else "installed"
    raise LockstepError(f"{name} is not {where}; run `make setup-synth`, or install it and say TOOLS=native")


def _version(program: str, flag: str) -> str:
    done = subprocess.run([program, flag], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    text = (done.stdout + done.stderr).strip()
    if done.returncode or not text:
        raise LockstepError(f"{program} {flag} fails ({text.splitlines()[-1:]}); install it again")
    named = re.search(r"Version ([^)]+)\)|(Yosys \S+(?: \(git sha1 \w+)?)", text)
    return (named[1] or named[2] + (")" if "(" in named[2] else "")) if named else text.splitlines()[0]
