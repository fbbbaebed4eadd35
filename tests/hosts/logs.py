"""A syslog server: TCP in the clear (RFC 6587, octet counting) and TLS (RFC 5425), with an authority of its own for the latter.

DIR/log-ca.pem is the authority's certificate.
"""

import socket
import socketserver
import ssl
import subprocess
import threading
from pathlib import Path

import world as w


def certify(directory: Path) -> None:
    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=directory, check=True, capture_output=True)
    for name in ("log-ca", "log"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    openssl("req", "-x509", "-key", "log-ca.key", "-out", "log-ca.pem", "-days", "30", "-subj", "/CN=log authority")
    openssl("req", "-new", "-key", "log.key", "-out", "log.csr", "-subj", f"/CN={w.LOG}", "-addext", f"subjectAltName=DNS:{w.LOG}")
    openssl("x509", "-req", "-in", "log.csr", "-CA", "log-ca.pem", "-CAkey", "log-ca.key", "-days", "30", "-copy_extensions", "copy",
            "-out", "log.pem")


class Receiver(socketserver.StreamRequestHandler):
    """One JSON line a message."""

    ledger = None

    def handle(self):
        peer = [self.client_address[0].removeprefix("::ffff:"), self.client_address[1]]
        transport = "tls" if isinstance(self.request, ssl.SSLSocket) else "tcp"
        try:
            while length := b"".join(iter(lambda: self.rfile.read(1).strip(), b"")):
                message = self.rfile.read(int(length))
                self.ledger.add(peer=peer, transport=transport, message=message.decode("utf-8", "replace"))
        except (OSError, ValueError) as e:
            self.ledger.add(peer=peer, transport=transport, error=str(e))


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    tls = None

    def get_request(self):
        s, peer = super().get_request()
        # the handshake in the connection's own thread, at its first read
        return (self.tls.wrap_socket(s, server_side=True, do_handshake_on_connect=False), peer) if self.tls else (s, peer)


def start(directory: Path, ledger) -> None:
    certify(directory)
    Receiver.ledger = ledger
    for port, secure in ((w.LOG_PORT, False), (w.LOG_TLS_PORT, True)):
        server = Server(("::", port), Receiver)
        if secure:
            server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            server.tls.load_cert_chain(directory / "log.pem", directory / "log.key")
        threading.Thread(target=server.serve_forever, daemon=True).start()
