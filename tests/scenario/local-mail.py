#!/usr/bin/env python3
"""The mail path: what a client and a server see of it. mailnet.py draws the network."""
import os
import re
import socket
import threading
import time

from mailnet import (LAN, LAN6, RUN, WAN, WAN6, Client, alive, call, checks, configure, events, processes, reload,
                     scenario, servers, sockets, start, status, wait_for)

MAIL = "From: a@a.example\r\nAuthentication-Results: sekisho.test; spf=pass\r\nSubject: x\r\n\r\n.dot\r\n..two\r\nend"


def test_clean_mail(family=socket.AF_INET, client=LAN, server=WAN, at=None):
    c = Client(server, family)
    c.hello()
    assert c.message(MAIL.replace("\r\n.", "\r\n..")) == "250 2.0.0 kept as 42\r\n"
    c.ask("QUIT", "221 bye")
    assert c.is_closed()
    s = (at or servers["wan"]).sessions[-1]
    assert s["peer"] == (client, c.port), f"server saw {s['peer']}, client was {client} {c.port}"
    want = "Authentication-Results: sekisho.test;\r\n\tspf=pass\r\nFrom: a@a.example\r\nSubject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"
    assert s["messages"] == [want.encode()], s["messages"]
    e = events()[-1]
    m = e["mail"]
    assert (e["event_type"], e["src_ip"], e["src_port"], e["dest_ip"], e["dest_port"]) == ("mail", client, c.port, server, 25), e
    assert (m["action"], m["helo"], m["mail_from"], m["rcpt_to"]) == ("accept", "lan.example", "a@a.example", ["b@wan.example"]), m
    assert (m["spf"]["result"], m["dmarc"]["result"], m["scan"]["result"]) == ("pass", "pass", "clean"), m
    assert m["reply"] == "250 2.0.0 kept as 42" and m["size"] == len(MAIL) + 2, m
    asked = checks["auth"].seen[-1][0]
    assert asked["parameters"] == {"ip": client, "helo": "lan.example", "mail_from": "a@a.example",
                                   "authserv_id": "sekisho.test"}, asked


def test_clean_mail_ipv6():
    test_clean_mail(socket.AF_INET6, LAN6, WAN6, servers["wan6"])


def test_extensions_that_cannot_be_guarded_are_left_out():
    c = Client()
    assert c.hello() == "250-wan.example\r\n250-PIPELINING\r\n250-SIZE 99\r\n250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n"
    for command in ("XCLIENT NAME=x", "TURN", ""):
        c.ask(command, "502 5.5.1 Sekisho")
    c.ask("STARTTLS", "503 5.5.1 Sekisho")
    c.close()


def test_virus_is_refused_and_the_session_goes_on():
    c = Client()
    c.hello()
    assert c.message("Subject: v\r\n\r\nEICAR") == "550 5.7.1 Sekisho: refused, attachment contains Eicar-Test-Signature\r\n"
    assert c.message("Subject: fine\r\n\r\nfine").startswith("250 2.0.0")
    lines = servers["wan"].sessions[-1]["lines"]
    assert lines.count(b"DATA\r\n") == 1 and lines[3] == b"RSET\r\n", lines
    assert len(servers["wan"].sessions[-1]["messages"]) == 1
    assert [e["mail"]["action"] for e in events()[-2:]] == ["reject", "accept"]
    c.close()


def test_dmarc_reject():
    c = Client()
    c.hello()
    assert c.message("X-Test: dmarc\r\n\r\nx").startswith("550 5.7.1 Sekisho: refused, the sender could not be verified")
    assert servers["wan"].sessions[-1]["messages"] == []
    reload(dmarc_reject="accept")
    assert c.message("X-Test: dmarc\r\n\r\nx").startswith("250")
    reload()
    c.close()


def test_smuggled_ends_are_refused():
    for bad in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\0"):
        c = Client()
        c.hello()
        got = c.message(b"Subject: x\r\n\r\na" + bad + b"MAIL FROM:<evil@a>\r\nRCPT TO:<evil@b>\r\nDATA\r\nevil")
        assert got.startswith("550 5.6.11 Sekisho: refused, the message holds"), (bad, got)
        c.ask("NOOP", "250 ok")
        text = b"".join(servers["wan"].sessions[-1]["lines"])
        assert b"evil" not in text and servers["wan"].sessions[-1]["messages"] == [], (bad, text)
        c.close()


