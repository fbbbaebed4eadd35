"""What the benchmarks share: three namespaces in a row (client, router, server), processes with their CPU time and memory,
rounds in which every contestant is measured once, and the table."""
import contextlib
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BIN = TOP / "build/x86_64/bin"
OUT = TOP / "build/bench"
SUITES = Path(os.environ.get("SUITES") or "/nonexistent")
HERTZ = os.sysconf("SC_CLK_TCK")
CLIENT, ROUTER, SERVER = "bench-c", "bench-r", "bench-s"
SERVER_ADDRESS = "10.91.2.2"


def sh(command: str, **more) -> str:
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def inside(ns: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", ns, *command]


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """client 10.91.1.2 - 10.91.1.1 router 10.91.2.1 - 10.91.2.2 server"""
    names = (CLIENT, ROUTER, SERVER)
    for ns in names:
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)
        sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
    try:
        for ns, net in ((CLIENT, "10.91.1"), (SERVER, "10.91.2")):
            port = f"to-{ns[-1]}"
            sh(f"ip link add eth netns {ns} type veth peer name {port} netns {ROUTER}")
            sh(f"ip -n {ns} addr add {net}.2/24 dev eth && ip -n {ns} link set eth up")
            sh(f"ip -n {ROUTER} addr add {net}.1/24 dev {port} && ip -n {ROUTER} link set {port} up")
            sh(f"ip -n {ns} route add default via {net}.1")
        sh(f"ip netns exec {ROUTER} sysctl -qw net.ipv4.ip_forward=1")
        yield
    finally:
        for ns in names:
            subprocess.run(["ip", "netns", "del", ns], check=False)


def descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(p) for p in (task / "children").read_text(encoding="ascii").split()]
    return found


class Process:
    """A contestant and all that it started."""

    def __init__(self, command: list[str], log: Path, **more):
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
        self.log = log

    def pids(self) -> list[int]:
        return [p for p in descendants(self.popen.pid) if Path(f"/proc/{p}").exists()]

    def alive(self) -> bool:
        return self.popen.poll() is None

    def cpu_seconds(self) -> float:
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        return total / HERTZ

    def memory_mb(self, what: str = "Pss") -> float:
        """Memory of the whole tree; Pss counts what processes share once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                    if line.startswith(what + ":"):
                        total += int(line.split()[1])
        return total / 1024

    def signal(self, number: int) -> None:
        """To the program itself: the last of a chain of wrappers."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pids()[-1], number)

    def stop(self) -> None:
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def wait_for(condition: Callable[[], object], seconds: float, what: str, process: Process | None = None) -> float:
    """Seconds until the condition holds."""
    start = time.monotonic()
    while not condition():
        if process and not process.alive():
            raise RuntimeError(f"{what}: ended early: {process.log.read_text(errors='replace')[-500:]}")
        if time.monotonic() - start > seconds:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.01)
    return time.monotonic() - start


class Table:
    """Figures by row (what is measured) and contestant; printed as median and spread."""

    def __init__(self, title: str, contestants: list[str]):
        self.title, self.contestants = title, contestants
        self.rows: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, contestant: str, value: float) -> None:
        self.rows.setdefault(row, {}).setdefault(contestant, []).append(value)

    def median(self, row: str, contestant: str) -> float | None:
        values = self.rows.get(row, {}).get(contestant)
        return statistics.median(values) if values else None

    def ratio(self, row: str, over: str, under: str) -> str:
        a, b = self.median(row, over), self.median(row, under)
        return f"{a / b:.2f}" if a is not None and b else "-"

    def text(self) -> str:
        def number(v: float) -> str:
            return f"{v:.0f}" if v >= 100 else f"{v:.3g}"
        lines = [f"## {self.title}", "", "| median (smallest-largest) | " + " | ".join(self.contestants) + " |",
                 "|---" * (len(self.contestants) + 1) + "|"]
        for row, figures in self.rows.items():
            cells = []
            for name in self.contestants:
                v = figures.get(name)
                cells.append(f"{number(statistics.median(v))} ({number(min(v))}-{number(max(v))})" if v else "-")
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def bars(rows: list[tuple[str, str, bool | None]]) -> str:
    """What the project promises against what this run shows."""
    lines = ["", "| bar | shown | |", "|---|---|---|"]
    for bar, shown, met in rows:
        lines.append(f"| {bar} | {shown} | {'met' if met else 'not measured' if met is None else 'MISSED'} |")
    return "\n".join(lines) + "\n"


def write(name: str, text: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, end="", flush=True)
