#!/usr/bin/env python3
"""inspectd on the bridge's real queue: a page passes and its flow is logged, a drop rule keeps a request from the
server, an alert rule does not, a blocked application gets nothing through."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import box
from box import check, w

VLAN, VLAN_LAN4, VLAN_WAN4, VLAN_LAN6, VLAN_WAN6 = 7, "10.77.7.10", "10.77.7.20", "fd77:7::10", "fd77:7::20"
PORT, UDP_PORT, BULK_PORT = 7100, 7101, 7102
BULK_BYTES = 16 << 20
RULES = f"""
reject tcp any any -> any {PORT} (msg:"client offends"; flow:established,to_server; content:"client-offends"; sid:1000101;)
reject tcp any {PORT} -> any any (msg:"server offends"; flow:established,to_client; content:"server-offends"; sid:1000102;)
drop udp any any -> any {UDP_PORT} (msg:"datagram"; content:"is-dropped"; sid:1000103;)
reject udp any any -> any {UDP_PORT} (msg:"datagram"; content:"is-refused"; sid:1000104;)
"""


def tag_sides() -> None:
    """A tagged network beside the untagged one, on the same cable."""
    for side, a4, a6 in (("sk-lan", VLAN_LAN4, VLAN_LAN6), ("sk-wan", VLAN_WAN4, VLAN_WAN6)):
        for command in (f"ip -n {side} link add link eth0 name v type vlan id {VLAN}", f"ip -n {side} addr add {a4}/24 dev v",
                        f"ip -n {side} addr add {a6}/64 dev v nodad", f"ip -n {side} link set v up"):
            r = box.sh(*command.split())
            if r.returncode:
                raise RuntimeError(f"{command}: {r.stderr}")


def enter(ns: str) -> None:
    """This thread's sockets are of that side from here on."""
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    os.close(fd)


class Side(threading.Thread):
    """One end of a conversation: runs a function in its namespace and keeps what it returns."""

    def __init__(self, ns: str, function, *arguments):
        super().__init__(daemon=True)
        self.ns, self.function, self.arguments, self.result = ns, function, arguments, None
        self.start()

    def run(self) -> None:
        enter(self.ns)
        self.result = self.function(*self.arguments)

    def end(self, seconds: float = 30):
        self.join(seconds)
        return self.result


listening = threading.Event()


def ended(s: socket.socket) -> str:
    """How the connection ends, and after how long."""
    start = time.monotonic()
    try:
        while s.recv(65536):
            pass
        return "closed"
    except ConnectionResetError:
        return f"reset after {time.monotonic() - start:.2f} s"
    except TimeoutError:
        return "silent"


def serve(family: int, says: bytes) -> str:
    with socket.create_server(("", PORT), family=family) as listener:
        listening.set()
        s, _ = listener.accept()
        with s:
            s.settimeout(10)
            s.sendall(s.recv(100))
            if says:
                time.sleep(0.2)  # after the answer, not with it
                s.sendall(says)
            return ended(s)


def talk(server: str, says: bytes) -> str:
    with socket.create_connection((server, PORT), 10) as s:
        s.sendall(b"hello ")
        if s.recv(6) != b"hello ":
            return "nothing came back"
        s.sendall(says)
        return ended(s)


def rejected(server: str, offender: str) -> tuple[str, str]:
    """What the client and the server see of a connection in which one of them says what a rule rejects."""
    listening.clear()
    says = {"client": b"", "server": b""}
    says[offender] = f"{offender}-offends".encode()
    s = Side("sk-wan", serve, socket.AF_INET6 if ":" in server else socket.AF_INET, says["server"])
    listening.wait(10)
    c = Side("sk-lan", talk, server, says["client"])
    return c.end(), s.end()


def receive() -> list[bytes]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", UDP_PORT))
        s.settimeout(10)
        listening.set()
        got = []
        while b"last" not in got:
            try:
                got.append(s.recv(100))
            except TimeoutError:
                break
        return got


def datagrams(server: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for text in (b"first", b"is-dropped", b"last"):
            s.sendto(text, (server, UDP_PORT))
            time.sleep(0.3)


def sink(family: int) -> None:
    """Somebody listens: an error is then not the receiver's own."""
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", UDP_PORT))
        listening.set()
        time.sleep(3)


def refused(server: str) -> str:
    """What the sender hears of a datagram that a rule rejects, sent twice."""
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((server, UDP_PORT))
        try:
            for _ in range(2):
                s.send(b"is-refused")
                time.sleep(0.5)
            s.recv(100)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silence"
    return "an answer"


def pour() -> int:
    with socket.create_server(("", BULK_PORT)) as listener:
        listening.set()
        s, _ = listener.accept()
        with s:
            s.sendall(os.urandom(1 << 20) * (BULK_BYTES >> 20))
        return BULK_BYTES


def drink(server: str) -> int:
    n = 0
    with socket.create_connection((server, BULK_PORT), 10) as s:
        while data := s.recv(1 << 16):
            n += len(data)
    return n


box.need("configd", "sekisho", "inspectd")
box.box_start()
tag_sides()
Path("/usr/share/sekisho/rules/scenario.rules").write_text(RULES, encoding="ascii")
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

for network, server in (("", w.WAN4), (", IPv6", w.WAN6), (", tagged", VLAN_WAN4), (", tagged IPv6", VLAN_WAN6)):
    r = get("/page", f"[{server}]" if ":" in server else server)
    check(f"a page passes{network}", r.returncode == 0 and "came through" in r.stdout, r.stderr)
    before = len(alerts(1000001))
    r = get("/sekisho-test-drop", f"[{server}]" if ":" in server else server, 3)
    check(f"what a drop rule matches does not{network}", r.returncode != 0 and not requested("/sekisho-test-drop")
          and box.wait_for(lambda n=before: len(alerts(1000001)) > n), r.stdout)
    for offender in ("client", "server"):
        client, server_saw = rejected(server, offender)
        print(f"the {offender} is rejected{network}: the client sees {client}, the server {server_saw}", flush=True)
        check(f"the {offender} is rejected{network}: both ends are reset", "reset" in str(client) and "reset" in str(server_saw),
              (client, server_saw))
    listening.clear()
    listener = Side("sk-wan", sink, socket.AF_INET6 if ":" in server else socket.AF_INET)
    listening.wait(10)
    heard = Side("sk-lan", refused, server).end()
    listener.end()
    check(f"the sender of a rejected datagram is told{network}", heard == "refused", heard)

listening.clear()
receiver = Side("sk-wan", receive)
listening.wait(10)
Side("sk-lan", datagrams, w.WAN4)
check("a datagram is dropped, those beside it pass", receiver.end() == [b"first", b"last"], receiver.result)

listening.clear()
source = Side("sk-wan", pour)
listening.wait(10)
check("a large transfer arrives whole", Side("sk-lan", drink, w.WAN4).end(60) == BULK_BYTES)
bulk = (box.wait_for(lambda: [e for e in box.events("inspectd", "flow") if e.get("dest_port") == BULK_PORT], 30) or [{}])[0]
check("inspectd has seen its beginning only", 1 << 20 <= bulk.get("flow", {}).get("bytes_toclient", 0) < BULK_BYTES / 2, bulk)
check("and its end", bulk.get("tcp", {}).get("state") in ("closed", "time_wait"), bulk)

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
