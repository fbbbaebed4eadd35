#!/usr/bin/env python3
"""The demo: what was asked of the appliance, and what happened, checked on the far side's own evidence.

Runs on the LAN side (tools/run --with). Talks to the serial console over build/run/serial.sock and, as soon as the
administrator has made that possible, over SSH. One `ok` or `not ok` line a row while it goes on, and the
table at the end. A row that fails does not stop the others; without console or SSH there are no others.
"""

import io
import json
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pexpect

sys.path.insert(0, "tests/hosts")
import evidence  # noqa: E402  # found by the line above
import lan  # noqa: E402
import world as w  # noqa: E402
from evidence import wait_for  # noqa: E402
from machine import LINE_S, RUN, SSH, WORLD, Console, Failed, Ssh, run, want  # noqa: E402

OUT = Path("build/demo")
PASSWORD = "a gate on the old road"
FRESH_SID = 9000001
STATUS_DAEMONS = ("configd", "inspectd", "maild", "maildial", "mailauthd", "scand", "updated")


def seen(name: str) -> list[dict]:
    return evidence.ledger(WORLD, name)


def ssh(*lines: str, seconds: float = LINE_S) -> subprocess.CompletedProcess:
    return row_ssh.admin(*lines, seconds=seconds)


def commit(*lines: str) -> None:
    r = ssh("configure", *lines, "commit")
    want("committed" in r.stdout, f"no commit: {r.stdout} {r.stderr}")


def logged(command: str, *needles: str, seconds: float = 60) -> str:
    """The line of the appliance's log that has all needles."""
    def found() -> str:
        lines = ssh(command).stdout.splitlines()
        return next((line for line in reversed(lines) if all(n.lower() in line.lower() for n in needles)), "")
    line = wait_for(found, seconds)
    want(line, f"'{command}' never showed {' and '.join(needles)}; its last lines: "
               + " / ".join(ssh(command).stdout.splitlines()[-3:]))
    return line


def get(path: str, seconds: int = 30) -> subprocess.CompletedProcess:
    return run("curl", "-sS", "-m", seconds, "--resolve", f"{w.WEB}:80:{w.WAN4}", f"http://{w.WEB}{path}")


def requested(path: str) -> list[dict]:
    return [a for a in seen("access") if a["target"] == path]


def mail(kind: str, server: str = w.WAN4) -> dict:
    r = run("tests/hosts/lan.py", "--server", server, "mail", WORLD, kind, seconds=120)
    want(r.stdout.startswith("{"), r.stderr)
    return json.loads(r.stdout)


# The rows. Each returns its evidence or raises Failed; the docstring is what was asked.

def row_first_login(c: Console) -> str:
    """log in as admin on the serial console for the first time"""
    c.login()
    c.say("admin")
    c.until("Language")
    c.say("")
    c.until("no password yet")
    for text, then in (("short", "10 characters"), (PASSWORD, "The password is set")):
        c.secret("New password: ", text, "Once more: ")
        c.secret("", text, then)
    c.until("Set up the network now")
    c.say("n")
    c.until("sekisho> ")
    return "no password existed; one of 10 characters was demanded before anything else, a short one refused"


def row_management(c: Console) -> str:
    """give the appliance a management address on the console, and commit"""
    want(run("ping", "-n", "-c1", "-W2", w.BOX4).returncode != 0, "it answered before the commit")
    c.say("configure")
    for line in ("delete interfaces management dhcp", f"set interfaces management address {w.BOX4}/{w.PREFIX4}",
                 f"set interfaces management address {w.BOX6}/{w.PREFIX6}", f"set system dns-server {w.WAN4}"):
        c.until("sekisho# ")
        c.say(line)
    c.until("sekisho# ")
    c.say("commit")
    c.until("committed")
    c.until("sekisho# ")
    c.say("exit")
    c.until("sekisho> ")
    want(wait_for(lambda: run("ping", "-n", "-c1", "-W1", w.BOX4).returncode == 0, LINE_S), "no answer to a ping")
    return f"committed; {w.BOX4} answers the LAN, and did not before"


