#!/usr/bin/env python3
"""Real mail servers behind the checkpoint: Postfix, Exim and OpenSMTPD (tools/peers), each over IPv4 and IPv6: features, and
smuggled ends by DATA, BDAT and pipelining, refused and mended. What counts is what the server has delivered.

    local-mail-servers.py [NAME...]
"""
import base64
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import mailnet as net
from mailnet import Client, certificate, reload, sh

BOXES = tempfile.mkdtemp(prefix="mail-boxes-")
PEER = "tools/peer"
# name: how its root serves 10.2.0.N and fd02::N as HOST, delivering @HOST to the maildir BOX; KEY and CERT are files
SERVERS = {
    "postfix": (11, """
cp -a /var/spool/postfix /run/spool; mount --bind /run/spool /var/spool/postfix
cp -a /var/lib/postfix /run/lib; mount --bind /run/lib /var/lib/postfix
cp -r /etc/postfix /run/etc
cat >/run/etc/main.cf <<E
compatibility_level = 3.10
mail_owner = postfix
queue_directory = /var/spool/postfix
myhostname = HOST
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 10.2.0.N, fd02::N
inet_protocols = all
maillog_file = /dev/stdout
virtual_mailbox_domains = HOST
virtual_mailbox_base = BOX
virtual_mailbox_maps = inline:{ {bob@HOST = new/} }
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_key_file = KEY
smtpd_tls_cert_file = CERT
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtputf8_enable = yes
E
sed -i 's/^\\(smtp  *inet.*\\) y /\\1 n /' /run/etc/master.cf
exec postfix -c /run/etc start-fg
"""),
    "exim": (12, """
mount -t tmpfs tmpfs /etc/exim4
cp -a /var/spool/exim4 /run/spool; mount --bind /run/spool /var/spool/exim4
mkdir /run/exim; cp KEY /run/exim/key; chown -R Debian-exim /run/exim
cat >/etc/exim4/exim4.conf <<E
primary_hostname = HOST
domainlist local_domains = HOST
local_interfaces = <; 10.2.0.N ; fd02::N
log_file_path = /run/exim/%slog
keep_environment =
rfc1413_hosts =
host_lookup =
smtp_accept_max = 200
smtp_accept_max_per_connection = 1000
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts =
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = CERT
tls_privatekey = /run/exim/key
acl_smtp_rcpt = acl_rcpt
never_users =
queue_run_max = 5
begin acl
acl_rcpt:
  deny local_parts = ! bob
  accept domains = +local_domains
  deny
begin routers
all:
  driver = accept
  domains = +local_domains
  transport = box
begin transports
box:
  driver = appendfile
  directory = BOX/new
  maildir_format
  user = mail
  group = mail
  message_prefix =
  message_suffix =
begin retry
* * F,2h,15m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \\${if and{{eq{\\$auth2}{bob}}{eq{\\$auth3}{secret}}}}
  server_set_id = \\$auth2
E
exec exim4 -bdf -q5m -oX ''
"""),
    "opensmtpd": (13, """
mount -t tmpfs -o mode=755 tmpfs /var/spool; mkdir -m 711 /var/spool/smtpd
mkdir -p /run/certs /etc/ssl/certs; cp CERT /run/certs/ca-certificates.crt; mount --bind /run/certs /etc/ssl/certs
cp KEY /run/key; cp CERT /run/cert; chmod 600 /run/key
cat >/run/smtpd.conf <<E
pki HOST cert "/run/cert"
pki HOST key "/run/key"
table users { "bob@HOST" = "mail" }
table passwords { "bob" = "PASSWORD" }
listen on 10.2.0.N hostname HOST tls pki HOST auth-optional <passwords>
listen on fd02::N hostname HOST tls pki HOST auth-optional <passwords>
action "in" maildir "BOX/new" virtual <users>
match from any for domain "HOST" action "in"
E
exec smtpd -d -f /run/smtpd.conf
"""),
}
# "secret", as crypt(3) writes it; "$" is the shell's in the text above
PASSWORD = subprocess.run(["openssl", "passwd", "-6", "-salt", "sekisho", "secret"], capture_output=True, text=True,
                          check=True).stdout.strip().replace("$", "\\$")
ENDS = {"LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r",
        "CR.LF": b"\r.\n", "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n", "NUL.": b"\r\n.\0\r\n", "CRLFNUL.": b"\r\n\0.\r\n", "LFLF.": b"\n\n.\n\n"}
SMUGGLED = b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<bob@%s>\r\nDATA\r\nX-Mark: %s\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"


