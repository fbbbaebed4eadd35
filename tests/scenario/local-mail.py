#!/usr/bin/env python3
"""The mail path in three network namespaces: a client, the checkpoint with maild and maildial, a server.

    lan 10.1.0.2 --- mid (TPROXY to maild's sockets, as systemd passes them) --- 10.2.0.2 wan

The two checks are played by this script, which answers by what the message says; the server writes down every
byte. B names the build folder. Reports `ok NAME`, `not ok NAME WHY`.
"""
import glob
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

B = os.environ.get("B", "build/x86_64")
RUN = tempfile.mkdtemp(prefix="mail-")
LOG = RUN + "/data/log/maild/eve.json"
LAN, WAN = "10.1.0.2", "10.2.0.2"
LAN6, WAN6 = "fd01::2", "fd02::2"
RULES = """
table inet tp {
	chain pre {
		type filter hook prerouting priority mangle
		meta l4proto tcp socket transparent 1 meta mark set 1 accept
		meta nfproto ipv4 tcp dport 25 tproxy ip to :10025 meta mark set 1 accept
		meta nfproto ipv6 tcp dport 25 tproxy ip6 to :10025 meta mark set 1 accept
	}
}
table netdev sekisho_mail {
	set mail_alive { type inet_service; flags timeout; }
}
"""


def namespace_new():
    """A descriptor of a new network namespace; this thread stays where it is."""
    made = []

    def make():
        os.unshare(os.CLONE_NEWNET)
        made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    t = threading.Thread(target=make)
    t.start()
    t.join()
    return made[0]


# Not `ip netns`: it wants to remount /, which is no mount point where the build root is entered.
NAMESPACES = {name: namespace_new() for name in ("lan", "mid", "wan", "none")}


def sh(namespace, command, **options):
    return subprocess.run(command, shell=True, stdin=None if "input" in options else subprocess.DEVNULL, text=True,
                          preexec_fn=lambda: os.setns(NAMESPACES[namespace], os.CLONE_NEWNET), **options)


def network():
    mid = f"/proc/{os.getpid()}/fd/{NAMESPACES['mid']}"
    setup = dict(check=True)
    for net, n in ((1, "lan"), (2, "wan")):
        m = f"m{net - 1}"
        sh(n, f"ip link set lo up; ip link add e0 type veth peer name {m} netns {mid}", **setup)
        for where, port, host in ((n, "e0", 2), ("mid", m, 1)):
            sh(where, f"ip addr add 10.{net}.0.{host}/24 dev {port}; ip addr add fd0{net}::{host}/64 dev {port} nodad; "
                      f"ip link set {port} up", **setup)
        sh(n, f"ip route add default via 10.{net}.0.1; ip -6 route add default via fd0{net}::1", **setup)
    sh("wan", "ip addr add 10.2.0.3/24 dev e0", **setup)
    for f in ("-4", "-6"):
        sh("mid", f"ip link set lo up; ip {f} rule add fwmark 1 lookup 100; ip {f} route add local default dev lo table 100",
           **setup)
    sh("mid", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 "
              "net.ipv4.conf.m0.rp_filter=0 net.ipv4.conf.m1.rp_filter=0; ip route add unreachable 10.3.0.0/24", **setup)
    r = sh("mid", "nft -f -", input=RULES, capture_output=True)
    if r.returncode:
        print("skip mail this kernel does not load the transparent ruleset:", r.stderr.splitlines()[0])
        sys.exit(0)


