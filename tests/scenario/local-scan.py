#!/usr/bin/env python3
"""scand under load, with its workers dying: what maild would see.

Clients play maild: they pass sealed messages, half of them with EICAR inside, and when a connection closes or an
error comes back they try again, as a sender does after 451. B names the build folder; the seed of all that is random
is printed and can be given as the first argument, the rows wanted as further ones. Reports `ok NAME`, `not ok NAME WHY`.
"""
import base64
import fcntl
import glob
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile

B = os.environ.get("B", "build/" + os.environ.get("BOARD", "x86_64"))
RUN = tempfile.mkdtemp(prefix="scan-")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 32)
SHARE = RUN + "/share"
CURRENT = RUN + "/data/sig/clamav/current"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
DEATHS = 500
F_ADD_SEALS, SEALS = 1033, 0xe


def memfd(data):
    fd = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(os.dup(fd), "wb") as f:
        f.write(data)
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def zipped(data, name="a.txt", method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr(name, data)
    return out.getvalue()


def mail(body, name=b"a.zip"):
    text = base64.encodebytes(body).replace(b"\n", b"\r\n")
    return (b"From: a@a.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b\r\n"
            b'Content-Type: application/octet-stream; name="%s"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s--b--\r\n' % (name, text))


class Gone(Exception):
    """No verdict: the mail is deferred."""


def call(path, method, parameters=None, fd=None, timeout=30):
    """What came back, or Gone when the connection closed."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        text = b""
        try:
            s.connect(f"{RUN}/{path}")
            request = json.dumps({"method": method, "parameters": parameters or {}}).encode() + b"\0"
            socket.send_fds(s, [request], [] if fd is None else [fd])
            while not text.endswith(b"\0"):
                more = s.recv(65536)
                if not more:
                    raise Gone("closed")
                text += more
        except OSError as error:
            raise Gone(str(error)) from error
        return json.loads(text[:-1])


def scan(data, timeout=90, **parameters):
    fd = memfd(data)
    try:
        reply = call("scan.varlink", "io.sekisho.Scan.Scan", parameters, fd, timeout)
    finally:
        os.close(fd)
    if "error" in reply:
        raise Gone(reply["error"])
    return reply["parameters"]


def status():
    return call("scand.varlink", "io.sekisho.Daemon.Status")["parameters"]["status"]


def reload():
    return call("scand.varlink", "io.sekisho.Daemon.Reload", timeout=60).get("error")


def configure(**settings):
    os.makedirs(RUN + "/config", exist_ok=True)
    with open(RUN + "/config/scan.json", "w", encoding="ascii") as f:
        json.dump({k.replace("_", "-"): v for k, v in settings.items()}, f)


def database(name, **files):
    """Makes v-<name> and points `current` to it, as updated does."""
    folder = f"{RUN}/data/sig/clamav/v-{name}"
    os.makedirs(folder, exist_ok=True)
    for kind, text in files.items():
        with open(f"{folder}/test.{kind}", "w", encoding="ascii") as f:
            f.write(text)
    if os.path.islink(CURRENT):
        os.unlink(CURRENT)
    os.symlink(f"v-{name}", CURRENT)


def start():
    env = dict(os.environ, SEKISHO_RUN=RUN, SEKISHO_DATA=RUN + "/data", SEKISHO_SHARE=SHARE, SEKISHO_MEMINFO=RUN + "/meminfo")
    meminfo(1 << 20)
    os.makedirs(RUN + "/data/sig/local", exist_ok=True)
    shutil.copytree("rootfs/overlay/usr/share/sekisho/clamav", SHARE + "/clamav")
    process = subprocess.Popen([f"{B}/bin/scand"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=open(RUN + "/log", "w", encoding="ascii"))
    wait_for("scand serves", lambda: status()["workers"] > 0)
    return process


def wait_for(what, test, seconds=40):
    end = time.monotonic() + seconds
    while True:
        try:
            if test():
                return
        except Gone:
            pass
        assert time.monotonic() < end, f"{what}: not within {seconds} s; {log()[-300:]}"
        time.sleep(0.02)


def log():
    with open(RUN + "/log", encoding="ascii", errors="replace") as f:
        return f.read()


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def keepers():
    return children(scand.pid)


def workers():
    return [w for k in keepers() for w in children(k)]


class Load(threading.Thread):
    """Sends messages, each until it has a verdict; notes wrong ones and every way of having none."""

    def __init__(self, seed, messages):
        super().__init__(daemon=True)
        self.random, self.messages = random.Random(seed), messages
        self.done = self.wrong = self.deferred = 0
        self.errors, self.unanswered, self.stop = set(), 0, False
        self.start()

    def run(self):
        while not self.stop:
            data, want = self.random.choice(self.messages)
            for _ in range(1000):
                try:
                    got = scan(data, mail_from="a@a.example", ip="192.0.2.1")["result"]
                    self.done += 1
                    self.wrong += got != want
                    break
                except Gone as error:
                    self.deferred += 1
                    self.errors.add(str(error))
                    time.sleep(0.005)
            else:
                self.unanswered += 1

    def end(self):
        self.stop = True
        self.join(90)
        assert not self.is_alive(), "a message has no end"
        return self


def messages():
    rows = []
    for i in range(24):
        filler = rng.randbytes(rng.randrange(100, 20000))
        rows.append((mail(zipped(filler)), "clean"))
        rows.append((mail(zipped(EICAR)) + b"\r\n" * i, "infected"))
    return rows


def load(threads):
    return [Load(rng.randrange(1 << 32), messages()) for _ in range(threads)]


# ---- each function is one row of the report

def test_500_deaths():
    before, threads = status()["crashes"], load(4)
    killed, signals = set(), (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGXCPU)
    end = time.monotonic() + 230
    while len(killed) < DEATHS:
        assert time.monotonic() < end, f"{len(killed)} deaths in 230 s"
        alive = [w for w in workers() if w not in killed]
        if alive:
            victim = rng.choice(alive)
            try:
                os.kill(victim, rng.choice(signals))
                killed.add(victim)
            except ProcessLookupError:
                pass
        time.sleep(rng.uniform(0.001, 0.02))
    for t in threads:
        t.end()
    done, deferred = sum(t.done for t in threads), sum(t.deferred for t in threads)
    assert sum(t.wrong for t in threads) == 0, "a verdict was wrong"
    assert sum(t.unanswered for t in threads) == 0, "a message never got a verdict"
    wait_for("all workers are back", lambda: status()["workers"] == status()["workers_wanted"])
    counted = status()["crashes"] - before
    assert counted >= DEATHS, f"{counted} crashes counted"
    assert "over mail" in log() and "from <a@a.example> at 192.0.2.1, part" in log(), "the log does not say whose mail it was"
    return f"{counted} deaths, {done} verdicts all right, {deferred} times deferred"


def test_handover_under_load():
    threads = load(4)
    for i in range(3):
        database(f"h{i}", ndb=f"Other.{i}:0:*:{i:02x}11223344556677\n")
        assert reload() is None
        assert status()["database"] == f"v-h{i}", status()
    for t in threads:
        t.end()
    assert sum(t.wrong for t in threads) == 0
    deferred = sum(t.deferred for t in threads)
    assert deferred == 0, f"{deferred} calls deferred: {set().union(*(t.errors for t in threads))}"
    r = status()["reload"]
    assert (r["mode"], r["gap_ms"], r["good"]) == ("handover", 0, True), r
    wait_for("the old keeper is gone", lambda: len(keepers()) == 1, 70)


def test_serial_defers_and_tells():
    configure(reload="serial")
    threads = load(4)
    database("s", ndb="Other.S:0:*:aa11223344556677\n")
    assert reload() is None
    for t in threads:
        t.end()
    r = status()["reload"]
    assert r["mode"] == "serial" and r["good"] and r["gap_ms"] > 0, r
    assert sum(t.wrong for t in threads) == 0
    errors = set().union(*(t.errors for t in threads))
    assert errors <= {"io.sekisho.Scan.Reloading", "closed", "[Errno 104] Connection reset by peer", "[Errno 32] Broken pipe"}, errors
    configure()
    return f"gap {r['gap_ms']} ms, {sum(t.deferred for t in threads)} times deferred"


def test_reload_shows_status_and_takes_turns():
    """A database that takes a while: status is answered meanwhile, a second reload waits and has what came later."""
    text = "".join(f"Slow.{i}:0:*:{i:08x}{rng.randbytes(20).hex()}\n" for i in range(60000))
    for mode in ("handover", "serial"):
        configure(reload=mode)
        database(f"slow-{mode}", ndb=text)
        first, second, seen = [], [], []
        t = threading.Thread(target=lambda: first.append(reload()))
        t.start()
        wait_for("it runs", lambda: status()["reload"]["running"] or first)
        database(f"later-{mode}", ndb="Other.L:0:*:bb11223344556677\n")
        u = threading.Thread(target=lambda: second.append(reload()))
        u.start()
        while not first:
            begin = time.monotonic()
            status()
            seen.append(time.monotonic() - begin)
        t.join()
        u.join()
        assert (first, second) == ([None], [None]), (first, second)
        assert status()["database"] == f"v-later-{mode}", status()
        assert len(seen) > 2 and max(seen) < 5, seen
    configure()


def meminfo(megabytes):
    with open(RUN + "/meminfo", "w", encoding="ascii") as f:
        f.write(f"MemTotal: 2000000 kB\nMemAvailable: {int(megabytes * 1024)} kB\n")


def test_memory_decides():
    """Mode auto: hand-over while there is room for a second engine, else serially."""
    need = status()["engine_peak_bytes"] * 9 / 8 / (1 << 20) + 256
    for room, mode in ((need - 5, "serial"), (need + 40, "handover")):
        meminfo(room)
        database(f"auto-{mode}", ndb=f"Other.A:0:*:cc112233445566{len(mode):02x}\n")
        assert reload() is None
        assert status()["reload"]["mode"] == mode, (room, status())
    meminfo(1 << 20)


def test_engine_dies_while_the_next_loads():
    configure(reload="handover")
    wait_for("one engine", lambda: len(keepers()) == 1, 70)
    serving = keepers()
    database("dies", ndb="".join(f"Slow.{i}:0:*:{i:08x}{rng.randbytes(20).hex()}\n" for i in range(60000)))
    error = []
    t = threading.Thread(target=lambda: error.append(reload()))
    t.start()
    wait_for("it runs", lambda: len(keepers()) > len(serving) or error)
    for pid in serving:
        os.kill(pid, signal.SIGKILL)
    t.join()
    assert error == [None], error
    assert scan(mail(EICAR))["result"] == "infected" and status()["database"] == "v-dies"
    configure()


def bad_database(mode):
    configure(reload=mode)
    good = status()
    database("bad", ndb="Broken:0:*:zz\n")
    error = reload()
    assert error == "io.sekisho.Daemon.Invalid", error
    now = status()
    assert (now["database"], now["signatures"]) == (good["database"], good["signatures"]), now
    assert scan(mail(EICAR))["result"] == "infected"
    database(good["database"].removeprefix("v-"))
    configure()


def test_bad_database_handover():
    bad_database("handover")


def test_bad_database_serial():
    bad_database("serial")


def test_database_without_sample():
    good = status()
    os.rename(SHARE + "/clamav", SHARE + "/away")
    try:
        database("nosample", ndb="Other:0:*:0011223344556677\n")
        assert reload() == "io.sekisho.Daemon.Invalid"
        assert "does not find the EICAR" in log()
        assert status()["database"] == good["database"]
        assert scan(mail(EICAR))["result"] == "infected"
    finally:
        os.rename(SHARE + "/away", SHARE + "/clamav")
        database(good["database"].removeprefix("v-"))


def test_local_signatures():
    rows = {"mine.yar": 'rule Mine { strings: $a = "locally forbidden" condition: $a }\n',
            "mine.ndb": "Mine.Pattern:0:*:666f7262696464656e207061747465726e\n",  # forbidden pattern
            "broken.yar": "rule Broken { strings: $a = condition }\n", "broken.ldb": "nonsense\n", "notes.txt": "no signature\n"}
    for name, text in rows.items():
        with open(f"{RUN}/data/sig/local/{name}", "w", encoding="ascii") as f:
            f.write(text)
    try:
        assert reload() is None
        s = status()
        assert (s["local_files"], s["local_refused"]) == (2, 2), s
        for text, want in ((b"locally forbidden", "YARA.Mine"), (b"a forbidden pattern", "Mine.Pattern")):
            got = scan(mail(text))
            assert got["result"] == "infected" and want in got["signature"], got
    finally:
        for name in rows:
            os.unlink(f"{RUN}/data/sig/local/{name}")
    assert reload() is None
    assert scan(mail(b"locally forbidden"))["result"] == "clean"


def test_lanes():
    big = mail(zipped(rng.randbytes(50 << 20), method=zipfile.ZIP_STORED))
    small = mail(rng.randbytes(7000))
    passed_on, late, alone, answers = status()["passed_on"], [], [], []

    def send_big():
        answers.append(scan(big))

    def send_small(times):
        begun = time.monotonic()
        assert scan(small)["result"] == "clean"
        times.append(time.monotonic() - begun)

    for _ in range(50):
        send_small(alone)

    threads = [threading.Thread(target=send_big) for _ in range(3)]
    for t in threads:
        t.start()
    wait_for("a large message is in its lane", lambda: status()["passed_on"] > passed_on)
    while any(t.is_alive() for t in threads) and len(late) < 2000:
        send_small(late)
    for t in threads:
        t.join(90)
    # on a machine that is busy with other things the large ones may run out of time
    assert len(answers) == 3 and all(a["result"] == "clean" or a["limit"] == "time" for a in answers), answers
    assert len(late) > 20, f"only {len(late)} small mails were scanned meanwhile"
    late.sort()
    alone.sort()
    median, p99, before = late[len(late) // 2], late[len(late) * 99 // 100], alone[len(alone) // 2]
    assert median < 10 * before + 0.05, f"small mails: median {median * 1000:.1f} ms beside large ones, {before * 1000:.1f} ms alone"
    return (f"{len(late)} small mails beside three of 50 MB: median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms; "
            f"alone {before * 1000:.1f} ms")


def test_facts():
    secret = bytearray(zipped(b"secret", "list.exe"))
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        secret[secret.find(magic) + at] |= 1
    rows = ((mail(bytes(secret), b"a.zip"), {"ppap", "encrypted-archive", "archive"}),
            (mail(b"x", b"invoice.pdf.exe"), {"double-extension", "executable-name"}),
            (mail(zipped(b"x", "run.js")), {"executable-in-archive"}),
            (mail(b"MZ" + b"\0" * 58 + b"\x40\0\0\0PE\0\0\x4c\1" + b"\0" * 400, b"a.dat"), {"executable-content"}))
    for data, want in rows:
        got = scan(data)
        assert got["result"] == "clean" and want <= set(got["facts"]), (want, got)
        assert any(set(d["facts"]) & want for d in got["details"]), got


def test_limits_are_outcomes():
    configure(max_parts=10, max_mime_depth=3, max_archive_depth=3, max_files=10)
    assert reload() is None
    deep = b"x"
    for _ in range(6):
        deep = zipped(deep, "a.zip", zipfile.ZIP_STORED)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as z:
        for i in range(40):
            z.writestr(f"{i}.txt", b"text %d" % i)
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(9))
    parts = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(b"--b\r\n\r\npart %d\r\n" % i for i in range(40))
    rows = ((mail(deep), "depth"), (mail(many.getvalue()), "files"), (nested, "depth"), (parts, "parts"))
    try:
        for data, want in rows:
            got = scan(data)
            assert (got["result"], got["limit"]) == ("limit", want), (want, got)
    finally:
        configure()
        assert reload() is None


def test_settings_are_checked():
    reply = call("scand.varlink", "io.sekisho.Daemon.Check", {"config": {"max-parts": 1}})
    assert "max-parts" in reply["parameters"]["why"], reply
    assert "error" not in call("scand.varlink", "io.sekisho.Daemon.Check", {"config": {"max-parts": 100}})


def test_engine_process_dies():
    os.kill(keepers()[-1], signal.SIGKILL)
    wait_for("a new engine serves", lambda: keepers() and scan(mail(EICAR))["result"] == "infected")
    wait_for("all workers are there", lambda: status()["workers"] == status()["workers_wanted"])


def test_nothing_is_left():
    wait_for("idle", lambda: len(keepers()) == 1, 70)
    folders = glob.glob(RUN + "/scan/worker-*")
    alive = len(workers())
    # nobody clears up behind the two engines that were killed
    assert len(folders) <= alive + 2 * status()["workers_wanted"], f"{len(folders)} folders for {alive} workers"
    assert not glob.glob(RUN + "/scan/worker-*/*"), "a message left files behind"
    scand.terminate()
    assert scand.wait(70) == 0


rng = random.Random(SEED)
scand = start()
bad = 0
print(f"seed {SEED}")
try:
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (sys.argv[2:] and name[5:] not in sys.argv[2:]):
            continue
        try:
            said = test()
            print(f"ok scan {name[5:]}" + (f" ({said})" if said else ""), flush=True)
        except Exception as error:  # the report goes on
            bad += 1
            print(f"not ok scan {name[5:]} {type(error).__name__}: {error}", flush=True)
            traceback.print_exc()
            if scand.poll() is not None:
                print(f"not ok scan scand ended: {scand.returncode}", log()[-500:])
                break
finally:
    if scand.poll() is None:
        scand.kill()
    if bad:
        print(log()[-2000:])
    shutil.rmtree(RUN, ignore_errors=True)
sys.exit(1 if bad else 0)
