#!/usr/bin/env python3
"""The life of an update, on this machine alone: a mirror on loopback, updated in its three roles, and the real
scand. The rule engine is played by a script here (ENGINE), so that what it says is in our hand; only the last case,
which measures memory, has the real one.

B names the build folder, SUITES the folder of the suites; arguments name single cases. Reports `ok NAME`, `not ok NAME WHY`, `skip NAME WHY`.
"""
import base64
import fcntl
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
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
headers = []    # of those
settings = {}   # of the container, beside its sources


class Skip(Exception):
    pass


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
        headers.append(self.headers)
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
        os.environ, SEKISHO_RUN=str(RUN), SEKISHO_DATA=str(DATA), SEKISHO_SHARE=str(SHARE), SEKISHO_BIN=str(BIN),
        SEKISHO_MEMINFO=str(TOP / "meminfo")))
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


def write(name, value):
    """By rename, as configd writes it."""
    (RUN / "config").mkdir(exist_ok=True)
    new = RUN / "config/new"
    new.write_text(json.dumps(value))
    new.rename(RUN / "config" / name)


def configure(port, more=None, **sources):
    """more: further leaves of a source, by its name."""
    write("update.json", dict(settings, source=[
        dict({"name": n, "type": t, "url": "http://127.0.0.1:%d/%s" % (port, file), "interval": 60, "enabled": True},
             **(more or {}).get(n, {})) for n, (t, file) in sources.items()]))


def reconfigure(more=None, **sources):
    configure(mirror.server_port, more, **sources)
    error, reply = call("updated", "io.sekisho.Daemon.Reload")
    assert not error, reply


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
        ("forbidden", 403, "download", "the server answers 403: we may not have it"),
        ("too often", 429, "download", "the server answers 429: too many requests"),
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
    assert not list((DATA / "verify").iterdir()), "verify left something"


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
    assert len(list((DATA / "sig/rules").glob("v-*"))) == 3


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


def edits_rules():
    published["/et.tar.gz"] = tarball({"a.rules": rules(20), "b.rules": b"#" + rules(1).replace(b":1;", b":77;")})
    edits = {"et": {"disable": ["1:3", "re:sid:4;"], "enable": ["77"], "modify": ['5 "^alert" "drop"']}}
    reconfigure(edits, et=("rules", "et.tar.gz"))
    r = update("et")
    assert (r["result"], r["count"]) == ("installed", 19), r
    folder = DATA / "sig/rules/current"
    text = (folder / "et__a.rules").read_bytes().split(b"\n")
    assert text[2].startswith(b"# alert") and text[3].startswith(b"# alert") and text[4].startswith(b"drop "), text
    assert (folder / "et__b.rules").read_bytes().startswith(b"alert"), "77 is not enabled"
    assert update("et")["result"] == "unchanged"
    # Other edits: the file that has not changed is looked into anew.
    reconfigure({"et": {"disable": ["1:3"]}}, et=("rules", "et.tar.gz"))
    r = update("et")
    assert (r["result"], r["count"]) == ("installed", 19) and requests[-1][1] == 200, r
    error, reply = call("updated", "io.sekisho.Daemon.Check", {"config": {"source": [
        {"name": "x", "type": "rules", "url": "http://m/", "disable": ["re:("]}]}})
    assert error == "io.sekisho.Daemon.Invalid" and "re:(" in reply["why"], reply


def takes_out_what_is_gone():
    published["/own.tar.gz"] = tarball({"own.rules": rules(3)})
    reconfigure(et=("rules", "et.tar.gz"), own=("rules", "own.tar.gz"))
    assert update("own")["result"] == "installed"
    assert (DATA / "sig/rules/current/own__own.rules").exists()
    reconfigure(et=("rules", "et.tar.gz"))
    for _ in range(100):
        if not (DATA / "sig/rules/current/own__own.rules").exists():
            break
        time.sleep(0.05)
    names = sorted(p.name for p in (DATA / "sig/rules/current").iterdir())
    assert names == ["et__a.rules", "et__b.rules", "manifest.json"], names