def test_commands_are_lines_of_text():
    c = Client()
    c.hello()
    for line in (b"NOOP\nNOOP\r\n", b"NOOP \rNOOP\r\n", b"NO\0OP\r\n", b"NOOP " + b"x" * 50000 + b"\r\n"):
        c.send(line)
        assert c.reply().startswith("500 5.5.2 Sekisho"), line[:20]
        if line == b"NOOP\nNOOP\r\n":
            assert c.reply() == "250 ok\r\n"
    for line in ("MAIL FROM:", "MAIL FROM:<a", "RCPT TO:<" + "x" * 400 + "@b>", "EHLO"):
        c.ask(line, "501 5")
    c.send(b"MAIL FROM:<\xe4@b>\r\n")
    assert c.reply().startswith("501 5.1.3")
    assert [x for x in servers["wan"].sessions[-1]["lines"] if not x.startswith(b"EHLO")] == [b"NOOP\r\n"]
    for _ in range(60):
        c.send("NOPE\r\n")
    text = c.file.read().decode().splitlines()
    assert text[-1].startswith("421 4.7.0 Sekisho"), text[-1]


def test_pipelined_commands_and_message():
    c = Client()
    c.hello()
    c.send("MAIL FROM:<a@a>\r\nRCPT TO:<no@b>\r\nRCPT TO:<b@b>\r\nDATA\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250", "550", "250", "354"], got
    c.send("x: y\r\n\r\nz\r\n.\r\nMAIL FROM:<c@a>\r\nNOOP\r\nQUIT\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250", "250", "250", "221"], got
    assert c.is_closed()
    assert events()[-1]["mail"]["rcpt_to"] == ["b@b"]


def test_bytes_after_data_are_not_taken():
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a>", "250")
    c.ask("DATA", "503 5.5.1")
    c.ask("RCPT TO:<b@b>", "250")
    c.send("DATA\r\nRCPT TO:<evil@b>\r\n.\r\n")
    assert c.reply().startswith("503 5.5.0 Sekisho") and c.is_closed()
    assert b"evil" not in b"".join(servers["wan"].sessions[-1]["lines"])
    assert servers["wan"].sessions[-1]["closed"].wait(5)


def test_unchecked_mail_is_deferred():
    c = Client()
    c.hello()
    for what in ("auth-nonsense", "auth-error"):
        assert c.message(f"X-Test: {what}\r\n\r\nx") == "451 4.7.1 Sekisho: not now, the message could not be checked\r\n"
        assert events()[-1]["mail"]["why"].startswith("not checked (auth: "), what
    checks["scan"].stop()
    try:
        assert c.message("Subject: x\r\n\r\nx").startswith("451 4.7.1 Sekisho")
        m = events()[-1]["mail"]
        assert (m["action"], m["why"]) == ("defer", "not checked (scan: No such file or directory)"), m
        reload(unchecked="accept")
        assert c.message("Subject: x\r\n\r\nx").startswith("250")
        assert events()[-1]["mail"]["why"].startswith("not checked (scan")
        assert len(servers["wan"].sessions[-1]["messages"]) == 1
    finally:
        checks["scan"].listen()
        threading.Thread(target=checks["scan"].run, daemon=True).start()
        reload()
    c.close()


def test_the_servers_word_is_the_last():
    c = Client()
    c.hello()
    assert c.message("a: b\r\n\r\nx", "later@b") == "451-4.2.1 try\r\n451 4.2.1 later\r\n"
    assert events()[-1]["mail"]["action"] == "defer"
    assert c.message("a: b\r\n\r\nx", "data550@b") == "550 5.7.0 not here\r\n"
    assert events()[-1]["mail"]["action"] == "reject"
    c.ask("NOOP", "250 ok")
    assert c.message("a: b\r\n\r\nx", "drop@b").startswith("421 4.4.2 Sekisho") and c.is_closed()
    assert events()[-1]["mail"]["action"] == "defer"


def test_a_lying_server_ends_the_session():
    for rcpt in ("early@b", "data250@b"):
        c = Client()
        c.hello()
        assert c.message("a: b\r\n\r\nx", rcpt).startswith("421 4.5.0 Sekisho"), rcpt
        assert c.is_closed()
    for line in ("NOOP 353", "NOOP twice"):
        c = Client()
        c.hello()
        c.send(line + "\r\n")
        text = c.file.read().decode()
        assert "354" not in text and text.splitlines()[-1].startswith("421 4.5.0 Sekisho"), text


