"""What a run was asked for, as the make line that asks for it again."""

from __future__ import annotations

import argparse
import os

from scripts.reporting.results import make_line

NOT_TOLD = ("data", "out", "jobs")  # places of this machine, and what changes no figure
FROM_OUTSIDE = ("SEED", "INIT")  # what simulations take from the environment


def given_line(
    target: str, parser: argparse.ArgumentParser, args: argparse.Namespace, *, simulates: bool = False
) -> str:
    """The make line of a script's arguments: NET and SIM, and what is not as `parser` has it by default.

    A flag without a value is no variable of a make line and left out; of an option that was given several times the
    make line can tell one. For a target that `simulates` the environment's SEED and INIT count where they are set.
    """
    values: dict[str, object] = {}
    for name, value in vars(args).items():
        told = value[0] if isinstance(value, list) and len(value) == 1 else value
        if name in NOT_TOLD or told is None or isinstance(told, bool | list):
            continue
        if name in ("net", "sim") or str(told) != str(parser.get_default(name)):
            values[name.upper()] = told
    for name in FROM_OUTSIDE if simulates else ():
        if os.environ.get(name):
            values.setdefault(name, os.environ[name])
    return make_line(target, values)
