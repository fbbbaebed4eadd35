"""The mail path in three network namespaces: a client, the checkpoint with maild and maildial, a server.

    lan 10.1.0.2 --- mid (TPROXY to maild's sockets, as systemd passes them) --- 10.2.0.2 wan

For the scenarios local-mail*.py. The two checks are played here and answer by what the message says; the
server writes down every byte. B names the build folder.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import socket
import ssl
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
checks, servers, processes, sockets = {}, {}, {}, []
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
    sh("mid", "ip link set lo up", **setup)
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
        self.name, self.answer, self.path, self.seen, self.open = name, answer, f"{RUN}/{name}.varlink", [], set()
        self.listen()
        self.start()

    def listen(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(100)

    def stop(self):
        os.unlink(self.path)

    def listen_again(self, seconds):
        """As when a process that was gone is back after a while."""
        def back():
            time.sleep(seconds)
            self.listen()
            self.run()
        threading.Thread(target=back, daemon=True).start()

    def hang_up(self):
        """As when the process is started again: connections go, the socket stays."""
        for s in list(self.open):
            s.shutdown(socket.SHUT_RDWR)

    def run(self):
        while True:
            s, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        self.open.add(s)
        try:
            self.talk(s)
        except OSError:
            pass  # the caller gave up
        self.open.remove(s)
        s.close()

    def talk(self, s):
        while self.call(s):
            pass

    def call(self, s):
        """One question and its answer; False when the caller has hung up or there is none."""
        text, fds = b"", []
        while not text.endswith(b"\0"):
            data, more, _, _ = socket.recv_fds(s, 65536, 4)
            if not data:
                return False
            text, fds = text + data, fds + more
        call = json.loads(text[:-1])
        message = os.pread(fds[0], os.fstat(fds[0]).st_size, 0)
        os.close(fds[0])
        self.seen.append((call, message))
        reply = self.answer(call, message)
        if reply is None:
            return False
        s.sendall(json.dumps(reply).encode() + b"\0")
        return True


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
        self.tls = "none"  # none, refused, broken, injected, good
        self.banner = b"220-wan.example\r\n220 ready\r\n"
        self.socket = socket_in("wan", family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 25))
        self.socket.listen(200)
        self.sessions = []
        self.start()

    def run(self):
        while True:
            s, peer = self.socket.accept()
            session = {"peer": peer[:2], "lines": [], "messages": [], "closed": threading.Event(), "tls": None}
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

    EXTENSIONS = ["PIPELINING", "SIZE 99", "XCLIENT NAME", "AUTH PLAIN LOGIN", "CHUNKING", "BINARYMIME"]

    def hello(self, session):
        lines = ["wan.example"] + self.EXTENSIONS
        if session["tls"] is None and self.tls != "none":
            lines.insert(1, "STARTTLS")
        return "".join(f"250{'-' if i + 1 < len(lines) else ' '}{x}\r\n" for i, x in enumerate(lines)).encode()

    def talk(self, s, f, session):
        rcpt = b""
        chunks = None
        say = s.sendall
        if self.banner:
            say(self.banner)
        while line := f.readline():
            session["lines"].append(line)
            verb = line[:4].upper()
            if verb == b"EHLO":
                say(self.hello(session))
            elif line.upper() == b"STARTTLS\r\n" and self.tls in ("refused", "broken", "injected", "good"):
                say({"refused": b"454 not now\r\n", "injected": b"220 go\r\n250 x\r\n"}.get(self.tls, b"220 go\r\n"))
                if self.tls == "broken":
                    s.recv(1)  # the beginning of the handshake
                    say(b"this is no TLS\r\n")
                    return
                if self.tls == "good":
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(RUN + "/server.pem")
                    s = context.wrap_socket(s, server_side=True)
                    f = s.makefile("rb")
                    say = s.sendall
                    session["tls"] = s.version()
            elif verb == b"BDAT":
                size, last = int(line.split()[1]), len(line.split()) > 2
                chunks = (chunks or b"") + f.read(size)
                if last:
                    session["messages"].append(chunks)
                    chunks = None
                    if b"<drop@" in rcpt:
                        return
                say(b"250 2.0.0 kept as 43\r\n" if last else b"250 chunk\r\n")
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

    def starttls(self, name="wan.example"):
        """Under TLS from here on; the certificate that was shown."""
        self.ask("STARTTLS", "220")
        self.wrap(name)
        return self.socket.getpeercert(binary_form=True)

    def wrap(self, name):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")

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


def call(method, parameters=None, daemon="maild"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{RUN}/{daemon}.varlink")
    s.sendall(json.dumps({"method": method, "parameters": parameters or {}}).encode() + b"\0")
    text = b""
    while not text.endswith(b"\0"):
        text += s.recv(65536)
    s.close()
    return json.loads(text[:-1])


DEFAULTS = {"authserv-id": "sekisho.test", "max-message-bytes": 65536 * 128}


def configure(**settings):
    config = dict(DEFAULTS)
    config.update({k.replace("_", "-"): v for k, v in settings.items()})
    os.makedirs(RUN + "/config", exist_ok=True)
    with open(RUN + "/config/mail.json", "w") as f:
        json.dump(config, f)


def status(daemon="maild"):
    return call("io.sekisho.Daemon.Status", daemon=daemon)["parameters"]["status"]


def answers(daemon):
    try:
        return status(daemon) is not None
    except OSError:
        return False


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


def start(program, namespace, sockets=(), **environment):
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
    env.update(environment)
    script = 'export LISTEN_PID=$$; exec "$@"'
    if sockets:
        env.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(["smtp"] * len(sockets)))
    return subprocess.Popen(["sh", "-c", script, "sh", f"{B}/bin/{program}"], env=env,
                            preexec_fn=pass_sockets, close_fds=False, stdin=subprocess.DEVNULL,
                            stdout=open(f"{RUN}/{program}.log", "a"), stderr=subprocess.STDOUT)


def certificate(host):
    """Key and certificate in one file's text; made once a name."""
    path = f"{RUN}/{host}.pair"
    if not os.path.exists(path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
                        "-keyout", path + ".key", "-out", path + ".crt"], check=True, capture_output=True)
        with open(path, "w") as f:
            f.write(open(path + ".key").read() + open(path + ".crt").read())
    return open(path).read()