class Peer:
    def __init__(self, name):
        n, script = SERVERS[name]
        self.name, self.host, self.box, self.seen = name, name + ".example", f"{BOXES}/{name}", set()
        os.makedirs(self.box)
        os.chmod(self.box, 0o777)
        os.chmod(BOXES, 0o755)
        self.address = {4: f"10.2.0.{n}", 6: f"fd02::{n}"}
        self.socket_family = {4: socket.AF_INET, 6: socket.AF_INET6}
        sh("wan", f"ip addr add {self.address[4]}/24 dev e0; ip addr add {self.address[6]}/64 dev e0 nodad", check=True)
        pair = certificate(self.host)
        split = pair.index("-----BEGIN CERT")
        for kind, text in (("key", pair[:split]), ("cert", pair[split:])):
            with open(f"{BOXES}/{name}.{kind}", "w", encoding="ascii") as f:
                f.write(text)
            os.chmod(f.name, 0o600 if kind == "key" else 0o644)
        for word, value in (("HOST", self.host), ("BOX", self.box), ("KEY", f"{BOXES}/{name}.key"), ("CERT", f"{BOXES}/{name}.cert"),
                            ("2.0.N", f"2.0.{n}"), ("::N", f"::{n}"), ("PASSWORD", PASSWORD)):
            script = script.replace(word, value)
        # names are asked of nobody, and nobody is waited for
        script = "echo nameserver 127.0.0.1 >/run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf\n" + script
        self.log = f"{BOXES}/{name}.log"
        self.process = subprocess.Popen([PEER, "run", name, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=open(self.log, "w"),
                                        stderr=subprocess.STDOUT, start_new_session=True,
                                        preexec_fn=lambda: os.setns(net.NAMESPACES["wan"], os.CLONE_NEWNET))

    def is_ready(self):
        for family in (4, 6):
            s = net.socket_in("wan", self.socket_family[family])
            try:
                s.settimeout(5)
                s.connect((self.address[family], 25))
                if not s.recv(100).startswith(b"220"):
                    return False
            except OSError:
                return False
            finally:
                s.close()
        return True

    def client(self, family):
        c = Client(self.address[family], self.socket_family[family])
        banner = c.reply()
        assert banner.startswith("220") and self.host in banner, banner
        return c

    def delivered(self, mark):
        """Texts of the messages with this mark in the header."""
        found = []
        for path in glob.glob(self.box + "/new/**/*", recursive=True):
            if os.path.isfile(path) and "/tmp/" not in path[len(self.box):]:
                with open(path, "rb") as f:
                    text = f.read().replace(b"\r\n", b"\n")
                if b"X-Mark: %s\n" % mark in text:
                    found.append(text)
        return found

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


if len(sys.argv) > 1:
    SERVERS = {name: SERVERS[name] for name in sys.argv[1:]}
peers = {}
marks = iter(range(10**9))


def mark_new():
    return b"m%d" % next(marks)


def body(n=40):
    return b"".join(b".dot %d\r\n.\r\n..\r\nplain text %d \xc3\xa4\r\n" % (i, i) for i in range(n))


def message(mark, text):
    return b"X-Mark: %s\r\nFrom: a@a.example\r\nSubject: x\r\n\r\n" % mark + text


def stuffed(text):
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]


def arrives(p, mark, text, why=""):
    net.wait_for(f"{p.name}: message {mark} {why}", lambda: p.delivered(mark), 30)
    got = p.delivered(mark)
    assert len(got) == 1, f"{len(got)} copies"
    assert got[0].startswith(b"") and got[0].endswith(text.replace(b"\r\n", b"\n")), got[0][-200:]
    assert b"Authentication-Results: sekisho.test" in got[0]


def envelope(c, p, parameters="", rcpt_parameters=""):
    c.ask(f"MAIL FROM:<a@a.example>{parameters}", "250")
    c.ask(f"RCPT TO:<bob@{p.host}>{rcpt_parameters}", "25")


def by_data(c, text):
    c.ask("DATA", "354")
    c.send(stuffed(text) + b".\r\n")
    return c.reply()


def by_bdat(c, text, pieces=3):
    size = -(-len(text) // pieces)
    for i in range(pieces):
        part = text[i * size:(i + 1) * size]
        c.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if i + 1 == pieces else b"") + part)
        reply = c.reply()
        if i + 1 < pieces and not reply.startswith("250"):
            return reply
    return reply


# ---- features; each gets a peer and a family, and says "skip" when the server does not offer it

