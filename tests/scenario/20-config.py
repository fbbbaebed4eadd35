#!/usr/bin/env python3
"""configd and sekisho on our kernel: what is typed, what is kept, and what the box then does.

    lan 10.0.0.2, fd00::2 --- eth0 [ br0 ] eth1 --- wan 10.0.0.3, fd00::3
                                  mgmt1 = mgmt0 10.0.0.1

systemd-networkd runs on the rendered files, nftables is the kernel's own; inspectd is played by this script. B names
the build folder. One line for each check; exit code 1 when one failed.
"""
import glob
import json
import os
import signal
import socket
import subprocess
import threading
import traceback

import configbox as c
import pexpect
from configbox import B, DIR, ENV, Configd, check, networkd_start, read, sh, wait_for

CONFIG = DIR + "/data/config/"
PASSWORD = "correct horse 1"
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75


def cli(*lines, json_out=False):
    argv = [B + "/bin/sekisho"] + (["--json"] if json_out else [])
    for line in lines:
        argv += ["-c", line]
    return subprocess.run(argv, env=ENV, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def commit(*lines):
    return cli("configure", *lines, "commit")


class Daemon:
    """Plays a daemon: answers Check and Reload as it is told to."""

    def __init__(self, name):
        self.refuse = set()
        self.seen = []
        self.path = f"{DIR}/run/{name}.varlink"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            data = b""
            while b"\0" not in data:
                more = peer.recv(65536)
                if not more:
                    break
                data += more
            if data:
                method = json.loads(data.split(b"\0")[0])["method"].rsplit(".", 1)[1]
                self.seen.append(method)
                answer = {"error": "io.sekisho.Daemon.Invalid", "parameters": {"why": "the test says no"}} \
                    if method in self.refuse else {"parameters": {}}
                peer.sendall(json.dumps(answer).encode() + b"\0")
            peer.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)


def prepare():
    c.prepare()
    for side, n in (("lan", 2), ("wan", 3)):
        sh("ip", "addr", "add", f"10.0.0.{n}/24", "dev", side + "0", ns=side)
        sh("ip", "addr", "add", f"fd00::{n}/64", "dev", side + "0", "nodad", ns=side)


def test_first_login():
    t = pexpect.spawn(B + "/bin/sekisho", env=ENV, encoding="utf-8", timeout=20, dimensions=(40, 120))
    t.expect("no password yet")
    for first, second in (("short", "short"), (PASSWORD, PASSWORD + "x"), (PASSWORD, PASSWORD)):
        t.expect("New password: ")
        t.sendline(first)
        t.expect("Once more: ")
        t.sendline(second)
        t.expect("10 characters" if first == "short" else "not the same" if first != second else "is set")
    t.expect("Set up the network now")
    t.sendline("n")
    t.expect("sekisho> ")
    check("first login forces a password", True)
    t.send("show ?")
    t.expect("version")
    t.expect("sekisho> show ")
    t.send("ver\t\n")
    t.expect("kernel ")
    t.expect("sekisho> ")
    check("? and TAB in operational mode", True)
    t.send("conf\n")
    t.expect("sekisho# ")
    t.send("set insp\tapplication BitTorrent act\t?")
    t.expect("Cut it")
    t.expect("sekisho# set inspection application BitTorrent action ")
    t.send("drop\n")
    t.expect("sekisho# ")
    t.send("compare\n")
    t.expect("set inspection application BitTorrent action drop")
    t.send("exit\n")
    t.expect("not committed")
    t.send("exit\n")
    t.expect(pexpect.EOF)
    check("? and TAB from the schema, in configuration mode", True)
    check("shadow has the hash", read(DIR + "/run/etc/shadow").startswith("admin:$y$"))
    check("daemons do not see the hash", "$y$" not in read(DIR + "/run/config/system.json"))
    check("the log does not show the hash", "<secret>" in read(DIR + "/data/log/configd/eve.json")
          and "$y$" not in read(DIR + "/data/log/configd/eve.json"))


def test_refusals():
    for line, says in (("set inspection queues 99", "1..16"), ("set mial", "no such setting"), ("set mail virus x", "reject | accept"),
                       ("delete mail virus", "not set"), ("set interfaces port eth9", "")):
        r = cli("configure", line)
        check("refused: " + line if says else "taken: " + line, (r.returncode != 0) == bool(says) and says in r.stderr, r.stderr)
    r = commit("set interfaces management address 10.0.0.300/24")
    check("an address that is none is not committed", r.returncode == 1 and "10.0.0.300/24" in r.stderr, r.stderr)
    r = commit("set interfaces port eth9")
    check("an incomplete candidate is not committed", r.returncode == 1 and "side" in r.stderr, r.stderr)
    check("an unknown command has its own code", cli("frobnicate").returncode == 2)


