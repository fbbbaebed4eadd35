#!/usr/bin/env python3
"""Bulk TCP between two namespaces routed through a third: the bare kernel, and inspectd on an NFQUEUE.

The development kernel has no nft `queue`, so the packets are queued by iptables; the engine is the
product's. Each round runs iperf3 once for each contestant.
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

TOP = Path(__file__).resolve().parents[2]
INSPECTD = TOP / "build/x86_64/bin/inspectd"
ET_OPEN = Path(os.environ.get("SUITES") or "/nonexistent") / "et-open/emerging.rules.tar.gz"
SECONDS = 4


def sh(command: str) -> None:
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def rig() -> None:
    for ns in ("a", "r", "b"):
        sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
    for side, net in (("a", "10.91.1"), ("b", "10.91.2")):
        sh(f"ip link add v{side} netns {side} type veth peer name r{side} netns r")
        sh(f"ip -n {side} addr add {net}.2/24 dev v{side} && ip -n {side} link set v{side} up")
        sh(f"ip -n r addr add {net}.1/24 dev r{side} && ip -n r link set r{side} up")
        sh(f"ip -n {side} route add default via {net}.1")
    sh("ip netns exec r sysctl -qw net.ipv4.ip_forward=1")
    # what the engine condemns or has finished with is settled by the connection mark, as on the product
    sh("ip netns exec r iptables -A FORWARD -m connmark --mark 0x100/0x100 -j ACCEPT")
    sh("ip netns exec r iptables -A FORWARD -j NFQUEUE --queue-num 0 --queue-bypass")
    sh("ip netns exec r iptables -t mangle -A POSTROUTING -m mark --mark 0x100/0x100 -j CONNMARK --save-mark")


def engine(rules: list[Path], log: str) -> subprocess.Popen:
    args = ["ip", "netns", "exec", "r", str(INSPECTD), "-q", "0", "-l", log]
    for path in rules:
        args += ["-S", str(path)]
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        listeners = subprocess.run("ip netns exec r cat /proc/net/netfilter/nfnetlink_queue", shell=True,
                                   capture_output=True, text=True, check=False).stdout
        if listeners.strip():
            return process
        if process.poll() is not None:
            raise RuntimeError(f"inspectd ended with {process.returncode}")
        time.sleep(0.05)
    raise RuntimeError("inspectd did not bind its queue within 60 s")


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def rss_mb(process: subprocess.Popen) -> float:
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def bulk() -> float:
    """Gbit/s of one TCP stream."""
    server = subprocess.Popen(["ip", "netns", "exec", "b", "iperf3", "-s", "-1"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            out = subprocess.run(["ip", "netns", "exec", "a", "iperf3", "-J", "-t", str(SECONDS), "-c", "10.91.2.2"],
                                 capture_output=True, text=True, check=False).stdout
            result = json.loads(out)
            if "end" in result and result["end"]:
                return result["end"]["sum_received"]["bits_per_second"] / 1e9
            time.sleep(0.05)  # the server is not listening yet
        raise RuntimeError("iperf3 found no server")
    finally:
        server.terminate()
        server.wait()


def unpack_rules(folder: str) -> list[Path]:
    if not ET_OPEN.exists():
        print("skipped: suite et-open not found, its row is left out")
        return []
    sh(f"tar -C {folder} -xzf {ET_OPEN}")
    return sorted(Path(folder).rglob("*.rules"))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rig()
    with tempfile.TemporaryDirectory() as work:
        own = sorted((TOP / "rootfs/overlay/usr/share/sekisho/rules").glob("*.rules"))
        contestants: dict[str, list[Path] | None] = {"bare kernel": None, "inspectd, own rules": own}
        et_open = unpack_rules(work)
        if et_open:
            contestants["inspectd, ET Open"] = et_open
        figures: dict[str, list[float]] = {name: [] for name in contestants}
        memory: dict[str, float] = {}
        for _ in range(rounds):
            for name, rules in contestants.items():
                process = engine(rules, work) if rules is not None else None
                try:
                    figures[name].append(bulk())
                    if process:
                        memory[name] = rss_mb(process)
                finally:
                    if process:
                        stop(process)
        base = statistics.median(figures["bare kernel"])
        lines = ["| one TCP stream | median Gbit/s | spread | of bare kernel | RSS MB |", "|---|---|---|---|---|"]
        for name, values in figures.items():
            median = statistics.median(values)
            lines.append(f"| {name} | {median:.2f} | {min(values):.2f}-{max(values):.2f} | {median / base:.0%} | "
                         f"{memory.get(name, 0):.0f} |")
    text = "\n".join(lines) + "\n"
    (TOP / "build/bench/packets.md").write_text(text, encoding="ascii")
    print(text, end="")


if __name__ == "__main__":
    main()
