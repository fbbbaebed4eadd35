#!/usr/bin/env python3
"""Policy and quarantine: what each action does to client, server, log and disk. mailnet.py draws the network."""
import glob
import os
import random
import re
import subprocess
import time

from mailnet import (RUN, WAN, Client, alive, auth_answer, call, certificate, checks, events, processes, reload, scan_answer, scenario,
                     servers, sockets, start, status, wait_for)

FOLDER = RUN + "/data/mail/quarantine"


def auth(call_, message):
    """As in mailnet.py; X-Disposition says what DMARC asks for."""
    reply = auth_answer(call_, message)
    p = reply["parameters"]
    if wish := re.search(rb"X-Disposition: (\w+)", message):
        p["dmarc"].update(result="fail", disposition=wish[1].decode())
    if b"X-Refusal" in message:
        p["refusal"] = "several From fields"
    p["from"] = {"domain": "a.example", "address": "a@a.example", "display_name": ""}
    return reply


def scan(call_, message):
    reply = scan_answer(call_, message)
    if facts := re.search(rb"X-Facts: ([a-z -]+)", message):
        reply["parameters"]["facts"] = facts[1].decode().split()
    return reply


def mail(method, **parameters):
    return call("io.sekisho.Mail." + method, parameters)


def kept():
    return mail("Quarantine", limit=1000)["parameters"]["messages"]


def rules(*all_of_them, dry_run=False, **settings):
    reload(policy={"dry-run": dry_run, "rule": [dict(name=f"r{i}", **r) for i, r in enumerate(all_of_them)]}, **settings)


def send(text, rcpt="b@wan.example", client=None):
    c = client or Client()
    if not client:
        c.hello()
    got = c.message(text, rcpt)
    if not client:
        c.close()
    return got


def delivered():
    return servers["wan"].sessions[-1]["messages"]


def last():
    return events()[-1]["mail"]


def number(got):
    m = re.fullmatch(r"250 2\.6\.0 Sekisho: taken, number (\d+)\r\n", got)
    assert m, got
    return int(m[1])


def test_dmarc_quarantine_is_kept_and_released_as_it_came():
    reload()
    text = ("X-Disposition: quarantine\r\nAuthentication-Results: sekisho.test; spf=pass\r\n"
            "Subject: =?ISO-2022-JP?B?GyRCOkc9aSROJVclbSUwJWklYCFKGyhC?=\r\n"
            " =?Shift_JIS?B?k/qWe4zq?= =?EUC-JP?Q?=C6=FC=CB=DC=1B[2J?=\r\n\r\n.dot\r\nbody")
    c = Client()
    c.hello()
    id_ = number(send(text.replace("\r\n.", "\r\n.."), client=c))
    c.ask("NOOP", "250 ok")
    c.close()
    assert delivered() == [], "the server got it"
    m = last()
    assert (m["action"], m["quarantine_id"]) == ("quarantine", id_) and "asks to quarantine" in m["why"], m
    row = kept()[0]
    assert (row["id"], row["sender"], row["recipients"], row["author"]) == (id_, "a@a.example", ["b@wan.example"], "a@a.example"), row
    assert row["subject"] == "\u6700\u521d\u306e\u30d7\u30ed\u30b0\u30e9\u30e0\uff08\u65e5\u672c\u8a9e\u65e5\u672c?[2J", row["subject"]
    shown = mail("QuarantineShow", id=id_)["parameters"]
    assert "Subject: \u6700\u521d" in shown["header"] and "\x1b" not in shown["header"], shown
    assert row["subject"] in mail("Digest")["parameters"]["text"]
    before = len(servers["wan"].sessions)
    r = mail("Release", id=id_)
    assert r["parameters"] == {"reply": "250 2.0.0 kept as 42"}, r
    wait_for("the release", lambda: len(servers["wan"].sessions) > before)
    want = "Authentication-Results: sekisho.test;\r\n\tspf=pass\r\n" + text.replace("Authentication-Results: sekisho.test; spf=pass\r\n", "")
    assert delivered() == [(want + "\r\n").encode()], delivered()
    assert servers["wan"].sessions[-1]["peer"][0] == "10.1.0.2"
    assert kept() == [] and glob.glob(FOLDER + "/*.eml") == []
    q = events()[-1]
    assert (q["event_type"], q["quarantine"]["action"]) == ("quarantine", "released"), q