def test_unreachable_server():
    c = None
    try:
        c = Client("10.2.0.3")  # nobody listens there
        assert c.file.read() == b"", "data instead of a reset"
        raise AssertionError("closed, not reset")
    except (ConnectionResetError, ConnectionRefusedError):
        pass
    c = Client("10.3.0.9")
    assert c.reply().startswith("421 4.4.1 Sekisho") and c.is_closed()


def test_auth_exchange_passes():
    c = Client()
    c.hello()
    c.ask("AUTH LOGIN", "334 V")
    c.ask("dXNlcg==", "334 U")
    c.ask("cGFzcw==", "235 welcome")
    c.ask("NOOP", "250")
    assert servers["wan"].sessions[-1]["lines"][1:4] == [b"AUTH LOGIN\r\n", b"dXNlcg==\r\n", b"cGFzcw==\r\n"]
    c.close()


def test_large_messages():
    line = b".23456789 " * 7 + b"\r\n"
    text = b"Subject: large\r\n\r\n" + line * 70000
    c = Client()
    c.hello()
    begin = time.monotonic()
    got = c.message(text.replace(b"\r\n.", b"\r\n..")[:-2])
    took = time.monotonic() - begin
    assert got.startswith("250"), got
    assert servers["wan"].sessions[-1]["messages"][0].endswith(text)
    reload(max_message_bytes=65536)
    assert c.message(b"x" * 70000).startswith("552 5.3.4 Sekisho")
    assert c.message(b"x" * 60000).startswith("250")
    c.envelope()
    c.ask("DATA", "354")
    try:
        for _ in range(100):
            c.send(b"x" * 10000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    wait_for("end of the flood", lambda: servers["wan"].sessions[-1]["closed"].is_set())
    reload()
    return f"{len(text) / took / 1e6:.0f} MB/s"


def test_lost_clients():
    before = status()["aborted"]
    c = Client()
    c.hello()
    c.envelope()
    c.ask("DATA", "354")
    c.send("half a mess")
    c.close()
    assert servers["wan"].sessions[-1]["closed"].wait(5)
    assert servers["wan"].sessions[-1]["messages"] == []
    assert status()["aborted"] == before + 1
    # gone while the checks think
    c = Client()
    c.hello()
    c.envelope()
    c.ask("DATA", "354")
    checks["scan"].stop()
    checks["scan"].socket = socket.socket(socket.AF_UNIX)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(checks["scan"].path)
    silent.listen(5)
    c.send("a: b\r\n\r\nx\r\n.\r\n")
    asked, _ = silent.accept()
    c.close()
    assert servers["wan"].sessions[-1]["closed"].wait(5), "the server's leg is still open"
    assert servers["wan"].sessions[-1]["messages"] == []
    silent.close()
    asked.close()
    checks["scan"].stop()
    checks["scan"].listen()
    threading.Thread(target=checks["scan"].run, daemon=True).start()


def test_many_sessions():
    def one(n, bad):
        try:
            c = Client()
            c.hello()
            assert c.message(f"n: {n}\r\n\r\n" + "x" * 20000).startswith("250")
            c.ask("QUIT", "221")
            c.close()
        except Exception as e:
            bad.append(repr(e))

    bad = []
    threads = [threading.Thread(target=one, args=(n, bad)) for n in range(60)]
    begin = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad, bad[0]
    return f"60 sessions in {time.monotonic() - begin:.1f} s"


def test_chunks():
    c = Client()
    c.hello()
    c.envelope()
    c.send(b"BDAT 10\r\n0123456789BDAT 0\r\nNOOP\r\nBDAT 9 LAST\r\n\r\n.\r\n.b\r\n")
    got = [c.reply() for _ in range(4)]
    assert [g[:3] for g in got] == ["250"] * 4 and got[3] == "250 2.0.0 kept as 43\r\n", got
    s = servers["wan"].sessions[-1]
    header = b"Authentication-Results: sekisho.test;\r\n\tspf=pass\r\n"
    assert s["messages"] == [header + b"0123456789\r\n.\r\n.b\r\n"], s["messages"]
    assert s["lines"][-1] == b"BDAT %d LAST\r\n" % (len(header) + 19), s["lines"]
    # the last line gets its end, the chunk of a refused command is read, a transaction is its own
    c.envelope()
    c.send(b"BDAT 1 LAST\r\nx")
    assert c.reply().startswith("250 2.0.0") and s["messages"][1].endswith(b"\r\nx\r\n")
    c.send(b"BDAT 6 LAST\r\nRSET\r\nNOOP\r\n")
    assert [c.reply()[:9] for _ in range(2)] == ["503 5.5.1", "250 ok\r\n"[:9]]
    c.envelope()
    c.send(b"BDAT 2\r\nab")
    assert c.reply().startswith("250")
    c.ask("DATA", "503 5.5.1 Sekisho")
    c.ask("RCPT TO:<x@b>", "503 5.5.1 Sekisho")
    c.ask("RSET", "250")
    assert c.message("a: b\r\n\r\nx").startswith("250") and len(s["messages"]) == 3
    c.envelope()
    c.send(b"BDAT 5 LAST\r\nEICAR")
    assert c.reply().startswith("550 5.7.1 Sekisho") and len(s["messages"]) == 3
    for size in ("x", "-1 LAST", "99999999999999999999"):
        c = Client()
        c.hello()
        c.envelope()
        c.send(f"BDAT {size}\r\nEHLO evil\r\n")
        assert c.reply()[:3] in ("501", "552") and c.is_closed()
    assert b"evil" not in b"".join(b"".join(s["lines"]) for s in servers["wan"].sessions)


def test_smuggled_ends_in_chunks_are_refused():
    for bad in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\0"):
        for pieces in (1, 2, 5):
            c = Client()
            c.hello()
            text = b"Subject: x\r\n\r\na" + bad + b"MAIL FROM:<evil@a>\r\nDATA\r\nevil\r\n"
            size = -(-len(text) // pieces)
            c.send("MAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\n")
            for i in range(pieces):
                part = text[i * size:(i + 1) * size]
                c.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if i + 1 == pieces else b"") + part)
            got = [c.reply()[:10] for _ in range(2 + pieces)]
            assert "550 5.6.11" in got and got[-1][:3] in ("550", "503"), (bad, pieces, got)
            assert servers["wan"].sessions[-1]["messages"] == []
            assert b"evil" not in b"".join(servers["wan"].sessions[-1]["lines"]), bad
            c.close()
    # an end of DATA is no end of a chunk
    c = Client()
    c.hello()
    c.envelope()
    text = b"a: b\r\n\r\n.\r\nMAIL FROM:<text@a>\r\n"
    c.send(b"BDAT %d LAST\r\n" % len(text) + text)
    assert c.reply().startswith("250 2.0.0") and servers["wan"].sessions[-1]["messages"][0].endswith(text)
    c.close()


