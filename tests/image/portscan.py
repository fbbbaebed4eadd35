#!/usr/bin/env python3
"""Which ports of the appliance answer: all TCP and UDP ports, IPv4 and IPv6, from both sides.

    portscan.py ADDRESS...        run in the namespace of one side: prints one JSON list of "tcp 22" and the like for each

tests/image/terminal.py runs it on both sides of the booted image and compares with tests/image/ports.golden. TCP: a SYN to
each port, and what answers with SYN+ACK is open. UDP: an empty datagram and, where a service has a question of its own, that;
what answers at all is open. Sent in waves, unanswered ports once more: an emulated machine may lose a few. The control
is in the golden list: a scan that is blind does not see SSH.
"""

import json
import os
import random
import select
import socket
import struct
import sys
import time

WAVE, PAUSE_S, LINGER_S = 256, 0.05, 3.0
UDP_QUESTIONS = {
    53: b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03",
    123: b"\x23" + bytes(47),
    161: bytes.fromhex("302902010104067075626c6963a01c0204000000010201000201003"
                       "00e300c06082b060102010101000500"),
    323: b"\x06\x01\x00\x00" + bytes(24),
    514: b"<14>1 - - - - - - x",
    547: b"\x01\x00\x00\x01",
}


def source(address: str) -> str:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, 9))
        return s.getsockname()[0]


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Tcp:
    """SYNs out of a raw socket; the kernel answers SYN+ACK with a reset, as nobody here knows of it."""

    def __init__(self, address: str):
        self.six = ":" in address
        self.address = address
        family = socket.AF_INET6 if self.six else socket.AF_INET
        self.ends = socket.inet_pton(family, source(address)) + socket.inet_pton(family, address)
        self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.from_port = random.randrange(20000, 60000)

    def send(self, port: int) -> None:
        head = struct.pack("!HHIIBBHHH", self.from_port, port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
        tail = struct.pack("!I3xB", len(head), 6) if self.six else struct.pack("!BBH", 0, 6, len(head))
        head = head[:16] + struct.pack("!H", checksum(self.ends + tail + head)) + head[18:]
        self.socket.sendto(head, (self.address, 0))

    def receive(self) -> tuple[int, bool] | None:
        data, peer = self.socket.recvfrom(2048)
        if peer[0] != self.address:
            return None
        if not self.six:
            data = data[(data[0] & 15) * 4:]
        port, to = struct.unpack("!HH", data[:4])
        return (port, data[13] & 0x12 == 0x12) if to == self.from_port else None


class Udp:
    def __init__(self, address: str):
        self.address = address
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def send(self, port: int) -> None:
        self.socket.sendto(b"", (self.address, port))
        if port in UDP_QUESTIONS:
            self.socket.sendto(UDP_QUESTIONS[port], (self.address, port))

    def receive(self) -> tuple[int, bool] | None:
        _, peer = self.socket.recvfrom(2048)
        return (peer[1], True) if peer[0] == self.address else None


def listen(probe, answers: dict[int, bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([probe.socket], [], [], left)[0]:
        try:
            answer = probe.receive()
        except OSError:
            continue  # an ICMP error of an earlier datagram
        if answer:
            answers[answer[0]] = answers.get(answer[0], False) or answer[1]


def scan(probe) -> list[int]:
    answers: dict[int, bool] = {}
    ports = list(range(1, 65536))
    random.shuffle(ports)
    for attempt in range(2):
        # The second time only where something could be: below 1024, and what services of the image use.
        again = [p for p in ports if p not in answers and (attempt == 0 or p < 1024 or p in (1025, 5353, 5355, 10025))]
        for i in range(0, len(again), WAVE):
            for port in again[i:i + WAVE]:
                try:
                    probe.send(port)
                except OSError:
                    pass  # nobody resolves the address: nothing is open
            listen(probe, answers, PAUSE_S)
        listen(probe, answers, LINGER_S)
    return sorted(port for port, is_open in answers.items() if is_open)


def main() -> None:
    found = {}
    for address in sys.argv[1:]:
        found[address] = [f"tcp {p}" for p in scan(Tcp(address))] + [f"udp {p}" for p in scan(Udp(address))]
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("portscan: needs root")
    main()
