#!/usr/bin/env python3
"""The life of an update, on this machine alone: a mirror on loopback, updated in its three roles, and the real
scand. The rule engine is played by a script here (ENGINE), so that what it says is in our hand.

B names the build folder. Reports `ok NAME`, `not ok NAME WHY`.
"""
import fcntl
import gzip
import http.server
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback

B = os.environ.get("B", "build/x86_64")
TOP = pathlib.Path(tempfile.mkdtemp(prefix="update-"))
RUN, DATA, BIN, SHARE = TOP / "run", TOP / "data", TOP / "bin", TOP / "share"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
ENGINE = """#!/bin/sh
# Counts what begins with alert or drop; the word CRASH ends it by a signal.
cat $3 >{top}/rules.txt # -T -S PATTERN
grep -q CRASH {top}/rules.txt && kill -SEGV $$
n=$(grep -c '^alert\\|^drop' {top}/rules.txt)
m=$(grep -vc '^alert\\|^drop' {top}/rules.txt)
echo "rules: $n loaded, $m refused"
"""
children = {}
published = {}  # path: bytes, or a number: the status
requests = []   # (path, status)


class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        what = published.get(self.path, 404)
        status = 200
        if isinstance(what, int):
            status, what = what, b"sorry"
        etag = '"%x"' % hash(what) if status == 200 else None
        if etag and self.headers["If-None-Match"] == etag:
            status, what = 304, b""
        requests.append((self.path, status))
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        if status != 304:
            self.send_header("Content-Length", str(len(what)))
        self.end_headers()
        self.wfile.write(what)

    def log_message(self, *_):
        pass


def tarball(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.USTAR_FORMAT) as t:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            if body is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                t.addfile(info)
            else:
                info.size = len(body)
                t.addfile(info, io.BytesIO(body))
    return out.getvalue()


def rules(n):
    return b"".join(b'alert tcp any any -> any any (msg:"%d"; sid:%d;)\n' % (i, i) for i in range(1, n + 1))