def asks_for_confirmation():
    reconfigure(et=("rules", "et.tar.gz"))
    assert update("et")["result"] == "installed"
    published["/et.tar.gz"] = tarball({"a.rules": rules(5)})
    r = update("et")
    assert r["result"] == "failed" and r["unconfirmed"] and "only 5 rules, where 20" in r["why"], r
    warnings = call("updated", "io.sekisho.Update.Sources")[1]["warnings"]
    assert any("et waits for confirmation" in w for w in warnings), warnings
    error, reply = call("updated", "io.sekisho.Update.Confirm", {"source": "et"})
    assert not error and reply["results"][0]["count"] == 5, (error, reply)
    assert call("updated", "io.sekisho.Update.Confirm", {"source": "et"})[0] == "io.sekisho.Update.NothingToConfirm"
    assert call("updated", "io.sekisho.Update.Confirm", {"source": "x"})[0] == "io.sekisho.Update.NoSuchSource"


def openssl(*argv):
    subprocess.run(("openssl",) + argv, cwd=TOP, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def minisign(body, at):
    """The text of a signature, and the public key."""
    def sign(message):
        (TOP / "message").write_bytes(message)
        openssl("pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "message", "-out", "mark")
        return (TOP / "mark").read_bytes()
    if not (TOP / "key.pem").exists():
        openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
        openssl("pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "key.der")
    number = b"\1\2\3\4\5\6\7\10"
    key = base64.b64encode(b"Ed" + number + (TOP / "key.der").read_bytes()[-32:]).decode()
    mark = sign(hashlib.blake2b(body).digest())
    comment = b"timestamp:%d" % at
    lines = [b"untrusted comment: x", base64.b64encode(b"ED" + number + mark), b"trusted comment: " + comment,
             base64.b64encode(sign(mark + comment))]
    return b"\n".join(lines) + b"\n", key


def checks_sums_and_signatures():
    body = published["/et.tar.gz"] = tarball({"a.rules": rules(6)})
    published["/et.tar.gz.md5"] = hashlib.md5(b"x").hexdigest().encode()
    reconfigure({"et": {"checksum": "md5"}}, et=("rules", "et.tar.gz"))
    r = update("et")
    assert r["result"] == "failed" and "check sum is another" in r["why"], r
    published["/et.tar.gz.md5"] = 404
    assert "checksum: the server answers 404" in update("et")["why"]
    published["/et.tar.gz.md5"] = hashlib.md5(body).hexdigest().encode() + b"  et.tar.gz\n"
    assert update("et")["result"] == "installed"
    body = published["/et.tar.gz"] = tarball({"a.rules": rules(7)})
    published["/et.tar.gz.minisig"], key = minisign(b"another file", 1700000000)
    reconfigure({"et": {"public-key": key}}, et=("rules", "et.tar.gz"))
    r = update("et")
    assert r["result"] == "failed" and "the signature is wrong" in r["why"], r
    published["/et.tar.gz.minisig"], _ = minisign(body, 1700000000)
    r = update("et")
    assert (r["result"], r["serial"]) == ("installed", 1700000000), r
    # An older file with its own good signature.
    body = published["/et.tar.gz"] = tarball({"a.rules": rules(8)})
    published["/et.tar.gz.minisig"], _ = minisign(body, 1600000000)
    r = update("et")
    assert r["result"] == "failed" and "version 1600000000 is older than 1700000000" in r["why"], r
    with open(TOP / "file", "wb+") as f, open(TOP / "file.minisig", "wb+") as sig:
        f.write(body)
        f.flush()
        error, reply = import_file("et", f)
        assert not error and "the signature did not come" in reply["results"][0]["why"], reply
        sig.write(minisign(body, 1800000000)[0])
        sig.flush()
        error, reply = import_file("et", f, sig)
        assert not error and reply["results"][0]["result"] == "installed", reply


def import_file(source, *files):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(RUN / "updated.varlink"))
        message = json.dumps({"method": "io.sekisho.Update.Import", "parameters": {"source": source}})
        socket.send_fds(s, [message.encode() + b"\0"], [f.fileno() for f in files])
        answer = b""
        while not answer.endswith(b"\0"):
            answer += s.recv(65536)
    reply = json.loads(answer[:-1])
    return reply.get("error"), reply["parameters"]


def installs_lists():
    published["/drop.txt"] = b"; Spamhaus\n192.0.2.0/24 ; SBL1\n2001:db8::/32\n198.51.100.7\n"
    published["/hosts"] = b"# hosts\n0.0.0.0 bad.example\n0.0.0.0 worse.example # x\n"
    reconfigure(drop=("addresses", "drop.txt"), bad=("domains", "hosts"))
    assert update("drop")["count"] == 3 and update("bad")["count"] == 2
    assert (DATA / "sig/addresses/current/drop__addresses.txt").read_text() == "192.0.2.0/24\n2001:db8::/32\n198.51.100.7\n"
    assert (DATA / "sig/domains/current/bad__domains.txt").read_text() == "bad.example\nworse.example\n"
    for body, why in ((b"0.0.0.0/0\n", "line 1: a prefix"), (b"<p>\n" * 30, "30 of 30 lines are no address"),
                      (b"#\n", "there is nothing in it")):
        published["/drop.txt"] = body
        r = update("drop")
        assert r["result"] == "failed" and why in r["why"], r
    assert update("drop")["failures"] == 4
    reconfigure(et=("rules", "et.tar.gz"))


class FakeDaemon:
    """inspectd's control socket: answers Status and Reload as `mood` says."""
    def __init__(self):
        self.mood, self.calls, self.uptime = "well", [], 100
        self.path = RUN / "inspectd.varlink"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(conn,), daemon=True).start()

    def answer(self, conn):
        with conn:
            asked = b""
            while not asked.endswith(b"\0"):
                piece = conn.recv(4096)
                if not piece:
                    return
                asked += piece
            method = json.loads(asked[:-1])["method"].rsplit(".", 1)[1]
            self.calls.append((method, current("rules")))
            reply = {"parameters": {}}
            if method == "Status":
                if self.mood == "silent":
                    return
                reply = {"parameters": {"status": {"uptime_s": self.uptime}}}
            elif self.mood == "refuses":
                reply = {"error": "io.sekisho.Daemon.Invalid", "parameters": {"why": "not to my taste"}}
            elif self.mood == "dies":
                self.uptime, self.mood = 0, "well"
                return
            elif self.mood == "dies later":
                self.uptime, self.mood = 0, "well"
            elif self.mood == "falls silent":
                self.mood = "silent"
            conn.sendall(json.dumps(reply).encode() + b"\0")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()


def looks_after_the_engine():
    published["/et.tar.gz"] = tarball({"a.rules": rules(11)})
    reconfigure(et=("rules", "et.tar.gz"))
    daemon = FakeDaemon()
    try:
        assert update("et")["result"] == "installed"
        assert [c[0] for c in daemon.calls] == ["Status", "Reload", "Status"], daemon.calls
        good = current("rules")
        published["/et.tar.gz"] = tarball({"a.rules": rules(12)})
        for mood, why, told_again in (("refuses", "inspectd keeps the old: not to my taste", False),
                                      ("dies", "inspectd keeps the old: ", False),
                                      ("dies later", "inspectd was started anew", True),
                                      ("falls silent", "inspectd does not answer", True)):
            daemon.mood, daemon.uptime = mood, 100
            del daemon.calls[:]
            r = update("et")
            assert r["result"] == "failed" and why in r["why"], (mood, r)
            assert current("rules") == good and events()[-1]["step"] == "activate", mood
            reloads_of_good = [c for c in daemon.calls if c == ("Reload", good)]
            assert bool(reloads_of_good) == told_again, (mood, daemon.calls)
        daemon.mood, daemon.uptime = "well", 100
        assert update("et")["result"] == "installed"
        links = [os.readlink(DATA / "sig/rules" / n) for n in ("current", "previous", "previous-2")]
        assert links[1] == good and len(set(links)) == 3, links
    finally:
        daemon.close()


def waits_as_told():
    settings["window"] = [{"name": "w", "day": [time.strftime("%A", time.localtime(time.time() + 3 * 86400)).lower()],
                           "from": "03:00", "to": "04:00"}]
    reconfigure(et=("rules", "et.tar.gz"))
    (one,) = call("updated", "io.sekisho.Update.Sources")[1]["sources"]
    assert 2 * 86400 < one["next_s"] < 4 * 86400, one
    settings.clear()
    published["/et.tar.gz"] = 429
    reconfigure(et=("rules", "et.tar.gz"))
    r = update("et")
    assert 3590 <= r["next_s"] <= 3600, r  # without Retry-After: an hour


def goes_through_a_proxy():
    url = "http://mirror.invalid/et.tar.gz"
    published[url] = tarball({"a.rules": rules(9)})
    settings["proxy"] = {"url": "http://127.0.0.1:%d" % mirror.server_port, "user": "box"}
    write("update.secret.json", {"proxy": {"password": "word"}, "source": [{"name": "et", "password": "secret"}]})
    reconfigure({"et": {"url": url, "user": "me"}}, et=("rules", ""))
    r = update("et")
    assert r["result"] == "installed", r
    assert headers[-1]["Proxy-Authorization"] == "Basic " + base64.b64encode(b"box:word").decode()
    assert headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    settings.clear()
    published["/secret/et.tar.gz"] = tarball({"a.rules": rules(10)})
    reconfigure(et=("rules", "{password}/et.tar.gz"))
    r = update("et")
    assert r["result"] == "installed" and requests[-1][0] == "/secret/et.tar.gz", r
    assert "secret" not in json.dumps(r) and "secret" not in (DATA / "update/state.json").read_text(), r
    error, reply = call("updated", "io.sekisho.Daemon.Check", {"config": {"source": [
        {"name": "x", "type": "rules", "url": "http://me:secret@m/"}]}})
    assert error and "leaves of their own" in reply["why"], reply
    (RUN / "config/update.secret.json").unlink()


def keeps_to_the_bandwidth():
    published["/et.tar.gz"] = tarball({"a.rules": rules(12), "noise": os.urandom(60000)})
    settings["bandwidth"] = 256
    reconfigure(et=("rules", "et.tar.gz"))
    began = time.monotonic()
    assert update("et")["result"] == "installed"
    assert 1 < time.monotonic() - began < 20, "60 kB at 32 kB/s in %.1f s" % (time.monotonic() - began)
    settings.clear()


def certificate(name, first, last):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-not_before", first, "-not_after", last,
            "-keyout", name + ".key", "-out", name + ".crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TOP / (name + ".crt"), TOP / (name + ".key"))
    pem = (TOP / (name + ".crt")).read_text()
    return context, "".join(pem.split("-----")[2].split())


def checks_certificates():
    rows = [("trusted", "20200101000000Z", "20991231000000Z", None),
            ("expired", "20200101000000Z", "20210101000000Z", "is it right?"),
            ("future", "20980101000000Z", "20991231000000Z", "is it right?")]
    for name, first, last, why in rows:
        context, ca = certificate(name, first, last)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "https://127.0.0.1:%d/et.tar.gz" % server.server_port
        published["/et.tar.gz"] = tarball({"a.rules": rules(13)})
        reconfigure({"et": {"url": url, "ca-certificate": ca}}, et=("rules", ""))
        r = update("et")
        if why:
            assert r["result"] == "failed" and why in r["why"] and "certificate" in r["why"], r
        else:
            assert r["result"] == "installed", r
            # Without that authority the certificate is nobody's; and for another name it is wrong.
            reconfigure({"et": {"url": url}}, et=("rules", ""))
            r = update("et")
            assert r["result"] == "failed" and "certificate" in r["why"], r
            reconfigure({"et": {"url": url.replace("127.0.0.1", "localhost"), "ca-certificate": ca}}, et=("rules", ""))
            r = update("et")
            assert r["result"] == "failed" and "localhost" in r["why"], r
        server.shutdown()
        server.server_close()


def survives_a_full_disk():
    before = current("rules")
    published["/et.tar.gz"] = tarball({"a.rules": rules(14), "noise": os.urandom(300000), "noise.rules": rules(14) * 200})
    for folder, step in (("update", "download"), ("verify", "verify"), ("sig", "install")):
        path = DATA / folder
        kept = TOP / "kept"
        if folder == "sig":  # with what is installed in it
            shutil.copytree(path, kept, symlinks=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(path)]).returncode != 0:
            raise Skip("no tmpfs can be mounted here")
        try:
            if folder == "sig":
                shutil.copytree(kept, path, symlinks=True, dirs_exist_ok=True)
            reconfigure(et=("rules", "et.tar.gz"))
            r = update("et")
            assert r["result"] == "failed" and "o room" in r["why"], r
            assert events()[-1]["step"] == step and events()[-1]["why"] == r["why"], events()[-1]
            assert current("rules") == before
            assert not list(path.glob("*.part")) and not list(path.glob("parcel*")), "the room is not given back"
        finally:
            subprocess.run(["umount", str(path)], check=True)
    reconfigure(et=("rules", "et.tar.gz"))
    assert update("et")["result"] == "installed"


