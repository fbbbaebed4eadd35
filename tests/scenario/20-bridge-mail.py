#!/usr/bin/env python3
"""Mail through a bridge without an address: clean mail arrives from the client's own address and port, with our
Authentication-Results; a virus and a forgery are refused; without maild mail goes past."""

import signal

import box
from box import check, w

box.need("configd", "sekisho", "maild", "maildial", "mailauthd", "scand")
box.box_start()
daemons = box.mail_start()
check("the dead-man's switch stays up while the engine lives", all([box.alive("netdev sekisho_mail", "mail_alive") for _ in range(60)]))

for server in (w.WAN4, w.WAN6):
    r = box.mail_send("clean", server)
    check(f"clean mail to {server} is taken", r.get("reply", [0])[0] == 250, r)
    kept = box.ledger("mail")
    check("it arrives from the client's address and port", kept and kept[-1]["peer"] == r.get("local"), (kept[-1:], r))
    results = [v for k, v in (kept[-1]["headers"] if kept else []) if k.lower() == "authentication-results"]
    check("one Authentication-Results, ours, with spf, dkim and dmarc passed", len(results) == 1
          and all(x in results[0] for x in ("spf=pass", "dkim=pass", "dmarc=pass")), results)
spool = (box.WORLD / "spool/1.eml").read_bytes() if box.ledger("mail") else b""
check("dots that begin lines are kept", b"\r\n.\r\n..dots begin lines\r\n" in spool, spool[-300:])

for kind in ("eicar", "forged"):
    before = len(box.ledger("mail"))
    r = box.mail_send(kind)
    check(f"{kind} is refused with 550", r.get("reply", [0])[0] == 550, r)
    check(f"{kind} never reaches the server", len(box.ledger("mail")) == before)
check("every message is an event", len(box.events("maild", "mail")) >= 4, box.events("maild"))

daemons["scand"].send_signal(signal.SIGKILL)
daemons["scand"].wait()
r = box.mail_send("clean")
check("without scand mail is deferred", r.get("reply", [0])[0] == 451, r)

daemons["maild"].send_signal(signal.SIGSTOP)
check("a hung maild leaves the path", box.wait_for(lambda: not box.alive("netdev sekisho_mail", "mail_alive"), 10))
before = len(box.ledger("mail"))
r = box.mail_send("clean")
check("mail goes past it", r.get("reply", [0])[0] == 250 and len(box.ledger("mail")) == before + 1, r)
daemons["maild"].send_signal(signal.SIGCONT)
check("and through it again", box.wait_for(lambda: box.alive("netdev sekisho_mail", "mail_alive"), 10))
daemons["scand"] = box.start("scand", [box.BIN / "scand"])
box.commit(f"set mail relay {w.BOX4} server {w.WAN4}", f"set mail relay {w.BOX6} server {w.WAN6}")
check("scand answers again", box.wait_for(lambda: box.sh(box.BIN / "sekisho", "-c", "show status scand").returncode == 0, 30))
for relay in (w.BOX4, w.BOX6):
    r = box.mail_send("clean", relay)
    kept = box.ledger("mail")
    check(f"mail by the relay address {relay} is taken, checked, and comes from there", r.get("reply", [0])[0] == 250
          and kept[-1]["peer"][0] == relay and len(box.results(kept[-1])) == 1, (r, kept[-1:]))
box.commit(f"delete mail relay {w.BOX4}")
r = box.mail_send("clean", w.BOX4, timeout=4)
check("the box's address is no mail server without", "reply" not in r, r)

box.commit("set mail on-failure closed")
for name in ("maild", "maildial"):
    daemons[name].kill()
    daemons[name].wait()
before = len(box.ledger("mail"))
for server in (w.WAN4, w.WAN6):
    r = box.mail_send("clean", server, timeout=4)
    check(f"fail closed: without maild nothing passes to {server}", "reply" not in r, r)
check("and nothing has", len(box.ledger("mail")) == before)
box.finish()
