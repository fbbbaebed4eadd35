"""A time server (RFC 5905) whose clock is ahead of ours by world.CLOCK_AHEAD_S: who follows it is seen to."""

import socketserver
import struct
import threading
import time

import world as w

SINCE_1900_S = 2208988800
SERVER_V4, STRATUM, POLL, PRECISION = 4 << 3 | 4, 1, 6, -20  # of the first word: version 4, mode server


def stamp(seconds: float) -> bytes:
    return struct.pack("!II", int(seconds) + SINCE_1900_S, int(seconds % 1 * (1 << 32)))


class Clock(socketserver.BaseRequestHandler):
    ledger = None

    def handle(self):
        question, s = self.request
        now = stamp(time.time() + w.CLOCK_AHEAD_S)
        if len(question) < 48 or question[0] & 7 != 3:
            return
        self.ledger.add(peer=list(self.client_address[:2]))
        head = struct.pack("!BBbbII4s", SERVER_V4, STRATUM, POLL, PRECISION, 0, 1 << 6, b"TEST")
        s.sendto(head + now + question[40:48] + now + stamp(time.time() + w.CLOCK_AHEAD_S), self.client_address)


def start(ledger) -> None:
    Clock.ledger = ledger
    server = socketserver.UDPServer((w.WAN4, 123), Clock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