def test_a_release_that_the_server_refuses_stays():
    reload()
    for rcpt, why in (("no@b", "550-5.1.1"), ("later@b", "451"), ("data550@b", "550 5.7.0"), ("drop@b", "closed")):
        rules({"action": "quarantine", "sender": ["a.example"]})
        c = Client()
        c.hello()
        c.ask("MAIL FROM:<a@a.example>", "250")
        c.ask("RCPT TO:<b@wan.example>" if rcpt == "no@b" else f"RCPT TO:<{rcpt}>", "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\nx\r\n.\r\n")
        id_ = number(c.reply())
        c.close()
        if rcpt == "no@b":
            assert "error" not in mail("Release", id=id_)
            continue
        r = mail("Release", id=id_)
        assert r["error"] == "io.sekisho.Daemon.Invalid" and "stays in the quarantine" in r["parameters"]["why"], r
        assert why in r["parameters"]["why"], (why, r)
        assert [x["id"] for x in kept()] == [id_]
        assert "error" not in mail("Delete", id=id_) and kept() == []
    for method in ("Release", "Delete", "QuarantineShow"):
        assert mail(method, id=999999)["error"] == "io.sekisho.Daemon.Invalid"


def test_release_over_tls():
    """As a session's: opportunistic, in the clear when that fails, and not at all where it is required."""
    with open(RUN + "/server.pem", "w") as f:
        f.write(certificate("wan.example"))
    keep = {"action": "quarantine", "sender": ["a.example"]}
    for server, onward, want in (("good", "opportunistic", "TLSv1.3"), ("good", "required", "TLSv1.3"), ("good", "none", None),
                                 ("none", "opportunistic", None), ("refused", "opportunistic", None), ("broken", "opportunistic", None),
                                 ("injected", "opportunistic", None), ("none", "required", "does not offer"),
                                 ("refused", "required", "and failed"), ("broken", "required", "and failed"),
                                 ("injected", "required", "and failed")):
        rules(keep, tls={"onward": "none"})
        servers["wan"].tls = "none"
        text = f"Subject: {server} {onward}\r\n\r\nx\r\n"
        id_ = number(send(text[:-2]))
        rules(keep, tls={"destination": [{"name": WAN, "onward": onward}]})
        servers["wan"].tls = server
        r = mail("Release", id=id_)
        session = servers["wan"].sessions[-1]
        if want and "TLS" not in want:
            assert want in r["parameters"]["why"] and [x["id"] for x in kept()] == [id_], (server, onward, r)
            assert not session["messages"], (server, onward, session)
            mail("Delete", id=id_)
        else:
            assert r["parameters"] == {"reply": "250 2.0.0 kept as 42"} and session["tls"] == want, (server, onward, r, session["tls"])
            assert session["messages"][0].endswith(text.encode()) and kept() == []
    servers["wan"].tls = "none"
    # the domain of one recipient is enough
    rules(keep)
    id_ = number(send("Subject: x\r\n\r\nx", rcpt="b@sub.bank.example"))
    rules(keep, tls={"destination": [{"name": "bank.example", "onward": "required"}]})
    assert "does not offer" in mail("Release", id=id_)["parameters"]["why"]
    mail("Delete", id=id_)
    reload()


def installed(kind, version, **lists):
    """As updated leaves them: a folder a version, and the link that leads to it."""
    top = f"{RUN}/data/sig/{kind}"
    os.makedirs(f"{top}/{version}", exist_ok=True)
    for name, lines in lists.items():
        with open(f"{top}/{version}/{name}__{kind}.txt", "w", encoding="ascii") as f:
            f.write("".join(line + "\n" for line in lines))
    os.symlink(version, top + "/new")
    os.rename(top + "/new", top + "/current")


def test_lists():
    """Installed lists and the settings' own, by client, envelope, author and HELO; changed while maild runs."""
    installed("domains", "v-1", bad=["listed.example"])
    installed("addresses", "v-1", drop=["203.0.113.0/24"], bad=["2001:db8::/32"])

    def ask(sender, name, helo="lan.example"):
        reload(policy={"list": [{"name": "mine", "address": ["10.1.0.0/24"]}, {"name": "bad", "domain": ["own.example"]}],
                       "rule": [{"name": "r", "action": "reject", "list": [name]}]})
        c = Client()
        c.reply()
        c.ask("EHLO " + helo, "250")
        c.ask(f"MAIL FROM:<{sender}>", "250")
        c.ask("RCPT TO:<b@wan.example>", "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\nx\r\n.\r\n")
        got = c.reply()[:3]
        c.close()
        return got
    for sender, name, helo, want in (("a@listed.example", "bad", "x", "550"), ("a@sub.LISTED.example", "bad", "x", "550"),
                                     ("a@notlisted.example", "bad", "x", "250"), ("a@x.example", "bad", "mx.listed.example", "550"),
                                     ("a@own.example", "bad", "x", "550"), ("", "bad", "x", "250"),
                                     ("a@x.example", "drop", "x", "250"), ("a@x.example", "mine", "x", "550"),
                                     ("a@listed.example", "none-such", "x", "250")):
        got = ask(sender, name, helo)
        assert got == want, (sender, name, helo, got)
    installed("addresses", "v-2", drop=["10.1.0.2"])
    wait_for("the new list", lambda: send("Subject: x\r\n\r\nx")[:3] and ask("a@x.example", "drop") == "550", 20)
    reload(policy={"rule": [{"name": "r", "action": "reject", "list": ["bad"]}]})
    send("Subject: x\r\n\r\nx")
    assert status()["lists"] == [{"name": "bad", "addresses": 0, "domains": 1}], status()["lists"]
    # without a reload: the link alone
    c = Client()
    c.hello()
    assert c.message("Subject: x\r\n\r\nx").startswith("250")
    installed("domains", "v-2", bad=["a.example"])
    wait_for("the link", lambda: c.message("Subject: x\r\n\r\nx").startswith("550"), 20)
    c.close()
    reload()


