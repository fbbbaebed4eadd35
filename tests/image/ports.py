"""All ports of the booted image from both sides, compared with ports.golden; portscan.py does the asking."""

import json
import re
from pathlib import Path

import world as w
from machine import Failed, Ssh, reachable, run

WAN_NETNS = 8  # tools/run
GOLDEN = Path("tests/image/ports.golden")


def golden(side: str) -> list[str]:
    """Lines `SIDE PROTOCOL PORT`."""
    lines = (line.split() for line in GOLDEN.read_text(encoding="ascii").splitlines() if line and not line.startswith("#"))
    return [f"{protocol} {port}" for where, protocol, port in lines if where == side]


def hardware_address(address: str) -> str:
    run("ping", "-n", "-c1", "-W5", address)
    found = re.search(r"lladdr (\S+)", run("ip", "neigh", "show", address).stdout)
    if not found:
        raise Failed(f"{address} has no hardware address")
    return found[1]


def scan(job: dict, fds: tuple = ()) -> dict:
    r = run("python3", "tests/image/portscan.py", json.dumps(job), seconds=400, pass_fds=fds)
    if r.returncode:
        raise Failed(f"the scan: {r.stderr}")
    return json.loads(r.stdout)


def ports(admin: Ssh, check) -> None:
    reachable()
    management = hardware_address(w.BOX4)
    bridge = re.search(r"^br0\s+\S+\s+(\S+)", admin("show interfaces br0").stdout, re.M)[1]
    here = Path("/sys/class/net/eth0/address").read_text(encoding="ascii").strip()
    scans = (
        ("LAN side", management, [w.BOX4, management, 22], None),
        ("WAN side", management, [w.LAN4, here, 0], WAN_NETNS),
        ("WAN side, frames for the bridge itself", bridge, [w.LAN4, here, 0], WAN_NETNS),
    )
    for name, mac, control, netns in scans:
        r = scan({"targets": [[w.BOX4, mac], [w.BOX6, mac]], "control": control, "netns": netns}, (netns,) if netns else ())
        for address, found in r["found"].items():
            want = golden("lan" if netns is None else "wan")
            check(f"{name}, {address}: of 65,535 TCP and 65,535 UDP ports {len(want) or 'none'} open ({r['seconds']} s for both families)",
                  found == want, f"open: {found}, wanted: {want}")


def sockets(admin: Ssh, check) -> None:
    """The second witness: the kernel's own list of sockets. What it has and the scan did not see is behind the firewall."""
    r = admin("show sockets | display json")
    rows = json.loads(r.stdout) if r.returncode == 0 else []
    have = sorted({f"{row['protocol']} {row['port']}" for row in rows if row["port"] < 32768})
    want = sorted(set(golden("lan") + golden("wan") + golden("inside")))
    check("the sockets there are, are those of the golden list", have == want, f"have {have}, wanted {want}; {r.stdout[:300]} {r.stderr}")