def row_ssh(_c: Console) -> str:
    """log in over SSH with that password and read show status"""
    no = run("ssh", *SSH, "-o", "BatchMode=yes", f"admin@{w.BOX4}", "show status", seconds=LINE_S)
    want(no.returncode == 255 and "denied" in no.stderr, f"without a password: {no.stdout} {no.stderr}")
    row_ssh.admin = Ssh("admin", PASSWORD)

    def all_run() -> bool:
        text = ssh("show status").stdout
        return all(re.search(rf"^{d}\s+running", text, re.M) for d in STATUS_DAEMONS)
    want(wait_for(all_run, LINE_S), "show status: " + ssh("show status").stdout)
    return f"refused without the password, let in with it; {', '.join(STATUS_DAEMONS)} run"


def row_page(_c: Console) -> str:
    """fetch a web page through the bridge"""
    r = get("/page")
    want(r.returncode == 0 and requested("/page"), r.stderr)
    peer = requested("/page")[0]["peer"]
    want(peer[0] == w.LAN4, f"the server saw {peer}")
    line = logged("show events inspectd", " flow ", "application HTTP", f"{w.LAN4}:{peer[1]}", seconds=180)
    return f"access log: GET /page from {w.LAN4}; flow event: {brief(line)}"


def row_alert(_c: Console) -> str:
    """ask for a page that an alert rule matches"""
    r = get("/sekisho-test-alert")
    want(r.returncode == 0 and requested("/sekisho-test-alert"), r.stderr)
    line = logged("show inspect alerts", "1000002")
    return f"access log has it; event: {brief(line)}"


def row_drop(_c: Console) -> str:
    """ask for a page that a drop rule matches"""
    r = get("/sekisho-test-drop", 5)
    want(r.returncode != 0 and not requested("/sekisho-test-drop"), "it reached the server")
    line = logged("show inspect alerts", "1000001")
    return f"nothing in the access log; event: {brief(line)}"


def row_application(_c: Console) -> str:
    """forbid BitTorrent over SSH, commit, and see it take effect"""
    before = json.loads(run("tests/hosts/lan.py", "--timeout", 10, "bittorrent").stdout)
    want(before["received"] == 68, f"it did not work before: {before}")
    commit("set inspection application BitTorrent action drop")
    after = json.loads(run("tests/hosts/lan.py", "--timeout", 10, "bittorrent").stdout)
    want(after["received"] == 0, f"still {after['received']} bytes came back")
    line = logged("show inspect alerts", "BitTorrent")
    want(wait_for(lambda: len(seen("bittorrent")) == 2, 30) and seen("bittorrent")[1]["bytes"] == 0, seen("bittorrent"))
    return f"the peer got {seen('bittorrent')[0]['bytes']} bytes before, 0 after; event: {brief(line)}"


def row_clean_mail(_c: Console) -> str:
    """send a clean mail, SPF and DKIM right, over IPv4 and IPv6"""
    for server in (w.WAN4, w.WAN6):
        before = len(seen("mail"))
        r = mail("clean", server)
        want(r.get("reply", [0])[0] == 250 and len(seen("mail")) == before + 1, r)
        kept = seen("mail")[-1]
        want(kept["peer"] == r["local"], f"the server saw {kept['peer']}, the client was {r['local']}")
        results = [v for k, v in kept["headers"] if k.lower() == "authentication-results"]
        want(len(results) == 1 and all(x in results[0] for x in ("spf=pass", "dkim=pass", "dmarc=pass")), results)
    return f"in the spool, from the client's own address and port ({kept['peer'][0]} {kept['peer'][1]}), with " \
           "Authentication-Results spf=pass dkim=pass dmarc=pass; a forged one was taken out"


def refused(kind: str) -> str:
    before = len(seen("mail"))
    r = mail(kind)
    want(r.get("reply", [0])[0] == 550, r)
    want(len(seen("mail")) == before, "it reached the server")
    return f"{r['reply'][0]} {r['reply'][1]}; nothing in the spool"


def row_eicar(_c: Console) -> str:
    """send a mail with EICAR in a ZIP attachment"""
    return refused("eicar")


def row_forged(_c: Console) -> str:
    """send a mail that fails DMARC of a domain with p=reject"""
    return refused("forged")