def test_mended_line_ends():
    reload(line_ends="normalise")
    c = Client()
    c.hello()
    assert c.message(b"Subject: x\r\n\r\na\n.\nMAIL FROM:<evil@a>\nb\r.\rc\0d").startswith("250 2.0.0")
    s = servers["wan"].sessions[-1]
    assert s["messages"][0].endswith(b"\r\n\r\na\r\n.\r\nMAIL FROM:<evil@a>\r\nb\r\n.\r\ncd\r\n"), s["messages"]
    assert len(s["messages"]) == 1 and b"evil" not in b"".join(s["lines"])
    c.close()
    reload()


def test_groups_of_commands_go_on_as_groups():
    c = Client()
    c.hello()
    c.send("MAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nRCPT TO:<no@b>\r\nFOO\r\nRCPT TO:<" + "x" * 400 + "@b>\r\nRCPT TO:<c@b>\r\n")
    assert [c.reply()[:3] for _ in range(6)] == ["250", "250", "550", "502", "501", "250"]
    c.ask("RSET", "250")
    reload(max_recipients=3)
    c.send("MAIL FROM:<a@a>\r\n" + "RCPT TO:<b@b>\r\n" * 6)
    assert [c.reply()[:3] for _ in range(7)] == ["250"] * 4 + ["452"] * 3
    c.close()
    reload()


def test_parameters_of_commands():
    c = Client()
    c.hello()
    for line, want in (("MAIL FROM:<a@a> SIZE=99999999999", "552 5.3.4 Sekisho"), ("MAIL FROM:<a@a> BODY=BINARYMIME", "555"),
                       ("MAIL FROM:<a@a> REQUIRETLS", "555"), ("MAIL FROM:a<b@c>", "501"), ("MAIL FROM:<a@a> XOORG=b", "555"),
                       ("MAIL FROM:<a@a> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x", "250"),
                       ("RCPT TO:<a@a> NOTIFY=FAILURE ORCPT=rfc822;a@b", "250"), ("RCPT TO:<a@a> NOTIFY", "501")):
        c.ask(line, want)
    assert servers["wan"].sessions[-1]["lines"][1:] == [b"MAIL FROM:<a@a> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x\r\n",
                                                        b"RCPT TO:<a@a> NOTIFY=FAILURE ORCPT=rfc822;a@b\r\n"]
    c.close()


