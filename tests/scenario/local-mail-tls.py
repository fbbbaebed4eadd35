#!/usr/bin/env python3
"""STARTTLS on both legs of the mail path: certificates by name, TLS onward, what is withheld, passed through, injected."""
import hashlib
import os
import ssl
import warnings

from mailnet import (RUN, WAN, Client, call, certificate, events, reload, scenario, servers, status, wait_for)

LIST = "250-wan.example\r\n{}250-PIPELINING\r\n250-SIZE 99\r\n250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n"
MAIL = "From: a@a.example\r\n\r\nx"


def server_tls(kind):
    servers["wan"].tls = kind


def install(host, pem):
    return call("io.sekisho.Mail.InstallCertificate", {"host": host, "pem": pem})


def der(host):
    return ssl.PEM_cert_to_DER_cert(certificate(host)[certificate(host).index("-----BEGIN CERT"):])


def last():
    return servers["wan"].sessions[-1]


def test_withheld_without_a_certificate():
    with open(RUN + "/server.pem", "w") as f:
        f.write(certificate("real-server.example"))
    server_tls("good")
    c = Client()
    assert c.hello() == LIST.format("")
    c.ask("STARTTLS", "502 5.5.1 Sekisho")
    assert c.message(MAIL).startswith("250 2.0.0")
    assert last()["tls"] == "TLSv1.3", "opportunistic TLS to the server was expected"
    m = events()[-1]["mail"]
    assert m["tls"]["server"]["version"] == "TLSv1.3" and "client" not in m["tls"], m
    c.close()


def test_bad_certificates_are_refused():
    pair, other = certificate("wan.example"), certificate("other.example")
    key = pair[:pair.index("-----BEGIN CERT")]
    for host, pem, why in (("../x", pair, "domain name"), ("wan.example", "", "no private key"), ("wan.example", key, "no certificate"),
                           ("wan.example", key + other[other.index("-----BEGIN CERT"):], "does not fit")):
        r = install(host, pem)
        assert why in r["parameters"]["why"], r
    assert call("io.sekisho.Mail.Certificates")["parameters"]["certificates"] == []
    with open(RUN + "/data/mail/tls/open.example.pem", "w") as f:
        f.write(pair)
    os.chmod(f.name, 0o644)
    reload()
    r = call("io.sekisho.Mail.Certificates")["parameters"]
    assert r["certificates"] == [] and "others may read it" in r["problems"][0], r
    os.unlink(f.name)


def test_both_legs_with_the_servers_own_certificate():
    assert "error" not in install("wan.example", certificate("wan.example"))
    c = Client()
    assert c.hello() == LIST.format("250-STARTTLS\r\n")
    assert c.starttls() == der("wan.example")
    c.ask("MAIL FROM:<a@a.example>", "503 5.5.1 Sekisho: say EHLO again")
    assert c.ask("EHLO again.example", "250") == LIST.format("")
    c.ask("STARTTLS", "503 5.5.1")
    big = "Subject: x\r\n\r\n" + "0123456789\r\n" * 30000
    assert c.message(big).startswith("250 2.0.0")
    assert last()["messages"][0].endswith(big.encode() + b"\r\n")
    m = events()[-1]["mail"]
    assert m["helo"] == "again.example" and m["tls"]["client"]["version"] == "TLSv1.3" and m["tls"]["server"]["cipher"], m
    mode = os.stat(RUN + "/data/mail/tls/wan.example.pem").st_mode
    assert mode & 0o777 == 0o600, oct(mode)
    c.close()


def test_sni_chooses_and_a_reload_needs_no_restart():
    assert "error" not in install("second.example", certificate("second.example"))
    for name, shown in (("wan.example", "wan.example"), ("second.example", "second.example"), ("unknown.example", "wan.example"),
                        (None, "wan.example")):
        c = Client()
        c.hello()
        assert c.starttls(name) == der(shown), (name, shown)
        c.close()
    before = hashlib.sha256(der("wan.example")).hexdigest()
    os.unlink(RUN + "/wan.example.pair")
    assert "error" not in install("wan.example", certificate("wan.example"))
    c = Client()
    c.hello()
    assert c.starttls() == der("wan.example") and hashlib.sha256(der("wan.example")).hexdigest() != before
    c.close()
    reload(tls={"server": [{"address": WAN, "certificate": "second.example"}]})
    c = Client()
    c.hello()
    assert c.starttls(None) == der("second.example")
    c.close()
    reload()


def test_injected_commands_are_not_taken():
    c = Client()
    c.hello()
    c.send("STARTTLS\r\nMAIL FROM:<evil@a.example>\r\n")
    assert c.reply().startswith("503 5.5.0 Sekisho: bytes after STARTTLS") and c.is_closed()
    c = Client()
    c.hello()
    c.ask("STARTTLS", "220")
    c.send("MAIL FROM:<evil@a.example>\r\n")
    c.is_closed()
    wait_for("the end of both", lambda: all(s["closed"].is_set() for s in servers["wan"].sessions[-2:]))
    assert b"evil" not in b"".join(b"".join(s["lines"]) for s in servers["wan"].sessions)


