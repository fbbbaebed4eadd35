#!/usr/bin/env python3
"""The WAN side: DNS, mail server, web server with the signature mirror, time and syslog server, and a BitTorrent peer.

    tests/hosts/wan.py DIR

Evidence is left in DIR, one JSON object a line, written before the answer goes out:
    spool/N.eml, mail.jsonl    every message with peer address and port, envelope and header fields
    access.jsonl               every HTTP request
    bittorrent.jsonl           every connection of the peer and the bytes it got
    clock.jsonl, log.jsonl     every question for the time, every syslog message
    dns.log                    dnsmasq's log
DIR/www/mirror is served as http://WEB/mirror/. Prints "ready" when all of them listen.
"""

import base64
import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
from email.parser import BytesHeaderParser
from email.policy import compat32
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

import clock
import logs
import world as w


class Ledger:
    """A file of JSON lines; a line is whole or absent."""

    def __init__(self, path: Path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()

    def add(self, **fields) -> None:
        with self.lock:
            self.file.write(json.dumps({"time": round(time.time(), 3), **fields}) + "\n")
            self.file.flush()


def plain(peer) -> list:
    """[address, port] of a peer of a socket for both families."""
    return [peer[0].removeprefix("::ffff:"), peer[1]]


def dns_start(directory: Path) -> subprocess.Popen:
    subprocess.run(["openssl", "genrsa", "-out", w.dkim_key(directory), "2048"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", w.dkim_key(directory), "-pubout", "-outform", "DER"],
                         check=True, capture_output=True).stdout
    key = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    texts = {
        w.OFFICE: f"v=spf1 ip4:{w.LAN4} ip6:{w.LAN6} -all",
        f"_dmarc.{w.OFFICE}": "v=DMARC1; p=reject",
        f"{w.SELECTOR}._domainkey.{w.OFFICE}": key,
        w.STRICT: "v=spf1 ip4:192.0.2.1 -all",
        f"_dmarc.{w.STRICT}": "v=DMARC1; p=reject",
    }
    lines = ["keep-in-foreground", "no-resolv", "no-hosts", "bind-interfaces", "user=root", "pid-file=",
             f"listen-address={w.WAN4},{w.WAN6}", "log-queries", f"log-facility={directory}/dns.log",
             "local=/example/", "local=/arpa/", f"mx-host=partner.example,{w.MX},10"]
    lines += [f"host-record={name},{w.WAN4},{w.WAN6}" for name in (w.WEB, w.MX, w.LOG)]
    # A character-string of a TXT record holds 255 bytes (RFC 1035, section 3.3).
    for name, text in texts.items():
        parts = (text[i:i + 250] for i in range(0, len(text), 250))
        lines.append(f"txt-record={name}," + ",".join(f'"{p}"' for p in parts))
    (directory / "dnsmasq.conf").write_text("\n".join(lines) + "\n", encoding="ascii")
    return subprocess.Popen(["dnsmasq", f"--conf-file={directory}/dnsmasq.conf"])


class Mailbox:
    """aiosmtpd's handler: the spool."""

    def __init__(self, directory: Path):
        self.spool = directory / "spool"
        self.spool.mkdir(exist_ok=True)
        self.ledger = Ledger(directory / "mail.jsonl")
        self.count = 0

    def fields(self) -> dict:
        """What a server adds to a line of the ledger."""
        return {}

    async def handle_DATA(self, _server, session, envelope):  # the name is aiosmtpd's
        self.count += 1
        path = self.spool / f"{self.count}.eml"
        path.write_bytes(envelope.content)
        headers = BytesHeaderParser(policy=compat32).parsebytes(envelope.content)
        self.ledger.add(peer=plain(session.peer), helo=session.host_name, mail_from=envelope.mail_from,
                        rcpt_to=envelope.rcpt_tos, file=path.name,
                        headers=[[k, str(v)] for k, v in headers.items()], **self.fields())
        return f"250 2.0.0 kept as {self.count}"


class MailServer(Controller):
    def factory(self):
        return SMTP(self.handler, hostname=w.MX, ident="partner mail", data_size_limit=64 << 20)


class Web(SimpleHTTPRequestHandler):
    """Files under /mirror/; a short page for every other address, so that what passes is seen to pass."""

    protocol_version = "HTTP/1.1"
    server_version = "partner"
    ledger: Ledger

    def do_GET(self):
        self.ledger.add(peer=plain(self.client_address), method="GET", target=self.path,
                        host=self.headers.get("Host", ""))
        if self.path.startswith("/mirror/"):
            super().do_GET()
            return
        body = b"<!doctype html><title>partner</title><p>This page came through the checkpoint.\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


class WebServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class TorrentPeer(socketserver.BaseRequestHandler):
    """Answers a handshake in kind and counts what arrives."""

    ledger: Ledger

    def handle(self):
        got = b""
        self.request.settimeout(15)
        try:
            while chunk := self.request.recv(65536):
                if not got:
                    self.request.sendall(b"\x13BitTorrent protocol" + bytes(8) + b"S" * 20 + b"-SK0001-peerpeerpeer")
                got += chunk
        except OSError:
            pass
        self.ledger.add(peer=plain(self.client_address), bytes=len(got))


class TorrentServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    directory = Path(sys.argv[1]).resolve()
    (directory / "www/mirror").mkdir(parents=True, exist_ok=True)
    dns = dns_start(directory)
    Web.ledger = Ledger(directory / "access.jsonl")
    TorrentPeer.ledger = Ledger(directory / "bittorrent.jsonl")
    web = WebServer(("::", 80), lambda *a: Web(*a, directory=directory / "www"))
    torrent = TorrentServer(("::", w.BITTORRENT_PORT), TorrentPeer)
    for server in (web, torrent):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    clock.start(Ledger(directory / "clock.jsonl"))
    logs.start(directory, Ledger(directory / "log.jsonl"))
    mailbox = Mailbox(directory)
    for address in ("0.0.0.0", "::"):
        MailServer(mailbox, hostname=address, port=25, ready_timeout=30).start()
    print("ready", flush=True)
    sys.exit(dns.wait())


if __name__ == "__main__":
    main()