def test_early_talkers_are_refused():
    wan = servers["wan"]
    wan.banner = b""  # a server that takes its time
    try:
        c = Client()
        c.send("EHLO early\r\n")
        assert c.reply().startswith("554 5.5.0 Sekisho") and c.is_closed()
        assert b"early" not in b"".join(wan.sessions[-1]["lines"])
    finally:
        wan.banner = b"220-wan.example\r\n220 ready\r\n"


def test_limits_of_a_message():
    reload(max_header_bytes=1024, max_header_fields=10, max_line_bytes=998)
    c = Client()
    c.hello()
    assert c.message("X: " + "y" * 900 + "\r\nX: " + "y" * 900 + "\r\n\r\nx").startswith("552 5.3.4 Sekisho: refused, the header")
    assert c.message("X: y\r\n" * 11 + "\r\nx").startswith("550 5.6.0 Sekisho: refused, too many header fields")
    assert c.message("X: y\r\n" * 10 + "\r\n" + "x: y\r\n" * 500).startswith("250")
    assert c.message("X: y\r\n\r\n" + "x" * 999).startswith("550 5.6.0 Sekisho: refused, a line")
    assert c.message("X: y\r\n\r\n" + "x" * 998).startswith("250")
    c.close()
    reload()


def test_messages_on_disk():
    reload(spool_memory_bytes=65536)
    c = Client()
    c.hello()
    text = "Subject: large\r\n\r\n" + "0123456789\r\n" * 20000
    c.envelope()
    c.ask("DATA", "354")
    c.send(text)
    wait_for("the spool on disk", lambda: status()["spool_disk_bytes"] > 65536)
    c.send("\r\n.\r\n")
    assert c.reply().startswith("250") and servers["wan"].sessions[-1]["messages"][0].endswith(text.encode() + b"\r\n")
    assert status()["spool_disk_bytes"] == 0
    reload(spool_memory_bytes=65536, spool_disk_bytes=100000)
    assert c.message(text).startswith("452 4.3.1 Sekisho")
    c.close()
    reload()


def test_sources_are_limited():
    reload(max_sessions_per_source=2)
    a, b, c = Client(), Client(), Client()
    assert c.reply().startswith("421 4.7.0 Sekisho: too many sessions from your address") and c.is_closed()
    d = Client(WAN6, socket.AF_INET6)
    d.hello()
    for x in (a, b, c, d):
        x.close()
    wait_for("quiet", lambda: status()["sessions"] == 0)
    reload(max_sessions_per_minute=1)
    Client().close()
    c = Client()
    assert c.reply().startswith("421 4.7.0 Sekisho: sessions from your address come too fast") and c.is_closed()
    reload()


def test_idle_sessions_are_small():
    """RSS of maild with many silent sessions; the rest of it is the same as without them."""
    reload(max_sessions=20000, max_sessions_per_source=0)

    def rss():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{processes['maild'].pid}/status").read())[1])

    before, many = rss(), 400
    clients = []
    for _ in range(many):
        c = Client()
        c.hello()
        c.envelope()
        c.send("RCPT T")
        clients.append(c)
    wait_for("all of them", lambda: status()["sessions"] >= many)
    each = (rss() - before) / many
    for c in clients:
        c.close()
    wait_for("quiet", lambda: status()["sessions"] == 0, 20)
    reload()
    assert os.environ.get("SAN") or "san" in os.environ.get("B", "") or each * 10000 < 64 * 1024 - before, f"{each:.1f} KB each"
    return f"{each:.1f} KB a session, {before} KB without"


def test_relay_address():
    reload(relay=[{"address": "10.9.9.9", "server": WAN}])
    c = Client("10.9.9.9")
    c.hello()
    assert c.message("Subject: relayed\r\n\r\nx").startswith("250 2.0.0")
    s = servers["wan"].sessions[-1]
    assert s["peer"][0] == "10.9.9.9" and s["messages"][0].endswith(b"Subject: relayed\r\n\r\nx\r\n"), s
    assert events()[-1]["src_ip"] == LAN
    c.close()
    reload()


