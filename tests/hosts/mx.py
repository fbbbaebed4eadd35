#!/usr/bin/env python3
"""A mail server alone: tests/hosts/mx.py DIR [PEM]. Keeps mail as the one of tests/hosts/wan.py does, and prints "ready".

With PEM, a key and its certificate, it offers STARTTLS, and its ledger says of each mail whether it came in TLS.
"""

import ssl
import sys
import threading
from pathlib import Path

from aiosmtpd.smtp import SMTP

import wan
import world as w


class Server(wan.MailServer):
    def factory(self):
        return SMTP(self.handler, hostname=w.MX, ident="partner mail", tls_context=tls)


class Mailbox(wan.Mailbox):
    async def handle_DATA(self, server, session, envelope):  # the name is aiosmtpd's
        self.tls = session.ssl is not None
        return await super().handle_DATA(server, session, envelope)

    def fields(self) -> dict:
        return {"tls": self.tls}


directory = Path(sys.argv[1]).resolve()
directory.mkdir(parents=True, exist_ok=True)
tls = None
if len(sys.argv) > 2:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[2])
mailbox = Mailbox(directory)
for address in ("0.0.0.0", "::"):
    Server(mailbox, hostname=address, port=25, ready_timeout=30).start()
print("ready", flush=True)
threading.Event().wait()
