#!/usr/bin/env python3
"""inspectd on the bridge's real queue: a page passes and its flow is logged, a drop rule keeps a request from the
server, an alert rule does not, a blocked application gets nothing through."""

import json

import box
from box import check, w

box.need("configd", "sekisho", "inspectd")
box.box_start()
box.inspectd_start()
check("the dead-man's switch stays up while the engine lives", all([box.alive("bridge sekisho", "inspect_alive") for _ in range(60)]))


def get(path: str, server: str = w.WAN4, seconds: int = 20):
    return box.lan("curl", "-sS", "-m", seconds, "--resolve", f"{w.WEB}:80:{server}", f"http://{w.WEB}{path}")


def requested(path: str) -> bool:
    return any(a["target"] == path for a in box.ledger("access"))


def alerts(sid: int) -> list[dict]:
    return [e for e in box.events("inspectd", "alert") if e["alert"]["signature_id"] == sid]


for server in (w.WAN4, f"[{w.WAN6}]"):
    r = get("/page", server)
    check(f"a page of {server} passes", r.returncode == 0 and "came through" in r.stdout, r.stderr)
check("the server saw the client's own address", [a["peer"][0] for a in box.ledger("access")] == [w.LAN4, w.LAN6],
      box.ledger("access"))

r = get("/sekisho-test-alert")
check("what an alert rule matches passes", r.returncode == 0 and requested("/sekisho-test-alert"), r.stderr)
check("and is logged", box.wait_for(lambda: alerts(1000002)), box.events("inspectd"))
r = get("/sekisho-test-drop", seconds=4)
check("what a drop rule matches does not pass", r.returncode != 0 and not requested("/sekisho-test-drop"), r.stdout)
check("and is logged with its sid", box.wait_for(lambda: alerts(1000001)), box.events("inspectd"))

r = box.lan("tests/hosts/lan.py", "--timeout", 5, "bittorrent")
check("BitTorrent passes while nothing forbids it", json.loads(r.stdout)["received"] == 68, r)
box.commit("set inspection application BitTorrent action drop")
r = box.lan("tests/hosts/lan.py", "--timeout", 5, "bittorrent")
check("BitTorrent is cut once the policy says so", json.loads(r.stdout)["received"] == 0, r)
peers = box.wait_for(lambda: len(box.ledger("bittorrent")) > 1 and box.ledger("bittorrent"), 20) or box.ledger("bittorrent")
check("nothing of it reached the peer", len(peers) < 2 or peers[-1]["bytes"] == 0, peers)
check("with the reason", box.wait_for(lambda: [e for e in box.events("inspectd") if e["event_type"] in ("drop", "alert")
                                              and "BitTorrent" in json.dumps(e)]), box.events("inspectd")[-5:])
check("the page's flow is an event with its application", box.wait_for(
    lambda: [e for e in box.events("inspectd", "flow") if "HTTP" in json.dumps(e).upper()], 60), box.events("inspectd")[-5:])
box.finish()
