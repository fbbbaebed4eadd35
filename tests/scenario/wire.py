"""What is on the wire of a host: the addresses of every frame of TCP port 25, as a set.

Transparent means that this set is the same on both sides of the box.
"""

import os
import socket
import struct
import threading
import time

SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 0x10
PACKET_OUTGOING = 4


class Frame(tuple):
    """(source MAC, destination MAC, VLAN, source, its port, destination, its port)"""

    @property
    def vlan(self) -> int:
        return self[2]


def _tcp(kind: int, data: bytes):
    """Both addresses and ports; None for what is not TCP. No options and extension headers: these are our own hosts."""
    if kind == 0x0800 and len(data) >= 40 and data[9] == 6:
        at, family, ends = (data[0] & 15) * 4, socket.AF_INET, (data[12:16], data[16:20])
    elif kind == 0x86DD and len(data) >= 60 and data[6] == 6:
        at, family, ends = 40, socket.AF_INET6, (data[8:24], data[24:40])
    else:
        return None
    ports = struct.unpack_from("!HH", data, at)
    return *(x for end, port in zip(ends, ports) for x in (socket.inet_ntop(family, end), port)),


class Wire:
    """Listens on a device of a namespace until stop()."""

    def __init__(self, ns: str, device: str = "eth0"):
        self.frames: set[Frame] = set()
        self.running = True
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._listen, args=(ns, device), daemon=True)
        self.thread.start()
        self.ready.wait(10)

    def _listen(self, ns: str, device: str) -> None:
        fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
        os.setns(fd, os.CLONE_NEWNET)
        os.close(fd)
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((device, 3))
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        s.settimeout(0.1)
        self.ready.set()
        while self.running:
            try:
                data, control, _flags, _from = s.recvmsg(128, 64)
            except TimeoutError:
                continue
            self._take(data, control)

    def _take(self, data: bytes, control) -> None:
        vlan, kind, body = 0, int.from_bytes(data[12:14]), data[14:]
        for level, what, value in control:
            if (level, what) == (SOL_PACKET, PACKET_AUXDATA) and struct.unpack_from("I", value)[0] & VLAN_VALID:
                vlan = struct.unpack_from("H", value, 16)[0] & 0xFFF
        if kind == 0x8100:
            vlan, kind, body = int.from_bytes(data[14:16]) & 0xFFF, int.from_bytes(data[16:18]), data[18:]
        tcp = _tcp(kind, body)
        if tcp and 25 in (tcp[1], tcp[3]):
            self.frames.add(Frame((data[6:12].hex(":"), data[0:6].hex(":"), vlan, *tcp)))

    def stop(self) -> set[Frame]:
        time.sleep(0.3)  # the last acknowledgements
        self.running = False
        self.thread.join()
        return self.frames