def test_conflict():
    a, b = (subprocess.Popen([B + "/bin/sekisho"], env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2))
    for p, size in ((a, 100000), (b, 200000)):
        p.stdin.write(f"configure\nset mail max-message-bytes {size}\ncompare\n")
        p.stdin.flush()
        p.stdout.readline()
    out_a = a.communicate("commit\n", 60)
    out_b = b.communicate("commit\n", 60)
    check("the first of two commits wins", "committed" in out_a[0] and a.returncode == 0, out_a)
    check("the second is told", b.returncode == 1 and "somebody else" in out_b[1], out_b)


def startup_file():
    """The newest commit; None before the first one."""
    return max(glob.glob(CONFIG + "commit-*.json"), default=None)


def startup():
    return json.loads(read(startup_file()).split("\n", 1)[1])


def queue_rule():
    return [l.strip() for l in sh("nft", "list", "chain", "bridge", "sekisho", "forward").stdout.splitlines() if "queue" in l]


def test_apply():
    inspectd = Daemon("inspectd")
    before = startup(), queue_rule()
    inspectd.refuse = {"Check"}
    r = commit("set inspection queues 2")
    check("a daemon's Check stops a commit", r.returncode == 1 and "the test says no" in r.stderr, r.stderr)
    check("nothing has changed then", (startup(), queue_rule()) == before and "Reload" not in inspectd.seen)
    inspectd.refuse = {"Reload"}
    r = commit("set inspection queues 2")
    check("a daemon's Reload fails a commit", r.returncode == 1 and "the test says no" in r.stderr, r.stderr)
    check("all is as before then", (startup(), queue_rule()) == before, (startup(), queue_rule()))
    check("its rendered file too", json.loads(read(DIR + "/run/config/inspection.json"))["queues"] == 1)
    inspectd.refuse = set()
    sh("nft", "add", "element", "bridge", "sekisho", "inspect_alive", "{ ip timeout 60s }")
    r = commit("set inspection queues 2")
    check("commit", r.returncode == 0 and r.stdout == "committed\n", r.stderr)
    rule = "meta protocol @inspect_alive queue flags bypass to 0-1"
    check("the ruleset follows", queue_rule() and all(line.endswith(rule) for line in queue_rule()), queue_rule())
    check("the daemon's file follows", json.loads(read(DIR + "/run/config/inspection.json"))["queues"] == 2)
    elements = sh("nft", "list", "set", "bridge", "sekisho", "inspect_alive").stdout
    check("the dead-man's switch lives through a commit", "ip timeout" in elements, elements)
    sh("nft", "flush", "set", "bridge", "sekisho", "inspect_alive")
    check("nothing to commit", commit().stdout == "nothing to commit\n")
    inspectd.close()
    events = [json.loads(l) for l in read(DIR + "/data/log/configd/eve.json").splitlines()]
    check("the commit is an event", events[-1]["config"]["user"] == "root"
          and events[-1]["config"]["diff"] == "set inspection queues 2\n", events[-1])


def ping(ns, address):
    return sh("ping", "-n", "-c", "1", "-W", "2", address, ns=ns, ok=False).returncode == 0


def connect(ns, address, port, seconds=10):
    r = sh("timeout", str(seconds), "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port} && head -n1 <&3", ns=ns, ok=False)
    return r.stdout.strip() if r.returncode == 0 else None