def test_tag():
    rules({"action": "tag", "fact": ["ppap", "macro"], "subject-prefix": "[\u6ce8\u610f]"}, {"action": "tag", "larger-than": 5000, "subject-prefix": "[big]"})
    head = "X-Sekisho: forged\r\nX-SEKISHO :\r\n forged\r\n"
    assert send(head + "X-Facts: encrypted-archive ppap\r\nSubject: =?UTF-8?Q?a?=\r\nSubject: two\r\n\r\nx").startswith("250 2.0.0")
    assert delivered()[-1] == (b"Authentication-Results: sekisho.test;\r\n\tspf=pass\r\nX-Sekisho: r0\r\n"
                               b"Subject: =?UTF-8?B?W+azqOaEj10g?= =?UTF-8?Q?a?=\r\nX-Facts: encrypted-archive ppap\r\n\r\nx\r\n"), delivered()
    assert (last()["action"], last()["rule"]) == ("tag", "r0")
    assert send("Subject:\r\n long\r\n\r\n" + "x" * 6000).startswith("250")
    assert b"X-Sekisho: r1\r\nSubject: [big] long\r\n\r\nxxx" in delivered()[-1]
    assert send(head + "Subject: s\r\n\r\nx").startswith("250")
    assert delivered()[-1].endswith(b"spf=pass\r\nSubject: s\r\n\r\nx\r\n"), delivered()
    assert last()["action"] == "accept"


def test_reject_defer_accept_and_their_order():
    rules({"action": "accept", "sender": ["a@a.example"], "recipient": ["friend.example"]},
          {"action": "reject", "fact": ["ppap"], "reply": "encrypted ZIP files are not taken here, please share the file another way"},
          {"action": "defer", "attachment-name": ["*.iso"]},
          {"action": "reject", "client": ["10.1.0.0/24"], "attachment-type": ["application/x-*"]})
    assert send("X-Facts: ppap\r\n\r\nx") == ("550 5.7.1 Sekisho: refused, encrypted ZIP files are not taken here, "
                                              "please share the file another way\r\n")
    assert (last()["action"], last()["rule"], last()["why"]) == ("reject", "r1", "rule r1")
    assert send("X-Facts: ppap\r\nX-Disposition: reject\r\n\r\nx", "b@mx.friend.example").startswith("250 2.0.0")
    part = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: %s\r\n\r\nx\r\n--b--"
    assert send(part % "application/octet-stream; name*=utf-8''A%2EISO").startswith("451 4.7.1 Sekisho: not now")
    assert send(part % "application/x-evil").startswith("550 5.7.1 Sekisho: refused, the mail policy")
    assert send(part % "application/pdf; name=x.pdf").startswith("250")
    # what no rule sets aside
    assert send("EICAR: 1\r\n\r\nEICAR", "b@friend.example").startswith("550 5.7.1 Sekisho: refused, attachment contains")
    assert send("X-Refusal: 1\r\n\r\nx", "b@friend.example") == "550 5.7.1 Sekisho: refused, several From fields\r\n"
    assert send("X-Test: auth-error\r\n\r\nx", "b@friend.example").startswith("451")
    reload(dmarc_reject="accept")
    assert send("X-Refusal: 1\r\n\r\nx").startswith("550")


def test_unchecked_mail_is_not_kept():
    rules({"action": "quarantine", "recipient": ["wan.example"]})
    assert send("X-Test: auth-error\r\n\r\nx").startswith("451 4.7.1") and kept() == []
    id_ = number(send("EICAR: 1\r\n\r\nEICAR"))  # wanted: a rule may keep a virus
    assert "error" not in mail("Delete", id=id_)