def socket_in(namespace, family=socket.AF_INET):
    """A TCP socket of that namespace; the thread comes back to its own."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        os.setns(NAMESPACES[namespace], os.CLONE_NEWNET)
        return socket.socket(family, socket.SOCK_STREAM)
    finally:
        os.setns(own, os.CLONE_NEWNET)
        os.close(own)


class Check(threading.Thread):
    """A Varlink service that answers one method about a message descriptor."""

    def __init__(self, name, answer):
        super().__init__(daemon=True)
        self.name, self.answer, self.path, self.seen = name, answer, f"{RUN}/{name}.varlink", []
        self.listen()
        self.start()

    def listen(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(100)

    def stop(self):
        os.unlink(self.path)

    def run(self):
        while True:
            s, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            self.talk(s)
        except OSError:
            pass  # the caller gave up
        s.close()

    def talk(self, s):
        text, fds = b"", []
        while not text.endswith(b"\0"):
            data, more, _, _ = socket.recv_fds(s, 65536, 4)
            if not data:
                return
            text, fds = text + data, fds + more
        call = json.loads(text[:-1])
        message = os.pread(fds[0], os.fstat(fds[0]).st_size, 0)
        os.close(fds[0])
        self.seen.append((call, message))
        reply = self.answer(call, message)
        if reply is not None:
            s.sendall(json.dumps(reply).encode() + b"\0")
        s.recv(1)  # the caller hangs up


def auth_answer(call, message):
    if b"X-Test: auth-nonsense" in message:
        return {"parameters": {"spf": 1}}
    if b"X-Test: auth-error" in message:
        return {"error": "io.sekisho.MailAuth.Failed", "parameters": {}}
    if b"X-Test: auth-gone" in message:
        return None
    reject = b"X-Test: dmarc" in message
    forged = [[m.start(), len(m[0])] for m in re.finditer(rb"(?m)^Authentication-Results: .*\r\n", message)]
    p = call["parameters"]
    return {"parameters": {
        "spf": {"result": "pass", "domain": p["mail_from"].split("@")[-1]},
        "dkim": [{"result": "pass", "domain": "a.example", "selector": "s"}],
        "dmarc": {"result": "fail" if reject else "pass", "policy": "reject", "domain": "a.example",
                  "disposition": "reject" if reject else "none"},
        "authentication_results": f"Authentication-Results: {p['authserv_id']};\r\n\tspf=pass\r\n",
        "remove": forged}}


def scan_answer(call, message):
    infected = b"EICAR" in message
    return {"parameters": {"result": "infected" if infected else "clean",
                           "signature": "Eicar-Test-Signature" if infected else "", "database": "test"}}


class Server(threading.Thread):
    """An SMTP server that does what a recipient's name says and keeps everything it was sent."""

    def __init__(self, family, address):
        super().__init__(daemon=True)
        self.socket = socket_in("wan", family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 25))
        self.socket.listen(200)
        self.sessions = []
        self.start()

    def run(self):
        while True:
            s, peer = self.socket.accept()
            session = {"peer": peer[:2], "lines": [], "messages": [], "closed": threading.Event()}
            self.sessions.append(session)
            threading.Thread(target=self.serve, args=(s, session), daemon=True).start()

    def serve(self, s, session):
        try:
            f = s.makefile("rb")
            self.talk(s, f, session)
        except OSError:
            pass
        finally:
            s.close()
            session["closed"].set()

    def talk(self, s, f, session):
        rcpt = b""
        say = s.sendall
        say(b"220-wan.example\r\n220 ready\r\n")
        while line := f.readline():
            session["lines"].append(line)
            verb = line[:4].upper()
            if verb == b"EHLO":
                say(b"250-wan.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250-SIZE 99\r\n250-XCLIENT NAME\r\n"
                    b"250-AUTH PLAIN LOGIN\r\n250-CHUNKING\r\n250 BINARYMIME\r\n")
            elif verb == b"RCPT":
                rcpt = line
                say(b"550-5.1.1 no\r\n550 5.1.1 such user\r\n" if b"<no@" in line else b"250 ok\r\n")
            elif verb == b"AUTH":
                say(b"334 VXNlcm5hbWU6\r\n")
                session["lines"].append(f.readline())
                say(b"334 UGFzc3dvcmQ6\r\n")
                session["lines"].append(f.readline())
                say(b"235 welcome\r\n")
            elif verb == b"NOOP" and b"353" in line:
                say(b"354 now send something\r\n")
            elif verb == b"NOOP" and b"twice" in line:
                say(b"250 a\r\n250 b\r\n")
            elif verb == b"DATA":
                if b"<data550@" in rcpt:
                    say(b"550 5.7.0 not here\r\n")
                    continue
                if b"<data250@" in rcpt:
                    say(b"250 fine\r\n")
                    continue
                say(b"354 go\r\n250 I have it\r\n" if b"<early@" in rcpt else b"354 go\r\n")
                message = []
                while (line := f.readline()) != b".\r\n":
                    if not line:
                        return
                    message.append(line[1:] if line.startswith(b".") else line)
                session["messages"].append(b"".join(message))
                if b"<drop@" in rcpt:
                    return
                say(b"451-4.2.1 try\r\n451 4.2.1 later\r\n" if b"<later@" in rcpt else b"250 2.0.0 kept as 42\r\n")
            elif verb == b"QUIT":
                say(b"221 bye\r\n")
                return
            else:
                say(b"250 ok\r\n")


