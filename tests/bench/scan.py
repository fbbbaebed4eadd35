#!/usr/bin/env python3
"""scand against clamd: the same generated database, the same mails over a Unix socket as open files, the same clients.

Every mail is another one, so that neither's cache of verdicts helps, but for the row that says so. The database has
200,001 signatures and is the same on every machine.
"""
import base64
import contextlib
import fcntl
import io
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import rig
from rig import TOP, Process, Table, bars, wait_for, write

BIN = TOP / os.environ["B"] / "bin" if "B" in os.environ else rig.BIN
OURS, CLAMD = "scand", "clamd"
HASHES, PATTERNS, LOGICAL = 130_000, 60_000, 10_000
# The kinds of file that signatures are for: any, Windows programs, documents, web pages, mail, text, PDF. In ClamAV's own
# database logical signatures for any file are rare: each costs every file.
TARGETS = (0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 7, 10)
CLIENTS, SECONDS = 4, 4.0
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
F_ADD_SEALS, SEALS = 1033, 0xe


def make_database(folder: Path, seed: int = 1) -> None:
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "bench.hdb", "w", encoding="ascii") as f:
        for i in range(HASHES):
            f.write(f"{rng.randbytes(16).hex()}:{rng.randrange(100, 1 << 20)}:Bench.Hash-{i}\n")
    with open(folder / "bench.ndb", "w", encoding="ascii") as f:
        f.write(f"Eicar-Bench:0:*:{EICAR.hex()}\n")
        for i in range(PATTERNS):
            head, tail = rng.randbytes(rng.randrange(12, 40)).hex(), rng.randbytes(rng.randrange(8, 24)).hex()
            f.write(f"Bench.Pattern-{i}:{rng.choice(TARGETS)}:*:{head}{f'*{tail}' if i % 4 == 0 else ''}\n")
    with open(folder / "bench.ldb", "w", encoding="ascii") as f:
        for i in range(LOGICAL):
            f.write(f"Bench.Logical-{i};Engine:51-255,Target:{rng.choice(TARGETS[1:])};0&1;{rng.randbytes(16).hex()};{rng.randbytes(16).hex()}\n")


