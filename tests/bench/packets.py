#!/usr/bin/env python3
"""Packets through a router: the bare kernel, a reader that accepts all, Suricata, and inspectd as shipped and with bypass off.

The development kernel has no nft `queue`, so iptables queues the packets; two queues for everybody. The engines load the
same rules and log what they log by default. When a queue is full, packets are dropped by everybody (fail-open is
switched off for this), so every packet that arrives was inspected.
"""
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rig import BIN, CLIENT, OUT, ROUTER, SERVER, SERVER_ADDRESS, SUITES, TOP, Process, Table, bars, inside, namespaces, \
    sh, wait_for, write

SECONDS = 4
OBJECT_BYTES = 16384
FLOWS = 100_000
QUEUES = 2
# No payload: the packet is as long as both of its headers. Classic BPF, for want of nft's sets of pairs in iptables.
BARE = "10,177 0 0 0,80 0 0 12,116 0 0 2,84 0 0 60,12 0 0 0,7 0 0 0,40 0 0 2,29 0 1 0,6 0 0 65535,6 0 0 0"
KERNEL, READER, SURICATA, SHIPPED, EVERY_BYTE = (
    "bare kernel", "accept-all reader", "Suricata 7.0.10", "inspectd", "inspectd, bypass off")


def firewall(queue: bool) -> None:
    """What the engine condemns or has finished with is settled by the connection mark, as on the product."""
    for table in ("filter", "mangle"):
        sh(f"ip netns exec {ROUTER} iptables -t {table} -F")
    if not queue:
        return
    to_queue = f"-j NFQUEUE --queue-balance 0:{QUEUES - 1} --queue-bypass"
    rules = ["-A FORWARD -m connmark --mark 0x200/0x200 -j DROP",
             f"-A FORWARD -m connmark --mark 0 {to_queue}",
             f"-A FORWARD -p tcp -m tcp ! --tcp-flags FIN,SYN,RST NONE {to_queue}",
             "-A FORWARD -m connmark --mark 0x100/0x100 -j ACCEPT",
             "-t mangle -A POSTROUTING -m mark --mark 0/0x6500 -j ACCEPT",
             "-t mangle -A POSTROUTING -m mark --mark 0x100/0x100 -j CONNMARK --or-mark 0x100",
             "-t mangle -A POSTROUTING -m mark --mark 0x2000/0x2000 -j CONNMARK --or-mark 0x2000",
             "-t mangle -A POSTROUTING -m mark --mark 0x4000/0x4000 -j CONNMARK --and-mark 0xffffdfff"]
    for direction, bit in (("ORIGINAL", "0x800"), ("REPLY", "0x1000")):
        rules += [f"-A FORWARD -m conntrack --ctdir {direction} -m connmark --mark {bit}/{bit} -j ACCEPT",
                  f"-t mangle -A POSTROUTING -m mark --mark 0x400/0x400 -m conntrack --ctdir {direction} -j CONNMARK --or-mark {bit}"]
    rules.append(f"-A FORWARD -p tcp -m connmark ! --mark 0/0x3800 -m tcp --tcp-flags ALL ACK -m bpf --bytecode '{BARE}' -j ACCEPT")
    for rule in (*rules, f"-A FORWARD {to_queue}"):
        sh(f"ip netns exec {ROUTER} iptables {rule}")


def queues_bound() -> bool:
    text = sh(f"ip netns exec {ROUTER} cat /proc/net/netfilter/nfnetlink_queue")
    return len(text.splitlines()) >= QUEUES


def start(name: str, work: Path, rules: Path) -> tuple[Process, float]:
    """The contestant and the seconds until it served."""
    logs = work / "log"
    logs.mkdir(exist_ok=True)
    log = work / (name.replace(" ", "-").replace(",", "") + ".log")
    if name == READER:
        command = [str(OUT / "queue_accept"), "0", str(QUEUES - 1)]
    elif name == SURICATA:
        command = [str(TOP / "tools/peer"), "run", "suricata", "suricata", "-v", "-S", str(rules), "-l", str(logs),
                   "--set", "unix-command.enabled=no", "--pidfile", str(work / "pid")]
        for q in range(QUEUES):
            command += ["-q", str(q)]
        (work / "pid").unlink(missing_ok=True)
    else:
        settings = work / "settings.json"
        settings.write_text(json.dumps({"bypass": name == SHIPPED, "on-failure": "closed"}), encoding="ascii")
        command = [str(BIN / "inspectd"), "-q", f"0:{QUEUES - 1}", "-l", str(logs), "-S", str(rules), "-c", str(settings),
                   "--cache", str(work / "cache")]
    process = Process(inside(ROUTER, *command), log)
    def serves() -> bool:
        return queues_bound() and (name != SURICATA or "Engine started" in log.read_text(errors="replace"))
    return process, wait_for(serves, 120, name, process)