class Client:
    def __init__(self, address=WAN, family=socket.AF_INET):
        self.socket = socket_in("lan", family)
        self.socket.settimeout(20)
        self.socket.connect((address, 25))
        self.port = self.socket.getsockname()[1]
        self.file = self.socket.makefile("rb")

    def reply(self):
        text = b""
        while line := self.file.readline():
            text += line
            if line[3:4] != b"-":
                break
        return text.decode()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def ask(self, line, want):
        self.send(line + "\r\n")
        got = self.reply()
        assert got.startswith(want), f"{line!r}: {got!r} instead of {want}"
        return got

    def hello(self):
        assert self.reply() == "220-wan.example\r\n220 ready\r\n"
        return self.ask("EHLO lan.example", "250")

    def envelope(self, rcpt="b@wan.example"):
        self.ask("MAIL FROM:<a@a.example>", "250 ok")
        self.ask(f"RCPT TO:<{rcpt}>", "250 ok")

    def message(self, text, rcpt="b@wan.example", end=b"\r\n.\r\n"):
        self.envelope(rcpt)
        self.ask("DATA", "354 Sekisho")
        self.send((text if isinstance(text, bytes) else text.encode()) + end)
        return self.reply()

    def is_closed(self):
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()


def events():
    time.sleep(0.05)
    with open(LOG) as f:
        return [json.loads(line) for line in f]


def call(method, parameters=None):
    s = socket.socket(socket.AF_UNIX)
    s.connect(RUN + "/maild.varlink")
    s.sendall(json.dumps({"method": method, "parameters": parameters or {}}).encode() + b"\0")
    text = b""
    while not text.endswith(b"\0"):
        text += s.recv(65536)
    s.close()
    return json.loads(text[:-1])


def configure(**settings):
    config = {"authserv-id": "sekisho.test", "max-message-bytes": 65536 * 128}
    config.update({k.replace("_", "-"): v for k, v in settings.items()})
    os.makedirs(RUN + "/config", exist_ok=True)
    with open(RUN + "/config/mail.json", "w") as f:
        json.dump(config, f)


def reload(**settings):
    configure(**settings)
    r = call("io.sekisho.Daemon.Reload")
    assert "error" not in r, r


def listeners():
    fds = []
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket_in("mid", family)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
        else:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, 75, 1)  # IPV6_TRANSPARENT
        s.bind((any_address, 10025))
        s.listen(200)
        fds.append(s)
    return fds


