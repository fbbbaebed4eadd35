"""What the scenarios of the guest share: the box as its daemons make it, between a LAN and a WAN side.

    sk-lan 10.77.0.10 fd77::10 --- eth0 [ br0 ] eth1 --- sk-wan 10.77.0.20 fd77::20
                                       mgmt1 = mgmt0 10.77.0.2

The scenario's own network namespace is the box. systemd-networkd runs on the files that configd
renders, the ruleset is configd's, the daemons are the built ones (environment B), as root: their walls
are tested on the image (tests/image/sandbox). The two sides run tests/hosts, and what the WAN side
wrote down is the evidence.
"""

import argparse
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

sys.path.insert(0, "tests/hosts")
import evidence  # noqa: E402  # found by the line above
import lan as office  # noqa: E402
import world as w  # noqa: E402
from evidence import wait_for  # noqa: E402

BIN = Path(os.environ.get("B", "build/x86_64")) / "bin"
WORLD = Path("/tmp/world")
LOGS = Path("/tmp/logs")
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
failed = 0
processes: dict[str, subprocess.Popen] = {}  # those of the box that a scenario may signal


def check(name: str, ok, why="") -> None:
    global failed
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {name}" + ("" if ok else f": {str(why)[-1500:]}"), flush=True)


def finish() -> None:
    """The scenario's end: after a failure with what the daemons said."""
    if failed:
        for log in sorted(LOGS.glob("*.log")):
            print(f"--- {log.stem}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        print(f"{failed} checks failed", flush=True)
    os._exit(1 if failed else 0)  # threads may be waiting for peers that are gone


def _broken(kind, error, trace) -> None:
    traceback.print_exception(kind, error, trace)
    check("the scenario runs to its end", False, error)
    finish()


sys.excepthook = _broken


def need(*programs: str) -> None:
    missing = [p for p in programs if not (BIN / p).exists()]
    if missing:
        print("not built: " + " ".join(missing))
        sys.exit(77)


def sh(*command, ns: str | None = None, timeout: float = 30) -> subprocess.CompletedProcess:
    argv = (["ip", "netns", "exec", ns] if ns else []) + [str(c) for c in command]
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", "no end after the time-out")


def lan(*command, timeout: float = 60) -> subprocess.CompletedProcess:
    return sh(*command, ns="sk-lan", timeout=timeout)


def start(name: str, argv, ns: str | None = None, **options) -> subprocess.Popen:
    LOGS.mkdir(exist_ok=True)
    with open(LOGS / f"{name}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen((["ip", "netns", "exec", ns] if ns else []) + [str(a) for a in argv],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)


def ledger(name: str) -> list[dict]:
    return evidence.ledger(WORLD, name)


def results(mail: dict) -> list[str]:
    """Our results in a message of a ledger; DMARC passes for all that tests/hosts/lan.py signs."""
    return [v for k, v in mail["headers"] if k.lower() == "authentication-results" and "dmarc=pass" in v]


def mx_start(ns: str, *pem) -> Path:
    """A mail server of its own in a namespace, with a certificate or without; the folder of its ledger."""
    folder = Path(f"/tmp/mx-{ns}")
    start(f"mx-{ns}", ["tests/hosts/mx.py", folder, *pem], ns=ns)
    if not wait_for(lambda: "ready" in (LOGS / f"mx-{ns}.log").read_text(), 60):
        raise RuntimeError(f"the mail server of {ns} does not start: " + (LOGS / f"mx-{ns}.log").read_text())
    return folder


def run(*commands: str) -> None:
    """Each must succeed."""
    for command in commands:
        r = sh(*command.split())
        if r.returncode:
            raise RuntimeError(f"{command}: {r.stderr}")


def events(daemon: str, kind: str | None = None) -> list[dict]:
    path = Path(f"/data/log/{daemon}/eve.json")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return [e for e in found if kind in (None, e.get("event_type"))]


def commit(*lines: str) -> None:
    argv = [BIN / "sekisho", "-c", "configure"]
    for line in (*lines, "commit"):
        argv += ["-c", line]
    r = sh(*argv, timeout=60)
    if r.returncode:
        raise RuntimeError(f"commit: {r.stdout}{r.stderr}")


def sides_start() -> None:
    for side, port, n in (("sk-lan", "eth0", 10), ("sk-wan", "eth1", 20)):
        for command in (f"ip netns add {side}", f"ip link add {port} type veth peer name far-{port}",
                        f"ip link set far-{port} netns {side} name eth0", f"ip -n {side} link set lo up",
                        f"ip -n {side} addr add 10.77.0.{n}/24 dev eth0",
                        f"ip -n {side} addr add fd77::{n}/64 dev eth0 nodad", f"ip -n {side} link set eth0 up"):
            r = sh(*command.split())
            if r.returncode:
                raise RuntimeError(f"{command}: {r.stderr}")
    WORLD.mkdir()
    start("wan", ["tests/hosts/wan.py", WORLD], ns="sk-wan")
    if not wait_for(lambda: "ready" in (LOGS / "wan.log").read_text(), 60):
        raise RuntimeError("the WAN side's services do not start: " + (LOGS / "wan.log").read_text())


def networkd_start() -> None:
    for d in ("links", "leases", "lldp"):
        os.makedirs("/run/systemd/netif/" + d, exist_ok=True)
    sh("chown", "-R", "systemd-network:", "/run/systemd/netif")
    sh("mount", "-o", "remount,ro", "/sys")  # no udev here: networkd then does not wait for it
    processes["networkd"] = start(
        "networkd", ["/usr/lib/systemd/systemd-networkd"],
        env=dict(os.environ, container="lxc", SYSTEMD_LOG_TARGET="console"))


def networkd_reload() -> None:
    """What systemd does when configd asks it to: networkd reads its files again."""
    processes["networkd"].send_signal(signal.SIGHUP)


def configd_start() -> None:
    """Both sides, and configd with the factory configuration."""
    need("configd", "sekisho")
    for d in ("/run/sekisho", "/run/systemd/network", "/data/config", "/data/cache/inspect"):
        os.makedirs(d, exist_ok=True)
    for daemon in ("configd", "inspectd", "maild", "mailauthd", "scand", "updated"):
        os.makedirs(f"/data/log/{daemon}")
    shutil.copytree("rootfs/overlay/usr/share/sekisho", "/usr/share/sekisho")
    os.makedirs("/usr/share/sekisho/yang", exist_ok=True)
    for schema in Path("userland/config").glob("*.yang"):
        shutil.copy(schema, "/usr/share/sekisho/yang")
    for line in Path("rootfs/overlay/usr/lib/sysctl.d/60-sekisho.conf").read_text().splitlines():
        key, _, value = line.partition("=")
        if value and "*" not in key and "mgmt0" not in key:
            sh("sysctl", "-qw", key.strip() + "=" + value.strip())
    sides_start()
    start("configd", [BIN / "configd"])
    if not wait_for(lambda: sh(BIN / "sekisho", "-c", "configure").returncode == 0):
        raise RuntimeError("configd does not answer: " + sh(BIN / "sekisho", "-c", "configure").stderr)


def box_start() -> None:
    """Both sides, bridge, ruleset and management address; no engine yet. Returns when the cable works."""
    configd_start()
    commit("delete interfaces management dhcp", f"set interfaces management address {w.BOX4}/{w.PREFIX4}",
           f"set interfaces management address {w.BOX6}/{w.PREFIX6}", f"set system dns-server {w.WAN4}")
    networkd_start()
    check("the cable works", wait_for(lambda: lan("ping", "-n", "-c1", "-W1", w.WAN4).returncode == 0, 60)
          and wait_for(lambda: lan("ping", "-n", "-c1", "-W1", w.WAN6).returncode == 0),
          sh("bridge", "link").stdout)
    check("the box has its address", wait_for(lambda: lan("ping", "-n", "-c1", "-W1", w.BOX4).returncode == 0),
          sh("ip", "-br", "addr").stdout)


def alive(table: str, name: str) -> bool:
    return "expires" in sh("nft", "list", "set", *table.split(), name).stdout


def inspectd_start() -> subprocess.Popen:
    need("inspectd")
    process = start("inspectd", [BIN / "inspectd"])
    check("inspectd is in the path", wait_for(lambda: alive("bridge sekisho", "inspect_alive"), 30))
    return process


def transparent_listener(family: int, address: str) -> socket.socket:
    """What systemd makes of maild.socket."""
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    else:
        s.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    s.bind((address, 10025))
    s.listen(128)
    return s


def mail_start(switch: str = "netdev sekisho_mail") -> dict[str, subprocess.Popen]:
    need("maild", "maildial", "mailauthd", "scand")
    resolvers = dict(os.environ, SEKISHO_RESOLV_CONF="/run/sekisho/etc/resolv.conf")
    running = {name: start(name, [BIN / name], env=resolvers) for name in ("scand", "mailauthd", "maildial")}
    listeners = [transparent_listener(socket.AF_INET, "0.0.0.0"), transparent_listener(socket.AF_INET6, "::")]
    # systemd's protocol: descriptors from 3 on, named, for the process of this id.
    a, b = (s.fileno() for s in listeners)
    running["maild"] = start("maild", ["bash", "-c", f"exec 3<&{a} 4<&{b} && LISTEN_FDS=2 LISTEN_FDNAMES=smtp:smtp "
                                       f"LISTEN_PID=$$ exec {BIN}/maild"], pass_fds=(a, b))
    for name in ("scand", "mailauthd", "maildial", "maild"):
        check(f"{name} listens", wait_for(lambda n=name: os.path.exists(f"/run/sekisho/{n}.varlink"), 60))
    check("maild is in the path", wait_for(lambda: alive(switch, "mail_alive"), 30))
    return running


def certificate_make(host: str) -> Path:
    """A key and its own certificate, in one file."""
    key, certificate, both = (Path(f"/tmp/{host}.{end}") for end in ("key", "crt", "pem"))
    r = sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={host}",
           "-addext", f"subjectAltName=DNS:{host}", "-days", "30", "-keyout", key, "-out", certificate)
    if r.returncode:
        raise RuntimeError("openssl: " + r.stderr)
    both.write_text(key.read_text() + certificate.read_text())
    return both


def certificate_install(host: str, pem: Path) -> None:
    """As an administrator pastes it."""
    text = f"request mail certificate install {host}\n{pem.read_text()}\n.\n"
    r = subprocess.run([BIN / "sekisho"], input=text, capture_output=True, text=True, timeout=30, check=False)
    check("the server's certificate is installed", r.returncode == 0, r.stdout + r.stderr)


def mail_send(kind: str, server: str = w.WAN4, ns: str = "sk-lan", timeout: int = 60, starttls=None) -> dict:
    """What tests/hosts/lan.py does, in a thread of this process: Python starts slowly in an emulated guest."""
    wish = argparse.Namespace(world=WORLD, kind=kind, server=server, timeout=timeout, hold=False, starttls=starttls)
    result: dict = {}

    def send() -> None:
        fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
        os.setns(fd, os.CLONE_NEWNET)
        os.close(fd)
        try:
            result.update(office.mail(wish))
        except (OSError, smtplib.SMTPException) as e:
            result["error"] = f"{type(e).__name__}: {e}"

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    return result
