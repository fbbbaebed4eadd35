#!/usr/bin/env python3
"""mailauthd before hostile name servers, on this machine alone: senders whose DNS is silent, late, broken or huge must
not delay others, and what DNS did not say is a temporary error.

B names the build folder. Reports `ok NAME`, `not ok NAME WHY`.
"""
import array
import fcntl
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

B = os.environ.get("B", "build/x86_64")
TOP = pathlib.Path(tempfile.mkdtemp(prefix="mailauth-"))
ADDRESS = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.53"
MESSAGE = b"From: A <a@example.com>\r\nSubject: x\r\n\r\nHello.\r\n"
SILENT = 700  # more than JOBS_MAX of mailauthd.c
LATE_S = 2
TEXTS = {
    "example.com": ["v=spf1 ip4:192.0.2.1 -all"],
    "_dmarc.example.com": ["v=DMARC1; p=reject"],
    "late.example": ["v=spf1 ip4:192.0.2.1 -all"],
    "huge.example": ["x" * 255] * 240 + ["v=spf1"],
    "many.example": ["v=spf1 " + " ".join(f"include:m{i}.many.example" for i in range(6)),
                     " " + " ".join(f"include:m{i}.many.example" for i in range(6, 11))],
    **{f"m{i}.many.example": ["v=spf1 ?all"] for i in range(11)},
}
failures = 0


def text_answer(texts):
    """One TXT record of all the strings."""
    data = b"".join(bytes([len(t)]) + t.encode() for t in texts)
    return b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 300, len(data)) + data


def reply(query, most):
    """The reply to a query; None: say nothing."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    name, kind, end = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5
    if name.endswith("silent.example"):
        return None
    rcode, answer = 3, b""
    if name.endswith("broken.example"):
        rcode = 2
    elif kind == 16 and name in TEXTS:
        rcode, answer = 0, text_answer(TEXTS[name])
    flags = 0x8580 | rcode
    if end + len(answer) > most:
        flags, answer = flags | 0x200, b""
    return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0) + query[12:end] + answer


def is_late(query):
    return b"\x04late\x07example" in query


def serve_udp(sock):
    while True:
        query, peer = sock.recvfrom(1024)
        answer = reply(query, 1200)
        if answer and is_late(query):
            threading.Timer(LATE_S, sock.sendto, (answer, peer)).start()
        elif answer:
            sock.sendto(answer, peer)


def serve_tcp(sock):
    while True:
        peer, _ = sock.accept()
        with peer:
            head = peer.recv(2)
            if len(head) == 2:
                answer = reply(peer.recv(struct.unpack(">H", head)[0]), 65535)
                if answer:
                    peer.sendall(struct.pack(">H", len(answer)) + answer)


class Call:
    """One Evaluate, as maild makes it: a connection of its own, the message as a sealed memfd."""

    def __init__(self, mail_from):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(TOP / "mailauth.varlink"))
        fd = os.memfd_create("message", os.MFD_ALLOW_SEALING)
        os.write(fd, MESSAGE)
        fcntl.fcntl(fd, 1033, 0x0e)  # F_ADD_SEALS: shrink, grow, write
        self.began = time.monotonic()
        call = {"method": "io.sekisho.MailAuth.Evaluate",
                "parameters": {"ip": "192.0.2.1", "helo": "mail.example.com", "mail_from": mail_from, "authserv_id": "mx.example"}}
        self.sock.sendmsg([json.dumps(call).encode() + b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)

    def result(self):
        """The reply's parameters, and the seconds it took."""
        data = b""
        while not data.endswith(b"\0"):
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError("mailauthd hung up")
            data += piece
        self.sock.close()
        answer = json.loads(data[:-1])
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["parameters"], time.monotonic() - self.began


def status():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(TOP / "mailauthd.varlink"))
    sock.sendall(b'{"method": "io.sekisho.Daemon.Status"}\0')
    data = b""
    while not data.endswith(b"\0"):
        data += sock.recv(65536)
    return json.loads(data[:-1])["parameters"]["status"]