def warns_of_age():
    state = json.loads((DATA / "update/state.json").read_text())
    state["et"]["last_success"] -= 73 * 3600
    stop("fetch")
    (DATA / "update/state.json").write_text(json.dumps(state))
    start("fetch", B + "/bin/updated", "fetch", wait="updated")
    for _ in range(100):
        if events()[-1]["step"] == "age":
            break
        time.sleep(0.05)
    assert events()[-1]["result"] == "warning" and events()[-1]["age_s"] >= 73 * 3600, events()[-1]
    reply = call("updated", "io.sekisho.Update.Sources")[1]
    assert reply["sources"][0]["stale"] and reply["warnings"] == ["et has not been found fresh for 73 hours"], reply
    assert update("et")["result"] == "unchanged"
    reply = call("updated", "io.sekisho.Update.Sources")[1]
    assert not reply["sources"][0]["stale"] and reply["warnings"] == [], reply
    # A clock that was set back: no age, but a word about it.
    state["et"]["last_success"] += 365 * 86400
    stop("fetch")
    (DATA / "update/state.json").write_text(json.dumps(state))
    start("fetch", B + "/bin/updated", "fetch", wait="updated")
    (one,) = call("updated", "io.sekisho.Update.Sources")[1]["sources"]
    assert "age_s" not in one and not one["stale"], one
    (warning,) = call("updated", "io.sekisho.Update.Sources")[1]["warnings"]
    assert "the clock is behind the last update of et" in warning, warning
    assert update("et")["result"] == "unchanged"


