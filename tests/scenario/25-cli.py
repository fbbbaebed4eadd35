#!/usr/bin/env python3
"""The command line where it acts: commits and their way back, the first-boot dialogue, and what boxd does for it:
self-test, connections, packets, clock, restart."""

import json
import os
import signal
import subprocess
import time

import box
from box import BIN, check, sh, w, wait_for
import pexpect

PASSWORD = "a gate on the old road"


def cli(*lines, text=None, json_out=False, timeout=60):
    argv = [str(BIN / "sekisho")] + (["--json"] if json_out else [])
    for line in lines:
        argv += ["-c", line]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **({"input": text} if text else {"stdin": subprocess.DEVNULL}))


def links() -> str:
    return sh("ip", "-br", "link").stdout


def management() -> str:
    return cli("show configuration interfaces management").stdout


def test_dialogue() -> None:
    t = pexpect.spawn(str(BIN / "sekisho"), encoding="utf-8", timeout=30, dimensions=(24, 80), env=dict(os.environ, TERM="dumb"))
    t.expect("Language: ")
    t.sendline("ja")
    t.expect("新しいパスワード: ")
    t.sendline(PASSWORD)
    t.expect("もう一度: ")
    t.sendline(PASSWORD)
    t.expect("設定しました")
    t.expect(r"\[Y/n\] ")
    t.sendline("")
    for question, answer in (("動作モード", "hub"), ("bridge か route", ""), ("社内側のポート", "eth7"), ("ポート名を", "eth0"),
                             ("インターネット側のポート", "eth0"), ("ポート名を", "eth1"), ("管理アドレス", "10.77.0.300/24"),
                             ("プレフィックス長を付けて", f"{w.BOX4}/{w.PREFIX4}"), ("デフォルトルーター", ""), ("DNS", w.WAN4)):
        t.expect(question)
        t.expect(r"\]: ")
        t.sendline(answer)
    t.expect("次の変更")
    t.expect(f"delete interfaces management address {w.BOX6}")
    t.expect(r"\[Y/n\] ")
    t.sendline("")
    t.expect("反映しました")
    t.expect(r"\w> ")
    t.sendline("show commits")
    t.expect("setup")
    t.expect("request password")
    t.expect(r"\w> ")
    t.sendline("setup")
    t.expect(r"\]: ")
    t.sendintr()
    t.expect("setup")
    t.expect(r"\w> ")
    t.sendline("quit")
    t.expect(pexpect.EOF)
    check("the dialogue: wrong answers are asked again, it ends in a commit, Ctrl-C leaves it", True)
    check("the address is what was answered", management().split() == f"set interfaces management address {w.BOX4}/{w.PREFIX4}".split(), management())
    t = pexpect.spawn(str(BIN / "sekisho"), encoding="utf-8", timeout=30, env=dict(os.environ, TERM="dumb"))
    check("nobody is asked twice", t.expect(["Language", r"\w> "]) == 1)
    t.close(force=True)
    answers = {"management": f"{w.BOX4}/{w.PREFIX4}", "gateway": w.WAN4, "dns": w.WAN4, "password": PASSWORD + "!"}
    r = subprocess.run([str(BIN / "sekisho"), "--setup", "-"], input=json.dumps(answers), capture_output=True, text=True, timeout=60)
    check("answers from a script", r.returncode == 0 and f"gateway {w.WAN4}" in management(), r.stdout + r.stderr)


def test_commits() -> None:
    """Ends with a commit that takes itself back in a minute."""
    r = cli("configure", "set system hostname one", "commit comment the first of two", "set system hostname two", "commit")
    check("commit and comment", r.stdout == "committed\ncommitted\n", r.stdout + r.stderr)
    commits = json.loads(cli("show commits", json_out=True).stdout)["commits"]
    check("show commits", commits[1]["comment"] == "the first of two" and commits[0]["user"] == "root", commits[:2])
    check("show rollback", "hostname one" in cli("show rollback 1 system").stdout)
    r = cli("configure", "compare rollback 1", "rollback 1", "compare", "commit", "rollback 1", "commit")
    check("rollback", r.stdout.count("committed") == 2 and r.returncode == 0, r.stdout + r.stderr)
    r = cli("configure", "commit", "commit check")
    check("nothing to commit", r.stdout.startswith("nothing to commit\nthe configuration is good"), r.stdout + r.stderr)
    event = box.events("configd", "config")[-1]["config"]
    check("a commit is an event with user and source", event["user"] == "root" and event.get("source") == "script", event)
    r = cli("configure", "set interfaces management address 10.99.0.1/24", f"delete interfaces management address {w.BOX4}/{w.PREFIX4}",
            "commit confirmed 1")
    check("commit confirmed says when", "in 1 minute" in r.stdout and r.returncode == 0, r.stdout + r.stderr)
    check("it is in force", "10.99.0.1" in management(), management())