def start(program, namespace, sockets=()):
    """As systemd would: sockets from descriptor 3 on, all of the name smtp."""
    def pass_sockets():
        os.setns(NAMESPACES[namespace], os.CLONE_NEWNET)
        numbers = [os.dup(s.fileno()) for s in sockets]
        for i, n in enumerate(numbers):
            os.dup2(n, 20 + i)
        for i in range(len(numbers)):
            os.dup2(20 + i, 3 + i)
            os.set_inheritable(3 + i, True)

    env = dict(os.environ, SEKISHO_RUN=RUN, SEKISHO_DATA=RUN + "/data",
               # what path_run() returns lives until the process ends
               ASAN_OPTIONS="fast_unwind_on_malloc=0", LSAN_OPTIONS=f"suppressions={RUN}/lsan:print_suppressions=0")
    script = 'export LISTEN_PID=$$; exec "$@"'
    if sockets:
        env.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(["smtp"] * len(sockets)))
    return subprocess.Popen(["sh", "-c", script, "sh", f"{B}/bin/{program}"], env=env,
                            preexec_fn=pass_sockets, close_fds=False, stdin=subprocess.DEVNULL,
                            stdout=open(f"{RUN}/{program}.log", "a"), stderr=subprocess.STDOUT)


def wait_for(what, test, seconds=10):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


# ---- what is asked of the mail path; each function is one row of the report

MAIL = "From: a@a.example\r\nAuthentication-Results: sekisho.test; spf=pass\r\nSubject: x\r\n\r\n.dot\r\n..two\r\nend"


def test_clean_mail(family=socket.AF_INET, client=LAN, server=WAN, at=None):
    c = Client(server, family)
    c.hello()
    assert c.message(MAIL.replace("\r\n.", "\r\n..")) == "250 2.0.0 kept as 42\r\n"
    c.ask("QUIT", "221 bye")
    assert c.is_closed()
    s = (at or wan).sessions[-1]
    assert s["peer"] == (client, c.port), f"server saw {s['peer']}, client was {client} {c.port}"
    want = "Authentication-Results: sekisho.test;\r\n\tspf=pass\r\nFrom: a@a.example\r\nSubject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"
    assert s["messages"] == [want.encode()], s["messages"]
    e = events()[-1]
    m = e["mail"]
    assert (e["event_type"], e["src_ip"], e["src_port"], e["dest_ip"], e["dest_port"]) == ("mail", client, c.port, server, 25), e
    assert (m["action"], m["helo"], m["mail_from"], m["rcpt_to"]) == ("accept", "lan.example", "a@a.example", ["b@wan.example"]), m
    assert (m["spf"]["result"], m["dmarc"]["result"], m["scan"]["result"]) == ("pass", "pass", "clean"), m
    assert m["reply"] == "250 2.0.0 kept as 42" and m["size"] == len(MAIL) + 2, m
    asked = auth.seen[-1][0]
    assert asked["parameters"] == {"ip": client, "helo": "lan.example", "mail_from": "a@a.example",
                                   "authserv_id": "sekisho.test"}, asked


def test_clean_mail_ipv6():
    test_clean_mail(socket.AF_INET6, LAN6, WAN6, wan6)


def test_extensions_that_cannot_be_guarded_are_left_out():
    c = Client()
    assert c.hello() == "250-wan.example\r\n250-PIPELINING\r\n250-SIZE 99\r\n250 AUTH PLAIN LOGIN\r\n"
    for command in ("STARTTLS", "BDAT 3 LAST", "XCLIENT NAME=x", "TURN", ""):
        c.ask(command, "502 5.5.1 Sekisho")
    c.close()


def test_virus_is_refused_and_the_session_goes_on():
    c = Client()
    c.hello()
    assert c.message("Subject: v\r\n\r\nEICAR") == "550 5.7.1 Sekisho: refused, attachment contains Eicar-Test-Signature\r\n"
    assert c.message("Subject: fine\r\n\r\nfine").startswith("250 2.0.0")
    lines = wan.sessions[-1]["lines"]
    assert lines.count(b"DATA\r\n") == 1 and lines[3] == b"RSET\r\n", lines
    assert len(wan.sessions[-1]["messages"]) == 1
    assert [e["mail"]["action"] for e in events()[-2:]] == ["reject", "accept"]
    c.close()


