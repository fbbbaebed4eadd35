#!/usr/bin/env python3
"""How long a commit of one setting takes in a configuration of 10,000 nodes, as the command line sees it.

configd runs with a real ruleset in a network namespace of its own, its store on a disk. Mode route without inspection, so
that any kernel will do. Usage: tests/bench/config.py [ROUNDS]; B names the build folder. Prints one table, and keeps it in
build/bench/config.md.
"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
import configbox as c  # noqa: E402

COMMITS = 20 * (int(sys.argv[1]) if len(sys.argv) > 1 else 3)
ADDRESSES, PREFIXES = 200, 48
BAR_MS = 150
lines = []
NAMESPACE = f"bench-commit-{os.getpid()}"


def say(line):
    print(line, flush=True)
    lines.append(line)


def large():
    return {
        "interfaces": {
            "mode": "route",
            "port": [{"name": "eth0", "side": "lan"}, {"name": "eth1", "side": "wan"}],
            "network": [{"name": "office", "side": "lan", "port": ["eth0"], "address": ["192.168.1.1/24"]},
                        {"name": "modem", "side": "wan", "port": ["eth1"], "dhcp": True}]},
        "inspection": {"enabled": False},
        "mail": {"enabled": False},
        "zones": {
            "address": [{"name": f"host-{i}", "prefix": [f"10.{i}.{k}.0/24" for k in range(PREFIXES)]} for i in range(ADDRESSES)],
            "policy": [{"name": f"p{i}", "source": [f"host-{i}"], "action": "drop"} for i in range(ADDRESSES)]}}


def nodes(value):
    if isinstance(value, dict):
        return sum(1 + nodes(v) if not isinstance(v, list) else sum(1 + nodes(e) for e in v) for v in value.values())
    return 0


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def run(session, pid, name, line):
    times = []
    before = cpu_ms(pid)
    for i in range(COMMITS):
        start = time.monotonic()
        session.commit(line.format(i=i, n=100 + i))
        times.append((time.monotonic() - start) * 1000)
    times.sort()
    cpu = (cpu_ms(pid) - before) / COMMITS
    p95 = times[len(times) * 95 // 100]
    say(f"| {name} | {times[len(times) // 2]:.0f} | {p95:.0f} | {times[-1]:.0f} | {cpu:.0f} | {BAR_MS} | {'met' if p95 <= BAR_MS else 'missed'} |")


def main():
    for d in ("run", "data/config", "share/yang", "network"):
        os.makedirs(f"{c.DIR}/{d}")
    for schema in c.glob.glob("userland/config/*.yang"):
        c.shutil.copy(schema, c.DIR + "/share/yang")
    config = large()
    with open(c.DIR + "/share/factory.json", "w") as f:
        json.dump(config, f)
    env = dict(c.ENV, SEKISHO_NETWORKD=c.DIR + "/network")
    c.sh("ip", "netns", "add", NAMESPACE)
    log = open(c.DIR + "/configd.log", "w")
    configd = subprocess.Popen(["ip", "netns", "exec", NAMESPACE, c.B + "/bin/configd"], env=env, stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log)
    try:
        def session():
            try:
                return c.Session()
            except OSError:
                return None
        s = c.wait_for(session, 30)
        say(f"Commit of one setting in {nodes(config)} nodes, {COMMITS} times\n\n"
            "| setting | median ms | p95 ms | largest ms | CPU ms | bar for p95 | |\n|---|---|---|---|---|---|---|")
        run(s, configd.pid, "mail idle-timeout (no ruleset)", "set mail idle-timeout {n}")
        run(s, configd.pid, "zones address host-0 prefix (ruleset is loaded)", "set zones address host-0 prefix 10.255.{i}.0/24")
    except Exception as e:
        print(e, c.read(c.DIR + "/configd.log")[-2000:])
        raise
    finally:
        configd.terminate()
        configd.wait(20)
        c.sh("ip", "netns", "delete", NAMESPACE)
        c.shutil.rmtree(c.DIR, ignore_errors=True)
    os.makedirs("build/bench", exist_ok=True)
    with open("build/bench/config.md", "w") as f:
        f.write("\n".join(lines) + "\n")


main()
