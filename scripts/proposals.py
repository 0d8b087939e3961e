"""What `make sim` does with a folder without manifest: propose one, keep what the user made of it, tell the way on."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from model.errors import LockstepError
from model.files import write_atomic
from model.vectors.manifest import NAME
from model.vectors.propose import propose

PROPOSED = "proposed.json"  # the proposal as it was made, beside the copy that the user may edit


def place(folder: Path, out: Path) -> Path:
    """Where the manifest for `folder` goes: folders of the same name in different places have different ones."""
    whole = folder.resolve()
    name = re.sub(r"[^A-Za-z0-9_. -]", "_", whole.name) or "folder"
    return out / "proposed" / f"{name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}" / NAME


def refuse_with_proposal(folder: Path, out: Path) -> None:
    """Write down what `folder` seems to hold, print it, and say how to accept it.

    A manifest that is there already and is no longer what was proposed has been edited: it is left as it is.

    Raises
    ------
    LockstepError
        Always: nothing was run.
    """
    path = place(folder, out)
    before = path.with_name(PROPOSED)
    accept = f"make sim VECTORS={shlex.quote(str(folder))} MANIFEST={shlex.quote(str(path))}"
    proposal = propose(folder)
    text = proposal.manifest.to_json()
    edited = path.exists() and path.read_bytes() not in (text.encode(), before.read_bytes() if before.exists() else b"")
    write_atomic(before, text)
    if not edited:
        write_atomic(path, text)
    print(text, end="")
    print(proposal.report())
    if edited:
        told = (
            f"the one in {path} was edited after it was proposed and is kept (the proposal is in {before}); to use it"
        )
    else:
        told = f"one is proposed in {path}; if it is right"
    raise LockstepError(f"{folder} holds no {NAME}; {told}, run: {accept}")
