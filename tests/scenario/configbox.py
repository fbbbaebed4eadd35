"""configd on our kernel between two network namespaces, and its Varlink interface without the command line.

    lan: lan0 --- eth0 [ configd, networkd ] eth1 --- wan0 :wan
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

B = os.environ.get("B", "build/x86_64")
DIR = tempfile.mkdtemp(prefix="config-")
NETWORKD = "/run/systemd/network"
ENV = dict(os.environ, SEKISHO_RUN=DIR + "/run", SEKISHO_DATA=DIR + "/data", SEKISHO_SHARE=DIR + "/share",
           SEKISHO_NETWORKD=NETWORKD, TERM="dumb")
START = time.monotonic()
passed = failed = 0


def check(name, ok, why=""):
    global passed, failed
    passed += bool(ok)
    failed += not ok
    print(f"{time.monotonic() - START:4.0f} s {'ok' if ok else 'not ok'} {name}{'' if ok else ': ' + str(why)[-1500:]}", flush=True)
    return ok


def sh(*command, ns=None, ok=True, timeout=20):
    argv = (["ip", "netns", "exec", ns] if ns else []) + list(command)
    r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if ok and r.returncode:
        raise RuntimeError(f"{argv}: {r.stderr}")
    return r


def wait_for(what, seconds=60):
    """True as soon as what() is; the event is waited for, not the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.1)
    return what()


def read(path):
    with open(path) as f:
        return f.read()


def events(daemon, kind):
    path = f"{DIR}/data/log/{daemon}/eve.json"
    lines = read(path).splitlines() if os.path.exists(path) else []
    return [e for e in map(json.loads, lines) if e["event_type"] == kind]


def inspectd_start():
    os.makedirs(DIR + "/data/log/inspectd", exist_ok=True)
    os.makedirs(DIR + "/data/cache/inspect", exist_ok=True)
    log = open(DIR + "/inspectd.log", "a")
    process = subprocess.Popen([B + "/bin/inspectd"], env=ENV, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    check("inspectd answers", wait_for(lambda: os.path.exists(DIR + "/run/inspectd.varlink"), 30))
    return process


class Refused(Exception):
    pass


class Session:
    """One connection to configd: a candidate of its own."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(DIR + "/run/configd.varlink")

    def send(self, method, **parameters):
        self.socket.sendall(json.dumps({"method": "io.sekisho.Config." + method, "parameters": parameters}).encode() + b"\0")

    def call(self, method, **parameters):
        self.send(method, **parameters)
        data = b""
        while not data.endswith(b"\0"):
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionError("configd has hung up")
            data += more
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise Refused(f"{reply['error']}: {reply['parameters']}")
        return reply.get("parameters", {})

    def load(self, lines):
        return self.call("Load", mode="set", text="\n".join(lines) + "\n")

    def commit(self, *lines, **parameters):
        self.load(lines)
        return self.call("Commit", **parameters)


class Configd:
    def __init__(self):
        self.log = open(DIR + "/configd.log", "a")
        self.process = subprocess.Popen([B + "/bin/configd"], env=ENV, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def answers():
            try:
                return Session().call("Status")
            except OSError:
                return None
        if not wait_for(lambda: self.process.poll() is None and answers()):
            raise RuntimeError("configd does not answer: " + read(DIR + "/configd.log"))

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(20)


def prepare():
    for d in ("run", "data/config", "share/yang"):
        os.makedirs(f"{DIR}/{d}")
    for schema in glob.glob("userland/config/*.yang"):
        shutil.copy(schema, DIR + "/share/yang")
    shutil.copy("rootfs/overlay/usr/share/sekisho/factory.json", DIR + "/share")
    os.makedirs(NETWORKD, exist_ok=True)
    for side, port in (("lan", "eth0"), ("wan", "eth1")):
        sh("ip", "netns", "add", side)
        sh("ip", "link", "add", port, "type", "veth", "peer", "name", side + "0", "netns", side)
        sh("ip", "link", "set", side + "0", "up", ns=side)
        sh("ip", "link", "set", "lo", "up", ns=side)
    with open("rootfs/overlay/usr/lib/sysctl.d/60-sekisho.conf") as f:
        for line in f:
            key, _, value = line.partition("=")
            if value and not key.startswith("#"):
                sh("sysctl", "-qw", key.strip() + "=" + value.strip())


def networkd_start():
    for d in ("links", "leases", "lldp"):
        os.makedirs("/run/systemd/netif/" + d, exist_ok=True)
    sh("chown", "-R", "systemd-network:", "/run/systemd/netif")
    sh("mount", "-o", "remount,bind,ro", "/sys")  # no udev here: networkd then does not wait for it
    log = open(DIR + "/networkd.log", "a")
    return subprocess.Popen(["/usr/lib/systemd/systemd-networkd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            env=dict(os.environ, container="lxc", SYSTEMD_LOG_TARGET="console"))


def end():
    for name in ("configd.log", "inspectd.log", "networkd.log"):
        if failed and os.path.exists(f"{DIR}/{name}"):
            print(f"--- {name}\n" + read(f"{DIR}/{name}")[-3000:])
    print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)
    os._exit(1 if failed else 0)
