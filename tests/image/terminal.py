"""The administrator's terminals: the first-boot dialogue on the serial line, completion and paging there, roles and acts over
SSH, guessed passwords, a lock-out that undoes itself."""

import json
import subprocess
import time

import pexpect

import world as w
from evidence import wait_for
from machine import BOOT_S, LINE_S, SSH, Console, Ssh, reachable, run, want

OTHER = "another gate, another road"
LAN5 = "10.77.0.11"  # who guesses passwords is shut out by his address


def dialogue(c: Console, password: str, check) -> None:
    c.login()
    c.say("admin")
    c.until("Language: en English, ja 日本語 ")
    c.say("ja")
    for text, then in (("short", "10 文字"), (password, "設定しました")):
        c.secret("新しいパスワード: ", text, "もう一度: ")
        c.secret("", text, then)
    c.until(r"\[Y/n\] ")
    c.say("y")
    for question, answer in (("動作モード", "hub"), ("bridge か route", ""), ("社内側のポート", ""), ("インターネット側のポート", "eth0"),
                             ("ポート名を", ""), ("管理アドレス", f"{w.BOX4}/{w.PREFIX4}"), ("デフォルトルーター", ""), ("DNS", w.WAN4)):
        c.until(question)
        c.until(r"\]: ")
        c.say(answer)
    c.until("set interfaces management address")
    c.until(r"\[Y/n\] ")
    c.say("")
    c.until("反映しました")
    c.until("sekisho> ")
    check("the first-boot dialogue on the serial line, in Japanese", True)
    check("the address that was answered answers", wait_for(reachable, LINE_S))


def editing(c: Console, check) -> None:
    c.t.send("show ver?")
    c.until("version +Release")
    c.t.send("\t\r")
    c.until("kernel 6")
    c.until("sekisho> ")
    c.t.send("show interfaces et\t\t")
    c.until("eth1")
    c.t.send("\x03")
    c.until("sekisho> ")
    check("? and TAB on the serial line, with the interfaces there are", True)
    c.say("help")
    c.until("--More--")
    c.t.send("q")
    c.until("sekisho> ")
    check("paging on a line that does not know its size", True)
    c.say("configure")
    c.until("sekisho# ")
    c.t.send("set system ho\t?")
    c.until("Name of this appliance")
    c.t.send("\x15do sh ver\r")
    c.until("kernel 6")
    c.until("sekisho# ")
    check("in configuration mode help comes from the schema, and 'do' runs what is operational", True)
    c.say("exit")
    c.until("sekisho> ")


def guesses_on_the_console(c: Console, password: str, check) -> None:
    """Ends logged in."""
    c.say("quit")
    for _ in range(3):
        c.login()
        c.say("admin")
        c.until("[Pp]assword: ")
        start = time.monotonic()
        c.say("an open sesame")
        c.until("[Ll]ogin incorrect|[Ll]ogin: ")
        check("a wrong password costs three seconds", time.monotonic() - start >= 3 - 0.5, f"{time.monotonic() - start:.1f} s")
    start = time.monotonic()

    def let_in() -> bool:
        c.login()
        c.say("admin")
        c.until("[Pp]assword: ")
        c.say(password)
        return c.t.expect(["[Ll]ogin incorrect", "sekisho> ", pexpect.TIMEOUT]) == 1
    check("after three the right one is refused", not let_in())
    check("for half a minute", wait_for(let_in, BOOT_S) and time.monotonic() - start > 20, f"{time.monotonic() - start:.0f} s")


def users(admin: Ssh, check) -> None:
    r = admin("configure", "set system user ada role auditor", "set system user otto role operator", "commit comment users")
    check("two more users", "committed" in r.stdout, r.stdout + r.stderr)
    for user in ("ada", "otto"):
        r = admin(f"request password {user}", "short", "short")
        check(f"a password for {user}: not a short one", "10 characters" in r.stderr, r.stdout + r.stderr)
        r = admin(f"request password {user}", OTHER, OTHER)
        check(f"a password for {user}", "The password is set" in r.stdout, r.stdout + r.stderr)
    r = admin("show configuration system | display json")
    check("no password is shown", "$y$" not in r.stdout and "otto" in r.stdout, r.stdout)