def test_dmarc_reject():
    c = Client()
    c.hello()
    assert c.message("X-Test: dmarc\r\n\r\nx").startswith("550 5.7.1 Sekisho: refused, the sender could not be verified")
    assert wan.sessions[-1]["messages"] == []
    reload(dmarc_reject="accept")
    assert c.message("X-Test: dmarc\r\n\r\nx").startswith("250")
    reload()
    c.close()


def test_smuggled_ends_are_refused():
    for bad in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\0"):
        c = Client()
        c.hello()
        got = c.message(b"Subject: x\r\n\r\na" + bad + b"MAIL FROM:<evil@a>\r\nRCPT TO:<evil@b>\r\nDATA\r\nevil")
        assert got.startswith("550 5.6.11 Sekisho: refused, the message holds"), (bad, got)
        c.ask("NOOP", "250 ok")
        text = b"".join(wan.sessions[-1]["lines"])
        assert b"evil" not in text and wan.sessions[-1]["messages"] == [], (bad, text)
        c.close()


def test_commands_are_lines_of_text():
    c = Client()
    c.hello()
    for line in (b"NOOP\nNOOP\r\n", b"NOOP \rNOOP\r\n", b"NO\0OP\r\n", b"NOOP " + b"x" * 50000 + b"\r\n"):
        c.send(line)
        assert c.reply().startswith("500 5.5.2 Sekisho"), line[:20]
        if line == b"NOOP\nNOOP\r\n":
            assert c.reply() == "250 ok\r\n"
    for line in ("MAIL FROM:", "MAIL FROM:<a", "RCPT TO:<" + "x" * 400 + "@b>", "EHLO"):
        c.ask(line, "501 5")
    c.send(b"MAIL FROM:<\xe4@b>\r\n")
    assert c.reply().startswith("501 5.1.3")
    assert [x for x in wan.sessions[-1]["lines"] if not x.startswith(b"EHLO")] == [b"NOOP\r\n"]
    for _ in range(60):
        c.send("NOPE\r\n")
    text = c.file.read().decode().splitlines()
    assert text[-1].startswith("421 4.7.0 Sekisho"), text[-1]


def test_pipelined_commands_and_message():
    c = Client()
    c.hello()
    c.send("MAIL FROM:<a@a>\r\nRCPT TO:<no@b>\r\nRCPT TO:<b@b>\r\nDATA\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250", "550", "250", "354"], got
    c.send("x: y\r\n\r\nz\r\n.\r\nMAIL FROM:<c@a>\r\nNOOP\r\nQUIT\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250", "250", "250", "221"], got
    assert c.is_closed()
    assert events()[-1]["mail"]["rcpt_to"] == ["b@b"]


def test_bytes_after_data_are_not_taken():
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a>", "250")
    c.ask("DATA", "503 5.5.1")
    c.ask("RCPT TO:<b@b>", "250")
    c.send("DATA\r\nRCPT TO:<evil@b>\r\n.\r\n")
    assert c.reply().startswith("503 5.5.0 Sekisho") and c.is_closed()
    assert b"evil" not in b"".join(wan.sessions[-1]["lines"])
    assert wan.sessions[-1]["closed"].wait(5)


def test_unchecked_mail_is_deferred():
    c = Client()
    c.hello()
    for what in ("auth-nonsense", "auth-error"):
        assert c.message(f"X-Test: {what}\r\n\r\nx") == "451 4.7.1 Sekisho: not now, the message could not be checked\r\n"
        assert events()[-1]["mail"]["why"].startswith("not checked (auth: "), what
    scan.stop()
    try:
        assert c.message("Subject: x\r\n\r\nx").startswith("451 4.7.1 Sekisho")
        m = events()[-1]["mail"]
        assert (m["action"], m["why"]) == ("defer", "not checked (scan: No such file or directory)"), m
        reload(unchecked="accept")
        assert c.message("Subject: x\r\n\r\nx").startswith("250")
        assert events()[-1]["mail"]["why"].startswith("not checked (scan")
        assert len(wan.sessions[-1]["messages"]) == 1
    finally:
        scan.listen()
        threading.Thread(target=scan.run, daemon=True).start()
        reload()
    c.close()


