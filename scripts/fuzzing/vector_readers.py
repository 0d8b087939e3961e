"""Readers of vectors: texts, folders of both dataflows, their manifests, and the proposals made from a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.generate import describe, generate
from model.vectors.manifest import NAME, Manifest, from_json, read_manifest
from model.vectors.os_generate import describe_os, generate_os, render_os
from model.vectors.os_manifest import OsManifest, read_os_manifest
from model.vectors.os_set import read_os_set
from model.vectors.propose import propose
from model.vectors.reader import read_set
from model.vectors.text import Text, encode, read_text
from model.vectors.writer import render
from scripts.fuzzing.reader import Reader, canonical, json_value, parts, same
from scripts.fuzzing.samples import PIXELS, small_graph

TEXT, HEADER = Text(lines=5, words=3, bits=4, signed=True), 3
LAYER = "conv"


def check_text(folder: Path) -> None:
    """Every word of the file, as a convolution would get it, is the one that is written."""
    path = folder / "words.txt"
    words = read_text(path, HEADER, TEXT)
    same(encode(words, TEXT).split(b"\n")[:-1], parts(path.read_bytes(), HEADER), "words.txt")


def _text() -> list[dict[str, bytes]]:
    words = np.random.default_rng(1).integers(-8, 8, (TEXT.lines, TEXT.words))
    return [{"words.txt": b"#a\n#b\n#c\n" + encode(words, TEXT)}]


def _folder(os: bool = False, hashes: bool = False) -> dict[str, bytes]:
    """A small set, in either dataflow; without hashes the reader has nothing but the words to go by."""
    graph = small_graph()
    told = describe(graph, LAYER, "sample", 2, 2, 16)
    if os:
        files = dict(render_os(generate_os(graph, PIXELS, describe_os(told))))
    else:
        files = dict(render(generate(graph, PIXELS, told)))
    if not hashes:
        manifest = json_value(files[NAME])
        del manifest["sha256"]
        files[NAME] = (canonical(manifest) + "\n").encode()
    return files


def _same_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Raise WrongAcceptError unless the lines of all texts in `folder` are those of `files`, written anew."""
    for name, content in files:
        header = HEADER if content[:1] == b"#" else 0
        if name != NAME:
            same(parts((folder / name).read_bytes(), header), parts(content, header), name)


def check_set(folder: Path) -> None:
    """What was read, written again, has the same lines."""
    vectors = read_set(folder)
    _check_meaning(vectors.manifest, folder / NAME)
    try:
        files = dict(render(vectors))
    except LockstepError:
        return  # a dialect that is read and not written
    _same_files(folder, files.items())


def check_os_set(folder: Path) -> None:
    """The same, output stationary."""
    vectors = read_os_set(folder)
    _check_meaning(vectors.manifest, folder / NAME)
    _same_files(folder, render_os(vectors))


def _check_meaning(manifest: Manifest | OsManifest, path: Path) -> None:
    """Raise WrongAcceptError unless `manifest` says what stands in the file, word for word."""
    same(
        canonical(_told(json_value(manifest.to_json().encode()))), canonical(_told(json_value(path.read_bytes()))), NAME
    )


def _told(value: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without the entries that may be left out and stand for nothing when empty."""
    found = {key: entry for key, entry in value.items() if entry not in ({}, [])}
    if isinstance(found.get("files"), dict):
        found["files"] = {key: entry for key, entry in found["files"].items() if entry != []}
    return found


def check_manifest(folder: Path) -> None:
    """The manifest alone."""
    manifest = read_manifest(folder / NAME)
    _check_meaning(manifest, folder / NAME)
    same(from_json(json_value(manifest.to_json().encode())), manifest, NAME)


def check_os_manifest(folder: Path) -> None:
    """The same, output stationary."""
    _check_meaning(read_os_manifest(folder / NAME), folder / NAME)


def _manifest(os: bool) -> list[dict[str, bytes]]:
    return [{NAME: _folder(os, hashes)[NAME]} for hashes in (False, True)]


def check_proposal(folder: Path) -> None:
    """The folder is read under the manifest proposed for it, and no count is impossible."""
    proposal = propose(folder)
    proposal.report()
    same(0 < proposal.matched <= proposal.total, True, f"{proposal.matched} of {proposal.total} words are true")
    read_set(folder, proposal.manifest)


def _unknown_folder() -> list[dict[str, bytes]]:
    files = _folder()
    del files[NAME]
    return [files]


READERS = (
    Reader("text", "a vector text file", _text, check_text),
    Reader("vectors", "a vector folder", lambda: [_folder(), _folder(hashes=True)], check_set),
    Reader("os_vectors", "an output-stationary vector folder", lambda: [_folder(os=True)], check_os_set),
    Reader("manifest", "a manifest", lambda: _manifest(os=False), check_manifest),
    Reader("os_manifest", "an output-stationary manifest", lambda: _manifest(os=True), check_os_manifest),
    Reader("proposal", "a folder without a manifest", _unknown_folder, check_proposal),
)