def roles(admin: Ssh, check) -> None:
    for user, may_clear in (("ada", False), ("otto", True)):
        s = Ssh(user, OTHER)
        r = s("show users")
        check(f"{user} logs in and looks", r.returncode == 0 and f"You are {user}" in r.stdout and f"ssh {w.LAN4}" in r.stdout, r.stdout + r.stderr)
        r = s("show events configd last 3")
        check(f"{user} reads the events", r.returncode == 0 and "config" in r.stdout, r.stdout + r.stderr)
        r = s("clear flows")
        check(f"{user} {'clears' if may_clear else 'does not clear'}", r.returncode == (0 if may_clear else 3), f"{r.returncode} {r.stderr}")
        for line in ("configure", "request reboot", "set clock 2000-01-01"):
            r = s(line)
            check(f"{user} may not {line}", r.returncode == 3, f"{r.returncode} {r.stdout} {r.stderr}")
        s.close()
    r = admin("show log last 5")
    check("the journal is readable", r.returncode == 0 and r.stdout.count("\n") == 5, r.stdout + r.stderr)
    r = admin("request shell")
    check("there is no shell, and it is said", r.returncode == 1 and "no shell" in r.stderr, r.stderr)
    r = admin("show events boxd")
    check("acts are recorded with user and source", f"user otto, source ssh {w.LAN4}, command clear flows" in r.stdout, r.stdout)
    check("exit codes come through SSH", admin("frobnicate").returncode == 2)


def keys(admin: Ssh, check) -> None:
    run("rm", "-f", "/tmp/sekisho-image-key", "/tmp/sekisho-image-key.pub")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "office", "-f", "/tmp/sekisho-image-key")
    with open("/tmp/sekisho-image-key.pub", encoding="ascii") as f:
        key = f.read().strip()
    r = admin("configure", f'set system user ada ssh-key "{key}"', "commit")
    check("a key for ada", "committed" in r.stdout, r.stdout + r.stderr)
    r = run("ssh", *SSH, "-o", "BatchMode=yes", "-i", "/tmp/sekisho-image-key", f"ada@{w.BOX4}", "show users")
    check("a key lets in without a password", r.returncode == 0 and "You are ada (auditor)" in r.stdout, r.stdout + r.stderr)


def guesses_over_ssh(_admin: Ssh, check) -> None:
    """From an address of its own: who guesses is shut out by address, and longer each time (sshd_config, PerSourcePenalties)."""
    run("ip", "addr", "add", f"{LAN5}/{w.PREFIX4}", "dev", "eth0")
    argv = [*SSH, "-b", LAN5, "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=2", f"ada@{w.BOX4}", "show users"]

    def guess() -> bool:
        """Whether a password is asked for; answers wrongly."""
        t = pexpect.spawn("ssh", argv, timeout=LINE_S)
        for n in range(2):
            if t.expect(["password: ", pexpect.EOF]) == 1:
                return n > 0
            t.sendline("an open sesame")
        t.expect(pexpect.EOF)
        return True
    asked = 0
    while asked < 10 and guess():
        asked += 1
    start = time.monotonic()
    check("who guesses is soon not even asked", 0 < asked <= 6, f"asked {asked} times")
    check("and is asked again after a while", wait_for(guess, LINE_S) and time.monotonic() - start > 5, f"{time.monotonic() - start:.0f} s")
    run("ip", "addr", "del", f"{LAN5}/{w.PREFIX4}", "dev", "eth0")


def acts(admin: Ssh, check) -> None:
    r = admin("test inspect", seconds=120)
    check("test inspect", r.returncode == 0 and "a drop drops" in r.stdout, r.stdout + r.stderr)
    r = admin(f"ping {w.LAN4} count 2")
    check("ping", r.returncode == 0, r.stdout + r.stderr)
    r = admin(f"traceroute {w.WAN4}")
    check("traceroute", r.returncode == 0, r.stdout + r.stderr)
    p = subprocess.Popen(["ssh", "-S", admin.socket, f"admin@{w.BOX4}", f"capture eth0 count 2 seconds 40 address {w.WAN4}"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run("ping", "-n", "-c20", "-i0.5", w.WAN4)
    out, err = p.communicate(timeout=LINE_S)
    check("a capture comes through SSH as pcap", out[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4") and b"2 packets" in err, err)
    r = admin("configure", "save before.json", "exit")
    check("a configuration is saved", "saved as before.json" in r.stdout, r.stdout + r.stderr)
    r = admin("show configuration | display json")
    want(r.returncode == 0, r.stderr)
    check("and read over SSH", json.loads(r.stdout)["system"]["user"][0]["name"] and "$y$" not in r.stdout, r.stdout)


def lock_out(admin: Ssh, check) -> None:
    r = admin("configure", f"delete interfaces management address {w.BOX4}/{w.PREFIX4}", "set interfaces management address 10.99.0.1/24",
              "commit confirmed 1")
    start = time.monotonic()
    check("a bad address shuts the administrator out", wait_for(lambda: not reachable(), 40), r.stdout + r.stderr)
    back = wait_for(reachable, 60 + LINE_S)
    check(f"commit confirmed lets him in again, after {time.monotonic() - start:.0f} s", back)
