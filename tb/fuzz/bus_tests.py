"""cocotb test of accelerator: episodes of a host that does things wrong, one after another without a rest."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import cocotb

from model.files import write_json
from tb.accelerator.bench import begin
from tb.fuzz.episode import Episode, write_everything


@cocotb.test(timeout_time=1, timeout_unit="sec")
async def test_every_episode_ends_as_it_should(dut: Any) -> None:
    """Each drawn from the seed and its number; how far they came stands in the report."""
    seed, report = int(os.environ["LOCKSTEP_FUZZ_SEED"]), Path(os.environ["LOCKSTEP_FUZZ_REPORT"])
    numbers = [int(number) for number in os.environ["LOCKSTEP_FUZZ_EPISODES"].split()]
    host, _ = await begin(dut)
    await write_everything(host)
    kinds: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for done, number in enumerate(numbers):
        episode = Episode(host, seed, number)
        write_json(report, {"done": done, "at": number, "kinds": kinds, "errors": errors})
        await episode.run()
        kinds[episode.kind] += 1
        errors[str(episode.error)] += 1
    write_json(report, {"done": len(numbers), "at": None, "kinds": kinds, "errors": errors})
