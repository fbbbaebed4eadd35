"""The simulated world: who lives where. What the WAN serves, the LAN uses and the demo checks is named here once."""

from pathlib import Path

LAN4, LAN6 = "10.77.0.10", "fd77::10"
WAN4, WAN6 = "10.77.0.20", "fd77::20"
BOX4, BOX6 = "10.77.0.2", "fd77::2"
PREFIX4, PREFIX6 = 24, 64

WEB = "www.partner.example"  # web server and signature mirror, on the WAN
LOG = "log.partner.example"  # the syslog server, on the WAN
LOG_PORT, LOG_TLS_PORT = 514, 6514
CLOCK_AHEAD_S = 3600  # the WAN's time server runs ahead by this
MX = "mx.partner.example"  # the mail server, on the WAN
RECIPIENT = "post@partner.example"
OFFICE = "office.example"  # the LAN's own domain: SPF, DKIM and DMARC are right
STRICT = "strict.example"  # somebody else's domain, p=reject: the LAN may not send for it
SELECTOR = "sk"
BITTORRENT_PORT = 6881


def dkim_key(world: Path) -> Path:
    """Private key of OFFICE, made by the WAN's start and used by the LAN's sender."""
    return world / "dkim.pem"