def test_the_servers_word_is_the_last():
    c = Client()
    c.hello()
    assert c.message("a: b\r\n\r\nx", "later@b") == "451-4.2.1 try\r\n451 4.2.1 later\r\n"
    assert events()[-1]["mail"]["action"] == "defer"
    assert c.message("a: b\r\n\r\nx", "data550@b") == "550 5.7.0 not here\r\n"
    assert events()[-1]["mail"]["action"] == "reject"
    c.ask("NOOP", "250 ok")
    assert c.message("a: b\r\n\r\nx", "drop@b").startswith("421 4.4.2 Sekisho") and c.is_closed()
    assert events()[-1]["mail"]["action"] == "defer"


def test_a_lying_server_ends_the_session():
    for rcpt in ("early@b", "data250@b"):
        c = Client()
        c.hello()
        assert c.message("a: b\r\n\r\nx", rcpt).startswith("421 4.5.0 Sekisho"), rcpt
        assert c.is_closed()
    for line in ("NOOP 353", "NOOP twice"):
        c = Client()
        c.hello()
        c.send(line + "\r\n")
        text = c.file.read().decode()
        assert "354" not in text and text.splitlines()[-1].startswith("421 4.5.0 Sekisho"), text


def test_unreachable_server():
    c = None
    try:
        c = Client("10.2.0.3")  # nobody listens there
        assert c.file.read() == b"", "data instead of a reset"
        raise AssertionError("closed, not reset")
    except (ConnectionResetError, ConnectionRefusedError):
        pass
    c = Client("10.3.0.9")
    assert c.reply().startswith("421 4.4.1 Sekisho") and c.is_closed()


def test_auth_exchange_passes():
    c = Client()
    c.hello()
    c.ask("AUTH LOGIN", "334 V")
    c.ask("dXNlcg==", "334 U")
    c.ask("cGFzcw==", "235 welcome")
    c.ask("NOOP", "250")
    assert wan.sessions[-1]["lines"][1:4] == [b"AUTH LOGIN\r\n", b"dXNlcg==\r\n", b"cGFzcw==\r\n"]
    c.close()