def descendants_rss_kb():
    """Of all that this script has started."""
    parents, rss = {}, {}
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (p / "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        parents[int(p.name)] = int(fields["PPid"])
        rss[int(p.name)] = int(fields.get("VmRSS", "0 kB").split()[0])
    total = 0
    for pid in parents:
        up = pid
        while up in parents and up != os.getpid():
            up = parents[up]
        if up == os.getpid() and pid != os.getpid():
            total += rss[pid]
    return total


def both_at_once():
    """The rules of ET Open and a database of 200,000 signatures, asked for in the same second."""
    et = pathlib.Path(os.environ.get("SUITES", "/nowhere")) / "et-open/emerging.rules.tar.gz"
    if not et.exists():
        raise Skip("skipped: suite et-open not found")
    (BIN / "inspectd").unlink()
    (BIN / "inspectd").symlink_to(os.path.abspath(B + "/bin/inspectd"))
    published["/et.tar.gz"] = et.read_bytes()
    lines = []
    for i in range(200000):
        lines.append("Made-%d:0:*:%s\n" % (i, hashlib.sha256(b"%d" % i).hexdigest()[:40]))
    published["/demo.ndb"] = "".join(lines).encode()
    reconfigure(et=("rules", "et.tar.gz"), demo=("clamav", "demo.ndb"))
    peak, ended, replies = [0], threading.Event(), {}

    def sample():
        while not ended.wait(0.05):
            peak[0] = max(peak[0], descendants_rss_kb())
    def ask(source):
        replies[source] = update(source)
    threads = [threading.Thread(target=sample)] + [threading.Thread(target=ask, args=(s,)) for s in ("et", "demo")]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads[1:]:
        t.join()
    ended.set()
    threads[0].join()
    assert replies["et"]["result"] == "installed" and replies["et"]["count"] > 15000, replies["et"]
    assert (replies["demo"]["result"], replies["demo"]["count"]) == ("installed", 200000), replies["demo"]
    alone = {e["type"]: e["peak_kb"] // 1024 for e in events() if e["step"] == "verify" and "peak_kb" in e}
    print("# both at once: %.1f s, all processes at most %d MB (scand running and reloading included); on trial "
          "inspectd %d MB, scand %d MB" % (time.monotonic() - began, peak[0] // 1024, alone["rules"], alone["clamav"]))
    assert peak[0] < 1024 * 1024, "more than half of a 2 GB box: %d kB" % peak[0]


def memory(megabytes):
    (TOP / "meminfo").write_text("MemAvailable: %d kB\n" % (megabytes << 10))


def goes_on_with_little_memory():
    """The trial of a database is cut short where it needs nearly all there is; scand then changes serially, and goes back
    by itself from one that is bad."""
    lines = ["Little-%d:0:*:%s\n" % (i, hashlib.sha256(b"l%d" % i).hexdigest()[:40]) for i in range(700000)]
    reconfigure(demo=("clamav", "demo.ndb"))
    memory(193)
    try:
        published["/demo.ndb"] = "".join(lines).encode()
        r = update("demo")
        assert (r["result"], r["count"]) == ("installed", 700000), r
        assert [e.get("cut_short") for e in events() if e["step"] == "verify"][-1], events()[-4:]
        status = call("scand", "io.sekisho.Daemon.Status")[1]["status"]
        assert status["reload"]["mode"] == "serial" and status["signatures"] > 700000, status
        good = current("clamav")
        published["/demo.ndb"] = "".join(lines + ["Broken:0:*:zz\n"]).encode()
        r = update("demo")
        assert r["result"] == "failed" and events()[-1]["step"] == "activate", (r, events()[-1])
        assert current("clamav") == good and call("scand", "io.sekisho.Daemon.Status")[1]["status"]["signatures"] > 700000
        published["/demo.ndb"] = "".join(["Broken:0:*:zz\n"] + lines).encode()
        r = update("demo")
        assert r["result"] == "failed" and events()[-1]["step"] == "verify" and "refuses it" in r["why"], r
        memory(150)
        r = update("demo")
        assert r["result"] == "failed" and events()[-1]["step"] == "activate", (r, events()[-1])
        assert current("clamav") == good
    finally:
        memory(1 << 20)


def says_who_is_missing():
    stop("install")
    (RUN / "install.varlink").unlink()
    published["/own.tar.gz"] = tarball({"own.rules": rules(4)})
    reconfigure(own=("rules", "own.tar.gz"))
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
         scans_while_it_changes, edits_rules, takes_out_what_is_gone, asks_for_confirmation,
         checks_sums_and_signatures, installs_lists, looks_after_the_engine, waits_as_told, goes_through_a_proxy, keeps_to_the_bandwidth,
         checks_certificates, survives_a_full_disk, warns_of_age, both_at_once, goes_on_with_little_memory, says_who_is_missing, reloads]

for folder in (RUN, DATA, BIN):
    folder.mkdir()
shutil.copytree("rootfs/overlay/usr/share/sekisho/clamav", SHARE / "clamav")
(BIN / "inspectd").write_text(ENGINE.replace("{top}", str(TOP)))
(BIN / "inspectd").chmod(0o755)
(BIN / "scand").symlink_to(os.path.abspath(B + "/bin/scand"))
memory(1 << 20)
mirror = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
threading.Thread(target=mirror.serve_forever, daemon=True).start()
failed = 0
try:
    configure(mirror.server_port, et=("rules", "et.tar.gz"), own=("rules", "own.tar.gz"), demo=("clamav", "demo.ndb"))
    start("install", B + "/bin/updated", "install", wait="install")
    start("verify", B + "/bin/updated", "verify", wait="verify")
    start("fetch", B + "/bin/updated", "fetch", wait="updated")
    start("scand", B + "/bin/scand", wait="scand")
    for case in [c for c in CASES if c.__name__ in (sys.argv[1:] or c.__name__)]:
        name = "update: " + case.__name__.replace("_", " ")
        try:
            case()
            print("ok " + name)
        except Skip as e:
            print("skip %s %s" % (name, e))
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
