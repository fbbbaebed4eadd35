#!/usr/bin/env python3
"""Mail through a checkpoint: directly, through ours without and with antivirus, and through the two stacks that people
run today before the same server: Postfix with opendkim, opendmarc, policyd-spf and clamav-milter, and Postfix with
rspamd and clamd. The same signed messages, the same virus database, and the same DNS zone, answered locally with a time
to live of an hour: who has a cache finds it warm.

A message counts when the server behind has it, not when somebody has put it into a queue.
"""
import base64
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dkim

from rig import BIN, CLIENT, ROUTER, SERVER, SERVER_ADDRESS, TOP, Process, Table, bars, inside, namespaces, sh, wait_for, \
    write

SESSIONS = 20
SIZES = {"2 KB": 2_000, "20 KB": 20_000, "1 MB": 1_000_000}
BOX = "10.91.1.1"
DIRECT, OURS, OURS_AV, MILTERS, RSPAMD = (
    "direct", "maild, no antivirus", "maild, antivirus", "Postfix and milters", "Postfix, rspamd, clamd")
# how many messages take about four seconds each
MESSAGES = {DIRECT: 8000, OURS: 4000, OURS_AV: 3000, MILTERS: 160, RSPAMD: 300}
PEER = str(TOP / "tools/peer")
RULES = """
table inet bench {
	chain pre {
		type filter hook prerouting priority mangle
		meta l4proto tcp socket transparent 1 meta mark set 1 accept
		iifname "to-c" meta nfproto ipv4 tcp dport 25 tproxy ip to :10025 meta mark set 1 accept
	}
}
table netdev sekisho_mail {
	set mail_alive { type inet_service; flags timeout; }
}
"""