def test_large_messages():
    line = b".23456789 " * 7 + b"\r\n"
    text = b"Subject: large\r\n\r\n" + line * 70000
    c = Client()
    c.hello()
    begin = time.monotonic()
    got = c.message(text.replace(b"\r\n.", b"\r\n..")[:-2])
    took = time.monotonic() - begin
    assert got.startswith("250"), got
    assert wan.sessions[-1]["messages"][0].endswith(text)
    reload(max_message_bytes=65536)
    assert c.message(b"x" * 70000).startswith("552 5.3.4 Sekisho")
    assert c.message(b"x" * 60000).startswith("250")
    c.envelope()
    c.ask("DATA", "354")
    try:
        for _ in range(100):
            c.send(b"x" * 10000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    wait_for("end of the flood", lambda: wan.sessions[-1]["closed"].is_set())
    reload()
    return f"{len(text) / took / 1e6:.0f} MB/s"


def test_lost_clients():
    before = call("io.sekisho.Daemon.Status")["parameters"]["status"]["aborted"]
    c = Client()
    c.hello()
    c.envelope()
    c.ask("DATA", "354")
    c.send("half a mess")
    c.close()
    assert wan.sessions[-1]["closed"].wait(5)
    assert wan.sessions[-1]["messages"] == []
    assert call("io.sekisho.Daemon.Status")["parameters"]["status"]["aborted"] == before + 1
    # gone while the checks think
    c = Client()
    c.hello()
    c.envelope()
    c.ask("DATA", "354")
    scan.stop()
    scan.socket = socket.socket(socket.AF_UNIX)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(scan.path)
    silent.listen(5)
    c.send("a: b\r\n\r\nx\r\n.\r\n")
    asked, _ = silent.accept()
    c.close()
    assert wan.sessions[-1]["closed"].wait(5), "the server's leg is still open"
    assert wan.sessions[-1]["messages"] == []
    silent.close()
    asked.close()
    scan.stop()
    scan.listen()
    threading.Thread(target=scan.run, daemon=True).start()


def test_many_sessions():
    def one(n, bad):
        try:
            c = Client()
            c.hello()
            assert c.message(f"n: {n}\r\n\r\n" + "x" * 20000).startswith("250")
            c.ask("QUIT", "221")
            c.close()
        except Exception as e:
            bad.append(repr(e))

    bad = []
    threads = [threading.Thread(target=one, args=(n, bad)) for n in range(60)]
    begin = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad, bad[0]
    return f"60 sessions in {time.monotonic() - begin:.1f} s"


def test_limits_of_sessions():
    wait_for("quiet", lambda: call("io.sekisho.Daemon.Status")["parameters"]["status"]["sessions"] == 0, 20)
    reload(max_sessions=2, idle_timeout=1)
    a, b, c = Client(), Client(), Client()
    assert c.reply().startswith("421 4.3.2 Sekisho") and c.is_closed()
    a.hello()
    assert a.reply().startswith("421 4.4.2 Sekisho") and a.is_closed()
    assert wan.sessions[-1]["closed"].wait(5)
    b.close()
    reload()


def test_bad_configuration_is_refused():
    r = call("io.sekisho.Daemon.Check", {"config": {"virus": "maybe"}})
    assert r["error"] == "io.sekisho.Daemon.Invalid" and "virus" in r["parameters"]["why"], r
    assert "error" not in call("io.sekisho.Daemon.Check", {"config": {"virus": "accept", "enabled": True}})
    configure(idle_timeout="soon")
    assert call("io.sekisho.Daemon.Reload")["error"] == "io.sekisho.Daemon.Invalid"
    configure()


def alive():
    return "25 timeout" in sh("mid", "nft list set netdev sekisho_mail mail_alive", capture_output=True).stdout


def test_beat_and_restart():
    global dial_process
    assert alive()
    dial_process.terminate()
    assert dial_process.wait(10) == 0
    c = Client()
    assert c.reply().startswith("421 4.4.1 Sekisho")
    wait_for("the set without maildial", lambda: not alive(), 10)
    dial_process = start("maildial", "mid")
    wait_for("the set with maildial again", alive, 10)
    c = Client()
    c.hello()
    maild_process.terminate()
    assert maild_process.wait(10) == 0, "maild's exit code"
    assert c.is_closed()
    begin = time.monotonic()
    wait_for("the set without maild", lambda: not alive(), 10)
    return f"expired {time.monotonic() - begin:.1f} s after the end of maild"


def main():
    bad = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            print("ok", name[5:], test() or "", flush=True)
        except Exception as e:
            bad += 1
            where = traceback.extract_tb(e.__traceback__)[-1].lineno
            print("not ok", name[5:], f"line {where}: {e!r}"[:1000].replace("\n", " "), flush=True)
            if maild_process.poll() is not None:
                break
    return bad


network()
os.makedirs(RUN + "/data/log/maild")
configure()
with open(RUN + "/lsan", "w") as suppressions:
    suppressions.write("leak:lib/path.c\n")
auth, scan = Check("mailauth", auth_answer), Check("scan", scan_answer)
wan, wan6 = Server(socket.AF_INET, WAN), Server(socket.AF_INET6, WAN6)
dial_process = start("maildial", "mid")
maild_process = start("maild", "none", listeners())  # it needs no network of its own
failures = 1
try:
    wait_for("the beat", alive)
    failures = main()
finally:
    for p in (maild_process, dial_process):
        p.terminate()
        p.wait(10)
    for log in glob.glob(RUN + "/*.log"):
        text = open(log).read()
        if failures or "ERROR" in text or "runtime error" in text:
            failures = failures or 1
            print(f"--- {os.path.basename(log)}\n{text[-4000:]}")
    shutil.rmtree(RUN)
sys.exit(1 if failures else 0)
