"""What is committed: no machine's own paths and addresses, pins that fit their ranges, the licence, the entry of CI."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from scripts.environment import pins

ROOT = Path(__file__).resolve().parents[1]

# Written so that this file does not match itself.
MACHINE = re.compile(
    rb"(?<![\w.$}])/(?:wor[k]|roo[t]|hom[e]|tm[p]|opt/(?:wheel|pypi)[s-]?)/[\w.]"
    rb"|pypi\.or[g]|pythonhosted\.or[g]|deb\.debian\.or[g]|--(?:extra-)?index-ur[l]|/simpl[e]/|@[a-z0-9.-]+\.local\b",
    re.IGNORECASE,
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in listed.split(b"\0") if name and (ROOT / name.decode()).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")
def test_no_tracked_file_names_a_machine_or_an_index() -> None:
    files = tracked()
    assert ROOT / "Makefile" in files
    found = []
    for path in files:
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue  # packed codes, pictures: any bytes may occur
        found += [f"{path.relative_to(ROOT)}: {match[0].decode()}" for match in MACHINE.finditer(content)]
    assert not found


@pytest.mark.parametrize(
    "text", ["/hom" + "e/ann/x", "see /tm" + "p/a", "https://py" + "pi.org/x", "-r x --index-" + "url y"]
)
def test_the_pattern_finds_what_it_is_for(text: str) -> None:
    assert MACHINE.search(text.encode())


@pytest.mark.parametrize("text", ["build/work/x", "$HOME/x", "tests/homework/a", "/usr/share/common-licenses"])
def test_the_pattern_leaves_the_rest_alone(text: str) -> None:
    assert not MACHINE.search(text.encode())


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")
def test_nothing_generated_is_tracked() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert not names & {"build", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    assert not [path for path in tracked() if path.suffix in {".pyc", ".fst", ".vcd"}]


REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_requirements_are_pins_alone(path: Path) -> None:
    assert pins(path.read_text())  # raises on any line that is neither name==version nor a comment


def test_no_distribution_is_pinned_twice() -> None:
    names = [name for path in REQUIREMENTS for name in pins(path.read_text())]
    assert len(names) == len(set(names))


def test_pins_lie_in_the_ranges_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {name: version for path in REQUIREMENTS for name, version in pins(path.read_text()).items()}
    ranges = [
        Requirement(text)
        for text in [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    ]
    assert {requirement.name for requirement in ranges} <= set(pinned)
    for requirement in ranges:
        assert requirement.specifier.contains(pinned[requirement.name]), (
            f"{requirement} against {pinned[requirement.name]}"
        )
    torch = next(requirement.specifier for requirement in ranges if requirement.name == "torch")
    assert all(torch.contains(version) for version in ("2.11.0", "2.15.0"))
    assert SpecifierSet(project["requires-python"]).contains("3.11.0")


def test_pins_refuses_anything_else() -> None:
    with pytest.raises(ValueError, match=r"line 2: 'numpy>=2' is not name==version"):
        pins("# a comment\nnumpy>=2\n")


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "model/zoo/README.md"])


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of `page`."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_say_make_and_their_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"python3? -m (?:scripts|pytest)\S*", text), "say it as a make line"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def test_ci_runs_make_test_and_nothing_else() -> None:
    lines = [
        line
        for line in (ROOT / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert lines == ["make test"]