def test_dry_run():
    rules({"action": "reject", "sender": ["a.example"], "dry-run": True}, {"action": "tag", "dmarc": ["pass"]})
    assert send("Subject: s\r\n\r\nx").startswith("250 2.0.0")
    m = last()
    assert (m["action"], m["rule"], m["dry_run"]) == ("tag", "r1", {"action": "reject", "why": "rule in a dry run", "rule": "r0"}), m
    rules({"action": "quarantine", "fact": ["macro"]}, dry_run=True)
    for text, action in (("X-Facts: macro", "quarantine"), ("X-Disposition: reject", "reject"), ("EICAR: 1", "reject")):
        assert send(text + "\r\n\r\nx").startswith("250 2.0.0"), text
        assert (last()["action"], last()["dry_run"]["action"]) == ("accept", action), last()
    assert kept() == []


def test_bad_rules_are_refused():
    for bad in ({"action": "bounce"}, {"action": "reject", "client": ["10.0.0.0/33"]}, {"action": "reject", "client": ["x"]},
                {"action": "reject", "reply": "a\r\n250 b"}, {"action": "tag", "subject-prefix": "a\r\nX: y"}, {}):
        r = call("io.sekisho.Daemon.Check", {"config": {"policy": {"rule": [dict(name="r", **bad)]}}})
        assert r["error"] == "io.sekisho.Daemon.Invalid", (bad, r)


def test_many_recipients_are_all_kept():
    rules({"action": "quarantine", "sender": ["a.example"]})
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a.example>", "250")
    for i in range(100):
        c.ask(f"RCPT TO:<u{i}@wan.example>", "250")
    c.ask("DATA", "354")
    c.send("Subject: x\r\n\r\nx\r\n.\r\n")
    id_ = number(c.reply())
    c.close()
    assert len(kept()[0]["recipients"]) == 100
    assert "error" not in mail("Release", id=id_)
    assert len([x for x in servers["wan"].sessions[-1]["lines"] if x.startswith(b"RCPT")]) == 100


def test_size_limit_takes_the_oldest():
    rules({"action": "quarantine", "sender": ["a.example"]}, quarantine={"max-megabytes": 1, "max-days": 30})
    ids = [number(send("Subject: x\r\n\r\n" + ("y" * 76 + "\r\n") * 4000)) for _ in range(5)]
    assert [x["id"] for x in kept()] == ids[:1:-1], (ids, kept())
    expired = [e["quarantine"]["id"] for e in events() if e["event_type"] == "quarantine" and e["quarantine"]["action"] == "expired"]
    assert expired == ids[:2], expired
    for id_ in ids[2:]:
        mail("Delete", id=id_)


def restart():
    processes["maild"] = start("maild", "none", sockets)
    wait_for("the control socket", lambda: os.path.exists(RUN + "/maild.varlink") and answers())
    wait_for("the beat", alive)


def answers():
    try:
        return "parameters" in call("io.sekisho.Daemon.Status")
    except OSError:
        return False


def test_killed_while_it_keeps():
    """Whatever was told 250 is there after a kill; what is there after a restart is whole."""
    rules({"action": "quarantine", "sender": ["a.example"]})
    told, seen = 0, 0
    for i in range(12):
        c = Client()
        c.hello()
        c.envelope()
        c.ask("DATA", "354")
        c.send(f"Subject: kill {i}\r\n\r\nx\r\n.\r\n")
        time.sleep(random.uniform(0, 0.03))
        processes["maild"].kill()
        processes["maild"].wait()
        try:
            got = c.reply()
        except OSError:
            got = ""
        c.close()
        restart()
        rows = [x for x in kept() if x["subject"] == f"kill {i}"]
        assert len(rows) <= 1 and (rows or not got.startswith("250")), (got, rows)
        told += got.startswith("250")
        seen += len(rows)
    rows = kept()
    assert len(glob.glob(FOLDER + "/*.eml")) == len(rows)
    for row in rows:
        assert "error" not in mail("Release", id=row["id"])
    assert kept() == []
    return f"{told} told 250, {seen} kept, of 12"


def test_disk_full():
    processes["maild"].terminate()
    processes["maild"].wait(30)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", FOLDER], check=True)
    try:
        restart()
        rules({"action": "quarantine", "sender": ["a.example"]})
        got = send("Subject: x\r\n\r\n" + ("y" * 76 + "\r\n") * 4000)
        assert got == "451 4.3.1 Sekisho: not now, the message could not be kept\r\n", got
        assert last()["action"] == "defer" and last()["why"] == "No space left on device", last()
        assert kept() == [] and glob.glob(FOLDER + "/*.eml") == []
        number(send("Subject: small\r\n\r\nx"))
        processes["maild"].terminate()
        processes["maild"].wait(30)
    finally:
        subprocess.run(["umount", FOLDER], check=True)
    restart()


def setup():
    checks["auth"].answer, checks["scan"].answer = auth, scan


scenario(globals(), setup=setup)