def call(socket_name, method, parameters=None, fd=None):
    """One Varlink call: the reply's parameters, or the error's name and parameters."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(RUN / (socket_name + ".varlink")))
        message = json.dumps({"method": method, "parameters": parameters or {}}).encode() + b"\0"
        if fd is None:
            s.sendall(message)
        else:
            socket.send_fds(s, [message], [fd])
        answer = b""
        while not answer.endswith(b"\0"):
            piece = s.recv(65536)
            if not piece:
                raise EOFError("no answer to " + method)
            answer += piece
    reply = json.loads(answer[:-1])
    return reply.get("error"), reply.get("parameters", {})


def start(name, *argv, wait):
    log = open(TOP / (name + ".log"), "ab")
    path = RUN / (wait + ".varlink")
    path.unlink(missing_ok=True)
    children[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(
        os.environ, SEKISHO_RUN=str(RUN), SEKISHO_DATA=str(DATA), SEKISHO_SHARE=str(SHARE), SEKISHO_BIN=str(BIN)))
    for _ in range(300):
        if path.exists():
            return
        if children[name].poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("%s does not start: %s" % (name, (TOP / (name + ".log")).read_text()[-500:]))


def stop(name):
    child = children.pop(name)
    child.send_signal(signal.SIGTERM)
    if child.wait(20) != 0:
        raise AssertionError("%s ended with %d" % (name, child.returncode))


def configure(port, **sources):
    (RUN / "config").mkdir(exist_ok=True)
    (RUN / "config/update.json").write_text(json.dumps({"source": [
        {"name": n, "type": t, "url": "http://127.0.0.1:%d/%s" % (port, file), "interval": 60, "enabled": True}
        for n, (t, file) in sources.items()]}))


def update(source):
    error, reply = call("updated", "io.sekisho.Update.Now", {"source": source})
    assert not error, (error, reply)
    return reply["results"][0]


def current(kind):
    return os.readlink(DATA / "sig" / kind / "current")


def scan(body):
    fd = os.memfd_create("mail", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, body)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    error, reply = call("scan", "io.sekisho.Scan.Scan", fd=fd)
    os.close(fd)
    assert not error, (error, reply)
    return reply["result"], reply["database"]


def events():
    return [json.loads(line)["update"] for line in (DATA / "log/updated/eve.json").read_text().splitlines()]


def installs_rules():
    published["/et.tar.gz"] = tarball({"rules/a.rules": rules(10), "rules/b.rules": rules(10), "rules/LICENSE": b"x"})
    r = update("et")
    assert (r["result"], r["count"]) == ("installed", 20), r
    folder = DATA / "sig/rules/current"
    assert sorted(p.name for p in folder.iterdir()) == ["et__a.rules", "et__b.rules", "manifest.json"]
    assert (folder / "et__a.rules").read_bytes() == rules(10)
    assert [(e["step"], e["result"]) for e in events()[-4:]] == [
        ("download", "ok"), ("verify", "ok"), ("install", "ok"), ("activate", "ok")], events()


def asks_by_etag():
    r = update("et")
    assert r["result"] == "unchanged" and requests[-1][1] == 304, (r, requests[-1])


def knows_the_content_again():
    # Another etag, the same files: nothing is activated anew.
    before = current("rules")
    (DATA / "update/state.json").unlink()
    stop("fetch")
    start("fetch", B + "/bin/updated", "fetch", wait="updated")
    r = update("et")
    assert r["result"] == "unchanged" and requests[-1][1] == 200 and current("rules") == before, r
    assert r["version"] and r["count"] == 20, r


def refuses_bad_rules():
    before = current("rules")
    good = {"a.rules": rules(20)}
    damaged = bytearray(tarball(good))
    damaged[len(damaged) // 2] ^= 0x10
    rows = [
        ("cut off", tarball(good)[:100], "verify", "the file is cut off"),
        ("tampered", bytes(damaged), "verify", "the compressed data is damaged"),
        ("a web page", b"<html>hello</html>", "verify", "not a gzip file"),
        ("gzip without tar", gzip.compress(b"hello"), "verify", "the archive has no end"),
        ("a link", tarball({"a.rules": None}), "verify", "a link or device"),
        ("a way out", tarball({"../a.rules": rules(20)}), "verify", "a name that leads out"),
        ("no rule", tarball({"a.rules": b"hello\n"}), "verify", "inspectd loads nothing of it"),
        ("engine dies", tarball({"a.rules": b"CRASH\n"}), "verify", "inspectd died of signal 11"),
        ("shrunk", tarball({"a.rules": rules(9)}), "verify", "only 9 rules, where 20 are installed"),
        ("missing", 404, "download", "the server answers 404"),
        ("busy", 503, "download", "the server answers 503"),
        ("empty", b"", "download", "the file is empty"),
    ]
    for n, (label, body, step, why) in enumerate(rows):
        published["/et.tar.gz"] = body
        r = update("et")
        assert r["result"] == "failed" and why in r["why"], (label, r)
        assert r["failures"] == n + 1, (label, r)
        assert current("rules") == before, label
        e = events()[-1]
        assert (e["step"], e["result"], e["why"]) == (step, "failed", r["why"]), (label, e)
    assert not list((DATA / "update").glob("*.part")), "partial files are left"
    assert not list((RUN / "verify").iterdir()), "verify left something"


def recovers():
    published["/et.tar.gz"] = tarball({"a.rules": rules(30)})
    old = current("rules")
    r = update("et")
    assert (r["result"], r["failures"], r.get("why")) == ("installed", 0, None), r
    assert os.readlink(DATA / "sig/rules/previous") == old


def keeps_other_sources():
    published["/own.tar.gz"] = tarball({"own.rules": rules(3)})
    assert update("own")["result"] == "installed"
    names = sorted(p.name for p in (DATA / "sig/rules/current").iterdir())
    assert names == ["et__a.rules", "manifest.json", "own__own.rules"], names
    assert len(list((DATA / "sig/rules").glob("v-*"))) == 2


def scans_with_the_image():
    assert scan(EICAR) == ("infected", "image")
    assert scan(b"the word is xyzzy-demo") == ("clean", "image")


def changes_the_database():
    published["/demo.ndb"] = b"Demo-Signature:0:*:" + b"xyzzy-demo".hex().encode() + b"\n"
    r = update("demo")
    assert (r["result"], r["count"]) == ("installed", 1), r
    version = current("clamav")
    assert scan(b"the word is xyzzy-demo") == ("infected", version)
    assert scan(EICAR) == ("infected", version)
    error, reply = call("scand", "io.sekisho.Daemon.Status")
    assert not error and reply["status"]["database"] == version and reply["status"]["signatures"] == 3, reply


def refuses_bad_databases():
    before = current("clamav")
    for body, why in ((b"Broken:0:*:zz\n", "scand refuses it"), (b"", "empty"), (b"\0" * 1000, "scand refuses it")):
        published["/demo.ndb"] = body
        r = update("demo")
        assert r["result"] == "failed" and why in r["why"], r
        assert current("clamav") == before
    assert scan(b"the word is xyzzy-demo") == ("infected", before)


def goes_back_when_the_engine_refuses():
    before = current("clamav")
    image = SHARE / "clamav/sekisho.ndb"
    text = image.read_text()
    image.write_text("Broken:0:*:zz\n")
    published["/demo.ndb"] = b"Demo-Two:0:*:" + b"plugh-demo".hex().encode() + b"\n"
    r = update("demo")
    image.write_text(text)
    assert r["result"] == "failed" and "scand keeps the old" in r["why"], r
    assert events()[-1]["step"] == "activate"
    assert current("clamav") == before
    assert scan(b"the word is xyzzy-demo") == ("infected", before)
    assert update("demo")["result"] == "installed"
    assert scan(b"the word is plugh-demo")[0] == "infected"


def scans_while_it_changes():
    results, ended = [], threading.Event()

    def client():
        while not ended.is_set():
            results.append(scan(EICAR)[0])
    clients = [threading.Thread(target=client) for _ in range(2)]
    for c in clients:
        c.start()
    for i in range(3):
        published["/demo.ndb"] = b"Demo-%d:0:*:" % i + (b"word-%d-demo" % i).hex().encode() + b"\n"
        assert update("demo")["result"] == "installed"
    ended.set()
    for c in clients:
        c.join()
    assert results and set(results) == {"infected"}, results


def says_who_is_missing():
    stop("install")
    (RUN / "install.varlink").unlink()
    published["/own.tar.gz"] = tarball({"own.rules": rules(4)})
    r = update("own")
    assert r["result"] == "failed" and "installer does not answer" in r["why"], r
    stop("verify")
    (RUN / "verify.varlink").unlink()
    r = update("own")
    assert r["result"] == "failed" and "verify does not answer" in r["why"], r


def reloads():
    error, _ = call("updated", "io.sekisho.Update.Now", {"source": "nobody"})
    assert error == "io.sekisho.Update.NoSuchSource", error
    error, reply = call("updated", "io.sekisho.Daemon.Check", {"config": {"source": [{"name": "x"}]}})
    assert error == "io.sekisho.Daemon.Invalid" and "update source x" in reply["why"], reply
    configure(mirror.server_port, own=("rules", "own.tar.gz"))
    error, _ = call("updated", "io.sekisho.Daemon.Reload")
    assert not error
    _, reply = call("updated", "io.sekisho.Daemon.Status")
    (one,) = reply["status"]["sources"]
    assert one["name"] == "own" and one["failures"] == 2 and 50 <= one["next_s"] <= 132, one
    (RUN / "config/update.json").write_text("{")
    error, _ = call("updated", "io.sekisho.Daemon.Reload")
    assert error == "io.sekisho.Daemon.Invalid", error
    assert len(call("updated", "io.sekisho.Daemon.Status")[1]["status"]["sources"]) == 1
    (RUN / "config/update.json").unlink()
    error, _ = call("updated", "io.sekisho.Daemon.Reload")
    assert not error and call("updated", "io.sekisho.Update.Now") == (None, {"results": []})


CASES = [installs_rules, asks_by_etag, knows_the_content_again, refuses_bad_rules, recovers, keeps_other_sources,
         scans_with_the_image, changes_the_database, refuses_bad_databases, goes_back_when_the_engine_refuses,
         scans_while_it_changes, says_who_is_missing, reloads]

for folder in (RUN, DATA, BIN):
    folder.mkdir()
shutil.copytree("rootfs/overlay/usr/share/sekisho/clamav", SHARE / "clamav")
(BIN / "inspectd").write_text(ENGINE.replace("{top}", str(TOP)))
(BIN / "inspectd").chmod(0o755)
(BIN / "scand").symlink_to(os.path.abspath(B + "/bin/scand"))
mirror = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
threading.Thread(target=mirror.serve_forever, daemon=True).start()
failed = 0
try:
    configure(mirror.server_port, et=("rules", "et.tar.gz"), own=("rules", "own.tar.gz"), demo=("clamav", "demo.ndb"))
    start("install", B + "/bin/updated", "install", wait="install")
    start("verify", B + "/bin/updated", "verify", wait="verify")
    start("fetch", B + "/bin/updated", "fetch", wait="updated")
    start("scand", B + "/bin/scand", wait="scand")
    for case in CASES:
        name = "update: " + case.__name__.replace("_", " ")
        try:
            case()
            print("ok " + name)
        except Exception as e:
            failed += 1
            print("not ok %s %r" % (name, e))
            traceback.print_exc(limit=3)
    for name in list(children):
        stop(name)
except Exception as e:
    failed += 1
    print("not ok update: start and stop %r" % e)
finally:
    for child in children.values():
        child.kill()
        child.wait()
    mirror.shutdown()
if failed:
    for log in sorted(TOP.glob("*.log")):
        print("--- " + log.name + "\n" + log.read_text()[-3000:])
shutil.rmtree(TOP, ignore_errors=True)
sys.exit(failed > 0)