def test_too_late_for_starttls():
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a.example>", "250")
    c.ask("STARTTLS", "503 5.5.1 Sekisho: too late")
    c.ask("RSET", "250")
    c.ask("STARTTLS x", "501")
    c.starttls()
    c.close()


def test_servers_that_do_not_manage_tls():
    for kind in ("refused", "broken"):
        server_tls(kind)
        c = Client()
        assert c.hello() == LIST.format("250-STARTTLS\r\n"), kind  # the client's leg can still have it
        assert c.message(MAIL).startswith("250 2.0.0"), kind
        assert last()["tls"] is None and last()["peer"][1] == c.port, kind
        assert "tls" not in events()[-1]["mail"]
        c.close()
    server_tls("injected")
    c = Client()
    c.reply()
    c.send("EHLO lan.example\r\n")
    assert c.reply().startswith("421 4.5.0 Sekisho") and c.is_closed()
    server_tls("good")


def test_required_onward():
    server_tls("none")
    reload(tls={"onward": "required"})
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a.example>", "451 4.7.10 Sekisho")
    c.close()
    reload(tls={"destination": [{"name": "bank.example", "onward": "required"}]})
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a.example>", "250")
    c.ask("RCPT TO:<x@sub.bank.example>", "451 4.7.10 Sekisho")
    c.ask("RCPT TO:<x@wan.example>", "250")
    c.close()
    server_tls("good")
    c = Client()
    c.hello()
    c.ask("MAIL FROM:<a@a.example>", "250")
    c.ask("RCPT TO:<x@bank.example>", "250")
    c.close()
    reload(tls={"destination": [{"name": WAN, "onward": "none"}]})
    c = Client()
    c.hello()
    assert c.message(MAIL).startswith("250") and last()["tls"] is None
    c.close()
    reload()


def test_passed_through_unread():
    for host in ("wan.example", "second.example"):
        assert "error" not in call("io.sekisho.Mail.RemoveCertificate", {"host": host})
    reload(tls={"without-certificate": "pass-through"})
    c = Client()
    assert c.hello() == LIST.format("250-STARTTLS\r\n")
    shown = c.starttls()
    assert shown == der("real-server.example"), "the server's own certificate was expected"
    c.ask("EHLO x", "250")
    c.ask("MAIL FROM:<a@a.example>", "250 ok")
    c.ask("RCPT TO:<b@wan.example>", "250 ok")
    c.ask("DATA", "354 go")
    c.send(MAIL + "\r\n.\r\n")
    assert c.reply().startswith("250 2.0.0")
    c.ask("QUIT", "221 bye")
    assert last()["messages"] == [MAIL.encode() + b"\r\n"]
    m = events()[-1]["mail"]
    assert m["action"] == "accept" and m["why"].startswith("passed unread"), m
    c.close()
    # in the clear it is read as ever, and nothing is encrypted behind the client's back
    c = Client()
    c.hello()
    assert c.message(MAIL).startswith("250") and last()["tls"] is None and events()[-1]["mail"]["spf"]["result"] == "pass"
    c.close()
    reload()
    server_tls("none")


def test_a_handshake_that_fails_ends_the_session():
    install("wan.example", certificate("wan.example"))
    server_tls("good")
    before = status()["tls_failed"]
    c = Client()
    c.hello()
    c.ask("STARTTLS", "220")
    c.send(b"\x16\x03\x01\x00\x05hello")
    c.is_closed()
    wait_for("it to be counted", lambda: status()["tls_failed"] == before + 1)
    c = Client()
    c.hello()
    c.ask("STARTTLS", "220")
    c.close()
    wait_for("all sessions to end", lambda: status()["sessions"] == 0)
    server_tls("none")


def test_old_versions_are_refused():
    server_tls("good")
    c = Client()
    c.hello()
    c.ask("STARTTLS", "220")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        context.wrap_socket(c.socket, server_hostname="wan.example")
        raise AssertionError("TLS 1.1 was taken")
    except (ssl.SSLError, ConnectionError):
        pass
    c.close()
    server_tls("none")


def test_pipelined_under_tls():
    server_tls("good")
    c = Client()
    c.hello()
    c.starttls()
    c.ask("EHLO x", "250")
    c.send("MAIL FROM:<a@a>\r\n" + "".join(f"RCPT TO:<b{n}@b>\r\n" for n in range(40)) + "DATA\r\n")
    assert [c.reply()[:3] for _ in range(42)] == ["250"] * 41 + ["354"]
    c.send("x: y\r\n\r\nz\r\n.\r\nQUIT\r\n")
    assert [c.reply()[:3] for _ in range(2)] == ["250", "221"]
    server_tls("none")


scenario(globals())