def make_mail(rng: random.Random, bytes_: int, attachment: bytes | None = None) -> bytes:
    """A letter with a ZIP of text and noise, about that large."""
    if attachment is None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("report.txt", b"A line of report %d for the month.\n" % rng.randrange(1 << 60) * (bytes_ // 100))
            z.writestr("data.bin", rng.randbytes(int(bytes_ * 0.62)))
        attachment = out.getvalue()
    text = base64.encodebytes(attachment).replace(b"\n", b"\r\n")
    return (b"From: a@a.example\r\nTo: b@b.example\r\nSubject: report %d\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n--cut\r\nContent-Type: text/plain\r\n\r\n%s\r\n--cut\r\n'
            b'Content-Type: application/zip; name="report.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s--cut--\r\n'
            % (rng.randrange(1 << 60), b"Dear all,\r\nthe report is attached.\r\n" * 8, text))



def memfd(data: bytes) -> int:
    fd = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(fd, len(data))
    with open(os.dup(fd), "wb") as f:
        f.write(data)
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def ask(path: Path, text: bytes, fd: int | None, end: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(path))
        reply = b""
        if fd is None:
            s.sendall(text)
        elif text.startswith(b"zFILDES"):
            s.sendall(text)
            socket.send_fds(s, [b"\0"], [fd])
        else:
            socket.send_fds(s, [text], [fd])
        while not reply.endswith(end):
            more = s.recv(65536)
            if not more:
                raise ConnectionError("closed")
            reply += more
        return reply


class Scand:
    def __init__(self, work: Path, database: Path):
        self.run, self.database = work / "scand", database
        shutil.copytree(database, self.run / "share/clamav")
        (self.run / "config").mkdir()
        (self.run / "config/scan.json").write_text('{"reload":"handover"}', encoding="ascii")
        env = dict(os.environ, SEKISHO_RUN=str(self.run), SEKISHO_DATA=str(self.run / "data"), SEKISHO_SHARE=str(self.run / "share"))
        self.process = Process([str(BIN / "scand")], work / "scand.log", env=env)
        self.load_s = wait_for(self.is_up, 120, "scand", self.process)

    def call(self, method: str) -> dict:
        text = json.dumps({"method": f"io.sekisho.Daemon.{method}"}).encode() + b"\0"
        return json.loads(ask(self.run / "scand.varlink", text, None, b"\0")[:-1])

    def status(self) -> dict:
        return self.call("Status")["parameters"]["status"]

    def is_up(self) -> bool:
        with contextlib.suppress(OSError, KeyError):
            return self.status()["workers"] > 0
        return False

    def scan(self, fd: int) -> bool:
        reply = json.loads(ask(self.run / "scan.varlink", b'{"method":"io.sekisho.Scan.Scan","parameters":{}}\0', fd, b"\0")[:-1])
        return reply["parameters"]["result"] == "infected"

    def reload(self) -> None:
        if "error" in (reply := self.call("Reload")):
            raise RuntimeError(str(reply))


class Clamd:
    def __init__(self, work: Path, database: Path):
        self.socket = work / "clamd.ctl"
        config = work / "clamd.conf"
        config.write_text(
            f"DatabaseDirectory {database}\nLocalSocket {self.socket}\nForeground yes\nMaxThreads 3\nUser root\nTemporaryDirectory {work}\n"
            "MaxScanSize 400M\nMaxFileSize 100M\nStreamMaxLength 100M\nAlertExceedsMax yes\nAlertEncrypted yes\n"
            "AlertOLE2Macros yes\nConcurrentDatabaseReload yes\nMaxQueue 200\n", encoding="ascii")
        self.process = Process([str(TOP / "tools/peer"), "run", "clamd", "clamd", "-c", str(config)], work / "clamd.log",
                               env=dict(os.environ, PEER_BIND=str(work)))
        self.load_s = wait_for(self.is_up, 120, "clamd", self.process)

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return ask(self.socket, b"zPING\0", None, b"\0") == b"PONG\0"
        return False

    def scan(self, fd: int) -> bool:
        return ask(self.socket, b"zFILDES\0", fd, b"\0").endswith(b" FOUND\0")


def rate(scanner, mails: list[bytes], seconds: float) -> tuple[float, float, int]:
    """Mails per second, CPU seconds of the scanner per mail, errors. Files are made beforehand."""
    fds = [memfd(m) for m in mails]
    done, errors, stop = [0] * CLIENTS, [0], time.monotonic() + seconds

    def client(number: int) -> None:
        for fd in fds[number::CLIENTS]:
            if time.monotonic() >= stop:
                return
            try:
                scanner.scan(fd)
                done[number] += 1
            except (OSError, KeyError):
                errors[0] += 1

    before, begun = scanner.process.cpu_seconds(), time.monotonic()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - begun
    cpu = scanner.process.cpu_seconds() - before
    for fd in fds:
        os.close(fd)
    return sum(done) / took, cpu / max(1, sum(done)), errors[0]


LOADS: dict[str, tuple[int, Callable[[random.Random], list[bytes]]]] = {
    "10 KB mails": (10_000, lambda r: [make_mail(r, 10_000) for _ in range(1500)]),
    "100 KB mails": (100_000, lambda r: [make_mail(r, 100_000) for _ in range(300)]),
    "2 MB mails": (2_000_000, lambda r: [make_mail(r, 2_000_000) for _ in range(24)]),
    "100 KB mails, the same ZIP in each": (100_000, lambda r: [make_mail(r, 0, z) for z in [r.randbytes(75_000)] for _ in range(1500)]),
}


def memory_kb(pid: int) -> dict[str, int]:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        return {k: int(v.split()[0]) for k, v in (line.split(":") for line in lines)}
    return {}


def memory_rows(ours: Scand, clamd: Clamd) -> list[str]:
    lines = ["", "| memory, MB | resident | shared | private |", "|---|---|---|---|"]
    first, keeper, *workers = ours.process.pids()

    def row(name: str, pids: list[int]) -> None:
        m = [memory_kb(p) for p in pids]
        total = [sum(x.get(k, 0) for x in m) / 1024 / max(1, len(pids)) for k in
                 ("Rss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty")]
        lines.append(f"| {name} | {total[0]:.0f} | {total[1] + total[2]:.0f} | {total[3] + total[4]:.0f} |")

    row("scand, first process", [first])
    row("scand, keeper with the engine", [keeper])
    row(f"scand, mean of {len(workers)} workers", workers)
    row("clamd", clamd.process.pids()[-1:])
    lines.append(f"| scand, all together (proportional) | {ours.process.memory_mb():.0f} | | |")
    lines.append(f"| clamd, all together (proportional) | {clamd.process.memory_mb():.0f} | | |")
    return lines


class Peak(threading.Thread):
    """The most memory that all processes had together."""

    def __init__(self, process: Process):
        super().__init__(daemon=True)
        self.process, self.mb, self.done = process, 0.0, False
        self.start()

    def run(self) -> None:
        while not self.done:
            self.mb = max(self.mb, self.process.memory_mb())
            time.sleep(0.02)


def reload_rows(ours: Scand, rng: random.Random) -> tuple[list[str], dict]:
    """A hand-over while mails come in."""
    mails, idle = [make_mail(rng, 10_000) for _ in range(3000)], ours.process.memory_mb()
    result: dict = {}
    peak = Peak(ours.process)
    load = threading.Thread(target=lambda: result.update(zip(("rate", "cpu", "errors"), rate(ours, mails, 8.0))))
    load.start()
    time.sleep(0.5)
    begun = time.monotonic()
    ours.reload()
    result["took"] = time.monotonic() - begun
    load.join()
    peak.done = True
    peak.join()
    status = ours.status()
    shared = status["engine_bytes"] / 1e6
    result.update(gap=status["reload"]["gap_ms"], peak=peak.mb * 1.048576, shared=shared)
    return ["", "| reload by hand-over, under load | |", "|---|---|", f"| time | {result['took']:.1f} s |",
            f"| gap | {result['gap']} ms |", f"| mails deferred | {result['errors']} |",
            f"| memory before, at the peak | {idle:.0f} MB, {peak.mb:.0f} MB |",
            f"| peak over two engines of {shared:.0f} MB | {result['peak'] / (2 * shared):.2f} |"], result


@contextlib.contextmanager
def contestants(work: Path) -> Iterator[tuple[Scand, Clamd]]:
    started: list = []
    try:
        for kind in (Scand, Clamd):
            started.append(kind(work, work / "db"))
        yield started[0], started[1]
    finally:
        for s in started:
            s.process.stop()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rng = random.Random(2)
    table = Table("Antivirus: mails per second", [OURS, CLAMD])
    with tempfile.TemporaryDirectory(prefix="bench-scan-", dir="/dev/shm") as name:
        work = Path(name)  # in memory: unpacking goes there, as on the box
        work.chmod(0o755)
        make_database(work / "db")
        with contestants(work) as (ours, clamd):
            both = {OURS: ours, CLAMD: clamd}
            for who, s in both.items():
                fd = memfd(make_mail(rng, 0, EICAR))
                if not s.scan(fd):
                    raise RuntimeError(f"{who} does not find the sample")
                os.close(fd)
                table.add("load time, s", who, s.load_s)
            for _ in range(rounds):
                for load, (_bytes, make) in LOADS.items():
                    for who, s in both.items():
                        mails = make(rng)
                        size = len(mails[0])
                        per_s, cpu, errors = rate(s, mails, SECONDS)
                        if errors:
                            raise RuntimeError(f"{who}, {load}: {errors} without a verdict")
                        table.add(f"{load}, 1/s", who, per_s)
                        table.add(f"{load}, MB/s", who, per_s * size / 1e6)
                        table.add(f"{load}, CPU ms each", who, cpu * 1000)
            memory = memory_rows(ours, clamd)
            reload_lines, r = reload_rows(ours, rng)
            signatures = ours.status()["signatures"]
    shown = []
    for load in LOADS:
        a, b = table.median(f"{load}, 1/s", OURS), table.median(f"{load}, 1/s", CLAMD)
        shown.append((f"at least clamd's rate: {load}", f"{a / b:.2f}" if a and b else "-", bool(a and b and a >= b)))
    shown.append(("hand-over without a deferred mail", f"{r['errors']} deferred, gap {r['gap']} ms", r["errors"] == 0 and r["gap"] == 0))
    shown.append(("peak at most 1.2 times two engines", f"{r['peak'] / (2 * r['shared']):.2f}", r["peak"] <= 2.4 * r["shared"]))
    write("scan", table.text() + "\n".join(memory + reload_lines) + "\n" + bars(shown)
          + f"\n{signatures} signatures, {CLIENTS} clients, {SECONDS:.0f} s a figure, {rounds} rounds.\n")


if __name__ == "__main__":
    main()