def iperf(*options: str) -> dict:
    server = subprocess.Popen(inside(SERVER, "iperf3", "-s", "-1"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            out = subprocess.run(inside(CLIENT, "iperf3", "-J", "-t", str(SECONDS), "-c", SERVER_ADDRESS, *options),
                                 capture_output=True, text=True, check=False).stdout
            end = json.loads(out).get("end") if out else None
            if end:
                return end
            time.sleep(0.05)  # the server is not listening yet
        raise RuntimeError("iperf3 found no server")
    finally:
        server.terminate()
        server.wait()


def http_per_second() -> float:
    out = sh(f"ip netns exec {CLIENT} {TOP}/tools/peer run load wrk -t1 -c50 -d{SECONDS}s -H 'Connection: close' "
             f"http://{SERVER_ADDRESS}:80/object")
    return float(out.split("Requests/sec:")[1].split()[0])


ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 7))
while True:
    d, a = s.recvfrom(2048); s.sendto(d, a)
"""
ROUND_TRIPS = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
for i in range(3000):
    t = time.perf_counter(); s.sendto(b"x" * 64, ("{SERVER_ADDRESS}", 7))
    try: s.recv(100)
    except TimeoutError: continue
    print((time.perf_counter() - t) * 1e6)
"""
MANY_FLOWS = f"""
import socket, time
left = {FLOWS}
while left:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(20000, 20000 + min(left, 25000)):
        s.sendto(b"x" * 22, ("{SERVER_ADDRESS}", port))
        if port % 100 == 0: time.sleep(0.005)
    left -= min(left, 25000)
"""


