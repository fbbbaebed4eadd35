#!/usr/bin/env python3
"""Which ports of the appliance answer: all TCP and UDP ports, IPv4 and IPv6, as seen from one side's network.

    portscan.py JSON      {"targets": [[ADDRESS, MAC]...], "control": [ADDRESS, MAC, PORT or 0], "netns": FD or null}

Frames go out of eth0 as they are, to the hardware address that is given: who does not answer a neighbour's question is
scanned all the same. TCP: a SYN to each port, and what answers SYN+ACK is open. UDP: an empty datagram to each port and, where a
well-known service has a question of its own, that; what answers at all is open.

What answers nothing is closed, filtered, or was never asked: an emulated machine loses frames. So the ports go out in waves, and
behind each wave a control that is new to every table on the way: a SYN from a port of its own to one that is open, or an echo to
a host behind the appliance. Until it is answered the wave is sent again, smaller, and so it is when the tap dropped
a frame. A scan whose control stays unanswered fails.

Prints {"found": {ADDRESS: ["tcp 22", ...]}, "waves": N, "again": N, "seconds": N}.
"""

import json
import os
import random
import select
import socket
import struct
import sys
import time

WAVE, SMALLEST, CONTROL_S, TRIES, LINGER_S = 192, 16, 1.0, 12, 2.0
ICMP, TCP, UDP = 1, 6, 17
UDP_QUESTIONS = {
    53: b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03",
    123: b"\x23" + bytes(47),
    161: bytes.fromhex("302902010104067075626c6963a01c020400000001020100020100300e300c06082b060102010101000500"),
    323: b"\x06\x01\x00\x00" + bytes(24),
    514: b"<14>1 - - - - - - x",
    547: b"\x01\x00\x00\x01",
    5353: b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05local\x00\x00\x0c\x00\x01",
}