def test_confirm() -> None:
    r = cli("configure", "set system banner kept", "commit confirmed 1", "commit")
    check("commit confirms", r.stdout.endswith("\nconfirmed\n"), r.stdout + r.stderr)


def test_box(inspectd: subprocess.Popen) -> None:
    r = cli("test inspect")
    check("test inspect: a drop drops", r.returncode == 0 and "a drop drops" in r.stdout, r.stdout + r.stderr)
    check("and leaves nothing behind", "skt-" not in links(), links())
    inspectd.send_signal(signal.SIGSTOP)
    wait_for(lambda: not box.alive("bridge sekisho", "inspect_alive"))
    r = cli("test inspect")
    check("test inspect fails without the engine, and says why", r.returncode == 1 and "not in the path" in r.stdout, r.stdout + r.stderr)
    inspectd.send_signal(signal.SIGCONT)
    wait_for(lambda: box.alive("bridge sekisho", "inspect_alive"))
    check("clear flows", cli("clear flows").returncode == 0)
    r = cli(f"ping {w.LAN4} count 2")
    check("ping", r.returncode == 0 and "2 answered" in r.stdout, r.stdout + r.stderr)
    r = cli(f"ping {w.LAN6} count 1")
    check("ping, IPv6", r.returncode == 0, r.stdout + r.stderr)
    r = cli(f"traceroute {w.LAN4}")
    check("traceroute", r.returncode == 0 and r.stdout.splitlines()[-1].startswith(f" 1  {w.LAN4}"), r.stdout + r.stderr)
    capture = subprocess.Popen([str(BIN / "sekisho"), "-c", f"capture eth0 count 2 seconds 30 address {w.LAN4}"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: "Capture" in json.dumps(box.events("boxd", "cli")))
    box.lan("ping", "-n", "-c3", "-i0.3", w.WAN4)
    out, err = capture.communicate(timeout=60)
    check("a capture into a pipe is a pcap of what was asked for", out[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
          and err.startswith(b"2 packets") and bytes(map(int, w.LAN4.split("."))) in out, err)
    now = time.strftime("%F %T")
    r = cli(f"set clock {now}")
    check("set clock", r.returncode == 0 and abs(time.time() - time.mktime(time.strptime(now, "%Y-%m-%d %H:%M:%S"))) < 30, r.stderr)
    check("request reboot", cli("request reboot").returncode == 0)
    check("request shutdown", cli("request shutdown").returncode == 0)
    check("request factory-reset leaves its mark", cli("request factory-reset").returncode == 0 and os.path.exists("/data/.reset/requested"))
    done = [e["cli"]["command"] for e in box.events("boxd", "cli")]
    check("all of it is in the log", all(x in done for x in ("test inspect", "TestInspect", "clear flows", "request reboot", "Reboot", "Shutdown",
                                                             "request factory-reset", "SetClock")), done)


box.need("configd", "sekisho", "inspectd", "boxd")
box.box_start()
running = box.inspectd_start()
box.start("boxd", [BIN / "boxd"])
sh("sysctl", "-qw", "net.ipv4.ping_group_range=0 914")  # this administrator is root, whose group is 0
check("boxd listens", wait_for(lambda: os.path.exists("/run/sekisho/boxd.varlink")))
check("everything that runs is shown", "running" in cli("show status boxd inspectd").stdout or "recorded" in cli("show status boxd").stdout)
test_commits()
test_box(running)
check("an unconfirmed commit takes itself back", wait_for(lambda: "10.99.0.1" not in management(), 90) and w.BOX4 in management(), management())
test_confirm()
test_dialogue()
box.finish()
