"""The booted image as a test reaches it: the serial console, SSH, and QEMU's own socket for what no person could type."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pexpect.fdpexpect

sys.path.insert(0, "tests/hosts")
import world as w  # noqa: E402  # found by the line above
from evidence import wait_for  # noqa: E402

RUN = Path("build/run")
WORLD = RUN / "world"
BOOT_S, LINE_S = 240, 90  # emulation without KVM is slow
SSH = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", f"ConnectTimeout={LINE_S}"]


class Failed(Exception):
    """What happened instead."""


def want(condition, instead) -> None:
    if not condition:
        raise Failed(str(instead).strip() or "nothing")


def run(*argv, seconds: float = 60, **options) -> subprocess.CompletedProcess:
    options.setdefault("stdin", subprocess.DEVNULL)
    if "input" in options:
        del options["stdin"]
    try:
        return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"no end after {seconds:.0f} s")


def reachable(address: str = w.BOX4) -> bool:
    return run("ping", "-n", "-c1", "-W1", address).returncode == 0


class Console:
    """The serial console."""

    def __init__(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(RUN / "serial.sock"))
        self.socket = s
        self.t = pexpect.fdpexpect.fdspawn(s, encoding="utf-8", codec_errors="replace", timeout=LINE_S)

    def until(self, pattern: str, seconds: float = LINE_S) -> str:
        try:
            self.t.expect(pattern, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF) as e:
            raise Failed(f"the console did not say '{pattern}' in {seconds:.0f} s; it said: {str(self.t.buffer)[-300:]!r}") from e
        return self.t.before

    def say(self, line: str) -> None:
        self.t.send(line + "\r")

    def secret(self, prompt: str, text: str, then: str) -> None:
        """Answers a question whose echo is off. What comes before the echo is off is thrown away: type it again, as a
        person would."""
        self.until(prompt)
        for _ in range(6):
            self.say(text)
            try:
                self.t.expect(then, timeout=LINE_S / 6)
                return
            except pexpect.TIMEOUT:
                continue
        raise Failed(f"after '{prompt}' the console did not say '{then}'")

    def login(self) -> None:
        """The prompt may have gone by before anybody listened: ask for it again."""
        def prompt() -> bool:
            try:
                self.t.expect("login: ", timeout=10)
                return True
            except pexpect.TIMEOUT:
                self.say("")
                return False
        want(wait_for(prompt, BOOT_S), f"no login prompt in {BOOT_S} s")


class Ssh:
    """Commands as one user over one connection."""

    def __init__(self, user: str, password: str, address: str = w.BOX4):
        self.user, self.address = user, address
        self.socket = f"/tmp/sekisho-image-{user}"
        Path(self.socket).unlink(missing_ok=True)  # of a connection that was cut
        self.master = pexpect.spawn("ssh", [*SSH, "-M", "-S", self.socket, "-N", f"{user}@{address}"], timeout=LINE_S)
        try:
            self.master.expect("password: ")
        except (pexpect.TIMEOUT, pexpect.EOF) as e:
            raise Failed(f"{user}: no password prompt: {self.master.before}") from e
        self.master.sendline(password)
        if not wait_for(lambda: run("ssh", "-S", self.socket, "-O", "check", address).returncode == 0, LINE_S):
            raise Failed(f"{user} is not let in: {self.master.read_nonblocking(1000, 1)}")

    def __call__(self, *lines: str, seconds: float = LINE_S) -> subprocess.CompletedProcess:
        """One line as a command, several through one session of the shell: a candidate lives as long as its session."""
        common = ["ssh", "-S", self.socket, f"{self.user}@{self.address}"]
        if len(lines) == 1:
            return run(*common, lines[0], seconds=seconds)
        return run(*common, input="".join(line + "\n" for line in lines), seconds=seconds)

    def close(self) -> None:
        self.master.close(force=True)


class Power:
    """QEMU's monitor (QMP)."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LINE_S)
        self.socket.connect(str(RUN / "qmp.sock"))
        self.file = self.socket.makefile("rw")
        self.wait("QMP")
        self.tell("qmp_capabilities")

    def wait(self, key: str) -> dict:
        for line in self.file:
            message = json.loads(line)
            if key in message:
                return message
        raise Failed("QEMU is gone")

    def tell(self, command: str) -> None:
        self.file.write(json.dumps({"execute": command}) + "\n")
        self.file.flush()
        self.wait("return")

    def cut(self) -> None:
        """To the machine a power cut and its end: what was in memory is gone, nothing is told to anybody."""
        self.tell("system_reset")

    def is_off(self, seconds: float) -> bool:
        """QEMU ends when the machine switches itself off."""
        self.socket.settimeout(seconds)
        try:
            return any("SHUTDOWN" in line and '"guest-shutdown"' in line for line in self.file)
        except OSError:
            return False