def wait_for(what, test, seconds=10):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def alive():
    return "25 timeout" in sh("mid", "nft list set netdev sekisho_mail mail_alive", capture_output=True).stdout


def run(tests):
    """Each function is one row of the report; the number of failures."""
    bad = 0
    for name, test in tests:
        try:
            said = test()
            print("skip" if said == "skip" else "ok", name, "not offered" if said == "skip" else said or "", flush=True)
        except Exception as e:
            bad += 1
            where = traceback.extract_tb(e.__traceback__)[-1].lineno
            print("not ok", name, f"line {where}: {e!r}"[:1000].replace("\n", " "), flush=True)
            if processes["maild"].poll() is not None:
                break
    return bad


def rows_of(tests):
    """What a scenario reports: its test_ functions, or (name, function) made when everything stands."""
    return tests() if callable(tests) else [(n[5:], f) for n, f in tests.items() if n.startswith("test_")]


def answering_dns():
    """Name servers that know no name at all, for a real mailauthd."""
    with open(RUN + "/resolv.conf", "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\n")
    return subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--local=/#/", "--user=root", "--conf-file=/dev/null",
                             "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file="], stdin=subprocess.DEVNULL,
                            stdout=open(RUN + "/dnsmasq.log", "a"), stderr=subprocess.STDOUT,
                            preexec_fn=lambda: os.setns(NAMESPACES["mid"], os.CLONE_NEWNET))


def start_again(name):
    """A daemon as running() starts it."""
    if name == "maild":
        return start(name, "none", sockets)  # it needs no network of its own
    return start(name, "mid", SEKISHO_RESOLV_CONF=RUN + "/resolv.conf", SEKISHO_SHARE="rootfs/overlay/usr/share/sekisho")


def descendants(pid):
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                found += [int(p) for p in open(f"/proc/{parent}/task/{task}/children").read().split()]
    return found


@contextlib.contextmanager
def running(with_servers=True, real_auth=False, real_scan=False):
    """Network, checks, servers and daemons; after it nothing is left."""
    network()
    os.makedirs(RUN + "/data/log/maild", exist_ok=True)
    configure()
    with open(RUN + "/lsan", "w") as suppressions:
        suppressions.write("leak:lib/path.c\n")
    if real_auth:
        processes["dnsmasq"] = answering_dns()
        processes["mailauthd"] = start_again("mailauthd")
        wait_for("mailauthd", lambda: os.path.exists(RUN + "/mailauth.varlink"))
    else:
        checks["auth"] = Check("mailauth", auth_answer)
    if real_scan:
        os.makedirs(RUN + "/data/log/scand", exist_ok=True)
        processes["scand"] = start_again("scand")
        wait_for("scand", lambda: os.path.exists(RUN + "/scan.varlink"), 60)
    else:
        checks["scan"] = Check("scan", scan_answer)
    if with_servers:
        servers["wan"], servers["wan6"] = Server(socket.AF_INET, WAN), Server(socket.AF_INET6, WAN6)
    processes["maildial"] = start("maildial", "mid")
    sockets.extend(listeners())
    processes["maild"] = start_again("maild")
    try:
        wait_for("the beat", alive)
        yield
    finally:
        for p in processes.values():
            p.terminate()
            p.wait(40)


def logs(all_of_them):
    """Prints what the daemons said; true when a sanitizer did."""
    found = False
    for log in glob.glob(RUN + "/*.log"):
        text = open(log).read()
        bad = "ERROR: " in text or "runtime error" in text
        found |= bad
        if all_of_them or bad:
            print(f"--- {os.path.basename(log)}\n{text[-4000:]}")
    return found


def scenario(tests, with_servers=True, setup=lambda: None, teardown=lambda: None):
    """Sets everything up, runs the tests, takes everything down, exits."""
    failures = 1
    try:
        with running(with_servers):
            try:
                setup()
                failures = run(rows_of(tests))
            finally:
                teardown()
    finally:
        failures += logs(failures)
        shutil.rmtree(RUN, ignore_errors=True)  # a file system of a test may lie in it
    sys.exit(1 if failures else 0)
