"""What the configuration alone starts: the clock from a time server, events to syslog servers. Evidence is the far side's."""

import datetime
import re
import time

import evidence
import world as w
from evidence import wait_for
from machine import WORLD, Ssh, want

SETTLE_S = 120


def changed(admin: Ssh, *lines: str) -> None:
    r = admin("configure", *lines, "commit")
    want("committed" in r.stdout, f"no commit: {r.stdout} {r.stderr}")


def authority() -> str:
    """The certificate as one word."""
    return "".join(line for line in (WORLD / "log-ca.pem").read_text().splitlines() if "-" not in line)


def received(transport: str, *needles: str) -> list[str]:
    return [m["message"] for m in evidence.ledger(WORLD, "log")
            if m["transport"] == transport and m["peer"][0] in (w.BOX4, w.BOX6) and all(n in m.get("message", "") for n in needles)]


def syslog(admin: Ssh, check) -> None:
    changed(admin, f"set logging syslog clear host {w.LOG}", "set logging syslog clear transport tcp", f"set logging syslog clear port {w.LOG_PORT}",
            f"set logging syslog safe host {w.LOG}", f"set logging syslog safe port {w.LOG_TLS_PORT}",
            f"set logging syslog safe ca-certificate {authority()}", "set logging syslog safe event config", "set logging syslog safe system true")
    wait_for(lambda: received("tls"), SETTLE_S)  # rsyslogd starts at the ends of the files
    changed(admin, "set system banner seen-from-afar")
    for transport in ("tcp", "tls"):
        check(f"syslog over {transport}: a commit is received as an event, RFC 5424",
              wait_for(lambda t=transport: [m for m in received(t, "seen-from-afar", '"event_type":"config"') if re.match(r"<\d+>1 \d{4}-", m)], SETTLE_S),
              evidence.ledger(WORLD, "log")[-5:])
    admin("clear flows")
    check("a server that wants every kind of event gets it", wait_for(lambda: received("tcp", '"command":"clear flows"'), SETTLE_S))
    check("one that wants some gets no others", not received("tls", '"command":"clear flows"'), received("tls")[-3:])
    check("the journal goes where it is wanted", received("tls", " sshd") or received("tls", " boxd") or received("tls", " configd"), received("tls")[-3:])
    changed(admin, "delete logging")
    before = len(evidence.ledger(WORLD, "log"))
    admin("clear flows")
    time.sleep(2)
    check("without a server nothing is sent", len(evidence.ledger(WORLD, "log")) == before)


def box_clock(admin: Ssh) -> float:
    """Seconds by which the appliance's clock is ahead, from the event of an act."""
    admin("clear flows")
    stamp = re.match(r"\S+", admin("show events boxd last 1").stdout)[0]
    return datetime.datetime.fromisoformat(stamp).timestamp() - time.time()


def clock(admin: Ssh, check) -> None:
    before = box_clock(admin)
    check("the clock is that of the machine", abs(before) < 60, f"{before:.0f} s ahead")
    changed(admin, f"set system ntp server {w.WAN4}")
    check("a time server sets the clock", wait_for(lambda: abs(box_clock(admin) - w.CLOCK_AHEAD_S) < 60, SETTLE_S),
          f"{box_clock(admin):.0f} s ahead; {len(evidence.ledger(WORLD, 'clock'))} questions")
    changed(admin, "delete system ntp")
    check("a clock is set by hand", admin("set clock " + time.strftime("%F %T", time.gmtime())).returncode == 0 and abs(box_clock(admin)) < 60,
          f"{box_clock(admin):.0f} s ahead")
