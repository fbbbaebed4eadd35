"""How a test waits, and how it reads what the WAN side wrote down (tests/hosts/wan.py)."""

import json
import time
from pathlib import Path


def wait_for(what, seconds: float = 20):
    """The value of what() as soon as it is true, or its last one: an event is waited for, not a time."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def ledger(world: Path, name: str) -> list[dict]:
    """The lines of access, mail, bittorrent, clock or log."""
    path = world / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
