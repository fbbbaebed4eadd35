#!/usr/bin/env python3
"""A life of the image, from factory state until it is switched off, in one run of QEMU: the demo's rows, then what else the
administrator does, then everything from the beginning after a factory reset, in Japanese.

    tools/run --with tests/image/life.py [PART...]

With parts (the functions of PARTS, or `again` for what comes after the factory reset) only these, behind the demo's first rows. One `ok` or `not ok` line a check. A part that breaks off is one that failed; the next goes on where it can.
"""

import subprocess
import sys
import time

import pexpect

sys.path.insert(0, "tests/hosts")
import demo  # noqa: E402
import ports  # noqa: E402
import power  # noqa: E402
import services  # noqa: E402
import terminal  # noqa: E402
from machine import Console, Failed, Ssh  # noqa: E402

AGAIN = "a second gate on the road"  # the password after the factory reset
failed = 0


def check(name: str, ok, why="") -> bool:
    global failed
    failed += not ok
    print(f"ok {name}" if ok else f"not ok {name}: {' '.join(str(why).split())[-600:]}", flush=True)
    return bool(ok)


def part(run, *args):
    """What run returns, or None when it broke off."""
    begin = time.monotonic()
    try:
        return run(*args)
    except (Failed, OSError, ValueError, LookupError, TypeError, pexpect.ExceptionPexpect, subprocess.SubprocessError) as e:
        check(f"{run.__module__}: {run.__name__} to the end", False, f"{type(e).__name__}: {e}")
        return None
    finally:
        print(f"# {run.__module__}.{run.__name__}: {time.monotonic() - begin:.0f} s", flush=True)


PARTS = (terminal.users, terminal.roles, terminal.keys, terminal.guesses_over_ssh, terminal.acts, services.syslog, ports.ports,
         ports.sockets, services.clock)


def begin(console: Console, rows) -> bool:
    """The demo's first rows, up to SSH; the others are for somebody else."""
    for row in rows:
        print(row.__name__, row(console), flush=True)
    return True


def again(console: Console) -> None:
    """A power cut, and everything from the beginning."""
    part(power.cut, demo.row_ssh.admin, check)
    admin = part(power.after_cut, demo.PASSWORD, check)
    if not admin:
        return
    part(power.factory_reset, admin, console, check)
    part(terminal.dialogue, console, AGAIN, check)
    part(terminal.editing, console, check)
    part(terminal.guesses_on_the_console, console, AGAIN, check)
    admin = part(Ssh, "admin", AGAIN)
    if admin:
        part(terminal.lock_out, admin, check)
    part(power.reboot, console, AGAIN, check)
    part(power.shutdown, console, check)


def main() -> int:
    wanted = sys.argv[1:]
    console = Console()
    if not (part(begin, console, demo.NEEDED) if wanted else part(demo.play, console)):
        check("the demo", False, "a row above")
    if hasattr(demo.row_ssh, "admin"):
        for run in PARTS:
            if not wanted or run.__name__ in wanted:
                part(run, demo.row_ssh.admin, check)
        if not wanted or "again" in wanted:
            again(console)
    if failed:
        demo.last_lines(60)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