def publish() -> None:
    """A rule tarball and a ClamAV database on the mirror; each appears whole."""
    rules = (f'drop http any any -> any any (msg:"demo: fresh rule"; flow:established,to_server; http.uri; '
             f'content:"/fresh-drop"; classtype:misc-activity; sid:{FRESH_SID}; rev:1;)\n').encode()
    rules += Path("rootfs/overlay/usr/share/sekisho/rules/sekisho.rules").read_bytes()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("rules/demo.rules")
        entry.size = len(rules)
        tar.addfile(entry, io.BytesIO(rules))
    born = Path("rootfs/overlay/usr/share/sekisho/clamav/sekisho.ndb").read_bytes()
    database = born + f"Demo.Fresh:0:*:{lan.FRESH.hex()}\n".encode()
    for name, content in (("demo.tar.gz", out.getvalue()), ("demo.ndb", database)):
        part = WORLD / "www/mirror" / (name + ".part")
        part.write_bytes(content)
        part.rename(part.with_suffix(""))


def row_update(_c: Console) -> str:
    """publish new rules and a new virus database, and update, with a ping and a mail session running"""
    want(get("/fresh-drop?before").returncode == 0, "the fresh rule is there before it was published")
    publish()
    base = f"http://{w.WAN4}/mirror"
    commit("set update source demo-rules type rules", f"set update source demo-rules url {base}/demo.tar.gz",
           "set update source demo-virus type clamav", f"set update source demo-virus url {base}/demo.ndb")
    ping = subprocess.Popen(["ping", "-n", "-i", "0.2", w.WAN4], stdout=subprocess.PIPE, text=True)
    held = subprocess.Popen(["tests/hosts/lan.py", "--timeout", "300", "mail", str(WORLD), "clean", "--hold"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        want(held.stdout.readline() == "held\n", "no mail session")
        r = ssh("update now", seconds=240)
        want(r.returncode == 0, f"update now: {r.stdout} {r.stderr}")
        want(wait_for(lambda: get("/fresh-drop?after", 4).returncode != 0, 60)
             and logged("show inspect alerts", str(FRESH_SID)), "the fresh rule does not work")
        virus = wait_for(lambda: (lambda m: m.get("reply", [0])[0] == 550 and m)(mail("fresh")), 60)
        want(virus, f"the fresh signature does not work; show update: {ssh('show update').stdout}")
        result = json.loads(held.communicate("\n", 120)[0])
        want(result.get("reply", [0])[0] == 250, f"the mail session ended with {result}")
    finally:
        held.kill()
        ping.send_signal(signal.SIGINT)
        summary = ping.communicate()[0]
    sent, got = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", summary).groups())
    want(sent - got <= 1, f"ping: {sent} sent, {got} answered")  # the last may be on its way
    return f"sid {FRESH_SID} drops, {virus['reply'][1]}; the mail session went on to its 250; ping: {got} of {sent}"


def brief(line: str) -> str:
    return line if len(line) <= 160 else line[:157] + "..."


ROWS = (row_first_login, row_management, row_ssh, row_page, row_alert, row_drop, row_application, row_clean_mail,
        row_eicar, row_forged, row_update)
NEEDED = (row_first_login, row_management, row_ssh)


def play(console: Console) -> bool:
    """All rows; whether every one is ok."""
    OUT.mkdir(parents=True, exist_ok=True)
    table = ["| step | asked | happened | ok |", "|---|---|---|---|"]
    begin, bad = time.monotonic(), 0
    for n, row in enumerate(ROWS, 1):
        try:
            happened, ok = row(console), True
        except (Failed, OSError, ValueError, pexpect.ExceptionPexpect, subprocess.SubprocessError) as e:
            happened, ok = " ".join(str(e).split()) or type(e).__name__, False
        bad += not ok
        print(f"{'ok' if ok else 'not ok'} {row.__name__.removeprefix('row_')} {happened}", flush=True)
        table.append(f"| {n} | {row.__doc__} | {happened.replace('|', '/')} | {'yes' if ok else '**no**'} |")
        if not ok and row in NEEDED:
            break
    text = "\n".join(table) + "\n"
    (OUT / "table.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\n{len(table) - 2 - bad} of {len(ROWS)} rows ok in {time.monotonic() - begin:.0f} s", flush=True)
    return bad == 0 and len(table) - 2 == len(ROWS)


def last_lines(n: int) -> None:
    print("--- the console's last lines (build/run/console.log)")
    print("\n".join((RUN / "console.log").read_text(errors="replace").splitlines()[-n:]), flush=True)


def main() -> int:
    if play(Console()):
        return 0
    last_lines(25)
    return 1


if __name__ == "__main__":
    sys.exit(main())