def latency_us() -> tuple[float, float]:
    echo = subprocess.Popen(inside(SERVER, sys.executable, "-c", ECHO), stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        out = subprocess.run(inside(CLIENT, sys.executable, "-c", ROUND_TRIPS), capture_output=True, text=True, check=True)
        trips = sorted(float(v) for v in out.stdout.split())
        return statistics.median(trips), trips[int(len(trips) * 0.99)]
    finally:
        echo.kill()
        echo.wait()


def measure(table: Table, name: str, process: Process | None) -> None:
    if process:
        table.add("memory after load, MB", name, process.memory_mb("Rss"))
    for streams in (1, 4):
        before = process.cpu_seconds() if process else 0
        end = iperf("-P", str(streams))["sum_received"]
        table.add(f"bulk TCP, {streams} stream{'s' * (streams > 1)}, Gbit/s", name, end["bits_per_second"] / 1e9)
        if process and streams == 1:
            table.add("CPU seconds per GB of bulk TCP", name, (process.cpu_seconds() - before) / (end["bytes"] / 1e9))
    table.add("HTTP, a connection per 16 KB object, 1/s", name, http_per_second())
    udp = iperf("-u", "-b", "0", "-l", "22")["sum"]
    table.add("UDP of 64 bytes, received 1/s", name, (udp["packets"] - udp["lost_packets"]) / udp["seconds"])
    p50, p99 = latency_us()
    table.add("round trip p50, us", name, p50)
    table.add("round trip p99, us", name, p99)
    if process and name != READER:
        subprocess.run(inside(CLIENT, sys.executable, "-c", MANY_FLOWS), check=True)
        table.add("memory after 100,000 flows, MB", name, process.memory_mb("Rss"))


def reload_seconds(name: str, process: Process) -> float:
    said = "rule reload complete" if name == SURICATA else "reloaded"
    process.signal(signal.SIGUSR2 if name == SURICATA else signal.SIGHUP)
    return wait_for(lambda: said in process.log.read_text(errors="replace"), 120, f"{name}: reload", process)


def round_of(table: Table, contestants: list[str], work: Path, rules: Path) -> None:
    for name in contestants:
        firewall(name != KERNEL)
        if name == KERNEL:
            measure(table, name, None)
            continue
        if name == SHIPPED:
            sh(f"rm -rf {work}/cache && mkdir {work}/cache")
            process, seconds = start(name, work, rules)
            table.add("load without cache, s", name, seconds)
            process.stop()
        process, seconds = start(name, work, rules)
        try:
            if name != READER:
                table.add("load, s", name, seconds)
            if name == SURICATA:
                table.add("load without cache, s", name, seconds)
            measure(table, name, process)
            if name != READER:
                table.add("rule reload, s", name, reload_seconds(name, process))
        finally:
            process.stop()


def judge(table: Table) -> str:
    def times(row: str, over: str, under: str, least: float) -> tuple[str, bool | None]:
        a, b = table.median(row, over), table.median(row, under)
        if not a or not b:
            return "-", None
        return f"{a / b:.2f} times", a / b >= least
    bulk, http = "bulk TCP, 1 stream, Gbit/s", "HTTP, a connection per 16 KB object, 1/s"
    rows = []
    for bar, row, over, under, least in (
            ("bulk TCP as shipped: 8 times Suricata", bulk, SHIPPED, SURICATA, 8),
            ("bulk TCP, every byte inspected: 3 times Suricata", bulk, EVERY_BYTE, SURICATA, 3),
            ("HTTP connections: 3 times Suricata", http, SHIPPED, SURICATA, 3),
            ("load without cache: 1/3 of Suricata", "load without cache, s", SURICATA, SHIPPED, 3),
            ("load with cache: 1/10 of Suricata", "load, s", SURICATA, SHIPPED, 10),
            ("memory after load: 1/3 of Suricata", "memory after load, MB", SURICATA, SHIPPED, 3),
            ("bulk TCP as shipped: 0.85 of the bare kernel", bulk, SHIPPED, KERNEL, 0.85),
            ("HTTP connections: 0.5 of the bare kernel", http, SHIPPED, KERNEL, 0.5)):
        shown, met = times(row, over, under, least)
        rows.append((bar, shown, met))
    return bars(rows)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    tarball = SUITES / "et-open/emerging.rules.tar.gz"
    if not tarball.exists():
        print("skipped: suite et-open not found")
        return
    OUT.mkdir(parents=True, exist_ok=True)
    sh(f"gcc -D_GNU_SOURCE -O2 -o {OUT}/queue_accept {TOP}/tests/bench/queue_accept.c -lmnl -lpthread")
    contestants = [KERNEL, READER, SURICATA, SHIPPED, EVERY_BYTE]
    if len(sys.argv) > 2:
        contestants = [n for n in contestants if n in sys.argv[2].split(";")]
    table = Table(f"Packets through a router, ET Open rules, {rounds} rounds", contestants)
    with tempfile.TemporaryDirectory() as folder, namespaces():
        work = Path(folder)
        sh(f"tar -C {work} -xzf {tarball}")
        rules = work / "all.rules"
        rules.write_bytes(b"\n".join(p.read_bytes() for p in sorted(work.glob("rules/*.rules"))))
        os.chmod(work, 0o755)
        (work / "object").write_bytes(os.urandom(OBJECT_BYTES))
        (work / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {work}/nginx.pid; error_log /dev/null;\n"
            "events { worker_connections 4096; multi_accept on; }\n"
            f"http {{ access_log off; keepalive_timeout 0; server {{ listen 80 backlog=4096; root {work}; }} }}\n",
            encoding="ascii")
        sh(f"ip netns exec {CLIENT} sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1")
        sh(f"ip netns exec {SERVER} iptables -A INPUT -p udp --dport 20000:45000 -j DROP")
        nginx = Process(inside(SERVER, str(TOP / "tools/peer"), "run", "load", "nginx", "-c", str(work / "nginx.conf")),
                        work / "nginx.log")
        wait_for(lambda: sh(f"ip netns exec {SERVER} ss -Hltn sport = :80").strip(), 60, "nginx", nginx)
        try:
            for n in range(rounds):
                print(f"round {n + 1} of {rounds}", file=sys.stderr, flush=True)
                round_of(table, contestants, work, rules)
        finally:
            nginx.stop()
    write("packets", table.text() + judge(table))


if __name__ == "__main__":
    main()