def data(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("EHLO lan.example", "250")
    envelope(c, p)
    assert by_data(c, message(mark, body())).startswith("250")
    c.ask("QUIT", "221")
    arrives(p, mark, body())
    return None


def helo_only(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("HELO lan.example", "250")
    envelope(c, p)
    assert by_data(c, message(mark, b"x\r\n")).startswith("250")
    arrives(p, mark, b"x\r\n")


def pipelined(p, family):
    c, mark = p.client(family), mark_new()
    if "PIPELINING" not in c.ask("EHLO lan.example", "250"):
        return "skip"
    c.send(f"MAIL FROM:<a@a.example>\r\nRCPT TO:<nobody@{p.host}>\r\nRCPT TO:<bob@{p.host}>\r\nDATA\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250", "550", "250", "354"], got
    c.send(stuffed(message(mark, body())) + b".\r\nRSET\r\n")
    assert [c.reply()[:3] for _ in range(2)] == ["250", "250"]
    arrives(p, mark, body())
    return None


def chunking(p, family):
    c = p.client(family)
    if "CHUNKING" not in c.ask("EHLO lan.example", "250"):
        return "skip"
    for pieces in (1, 4):
        mark = mark_new()
        envelope(c, p)
        reply = by_bdat(c, message(mark, body()), pieces)
        assert reply.startswith("250"), reply
        arrives(p, mark, body())
    mark = mark_new()
    text = message(mark, b"one go\r\n")
    c.send(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@%s>\r\nBDAT %d\r\n" % (p.host.encode(), len(text)) + text + b"BDAT 0 LAST\r\n")
    got = [c.reply()[:3] for _ in range(4)]
    assert got == ["250"] * 4, got
    arrives(p, mark, b"one go\r\n")
    return None


def eight_bit_and_utf8(p, family):
    c, mark = p.client(family), mark_new()
    offered = c.ask("EHLO lan.example", "250")
    if "8BITMIME" not in offered:
        return "skip"
    parameters = " BODY=8BITMIME"
    if "SMTPUTF8" in offered:
        parameters += " SMTPUTF8"
    envelope(c, p, parameters)
    assert by_data(c, message(mark, "\u95a2\u6240\r\n".encode())).startswith("250")
    arrives(p, mark, "\u95a2\u6240\r\n".encode())
    return None


def size_and_dsn(p, family):
    c, mark = p.client(family), mark_new()
    offered = c.ask("EHLO lan.example", "250")
    c.ask("MAIL FROM:<a@a.example> SIZE=99999999999", "552 5.3.4")
    envelope(c, p, (" SIZE=2000" if "SIZE" in offered else "") + (" RET=HDRS ENVID=e1" if "DSN" in offered else ""),
             " NOTIFY=NEVER" if "DSN" in offered else "")
    assert by_data(c, message(mark, b"x\r\n")).startswith("250")
    arrives(p, mark, b"x\r\n")


def commands_between(p, family):
    c, first, second = p.client(family), mark_new(), mark_new()
    c.ask("EHLO lan.example", "250")
    c.ask("NOOP", "250")
    c.ask("HELP", "")
    c.ask("VRFY bob", "")
    c.ask("EXPN bob", "")
    c.ask("XYZZY", "502 5.5.1 Sekisho")
    envelope(c, p)
    c.ask("NOOP", "250")
    c.ask("RSET", "250")
    for mark in (first, second):
        envelope(c, p)
        assert by_data(c, message(mark, b"x\r\n")).startswith("250")
        assert c.ask("EHLO again.example", "")[:3] in ("250", "503")  # OpenSMTPD takes it once
    envelope(c, p)
    assert by_data(c, b"Subject: v\r\n\r\nEICAR\r\n").startswith("550 5.7.1 Sekisho")
    envelope(c, p)
    c.ask("QUIT", "221")
    assert c.is_closed()
    for mark in (first, second):
        arrives(p, mark, b"x\r\n")


def large(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("EHLO lan.example", "250")
    envelope(c, p)
    text = b"0123456789abcdef" * 4 + b"\r\n"
    assert by_data(c, message(mark, text * 20000)).startswith("250")
    arrives(p, mark, text * 20000)


def starttls(p, family):
    c, mark = p.client(family), mark_new()
    assert "STARTTLS" in c.ask("EHLO lan.example", "250"), "not offered, although there is a certificate"
    c.starttls(p.host)
    c.ask("EHLO lan.example", "250")
    envelope(c, p)
    assert by_data(c, message(mark, body())).startswith("250")
    c.ask("QUIT", "221")
    arrives(p, mark, body())
    tls = net.events()[-1]["mail"]["tls"]
    assert "client" in tls and "server" in tls, tls


def starttls_chunking(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("EHLO lan.example", "250")
    c.starttls(p.host)
    if "CHUNKING" not in c.ask("EHLO lan.example", "250"):
        return "skip"
    text = message(mark, body(2000))
    c.send(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@%s>\r\nBDAT %d LAST\r\n" % (p.host.encode(), len(text)) + text)
    got = [c.reply()[:3] for _ in range(3)]
    assert got == ["250"] * 3, got
    arrives(p, mark, body(2000))
    return None


def auth(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("EHLO lan.example", "250")
    c.starttls(p.host)
    if "AUTH" not in c.ask("EHLO lan.example", "250"):
        return "skip"
    c.ask("AUTH PLAIN " + base64.b64encode(b"\0bob\0wrong").decode(), "535")
    c.ask("AUTH PLAIN", "334")
    c.ask(base64.b64encode(b"\0bob\0secret").decode(), "235")
    envelope(c, p)
    assert by_data(c, message(mark, b"x\r\n")).startswith("250")
    arrives(p, mark, b"x\r\n")
    return None


def bounces_and_long_lines(p, family):
    c, mark = p.client(family), mark_new()
    c.ask("EHLO lan.example", "250")
    c.ask("ETRN a.example", "")
    c.ask("MAIL FROM:<>", "250")
    c.ask(f"RCPT TO:<bob@{p.host}>", "25")
    text = b"x" * 998 + b"\r\n." + b"y" * 997 + b"\r\n"
    assert by_data(c, message(mark, text)).startswith("250")
    arrives(p, mark, text)


FEATURES = (data, helo_only, pipelined, chunking, eight_bit_and_utf8, size_and_dsn, commands_between, large, starttls, starttls_chunking, auth,
            bounces_and_long_lines)


# ---- smuggling

def smuggle(p, family, how, end):
    """Sends one message with an end that is none and a second one behind it; the replies, and both marks."""
    c, mark, evil = p.client(family), mark_new(), mark_new()
    offered = c.ask("EHLO lan.example", "250")
    if how == "BDAT" and "CHUNKING" not in offered:
        return None
    text = message(mark, b"a") + end + SMUGGLED % (p.host.encode(), evil)
    group = f"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@{p.host}>\r\n".encode()
    if how == "BDAT":
        c.send(group + b"BDAT %d LAST\r\n" % len(text) + text)
        replies = [c.reply() for _ in range(3)][2:]
    elif how == "pipelined":
        c.send(group + b"DATA\r\n")
        assert [c.reply()[:3] for _ in range(3)][2] == "354"
        # the real end in one go with the commands of the next message, as a careless relay would
        c.send(text + group + b"NOOP\r\n")
        replies = [c.reply()]
    else:
        envelope(c, p)
        c.ask("DATA", "354")
        c.send(text)
        replies = [c.reply()]
    c.close()
    return replies, mark, evil


def smuggling(p, mended):
    sent, evils, skipped = [], [], 0
    for how in ("DATA", "BDAT", "pipelined"):
        for name, end in ENDS.items():
            r = smuggle(p, 4 if len(sent) % 2 else 6, how, end)
            if r is None:
                skipped += 1
                continue
            replies, mark, evil = r
            want = "250" if mended else "550 5.6.11 Sekisho"
            assert replies[0].startswith(want), (how, name, replies)
            sent.append((how, name, mark))
            evils.append((how, name, evil))
    if mended:
        for how, name, mark in sent:
            net.wait_for(f"{how} {name}", lambda mark=mark: p.delivered(mark), 30)
    else:
        time.sleep(1)  # whatever a server would still deliver
        assert not [1 for _, _, mark in sent if p.delivered(mark)], "a refused message was delivered"
    for path in glob.glob(p.box + "/new/**/*", recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                head = f.read().split(b"\n\n", 1)[0]
            assert b"Subject: smuggled" not in head, f"smuggled: {head}"
    return f"{len(sent)} sent, 0 smuggled" + (f", {skipped} not offered" if skipped else "")


def starts(p):
    try:
        net.wait_for(p.name, p.is_ready, 60)
    except AssertionError:
        with open(p.log, encoding="utf-8", errors="replace") as f:
            raise AssertionError(re.sub("\n", " | ", f.read()[-800:])) from None


def rows():
    for name, p in peers.items():
        yield f"{name} starts", lambda p=p: starts(p)
        for family in (4, 6):
            for feature in FEATURES:
                yield f"{name} IPv{family} {feature.__name__.replace('_', ' ')}", lambda p=p, f=family, x=feature: x(p, f)
        yield f"{name} smuggling refused", lambda p=p: smuggling(p, False)
        yield f"{name} smuggling mended", lambda p=p: (reload(line_ends="normalise"), smuggling(p, True), reload())[1]


def setup():
    for name in SERVERS:
        r = subprocess.run([PEER, "run", name, "true"], capture_output=True, text=True, check=False)
        if r.returncode:
            print(f"skip {name} the peer's root is not made: {r.stderr.strip()[-200:]}")
            continue
        peers[name] = Peer(name)
        assert "error" not in net.call("io.sekisho.Mail.InstallCertificate", {"host": peers[name].host, "pem": certificate(peers[name].host)})


def teardown():
    for p in peers.values():
        p.stop()
    shutil.rmtree(BOXES, ignore_errors=True)


if __name__ == "__main__":
    net.DEFAULTS["max-sessions-per-source"] = 0
    net.scenario(rows, with_servers=False, setup=setup, teardown=teardown)