def make_messages(work: Path) -> dict[str, Path]:
    """One signed message a size, and the zone that vouches for it."""
    sh(f"openssl genrsa -traditional -out {work}/key 2048 2>/dev/null")
    key = (work / "key").read_bytes()
    public = "".join(sh(f"openssl rsa -in {work}/key -pubout 2>/dev/null").splitlines()[1:-1])
    text = f"v=DKIM1; k=rsa; p={public}"
    pieces = ",".join(text[i:i + 200] for i in range(0, len(text), 200))
    (work / "zone").write_text(
        "port=53\nno-resolv\nno-hosts\nbind-interfaces\nlisten-address=127.0.0.1\nlocal=/#/\ncache-size=0\nlocal-ttl=3600\nuser=root\n"
        "host-record=mail.bench.example,10.91.1.2\nmx-host=bench.example,mail.bench.example,10\n"
        "txt-record=bench.example,v=spf1 ip4:10.91.1.2 -all\n"
        f"txt-record=s1._domainkey.bench.example,{pieces}\n"
        "txt-record=_dmarc.bench.example,v=DMARC1; p=reject; adkim=s; aspf=s\n", encoding="ascii")
    (work / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")
    files = {}
    for name, size in SIZES.items():
        attachment = base64.encodebytes(os.urandom(size * 3 // 4 - 800)).replace(b"\n", b"\r\n")
        body = (b"--b1\r\nContent-Type: text/plain\r\n\r\nThe figures of the week are attached.\r\n"
                b"--b1\r\nContent-Type: application/octet-stream; name=\"week.bin\"\r\n"
                b"Content-Transfer-Encoding: base64\r\n\r\n" + attachment + b"--b1--\r\n")
        head = (b"From: Alice <alice@bench.example>\r\nTo: bob@server.example\r\nSubject: week\r\n"
                b"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@bench.example>\r\nMIME-Version: 1.0\r\n"
                b"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n")
        signature = dkim.sign(head + body, b"s1", b"bench.example", key)
        files[name] = work / f"message-{size}"
        files[name].write_bytes((signature + head + body).replace(b"\r\n", b"\n"))
    return files


class Sink:
    """smtp-sink on the far side and how many messages it has."""

    def __init__(self, work: Path):
        self.log = work / "sink.log"
        self.process = Process(inside(SERVER, PEER, "run", "postfix", "smtp-sink", "-u", "root", "-c", "-h", "server.example",
                                      f"{SERVER_ADDRESS}:25", "512"), self.log)
        wait_for(lambda: sh(f"ip netns exec {SERVER} ss -Hltn sport = :25").strip(), 30, "smtp-sink", self.process)

    def messages(self) -> int:
        text = self.log.read_bytes()[-400:].decode(errors="replace")
        found = re.findall(r"(\d+)", text)
        return int(found[-1]) if found else 0


class Box:
    """What stands between: its processes, and the address the client sends to."""

    def __init__(self, address: str):
        self.address = address
        self.processes: list[Process] = []

    def start(self, name: str, work: Path, command: list[str], **more) -> Process:
        p = Process(inside(ROUTER, *command), work / f"{name}.log", **more)
        self.processes.append(p)
        return p

    def cpu_seconds(self) -> float:
        return sum(p.cpu_seconds() for p in self.processes)

    def memory_mb(self) -> float:
        return sum(p.memory_mb() for p in self.processes)


def transparent_listener() -> socket.socket:
    """A socket of the router's namespace, as systemd would hand it over."""
    made: list[socket.socket] = []

    def make() -> None:
        with open(f"/run/netns/{ROUTER}", "rb") as ns:
            os.setns(ns.fileno(), os.CLONE_NEWNET)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
        s.bind(("0.0.0.0", 10025))
        s.listen(512)
        made.append(s)
    t = threading.Thread(target=make)
    t.start()
    t.join()
    return made[0]


@contextlib.contextmanager
def ours(work: Path, antivirus: bool) -> Iterator[Box]:
    run, data, share = work / "run", work / "data", work / "share"
    for folder in (run / "config", *(data / "log" / d for d in ("maild", "maildial", "mailauthd", "scand")), share):
        folder.mkdir(parents=True, exist_ok=True)
    if not (share / "clamav").exists():
        (share / "clamav").symlink_to(work / "database")
    (run / "config/mail.json").write_text(json.dumps(
        {"authserv-id": "box.example", "antivirus": antivirus, "max-sessions": 1000}), encoding="ascii")
    (run / "config/scan.json").write_text(json.dumps({"cache-entries": 0}), encoding="ascii")
    environment = dict(os.environ, SEKISHO_RUN=str(run), SEKISHO_DATA=str(data), SEKISHO_SHARE=str(share),
                       SEKISHO_RESOLV_CONF=str(work / "resolv.conf"))
    for command in ("ip rule add fwmark 1 lookup 100", "ip route add local default dev lo table 100"):
        subprocess.run(inside(ROUTER, *command.split()), stderr=subprocess.DEVNULL, check=False)
    subprocess.run(inside(ROUTER, "nft", "-f", "-"), input=RULES, text=True, check=True)
    box = Box(SERVER_ADDRESS)
    listener = transparent_listener()

    def pass_listener() -> None:
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
    try:
        for name in ["mailauthd", *(["scand"] if antivirus else []), "maildial"]:
            p = box.start(name, work, [str(BIN / name)], env=environment)
            path = run / {"mailauthd": "mailauth.varlink", "scand": "scan.varlink", "maildial": "dial"}[name]
            wait_for(path.exists, 120, name, p)
        p = box.start("maild", work, ["sh", "-c", 'export LISTEN_PID=$$; exec "$0"', str(BIN / "maild")],
                      env=dict(environment, LISTEN_FDS="1", LISTEN_FDNAMES="smtp"), preexec_fn=pass_listener, close_fds=False)
        wait_for((run / "maild.varlink").exists, 30, "maild", p)
        yield box
    finally:
        for p in reversed(box.processes):
            p.stop()
        listener.close()
        subprocess.run(inside(ROUTER, "nft", "delete table inet bench; delete table netdev sekisho_mail"), check=False)
        sh(f"rm -f {run}/*.varlink")


CLAMD = """
mkdir -p /run/clamav && chown clamav /run/clamav
cat >/run/clamd.conf <<E
Foreground yes
User clamav
LocalSocket /run/clamav/clamd.ctl
LocalSocketMode 666
DatabaseDirectory {work}/database
MaxThreads 4
DisableCache yes
E
clamd -c /run/clamd.conf &
until [ -S /run/clamav/clamd.ctl ]; do sleep 0.1; done
"""
POSTFIX = """
mkdir -p /run/q /run/var
for d in /var/spool/postfix /var/lib/postfix; do cp -a $d /run/$(basename $(dirname $d))-postfix; done
mount --bind {work}/resolv.conf /etc/resolv.conf
rm -rf /var/spool/postfix/pid/* /var/spool/postfix/{{incoming,active,deferred,maildrop}}/*
mkdir -p /var/spool/postfix/etc; cp /etc/resolv.conf /var/spool/postfix/etc/
cp -r /etc/postfix /run/postfix-etc
cat >/run/postfix-etc/main.cf <<E
compatibility_level = 3.10
mail_owner = postfix
queue_directory = /var/spool/postfix
myhostname = box.example
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = server.example
relayhost = [{server}]
inet_interfaces = {box}, 127.0.0.1
inet_protocols = ipv4
maillog_file = /var/log/bench.log
maillog_file_prefixes = /var
smtpd_client_connection_rate_limit = 0
default_destination_concurrency_limit = 50
smtpd_recipient_restrictions = reject_unauth_destination{policy}
smtpd_milters = {milters}
milter_default_action = tempfail
milter_protocol = 6
policyd-spf_time_limit = 3600
E
sed -i 's/^\\(smtp  *inet.*\\) y /\\1 n /' /run/postfix-etc/master.cf
printf 'policyd-spf unix - n n - 0 spawn\\n  user=nobody argv=/usr/bin/policyd-spf\\n' >>/run/postfix-etc/master.cf
"""
MILTER_STACK = CLAMD + """
mkdir -p /run/opendkim /run/opendmarc
cat >/run/opendkim.conf <<E
Mode v
Socket inet:8891@127.0.0.1
Nameservers 127.0.0.1
Background no
E
opendkim -f -x /run/opendkim.conf -u root &
cat >/run/opendmarc.conf <<E
AuthservID box.example
TrustedAuthservIDs box.example
Socket inet:8893@127.0.0.1
RejectFailures true
Background no
E
opendmarc -f -c /run/opendmarc.conf -u root &
cat >/run/clamav-milter.conf <<E
Foreground yes
MilterSocket inet:8892@127.0.0.1
ClamdSocket unix:/run/clamav/clamd.ctl
OnInfected Reject
OnFail Defer
E
clamav-milter -c /run/clamav-milter.conf &
exec postfix -c /run/postfix-etc start-fg
"""
RSPAMD_STACK = CLAMD + """
mkdir -p /run/rspamd /etc/rspamd/override.d /var/lib/rspamd; rm -f /etc/rspamd/local.d/options.inc; chown _rspamd /run/rspamd /var/lib/rspamd
cat >/etc/rspamd/local.d/worker-proxy.inc <<E
milter = yes;
bind_socket = "127.0.0.1:11332";
upstream "local" {{ default = yes; self_scan = yes; }}
count = 2;
E
cat >/etc/rspamd/local.d/antivirus.conf <<E
clamav {{ type = "clamav"; symbol = "CLAM_VIRUS"; servers = "/run/clamav/clamd.ctl"; action = "reject"; scan_mime_parts = false; log_clean = false; }}
E
printf 'dns {{ nameserver = ["127.0.0.1"]; }}\\nlocal_addrs = ["127.0.0.0/8"];\\n' >/etc/rspamd/override.d/options.inc
printf 'enabled = false;\\n' | tee /etc/rspamd/local.d/worker-normal.inc /etc/rspamd/local.d/worker-controller.inc \\
	/etc/rspamd/local.d/greylist.conf /etc/rspamd/local.d/rbl.conf /etc/rspamd/local.d/fuzzy_check.conf >/dev/null
rspamd -f -u _rspamd -g _rspamd &
exec postfix -c /run/postfix-etc start-fg
"""


@contextlib.contextmanager
def postfix(name: str, work: Path) -> Iterator[Box]:
    if name == MILTERS:
        peer, stack, ports = "milters", MILTER_STACK, (8891, 8893, 8892)
        policy, milters = ", check_policy_service unix:private/policyd-spf", "inet:127.0.0.1:8891,inet:127.0.0.1:8893,inet:127.0.0.1:8892"
    else:
        peer, stack, ports, policy, milters = "rspamd", RSPAMD_STACK, (11332,), "", "inet:127.0.0.1:11332"
    script = (POSTFIX + stack).format(work=work, server=SERVER_ADDRESS, box=BOX, policy=policy, milters=milters)
    box = Box(BOX)
    p = box.start(peer, work, [PEER, "run", peer, "sh", "-c", script])
    try:
        for port in (*ports, 25):
            wait_for(lambda port=port: sh(f"ip netns exec {ROUTER} ss -Hltn sport = :{port}").strip(), 120, f"{name}: port {port}", p)
        yield box
    finally:
        p.popen.kill()  # the namespace of processes ends with it
        p.popen.wait()
        time.sleep(0.5)


@contextlib.contextmanager
def direct() -> Iterator[Box]:
    yield Box(SERVER_ADDRESS)


def contestant(name: str, work: Path):
    if name == DIRECT:
        return direct()
    if name in (OURS, OURS_AV):
        return ours(work, name == OURS_AV)
    return postfix(name, work)


def send(box: Box, sink: Sink, message: Path, messages: int) -> float:
    """Messages per second, until the last is on the far side."""
    before, start = sink.messages(), time.monotonic()
    subprocess.run(inside(CLIENT, PEER, "run", "postfix", "smtp-source", "-s", str(SESSIONS), "-m", str(messages), "-M", "bench.example",
                          "-f", "alice@bench.example", "-t", "bob@server.example", "-F", str(message), f"{box.address}:25"),
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=300)
    wait_for(lambda: sink.messages() >= before + messages, 120, "messages on the far side")
    return messages / (time.monotonic() - start)


PROBE = """
import smtplib, sys, time
message = open(sys.argv[2], "rb").read().replace(b"\\n", b"\\r\\n")
with smtplib.SMTP(sys.argv[1], 25, local_hostname="bench.example") as s:
    s.ehlo()
    for i in range(int(sys.argv[3])):
        t = time.perf_counter(); s.sendmail("alice@bench.example", ["bob@server.example"], message)
        print((time.perf_counter() - t) * 1e3)
"""


def latency_ms(box: Box, message: Path, messages: int) -> tuple[float, float]:
    """One message after the other in one session."""
    out = subprocess.run(inside(CLIENT, sys.executable, "-c", PROBE, box.address, str(message), str(messages)),
                         capture_output=True, text=True, check=True, timeout=120).stdout
    times = sorted(float(v) for v in out.split())
    return statistics.median(times), times[int(len(times) * 0.99)]


REFUSED = """
import smtplib, sys
message = open(sys.argv[2], "rb").read().replace(b"\\n", b"\\r\\n")
with smtplib.SMTP(sys.argv[1], 25, local_hostname="bench.example") as s:
    try: s.sendmail("alice@bench.example", ["bob@server.example"], message)
    except smtplib.SMTPDataError as e: sys.exit(0 if e.smtp_code >= 500 else f"{e}")
    sys.exit("taken")
"""
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


def check_antivirus(name: str, box: Box, work: Path) -> None:
    """Who does not find the test virus is not measured."""
    (work / "virus").write_bytes(b"From: alice@bench.example\nSubject: v\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
                                 b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(EICAR))
    r = subprocess.run(inside(CLIENT, sys.executable, "-c", REFUSED, box.address, str(work / "virus")), capture_output=True,
                       text=True, check=False, timeout=60)
    if r.returncode:
        raise RuntimeError(f"{name} does not refuse the test virus: {r.stderr.strip()}")


def measure(table: Table, name: str, box: Box, sink: Sink, messages: dict[str, Path]) -> None:
    for size, path in messages.items():
        n = max(20, MESSAGES[name] // {"2 KB": 1, "20 KB": 1, "1 MB": 20}[size])
        cpu = box.cpu_seconds()
        table.add(f"{size}, messages/s", name, send(box, sink, path, n))
        if name != DIRECT:
            table.add(f"{size}, CPU ms a message", name, (box.cpu_seconds() - cpu) * 1000 / n)
        for p in box.processes:
            if os.environ.get("V"):
                print(f"{name}, {size}: {p.log.stem} {p.cpu_seconds():.2f} s so far", file=sys.stderr)
    p50, p99 = latency_ms(box, messages["20 KB"], 200 if name in (DIRECT, OURS, OURS_AV) else 50)
    table.add("20 KB, one at a time, p50 ms", name, p50)
    table.add("20 KB, one at a time, p99 ms", name, p99)
    if name != DIRECT:
        table.add("memory, MB", name, box.memory_mb())


def judge(table: Table) -> str:
    rate = "20 KB, messages/s"

    def times(over: str, under: str, least: float) -> tuple[str, bool | None]:
        a, b = table.median(rate, over), table.median(rate, under)
        return ("-", None) if not a or not b else (f"{a / b:.2f} times", a / b >= least)
    rows = [("with antivirus, 10 times the milters", *times(OURS_AV, MILTERS, 10)),
            ("with antivirus, 5 times rspamd", *times(OURS_AV, RSPAMD, 5)),
            ("without antivirus, 0.35 of direct", *times(OURS, DIRECT, 0.35))]
    a, b = (table.median("20 KB, one at a time, p99 ms", n) for n in (OURS, DIRECT))
    rows.append(("added p99 without antivirus at most 10 ms", *((f"{a - b:.1f} ms", a - b <= 10) if a and b else ("-", None))))
    m = table.median("memory, MB", OURS)
    rows.append(("mail side without antivirus in 48 MB", *((f"{m:.0f} MB", m <= 48) if m else ("-", None))))
    return bars(rows)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    names = [DIRECT, OURS, OURS_AV, MILTERS, RSPAMD]
    if len(sys.argv) > 2:
        names = [n for n in names if n in sys.argv[2].split(";")]
    table = Table(f"Mail through a checkpoint, {SESSIONS} sessions, {rounds} rounds", names)
    with tempfile.TemporaryDirectory() as folder, namespaces():
        work = Path(folder)
        os.chmod(work, 0o755)
        (work / "database").mkdir()
        sh(f"cp {TOP}/rootfs/overlay/usr/share/sekisho/clamav/* {work}/database/")
        messages = make_messages(work)
        sh(f"ip netns exec {CLIENT} sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1")
        dns = Process(inside(ROUTER, "dnsmasq", "-k", "-C", str(work / "zone")), work / "dns.log")
        sink = Sink(work)
        try:
            for n in range(rounds):
                print(f"round {n + 1} of {rounds}", file=sys.stderr, flush=True)
                for name in names:
                    with contestant(name, work) as box:
                        if name not in (DIRECT, OURS):
                            check_antivirus(name, box, work)
                        measure(table, name, box, sink, messages)
        finally:
            sink.process.signal(signal.SIGTERM)
            dns.stop()
    write("mail", table.text() + judge(table))


if __name__ == "__main__":
    main()
