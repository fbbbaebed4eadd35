#!/usr/bin/env python3
"""inspectd reloaded, flooded, hung and killed under running traffic. With on-failure open what is running pauses at most
as long as the dead-man's switch (500 ms) plus what a lost packet costs the sender; with closed nothing passes any more."""

import os
import signal
import socket
import threading
import time

import box
from box import check, w

SERVER, PORT, COUNTED_PORT = "10.79.0.2", 7007, 7008
COUNTED, RELOADS, FLOOD_S = 600, 3, 3
SWITCH_S = 0.5
# Emulation without KVM stretches everything; TCP adds its retransmission time-out to the switch.
SLACK_S = {"ping": 0.5, "tcp": 1.5}


def behind(side: str, net: str, other: str, gateway: str) -> None:
    """A host behind a router of that side. Between two namespaces a frame is still the sender's own buffer: TCP does not send
    again, and ping may not send more, while a queue of the same kernel holds it. A router lets go of it, as a cable does."""
    for command in (f"ip netns add {side}-far", f"ip link add far netns {side} type veth peer name eth0 netns {side}-far",
                    f"ip -n {side} addr add {net}.1/24 dev far", f"ip -n {side} link set far up",
                    f"ip -n {side} route add {other}.0/24 via {gateway}",
                    f"ip -n {side}-far addr add {net}.2/24 dev eth0", f"ip -n {side}-far link set eth0 up",
                    f"ip -n {side}-far route add default via {net}.1",
                    f"ip netns exec {side} sysctl -qw net.ipv4.ip_forward=1"):
        r = box.sh(*command.split())
        if r.returncode:
            raise RuntimeError(f"{command}: {r.stderr}")


def enter(ns: str) -> None:
    """This thread's sockets are of that side from here on."""
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    os.close(fd)


def echo() -> None:
    enter("sk-wan-far")
    with socket.create_server(("0.0.0.0", PORT)) as s:
        c, _ = s.accept()
        while data := c.recv(4096):
            c.sendall(data)


class Traffic:
    """A ticking TCP connection and a ticking ping; knows the longest silence of each."""

    def __init__(self):
        self.longest = {"tcp": 0.0, "ping": 0.0}
        self.going = True
        self.ticks = {"tcp": 0, "ping": 0}
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.tcp, self.ping)]
        for t in self.threads:
            t.start()

    def heard(self, kind: str, before: float) -> float:
        now = time.monotonic()
        self.longest[kind] = max(self.longest[kind], now - before)
        self.ticks[kind] += 1
        return now

    def tcp(self) -> None:
        enter("sk-lan-far")
        with socket.create_connection((SERVER, PORT), 30) as s:
            s.settimeout(30)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            last = time.monotonic()
            while self.going:
                s.sendall(b"x")
                if not s.recv(1):
                    return
                last = self.heard("tcp", last)
                time.sleep(0.02)

    def ping(self) -> None:
        process = box.subprocess.Popen(["ip", "netns", "exec", "sk-lan-far", "ping", "-n", "-i", "0.02", SERVER],
                                       stdout=box.subprocess.PIPE, text=True)
        last = time.monotonic()
        while self.going and process.stdout.readline():
            last = self.heard("ping", last)
        process.kill()

    def settle_more(self) -> None:
        """Returns when both have ticked again, twenty times."""
        want = {k: v + 20 for k, v in self.ticks.items()}
        check("traffic runs", box.wait_for(lambda: all(self.ticks[k] >= v for k, v in want.items()), 30), self.ticks)

    def settle(self) -> None:
        self.settle_more()
        self.longest = dict.fromkeys(self.longest, 0.0)


def count_up() -> None:
    enter("sk-lan-far")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for n in range(COUNTED):
            s.sendto(n.to_bytes(4, "big"), (SERVER, COUNTED_PORT))
            time.sleep(0.01)


def counted(received: set[int], ready: threading.Event) -> None:
    enter("sk-wan-far")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", COUNTED_PORT))
        s.settimeout(5)
        ready.set()
        try:
            while len(received) < COUNTED:
                received.add(int.from_bytes(s.recv(4), "big"))
        except TimeoutError:
            pass


def flood() -> None:
    """Nobody listens at the other end, which says so: both directions are full."""
    enter("sk-lan-far")
    end = time.monotonic() + FLOOD_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        while time.monotonic() < end:
            for port in range(20000, 20500):
                s.sendto(b"x" * 64, (SERVER, port))


def report(what: str, ticks: dict[str, int]) -> None:
    for kind, slack in SLACK_S.items():
        pause = traffic.longest[kind]
        print(f"{what}: longest pause of {kind} {pause * 1000:.0f} ms", flush=True)
        check(f"{what}: {kind} pauses no longer than {SWITCH_S + slack} s", pause < SWITCH_S + slack
              and traffic.ticks[kind] > ticks[kind], pause)


box.need("configd", "sekisho", "inspectd")
box.box_start()
behind("sk-lan", "10.78.0", "10.79.0", w.WAN4)
behind("sk-wan", "10.79.0", "10.78.0", w.LAN4)
inspectd = box.inspectd_start()
threading.Thread(target=echo, daemon=True).start()
traffic = Traffic()
traffic.settle()

received: set[int] = set()
ready = threading.Event()
ticks = dict(traffic.ticks)
threads = [threading.Thread(target=counted, args=(received, ready), daemon=True), threading.Thread(target=count_up, daemon=True)]
threads[0].start()
ready.wait(10)
threads[1].start()
log = box.LOGS / "inspectd.log"
for n in range(RELOADS):
    inspectd.send_signal(signal.SIGHUP)
    check(f"reload {n + 1} ends", box.wait_for(lambda want=n + 1: log.read_text().count("reloaded: ") >= want, 20), log.read_text())
for thread in threads:
    thread.join(60)
check(f"reload: none of {COUNTED} datagrams is lost", len(received) == COUNTED, COUNTED - len(received))
report("reload", ticks)

traffic.settle()
ticks = dict(traffic.ticks)
thread = threading.Thread(target=flood, daemon=True)
thread.start()
thread.join(60)
traffic.settle_more()
report("flood", ticks)
traffic.settle()

for what, number in (("hung", signal.SIGSTOP), ("killed", signal.SIGKILL)):
    inspectd.send_signal(number)
    out = box.wait_for(lambda: not box.alive("bridge sekisho", "inspect_alive"), 10)
    check(f"{what}: the switch falls", out)
    ticks = dict(traffic.ticks)
    box.wait_for(lambda: all(traffic.ticks[k] > v + 20 for k, v in ticks.items()), 10)
    report(what, ticks)
    inspectd.send_signal(signal.SIGKILL)
    inspectd.wait()
    inspectd = box.inspectd_start()
    traffic.settle()

box.commit("set inspection on-failure closed")
for what, number in (("hung", signal.SIGSTOP), ("killed", signal.SIGKILL)):
    traffic.settle()
    inspectd.send_signal(number)
    time.sleep(SWITCH_S)
    ticks = dict(traffic.ticks)
    time.sleep(1.5)
    check(f"closed, {what}: nothing passes after {SWITCH_S} s", traffic.ticks == ticks, (ticks, traffic.ticks))
    inspectd.send_signal(signal.SIGKILL)
    inspectd.wait()
    inspectd = box.inspectd_start()
traffic.settle()
traffic.going = False
box.finish()
