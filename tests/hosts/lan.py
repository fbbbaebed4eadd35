#!/usr/bin/env python3
"""The LAN side: what a person or a program of the office does that curl, ping and ssh do not.

    tests/hosts/lan.py mail WORLD KIND [--server A] [--hold] [--starttls PEM]   send one message; KIND is a key of MESSAGES
    tests/hosts/lan.py bittorrent [--server A]                 try to exchange data with a peer

Prints one JSON object. --hold stops between RCPT and DATA, prints "held" and goes on at a line on
standard input: a session that is open while something else happens. WORLD is the folder that
tests/hosts/wan.py writes; only the signing key of the office's domain is read there.
"""

import argparse
import io
import json
import smtplib
import socket
import ssl
import sys
import zipfile
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import dkim

import world as w

# In two halves, so that no scanner of a developer's machine takes this file for what it describes.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + rb"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
FRESH = b"SEKISHO-DEMO-" + b"FRESH-MALWARE"  # harmless; known only to the database that the demo publishes


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


# kind: (domain of From and envelope, signed, attachment in a ZIP)
MESSAGES = {
    "clean": (w.OFFICE, True, None),
    "eicar": (w.OFFICE, True, EICAR),
    "fresh": (w.OFFICE, True, FRESH),
    "forged": (w.STRICT, False, None),
}


def compose(kind: str, world: Path) -> tuple[str, bytes]:
    domain, signed, payload = MESSAGES[kind]
    sender = f"anna@{domain}"
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = f"Anna <{sender}>", w.RECIPIENT, f"demo: {kind}"
    m["Date"], m["Message-ID"] = formatdate(), make_msgid(domain=domain)
    # A forged result under the appliance's name: it must not arrive (RFC 8601, section 5).
    m["Authentication-Results"] = "sekisho.invalid; spf=pass smtp.mailfrom=forged.example"
    m.set_content("Good day,\n\nthis is a message of the demo.\n.\n..dots begin lines\n")
    if payload:
        m.add_attachment(zipped("invoice.com", payload), maintype="application", subtype="zip", filename="invoice.zip")
    data = m.as_bytes(policy=m.policy.clone(linesep="\r\n"))
    if signed:
        data = dkim.sign(data, w.SELECTOR.encode(), domain.encode(), w.dkim_key(world).read_bytes(),
                         include_headers=[b"From", b"To", b"Subject", b"Date", b"Message-ID"]) + data
    return sender, data


def mail(args) -> dict:
    sender, data = compose(args.kind, Path(args.world))
    result = {"kind": args.kind}
    with smtplib.SMTP(args.server, 25, local_hostname=f"pc.{w.OFFICE}", timeout=args.timeout) as s:
        result["local"] = list(s.sock.getsockname()[:2])
        s.ehlo()
        if args.starttls:
            context = ssl.create_default_context(cafile=args.starttls)
            context.check_hostname = False  # dialled by address
            s.starttls(context=context)
            s.ehlo()
            result["tls"] = s.sock.version()
        result["replies"] = [s.mail(sender)[0], s.rcpt(w.RECIPIENT)[0]]
        if args.hold:
            print("held", flush=True)
            sys.stdin.readline()
        code, text = s.data(data)
        result["reply"] = [code, text.decode("utf-8", "replace")]
    return result


def bittorrent(args) -> dict:
    handshake = b"\x13BitTorrent protocol" + bytes(8) + b"H" * 20 + b"-SK0001-lanlanlanlan"
    result = {"connected": False, "received": 0}
    try:
        with socket.create_connection((args.server, w.BITTORRENT_PORT), args.timeout) as s:
            result["connected"] = True
            s.settimeout(args.timeout)
            s.sendall(handshake)
            result["received"] = len(s.recv(4096))
            s.sendall(b"\0\0\0\x01\x02" + b"\0\0\0\x0d\x06" + bytes(12))
            s.settimeout(1)
            while chunk := s.recv(4096):
                result["received"] += len(chunk)
    except OSError as e:
        result["end"] = type(e).__name__
    return result


def main() -> None:
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--server", default=w.WAN4)
    p.add_argument("--timeout", type=float, default=60)
    commands = p.add_subparsers(dest="command", required=True)
    m = commands.add_parser("mail")
    m.add_argument("world")
    m.add_argument("kind", choices=MESSAGES)
    m.add_argument("--hold", action="store_true")
    m.add_argument("--starttls", metavar="PEM", help="in TLS, with a server that shows this certificate")
    commands.add_parser("bittorrent")
    args = p.parse_args()
    try:
        result = mail(args) if args.command == "mail" else bittorrent(args)
    except (OSError, smtplib.SMTPException) as e:
        result = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
