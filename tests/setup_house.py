"""A house of its own for `scripts/setup.sh`, and the fixtures that furnish it.

Its PATH holds only what the test puts there, and its wheels are made on the spot: no network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.environment import pins

ROOT = Path(__file__).resolve().parents[1]
# What setup.sh may use besides bash: POSIX tools that every system has.
TOOLS = (
    "bash",
    "sh",
    "env",
    "cat",
    "cp",
    "cut",
    "date",
    "dirname",
    "grep",
    "mkdir",
    "rm",
    "sed",
    "tail",
    "tr",
    "uname",
)
ICARUS = '#!/bin/sh\necho "Icarus Verilog version ${VERSION:-11.0} (stable)"\n'
# The real Python, save that it takes a ready-made environment where $TEMPLATE names one: installing pip takes seconds.
PYTHON = f"""#!/bin/sh
if [ "$1 $2 $3" = "-m venv .venv" ] && [ -n "$TEMPLATE" ]; then exec cp -Rp "$TEMPLATE/." .venv; fi
exec "{Path(sys.base_prefix) / "bin" / "python3"}" "$@"
"""


def write_wheel(folder: Path, name: str, version: str, module: str = "") -> None:
    """An installable wheel of one module, with the hashes that uv and pip check."""
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


class House:
    """A copy of what the set-up consists of, with a PATH and package wheels of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.tree = folder / "the tree's name"
        self.environment = {
            "PATH": str(self.bin),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"file://{folder / 'wheels'}",
            "PIP_CONFIG_FILE": os.devnull,
            "CALLS": str(folder / "calls"),
        }

    def build(self) -> House:
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        self.command("python3", PYTHON)
        self.command("id", "#!/bin/sh\necho 1000\n")  # not root, whoever runs the tests
        for name in (
            "scripts/setup.sh",
            "scripts/environment.py",
            "scripts/__init__.py",
            "model/__init__.py",
            "model/errors.py",
            "model/files.py",
        ):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.tree / name)
        shutil.copytree(ROOT / "requirements", self.tree / "requirements")
        found = "def find_libpython():\n    import os\n    return os.environ.get('LIBPYTHON', 'libpython3.so')\n"
        for path in (self.tree / "requirements").glob("*.txt"):
            for name, version in pins(path.read_text()).items():
                if name != "uv":  # so that pip does the work, as where uv cannot be had
                    write_wheel(self.folder / "wheels", name, version, found if name == "find-libpython" else "")
        return self

    def copy_to(self, folder: Path) -> House:
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("template*"))
        house = House(folder)
        house.environment["PIP_FIND_LINKS"] = self.environment["PIP_FIND_LINKS"]
        house.environment["TEMPLATE"] = str(self.folder / "template")
        return house

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def icarus(self) -> None:
        self.command("iverilog", ICARUS)
        self.command("vvp", ICARUS)

    def start(self, level: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.bin / "bash", "scripts/setup.sh", level],
            cwd=self.tree,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def setup(self, level: str, status: int = 0, **environment: str) -> str:
        """Run to the end; returns stdout, or for status 2 the one line on stderr."""
        process = self.start(level, **environment)
        out, err = process.communicate(timeout=300)
        assert process.returncode == status, out + err
        if status == 0:
            assert err == ""
            return out
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        return err

    def has(self, package: str) -> bool:
        return any((self.tree / ".venv").glob(f"lib/python3.*/site-packages/{package}-*.dist-info"))

    @property
    def result(self) -> dict[str, object]:
        read: dict[str, object] = json.loads((self.tree / "build/setup/result.json").read_text())
        return read

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The one house whose .venv is made in earnest; beside it, `template` is that .venv before any package."""
    house = House(tmp_path_factory.mktemp("house")).build()
    assert "cannot install" in house.setup("vectors", 2, PIP_FIND_LINKS=f"file://{house.folder}")
    (pip,) = (house.tree / ".venv").glob("lib/python3.*/site-packages/pip")
    pip.rename(house.folder / "template-pip")  # a thousand files, of which every house would have a copy
    pip.symlink_to(house.folder / "template-pip")
    shutil.copytree(house.tree / ".venv", house.folder / "template", symlinks=True)
    shutil.rmtree(house.folder / "template/lockstep")
    out = house.setup("vectors")
    assert "interrupted" not in out
    assert "making" not in out
    return house


@pytest.fixture
def empty(first: House, tmp_path: Path) -> House:
    """Nothing set up, no simulator, no package manager."""
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder).build()
    house.environment["TEMPLATE"] = str(first.folder / "template")
    return house


@pytest.fixture
def packaged(first: House, tmp_path: Path) -> House:
    """NumPy and cocotb are there; no simulator, no package manager."""
    return first.copy_to(tmp_path / "house")


@pytest.fixture
def ready(packaged: House) -> House:
    """Set up for simulation with Icarus."""
    packaged.icarus()
    assert "making" not in packaged.setup("sim")
    return packaged