def add_up(data: bytes, total: int = 0) -> int:
    """One's complement sum (RFC 1071)."""
    total += sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Path:
    """From here to one address: everything in front of a packet's own header."""

    def __init__(self, mine: bytes, address: str, mac: str):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(self.family, socket.SOCK_DGRAM) as s:
            s.connect((address, 9))
            source = s.getsockname()[0]
        self.address = socket.inet_pton(self.family, address)
        self.ends = socket.inet_pton(self.family, source) + self.address
        self.ethernet = bytes.fromhex(mac.replace(":", "")) + mine + (b"\x86\xdd" if self.family == socket.AF_INET6 else b"\x08\x00")

    def frame(self, protocol: int, payload: bytes) -> bytes:
        if self.family == socket.AF_INET6:
            return self.ethernet + struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + self.ends + payload
        head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), random.getrandbits(16), 0, 64, protocol)
        sum_ = ~add_up(head + self.ends) & 0xffff
        return self.ethernet + head + struct.pack("!H", sum_) + self.ends + payload

    def pseudo(self, protocol: int, length: int) -> int:
        return add_up(self.ends + struct.pack("!HH", protocol, length))

    def syn(self, source: int, port: int) -> bytes:
        head = struct.pack("!HHIIBBHHH", source, port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
        sum_ = ~add_up(head, self.pseudo(TCP, len(head))) & 0xffff
        return self.frame(TCP, head[:16] + struct.pack("!H", sum_) + head[18:])

    def datagram(self, source: int, port: int, data: bytes) -> bytes:
        head = struct.pack("!HHHH", source, port, 8 + len(data), 0)
        sum_ = ~add_up(head + data, self.pseudo(UDP, 8 + len(data))) & 0xffff or 0xffff
        return self.frame(UDP, head[:6] + struct.pack("!H", sum_) + data)

    def echo(self, number: int) -> bytes:
        head = struct.pack("!BBHHH", 8, 0, 0, number, 1)
        return self.frame(ICMP, head[:2] + struct.pack("!H", ~add_up(head) & 0xffff) + head[4:])


class Answer:
    """What matters of a frame that came in."""

    def __init__(self, frame: bytes):
        if frame[12:14] == b"\x08\x00":
            self.source, self.protocol, body = frame[26:30], frame[23], frame[14 + (frame[14] & 15) * 4:]
        else:
            self.source, self.protocol, body = frame[22:38], frame[20], frame[54:]
        body = body.ljust(20, b"\0")
        self.port, self.to = struct.unpack("!HH", body[:4])
        self.syn_ack = self.protocol == TCP and body[13] & 0x12 == 0x12
        self.echo = struct.unpack("!H", body[4:6])[0] if self.protocol == ICMP and body[0] == 0 else None


class Scanner:
    def __init__(self, job: dict):
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out.bind(("eth0", 0))
        mac = self.out.getsockname()[4]
        self.inputs = []
        for kind in (0x0800, 0x86dd):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
            s.bind(("eth0", kind))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            s.setblocking(False)
            self.inputs.append(s)
        self.targets = {address: Path(mac, address, m) for address, m in job["targets"]}
        address, m, self.control_port = job["control"]
        self.control = Path(mac, address, m)
        self.mine = random.randrange(20000, 30000)
        self.control_id = random.randrange(30001, 40000)
        self.answered = -1
        self.found: set[tuple[bytes, int, int]] = set()
        self.waves = self.again = 0

    def read(self) -> None:
        for s in self.inputs:
            while True:
                try:
                    a = Answer(s.recv(256))
                except BlockingIOError:
                    break
                if a.source == self.control.address and (a.echo == self.control_id or
                                                         (a.syn_ack and a.port == self.control_port and a.to == self.control_id)):
                    self.answered = self.control_id
                elif a.to == self.mine and (a.syn_ack or a.protocol == UDP):
                    self.found.add((a.source, a.protocol, a.port))

    def listen(self, seconds: float, until=lambda: False) -> bool:
        end = time.monotonic() + seconds
        while not until() and (left := end - time.monotonic()) > 0:
            select.select(self.inputs, [], [], left)
            self.read()
        return until()

    def passed(self) -> bool:
        """A control of its own is answered: what went before it has arrived."""
        self.control_id = 30001 + (self.control_id - 30000) % 30000
        frame = self.control.syn(self.control_id, self.control_port) if self.control_port else self.control.echo(self.control_id)
        self.put([frame])
        return self.listen(CONTROL_S, lambda: self.answered == self.control_id)

    def put(self, frames: list[bytes]) -> bool:
        whole = True
        for f in frames:
            try:
                self.out.send(f)
            except OSError:
                whole = False
        return whole

    def wave(self, frames: list[bytes]) -> None:
        size = len(frames)
        for _ in range(TRIES):
            before = dropped()
            for i in range(0, len(frames), size):
                if not (self.put(frames[i:i + size]) and self.passed() and dropped() == before):
                    break
            else:
                self.waves += 1
                return
            self.again += 1
            size = max(SMALLEST, size // 2)
        raise SystemExit("portscan: the control is not answered: what is silent may not have been asked")

    def scan(self, path: Path) -> None:
        ports = list(range(1, 65536))
        for probes in (self.tcp_probes, self.udp_probes):
            random.shuffle(ports)
            for i in range(0, len(ports), WAVE):
                self.wave([f for p in ports[i:i + WAVE] for f in probes(path, p)])
        self.listen(LINGER_S)

    def tcp_probes(self, path: Path, port: int) -> list[bytes]:
        return [path.syn(self.mine, port)]

    def udp_probes(self, path: Path, port: int) -> list[bytes]:
        return [path.datagram(self.mine, port, data) for data in (b"", UDP_QUESTIONS.get(port)) if data is not None]


def dropped() -> int:
    """Frames for the machine that the tap had no room for, in this thread's network namespace."""
    with open("/proc/thread-self/net/dev", encoding="ascii") as f:
        return next(int(line.split(":")[1].split()[11]) for line in f if line.strip().startswith("eth0:"))


def main() -> None:
    job = json.loads(sys.argv[1])
    if job.get("netns") is not None:
        os.setns(job["netns"], os.CLONE_NEWNET)
    begin = time.monotonic()
    s = Scanner(job)
    for path in s.targets.values():
        s.scan(path)
    names = {TCP: "tcp", UDP: "udp"}
    found = {address: [f"{names[k]} {p}" for a, k, p in sorted(s.found, key=lambda x: x[1:]) if a == path.address]
             for address, path in s.targets.items()}
    print(json.dumps({"found": found, "waves": s.waves, "again": s.again, "seconds": round(time.monotonic() - begin)}), flush=True)


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("portscan: needs root")
    main()
