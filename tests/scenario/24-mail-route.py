#!/usr/bin/env python3
"""Mail in mode route: out behind address translation, in by a port forward and by IPv6, and round the corner.

    sk-lan 192.168.1.10 fd70::10 --- eth0 [ br-office 192.168.1.1 fd70::1 | 10.77.0.1 fd77::1 ] eth1 --- sk-wan 10.77.0.20 fd77::20
    server 192.168.1.20 fd70::20 --- eth2
"""

import signal
import time

import box
from box import check, results, run, sh, w

box.need("configd", "sekisho", "maild", "maildial", "mailauthd", "scand")
BOX = "10.77.0.1"
ROUTE = ("set interfaces port eth2 side lan", "set interfaces mode route", "set interfaces network office side lan",
         "set interfaces network office port eth0", "set interfaces network office port eth2",
         "set interfaces network office address 192.168.1.1/24", "set interfaces network office address fd70::1/64",
         "set interfaces network modem side wan", "set interfaces network modem port eth1",
         f"set interfaces network modem address {BOX}/24", "set interfaces network modem address fd77::1/64",
         f"set system dns-server {w.WAN4}", "set nat forward mx port 25", "set nat forward mx to-address 192.168.1.20")
ZONES = ("set zones zone inside network office", "set zones zone outside network modem", "set zones service smtp tcp 25",
         "set zones address mx prefix fd70::20/128")
SWITCH = "inet sekisho_mail"


def hosts_start() -> None:
    run("ip -n sk-lan addr flush dev eth0", "ip netns add server", "ip link add eth2 type veth peer name far-eth2",
        "ip link set far-eth2 netns server name eth0", "ip -n server link set lo up")
    for ns, n in (("sk-lan", 10), ("server", 20)):
        run(f"ip -n {ns} addr add 192.168.1.{n}/24 dev eth0", f"ip -n {ns} addr add fd70::{n}/64 dev eth0 nodad",
            f"ip -n {ns} link set eth0 up", f"ip -n {ns} route add default via 192.168.1.1", f"ip -n {ns} -6 route add default via fd70::1")
    run("ip -n sk-wan -6 route add fd70::/64 via fd77::1")


def server_mail() -> list[dict]:
    return box.evidence.ledger(inside, "mail")


def taken(name: str, server: str, ns: str, ledger, peer) -> None:
    """peer: what the server has to see of the client's own address and port."""
    r = box.mail_send("clean", server, ns)
    kept = ledger()
    check(f"{name}: taken", r.get("reply", [0])[0] == 250, r)
    check(f"{name}: checked, and from where it should be", kept and len(results(kept[-1])) == 1 and kept[-1]["peer"] == peer(r["local"]),
          (kept[-1:], r))


def silent(name: str, server: str, ns: str) -> None:
    """Nobody answers: not even the handshake."""
    r = sh("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{server}/25", ns=ns)
    check(name, r.returncode == 124, r.stderr)


box.configd_start()
hosts_start()
pem = box.certificate_make(w.MX)
inside = box.mx_start("server", pem)
box.commit(*ROUTE)
box.networkd_start()
check("the office reaches the world", box.wait_for(lambda: box.lan("ping", "-n", "-c1", "-W1", w.WAN4).returncode == 0, 60)
      and box.wait_for(lambda: box.lan("ping", "-n", "-c1", "-W1", w.WAN6).returncode == 0, 30), sh("ip", "-br", "addr").stdout)
check("lo keeps its address", "127.0.0.1/8" in sh("ip", "-br", "addr", "show", "lo").stdout, sh("ip", "addr", "show", "lo").stdout)
daemons = box.mail_start(SWITCH)

taken("out by IPv4", w.WAN4, "sk-lan", lambda: box.ledger("mail"), lambda local: [BOX, local[1]])
taken("out by IPv6", w.WAN6, "sk-lan", lambda: box.ledger("mail"), lambda local: local)
taken("in by the port forward", BOX, "sk-wan", server_mail, lambda local: local)
taken("from the office to its own server by the address outside", BOX, "sk-lan", server_mail,
      lambda local: ["192.168.1.1", server_mail()[-1]["peer"][1]])
check("its event has the host of the office", box.events("maild", "mail")[-1]["src_ip"] == "192.168.1.10", box.events("maild", "mail")[-1])
box.certificate_install(w.MX, pem)
r = box.mail_send("clean", BOX, "sk-wan", starttls=pem)
kept = server_mail()[-1]
check("in TLS: taken, checked, and in TLS again to the server", r.get("reply", [0])[0] == 250 and r.get("tls", "").startswith("TLS")
      and kept["tls"] and results(kept) and kept["peer"] == r["local"], (r, kept))
for server, ns in ((BOX, "sk-wan"), (w.WAN6, "sk-lan")):
    r = box.mail_send("eicar", server, ns)
    check(f"a virus to {server} is refused", r.get("reply", [0])[0] == 550, r)

silent("from outside no host inside answers on port 25", "fd70::20", "sk-wan")
silent("nor does the box", "fd77::1", "sk-wan")
box.commit(*ZONES, "set zones policy in from outside", "set zones policy in to inside", "set zones policy in destination mx",
           "set zones policy in service smtp", "set zones policy in action accept",
           "set zones policy out from inside", "set zones policy out to outside", "set zones policy out service smtp",
           "set zones policy out action drop")
taken("in by IPv6, by a policy", "fd70::20", "sk-wan", server_mail, lambda local: local)
silent("another host is not in the policy", "fd70::10", "sk-wan")
silent("a policy against mail of the office's hosts", w.WAN4, "sk-lan")
box.commit("delete zones policy out", "set mail relay 192.168.1.1 server 192.168.1.20")
taken("by the relay address", "192.168.1.1", "sk-lan", server_mail, lambda local: ["192.168.1.1", server_mail()[-1]["peer"][1]])

daemons["maild"].send_signal(signal.SIGSTOP)
check("a hung maild leaves the path", box.wait_for(lambda: not box.alive(SWITCH, "mail_alive"), 10))
r = box.mail_send("clean")
check("mail goes past it", r.get("reply", [0])[0] == 250 and not results(box.ledger("mail")[-1]), r)
daemons["maild"].send_signal(signal.SIGCONT)
check("and through it again", box.wait_for(lambda: box.alive(SWITCH, "mail_alive"), 10))
box.commit("set mail on-failure closed")
for name in ("maild", "maildial"):
    daemons[name].send_signal(signal.SIGSTOP)
time.sleep(6)
before = len(box.ledger("mail")) + len(server_mail())
for server, ns in ((w.WAN4, "sk-lan"), (BOX, "sk-wan")):
    r = box.mail_send("clean", server, ns, timeout=4)
    check(f"fail closed: to {server} nothing passes", "reply" not in r, r)
check("and nothing has", len(box.ledger("mail")) + len(server_mail()) == before)
box.finish()