def report(name, wrong):
    global failures
    failures += bool(wrong)
    print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)


def silent_senders():
    """Hundreds of mails wait for name servers that say nothing; others pass meanwhile, at once."""
    Call("a@example.com").result()  # its answers are known from here on
    waiting = [Call(f"a@d{i}.silent.example") for i in range(SILENT)]
    times = []
    for i in range(100):
        answer, seconds = Call("a@example.com").result()
        times.append(seconds)
        if answer["dmarc"]["result"] != "pass":
            return f"a mail that has nothing to do with it: {answer['dmarc']}"
    fresh, seconds = Call("a@nothing.example").result()
    if fresh["spf"]["result"] != "none":
        return f"a sender not seen before: {fresh['spf']}"
    print(f"# of 100 others half took {sorted(times)[50] * 1000:.0f} ms, the slowest {max(times) * 1000:.0f} ms; "
          f"a sender not seen before {seconds * 1000:.0f} ms")
    if max(times + [seconds]) > 8:  # the silent ones take 20; a busy machine some
        return "others were delayed"
    state = status()
    if state["hurried"] < SILENT - 512 or state["busy"]:
        return f"hurried {state['hurried']}, busy {state['busy']} of {SILENT}"
    for call in waiting:
        answer, seconds = call.result()
        if answer["spf"]["result"] != "temperror" or seconds > 28:
            return f"a silent sender: {answer['spf']} after {seconds:.1f} s"
    return None


def late_sender():
    answer, seconds = Call("a@late.example").result()
    if answer["spf"]["result"] != "pass" or seconds < LATE_S:
        return f"{answer['spf']} after {seconds:.1f} s"
    return None


def huge_answer():
    """A record of 61 KB is read by TCP, and is no SPF record: it does not begin as one."""
    answer, seconds = Call("a@huge.example").result()
    return None if answer["spf"]["result"] == "none" and seconds < 3 else f"{answer['spf']} after {seconds:.1f} s"


def broken_server():
    answer, seconds = Call("a@broken.example").result()
    if answer["spf"]["result"] != "temperror":
        return f"{answer['spf']}"
    before = status()["dns_queries"]
    again, seconds = Call("a@broken.example").result()
    if again["spf"]["result"] != "temperror" or status()["dns_queries"] != before:
        return "asked again at once"
    return None


def lookup_limit():
    """Eleven includes are a permanent error, and cost no more than that."""
    before = status()["dns_queries"]
    answer, _ = Call("a@many.example").result()
    asked = status()["dns_queries"] - before
    return None if answer["spf"]["result"] == "permerror" and asked <= 12 else f"{answer['spf']}, {asked} questions"


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))  # as the unit has it; for our calls as well
    udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    udp.bind((ADDRESS, 53))
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((ADDRESS, 53))
    tcp.listen(64)
    for target, sock in ((serve_udp, udp), (serve_tcp, tcp)):
        threading.Thread(target=target, args=(sock,), daemon=True).start()
    (TOP / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    env = dict(os.environ, SEKISHO_RUN=str(TOP), SEKISHO_RESOLV_CONF=str(TOP / "resolv.conf"))
    with open(TOP / "log", "w") as log:
        daemon = subprocess.Popen([os.path.join(B, "bin/mailauthd")], env=env, stderr=log)
    try:
        for _ in range(500):
            if (TOP / "mailauth.varlink").exists():
                break
            time.sleep(0.02)
        for case in (huge_answer, late_sender, broken_server, lookup_limit, silent_senders):
            try:
                report(case.__name__, case())
            except (OSError, ValueError, ConnectionError) as error:
                report(case.__name__, f"{type(error).__name__}: {error}")
    finally:
        daemon.terminate()
        code = daemon.wait(timeout=20)
        report("ends", None if code in (0, -15) else f"exit code {code}: {(TOP / 'log').read_text()[-400:]}")
        shutil.rmtree(TOP, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