def serve(family, address, port, answer, ns=None, transparent=False):
    """A listener that sends one line, its own address in it."""
    if ns:
        fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
        os.setns(fd, os.CLONE_NEWNET)
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if transparent:
        s.setsockopt(*((socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if family == socket.AF_INET6
                       else (socket.SOL_IP, IP_TRANSPARENT)), 1)
    s.bind((address, port))
    s.listen()
    while True:
        end, peer = s.accept()
        end.sendall(f"{answer} {end.getsockname()[0]} {peer[0]}\n".encode())
        end.close()


def test_network():
    r = commit("delete interfaces management dhcp", "set interfaces management address 10.0.0.1/24")
    check("management address is committed", r.returncode == 0, r.stderr)
    networkd = networkd_start()
    up = wait_for(lambda: "10.0.0.1/24" in sh("ip", "-br", "addr", "show", "mgmt0", ok=False).stdout
                  and len([l for l in sh("bridge", "link").stdout.splitlines() if "master br0 state forwarding" in l]) == 3, 40)
    check("networkd makes bridge, ports and management", up, sh("ip", "-br", "addr").stdout)
    check("mail rules follow the bridge", wait_for(lambda: "chain learn" in sh("nft", "list", "table", "netdev", "sekisho_mail").stdout))
    check("the cable works", wait_for(lambda: ping("lan", "10.0.0.3")) and ping("lan", "fd00::3"))
    check("management answers", wait_for(lambda: ping("lan", "10.0.0.1")))
    threading.Thread(target=serve, args=(socket.AF_INET, "0.0.0.0", 22, "ssh"), daemon=True).start()
    threading.Thread(target=serve, args=(socket.AF_INET, "0.0.0.0", 80, "other"), daemon=True).start()
    check("SSH from the LAN side", connect("lan", "10.0.0.1", 22) == "ssh 10.0.0.1 10.0.0.2")
    check("no SSH from the WAN side", connect("wan", "10.0.0.1", 22, 2) is None)
    check("no ping from the WAN side", not ping("wan", "10.0.0.1"))
    check("nothing else from the LAN side", connect("lan", "10.0.0.1", 80, 2) is None)
    check("its own requests reach the WAN side", sh("ping", "-n", "-c", "1", "-W", "3", "10.0.0.3", ok=False).returncode == 0)
    commit("set interfaces management ssh false")
    check("SSH can be shut", connect("lan", "10.0.0.1", 22, 2) is None)
    return networkd


def test_failure_modes():
    commit("set inspection on-failure closed")
    check("closed: nothing passes without inspectd", not ping("lan", "10.0.0.3") and not ping("lan", "fd00::3"))
    commit("delete inspection on-failure")
    check("open: all passes without inspectd", ping("lan", "10.0.0.3"))
    sh("nft", "add", "element", "bridge", "sekisho", "inspect_alive", "{ ip timeout 1s }")
    check("open: a hung inspectd is out of the path by itself", wait_for(lambda: ping("lan", "10.0.0.3"), 10))


def test_mail():
    for family, any_, v in ((socket.AF_INET, "0.0.0.0", 4), (socket.AF_INET6, "::", 6)):
        threading.Thread(target=serve, args=(family, any_, 10025, "proxy"), kwargs={"transparent": True}, daemon=True).start()
        threading.Thread(target=serve, args=(family, any_, 25, "server"), kwargs={"ns": "wan"}, daemon=True).start()
    check("without maild mail goes past", wait_for(lambda: connect("lan", "10.0.0.3", 25) == "server 10.0.0.3 10.0.0.2"))
    sh("nft", "add", "element", "netdev", "sekisho_mail", "mail_alive", "{ 25 timeout 60s }")
    got = connect("lan", "10.0.0.3", 25), connect("lan", "fd00::3", 25)
    check("mail is diverted, IPv4", got[0] == "proxy 10.0.0.3 10.0.0.2", got)
    check("mail is diverted, IPv6", got[1] == "proxy fd00::3 fd00::2", got)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    s.settimeout(5)
    s.bind(("10.0.0.2", 40025))
    try:
        s.connect(("10.0.0.3", 25))
        got = s.recv(100).decode().strip()
    except OSError as e:
        got = e
    check("the onward leg has the client's address", got == "server 10.0.0.3 10.0.0.2", got)
    commit("set mail idle-timeout 60")
    check("diverted after a commit too", connect("lan", "10.0.0.3", 25) == "proxy 10.0.0.3 10.0.0.2")
    sh("nft", "delete", "element", "netdev", "sekisho_mail", "mail_alive", "{ 25 }")
    check("past again when maild dies", connect("lan", "10.0.0.3", 25) == "server 10.0.0.3 10.0.0.2")
    commit("set mail on-failure closed")
    check("closed: mail is diverted whoever lives", connect("lan", "10.0.0.3", 25) == "proxy 10.0.0.3 10.0.0.2")
    commit("delete mail on-failure", "set mail enabled false")
    check("mail checking can be switched off", connect("lan", "10.0.0.3", 25) == "server 10.0.0.3 10.0.0.2")


def test_restart(configd):
    want = cli("show configuration").stdout
    configd.stop(signal.SIGKILL)
    check("the cable works without configd", ping("lan", "10.0.0.3"))
    configd = Configd()
    check("the configuration survives kill -9", cli("show configuration").stdout == want)
    configd.stop()
    newest = startup_file()
    text = read(newest)
    with open(newest, "w") as f:
        f.write(text[:len(text) // 2])
    configd = Configd()
    check("a cut startup file: the previous one", '"previous"' in cli("show status configd", json_out=True).stdout)
    check("the damage is reported", "DAMAGED" in read(DIR + "/configd.log") and os.path.exists(CONFIG + "damaged.json"))
    check("it is an event", '"action":"damaged"' in read(DIR + "/data/log/configd/eve.json"))
    return configd


def main():
    prepare()
    configd, networkd = Configd(), None
    try:
        check("factory configuration", "set interfaces port eth1 side wan" in cli("show configuration").stdout)
        check("admin may log in on the console once", read(DIR + "/run/etc/shadow").startswith("admin::"))
        test_first_login()
        test_refusals()
        test_conflict()
        test_apply()
        networkd = test_network()
        test_failure_modes()
        test_mail()
        configd = test_restart(configd)
        check("configd ends cleanly", configd.stop() == 0)
    except Exception:
        check("no exception", False, traceback.format_exc())
    if networkd:
        networkd.terminate()
    c.end()


main()
