#!/usr/bin/env python3
"""100 commits under traffic on our kernel, and kills of configd in the middle of commits.

    lan 10.0.0.2 --- eth0 [ br0 ] eth1 --- wan 10.0.0.3

Each commit loads another ruleset. A numbered UDP stream and a TCP stream that no policy concerns lose nothing; a stream
that the old policies and the new ones both drop is never seen on the other side. One line for each check.
"""
import os
import random
import re
import signal
import socket
import struct
import threading
import time
import traceback

import configbox as c
from configbox import check, sh, wait_for

COMMITS, KILLS = 100, 20
FREE, BARRED, TCP = 7001, 7002, 7003


def enter(ns):
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    os.close(fd)


class Sink(threading.Thread):
    """Counts numbered datagrams of one port, in the WAN's namespace."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.seen, self.ready = port, set(), threading.Event()
        self.start()
        self.ready.wait()

    def run(self):
        enter("wan")
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        s.bind(("10.0.0.3", self.port))
        self.ready.set()
        while True:
            self.seen.add(struct.unpack("!I", s.recv(64)[:4])[0])


class Source(threading.Thread):
    """Sends numbered datagrams until told to stop."""

    def __init__(self, port, pause):
        super().__init__(daemon=True)
        self.port, self.pause, self.sent, self.going = port, pause, 0, True
        self.start()

    def run(self):
        enter("lan")
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(("10.0.0.3", self.port))
        while self.going:
            try:
                s.send(struct.pack("!I", self.sent))
                self.sent += 1
            except ConnectionRefusedError:
                pass
            time.sleep(self.pause)

    def end(self):
        self.going = False
        self.join()


class Stream(threading.Thread):
    """One TCP connection that carries numbers there and back all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.rounds, self.error, self.going, self.slowest = 0, None, True, 0.0
        threading.Thread(target=self.echo, daemon=True).start()
        self.start()

    def echo(self):
        enter("wan")
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("10.0.0.3", TCP))
        s.listen()
        peer, _ = s.accept()
        while data := peer.recv(65536):
            peer.sendall(data)

    def run(self):
        enter("lan")
        try:
            s = wait_for(lambda: self.connect(), 20)
            while self.going:
                start = time.monotonic()
                s.sendall(struct.pack("!I", self.rounds))
                if struct.unpack("!I", s.recv(4))[0] != self.rounds:
                    raise RuntimeError("another number came back")
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.rounds += 1
                time.sleep(0.005)
        except (OSError, RuntimeError, struct.error, AttributeError) as e:
            self.error = e

    def connect(self):
        try:
            return socket.create_connection(("10.0.0.3", TCP), 5)
        except OSError:
            return None


def lines(n):
    """Policies that differ from commit to commit but always drop BARRED."""
    other = [f"set zones policy x{n % 5} action drop", f"set zones policy x{n % 5} service other", f"set zones service other udp {8000 + n}"]
    return ["delete zones policy", "delete zones service"] * (n > 0) + other * (n % 2) + \
        ["set zones service barred udp " + str(BARRED), "set zones policy barred service barred", "set zones policy barred action drop"] + \
        other * (1 - n % 2)


def test_traffic(s):
    s.commit(*lines(0))
    sinks = {p: Sink(p) for p in (FREE, BARRED)}
    stream = Stream()
    sources = [Source(FREE, 0.002), Source(BARRED, 0.001)]
    wait_for(lambda: len(sinks[FREE].seen) > 10 and stream.rounds > 10)
    start = time.monotonic()
    for n in range(1, COMMITS + 1):
        s.commit(*lines(n))
    seconds = time.monotonic() - start
    rules = sh("nft", "list", "table", "bridge", "sekisho_policy").stdout
    for source in sources:
        source.end()
    wait_for(lambda: len(sinks[FREE].seen) == sources[0].sent, 5)
    stream.going = False
    stream.join(10)
    print(f"     {COMMITS} commits in {seconds:.1f} s; {sources[0].sent} free and {sources[1].sent} barred datagrams, "
          f"{stream.rounds} rounds over TCP, the slowest {1000 * stream.slowest:.0f} ms", flush=True)
    check("the last commit's policies are in force", str(8000 + COMMITS) in rules, rules)
    check("no packet of a flow that is not concerned is lost", len(sinks[FREE].seen) == sources[0].sent,
          f"{sources[0].sent - len(sinks[FREE].seen)} of {sources[0].sent} lost")
    check("the TCP connection lives on", stream.error is None and stream.rounds > COMMITS, stream.error)
    check("nothing passes that old and new rules drop", not sinks[BARRED].seen and sources[1].sent > 3 * COMMITS, f"{len(sinks[BARRED].seen)} passed")


def state_of(text, kernel):
    """(queues, port) as stored, and as the kernel has them."""
    words = text.split()
    stored = words[words.index("queues") + 1], words[words.index("udp") + 1]
    queue = [l.split()[-1] for l in kernel.splitlines() if " queue " in l]
    port = re.findall(r"elements = \{ (9\d+) \}", kernel)
    return stored, (str(int(queue[0].split("-")[1]) + 1) if queue else None, port[0] if port else None)


def test_kills(configd):
    """The number of queues and a policy's port belong together: old or new, stored and in the kernel."""
    seed = random.randrange(1 << 32)
    random.seed(seed)
    s = c.Session()
    s.commit("delete zones policy", "delete zones service")
    start = time.monotonic()
    s.commit("set inspection queues 2", "set zones service k udp 9000", "set zones policy k service k", "set zones policy k action drop")
    span = (time.monotonic() - start) * 1.2
    old, news = ("2", "9000"), 0
    for n in range(1, KILLS + 1):
        new = str(2 + n % 7), str(9000 + n)
        s = c.Session()
        s.load([f"set inspection queues {new[0]}", "delete zones service k udp", f"set zones service k udp {new[1]}"])
        s.send("Commit")
        time.sleep(random.random() * span)
        configd.stop(signal.SIGKILL)
        configd = c.Configd()
        stored, kernel = state_of(c.Session().call("Get")["text"], sh("nft", "list", "ruleset").stdout)
        if stored != kernel or stored not in (old, new):
            check(f"kill {n} of configd", False, f"seed {seed}: old {old} new {new} stored {stored} kernel {kernel}")
            return configd
        news += stored == new
        old = stored
    check(f"{KILLS} kills of configd within {span:.2f} s: old or new, whole; {news} times new", True)
    return configd


def main():
    c.prepare()
    for ns, address in (("lan", "10.0.0.2/24"), ("wan", "10.0.0.3/24")):
        sh("ip", "addr", "add", address, "dev", ns + "0", ns=ns)
    configd, networkd = c.Configd(), None
    try:
        s = c.Session()
        networkd = c.networkd_start()
        check("the cable works", wait_for(lambda: sh("ping", "-n", "-c1", "-W1", "10.0.0.3", ns="lan", ok=False).returncode == 0))
        test_traffic(s)
        configd = test_kills(configd)
        check("configd ends cleanly", configd.stop() == 0)
    except Exception:
        check("no exception", False, traceback.format_exc())
    if networkd:
        networkd.terminate()
    c.end()


main()