def test_limits_of_sessions():
    wait_for("quiet", lambda: status()["sessions"] == 0, 20)
    reload(max_sessions=2, idle_timeout=1)
    a, b, c = Client(), Client(), Client()
    assert c.reply().startswith("421 4.3.2 Sekisho") and c.is_closed()
    a.hello()
    assert a.reply().startswith("421 4.4.2 Sekisho") and a.is_closed()
    assert servers["wan"].sessions[-1]["closed"].wait(5)
    b.close()
    reload()


def test_bad_configuration_is_refused():
    r = call("io.sekisho.Daemon.Check", {"config": {"virus": "maybe"}})
    assert r["error"] == "io.sekisho.Daemon.Invalid" and "virus" in r["parameters"]["why"], r
    assert "error" not in call("io.sekisho.Daemon.Check", {"config": {"virus": "accept", "enabled": True}})
    configure(idle_timeout="soon")
    assert call("io.sekisho.Daemon.Reload")["error"] == "io.sekisho.Daemon.Invalid"
    configure()


def test_checks_that_were_restarted_are_asked_again():
    c = Client()
    c.hello()
    assert c.message("a: b\r\n\r\nx").startswith("250")
    checks["auth"].hang_up()
    for _ in range(3):
        assert c.message("a: b\r\n\r\nx").startswith("250")
    c.close()


def test_a_waiting_server_is_kept_awake():
    """While a message comes in slowly, or its checks take long, the server hears NOOP, and its replies go to nobody."""
    reload(keep_alive=1)
    c = Client()
    c.hello()
    c.envelope()
    c.ask("DATA", "354")
    lines = servers["wan"].sessions[-1]["lines"]
    for part in (b"Subject: slow\r\n", b"\r\n", b"text\r\n"):
        before = lines.count(b"NOOP\r\n")
        c.send(part)
        wait_for("NOOP", lambda before=before: lines.count(b"NOOP\r\n") > before, 5)
    c.send(b".\r\n")
    assert c.reply() == "250 2.0.0 kept as 42\r\n"
    answer = checks["scan"].answer

    def slowly(call_, message):
        time.sleep(2.5)
        return answer(call_, message)
    checks["scan"].answer = slowly
    before = lines.count(b"NOOP\r\n")
    try:
        assert c.message("a: b\r\n\r\nx") == "250 2.0.0 kept as 42\r\n"
    finally:
        checks["scan"].answer = answer
    assert lines.count(b"NOOP\r\n") - before >= 2, lines
    # a transaction without a message is the client's to keep alive
    before = lines.count(b"NOOP\r\n")
    c.envelope()
    time.sleep(1.5)
    assert lines.count(b"NOOP\r\n") == before
    c.ask("RSET", "250 ok")
    c.close()
    reload()


def test_messages_under_way_are_ended_before_a_restart():
    a, b = Client(), Client()
    a.hello()
    a.envelope()
    a.ask("DATA", "354")
    a.send("Subject: x\r\n\r\nhalf")
    b.hello()
    processes["maild"].terminate()
    assert b.reply().startswith("421 4.3.2 Sekisho") and b.is_closed()
    late = Client()  # waits in the socket that systemd holds
    a.send(" and half\r\n.\r\n")
    assert a.reply().startswith("250 2.0.0")
    assert a.reply().startswith("421 4.3.2 Sekisho") and a.is_closed()
    assert processes["maild"].wait(10) == 0
    processes["maild"] = start("maild", "none", sockets)
    late.hello()
    late.close()
    wait_for("the beat", alive)


def test_beat_and_restart():
    assert alive()
    processes["maildial"].terminate()
    assert processes["maildial"].wait(10) == 0
    c = Client()
    assert c.reply().startswith("421 4.4.1 Sekisho")
    wait_for("the set without maildial", lambda: not alive(), 10)
    processes["maildial"] = start("maildial", "mid")
    wait_for("the set with maildial again", alive, 10)
    c = Client()
    c.hello()
    processes["maild"].terminate()
    assert processes["maild"].wait(10) == 0, "maild's exit code"
    assert c.reply().startswith("421 4.3.2 Sekisho") and c.is_closed()
    begin = time.monotonic()
    wait_for("the set without maild", lambda: not alive(), 10)
    return f"expired {time.monotonic() - begin:.1f} s after the end of maild"




scenario(globals())
