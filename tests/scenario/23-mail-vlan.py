#!/usr/bin/env python3
"""Mail through the bridge in VLANs, from and to hosts behind further routers, and past a router on a stick.

    far 10.50.0.2 -- sk-lan 10.77.0.10, VLAN 10: 10.78.0.10, 30: 10.76.0.10 --+
                     dmz    VLAN 20: 10.79.0.10                              +-- eth0 [ br0 ] eth1 -- sk-wan, the router
                                                                                 10.77.0.20, 10.78.0.20, 10.79.0.20, behind it 10.60.0.1

The same with fd77::, fd78:: and so on. On both sides of the box every frame of a mail has the same addresses.
"""

import box
from box import check, results, run, sh, w
from wire import Wire

box.need("configd", "sekisho", "maild", "maildial", "mailauthd", "scand")
VLANS = {10: 78, 20: 79, 30: 76}


def vlan_add(ns: str, vlan: int, host: int, into: str = "") -> None:
    """The VLAN of a side's port, with its addresses, for that side or for a host beside it (into)."""
    net, device = VLANS[vlan], f"eth0.{vlan}"
    run(f"ip -n {ns} link add link eth0 name {device} type vlan id {vlan}")
    if into:
        run(f"ip netns add {into}", f"ip -n {ns} link set {device} netns {into}")
    ns = into or ns
    run(f"ip -n {ns} link set lo up", f"ip -n {ns} addr add 10.{net}.0.{host}/24 dev {device}",
        f"ip -n {ns} addr add fd{net}::{host}/64 dev {device} nodad", f"ip -n {ns} link set {device} up")


def hosts_start() -> None:
    for vlan in (10, 30):
        vlan_add("sk-lan", vlan, 10)
    for vlan in (10, 20, 30):
        vlan_add("sk-wan", vlan, 20)
    vlan_add("sk-lan", 20, 10, into="dmz")
    run("ip netns add far", "ip link add v0 netns sk-lan type veth peer name v0 netns far",
        "ip -n sk-lan addr add 10.50.0.1/24 dev v0", "ip -n sk-lan addr add fd50::1/64 dev v0 nodad", "ip -n sk-lan link set v0 up",
        "ip -n far addr add 10.50.0.2/24 dev v0", "ip -n far addr add fd50::2/64 dev v0 nodad", "ip -n far link set v0 up",
        "ip -n far link set lo up",
        "ip -n sk-wan addr add 10.60.0.1/32 dev lo", "ip -n sk-wan addr add fd60::1/128 dev lo nodad")
    for ns in ("sk-lan", "sk-wan"):
        run(f"ip netns exec {ns} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    for ns, gate4, gate6 in (("far", "10.50.0.1", "fd50::1"), ("sk-lan", "10.78.0.20", "fd78::20"), ("dmz", "10.79.0.20", "fd79::20")):
        run(f"ip -n {ns} route add default via {gate4}", f"ip -n {ns} -6 route add default via {gate6}")
    for there4, there6, net in ((w.WAN4, w.WAN6, "60"), ):
        run(f"ip -n sk-lan route add 10.{net}.0.0/24 via {there4}", f"ip -n sk-lan -6 route add fd{net}::/64 via {there6}")
    run(f"ip -n sk-wan route add 10.50.0.0/24 via {w.LAN4}", f"ip -n sk-wan -6 route add fd50::/64 via {w.LAN6}")


def transparent(name: str, ns: str, server: str, vlan: int) -> None:
    """A mail is taken, checked, and the same on both wires."""
    near, far = Wire("sk-lan"), Wire("sk-wan")
    r = box.mail_send("clean", server, ns)
    kept = box.ledger("mail")
    a, b = near.stop(), far.stop()
    check(f"{name}: clean mail to {server} is taken", r.get("reply", [0])[0] == 250, r)
    check(f"{name}: it arrives from the client's address and port, with our results",
          kept and kept[-1]["peer"] == r.get("local") and len(results(kept[-1])) == 1, (kept[-1:], r))
    check(f"{name}: both wires have the same MAC, VLAN, IP and port", a and a == b and {f.vlan for f in a} == {vlan}, (a - b, b - a))


box.box_start()
hosts_start()
pem = box.certificate_make(w.MX)
dmz = box.mx_start("dmz", pem)
box.commit("set interfaces bridge vlan 10", "set interfaces bridge vlan 20")
box.networkd_reload()
box.mail_start()
check("the VLANs have their devices", box.wait_for(lambda: all(sh("ip", "link", "show", f"br0.{v}").returncode == 0 for v in (10, 20))
      and "br0.20" in sh("ip", "-6", "route", "show", "table", "1020").stdout, 20), sh("ip", "-br", "link").stdout)

transparent("untagged", "sk-lan", w.WAN4, 0)
transparent("VLAN 10", "sk-lan", "10.78.0.20", 10)
transparent("VLAN 10", "sk-lan", "fd78::20", 10)
check("the event names the VLAN", box.events("maild", "mail")[-1].get("vlan") == [10], box.events("maild", "mail")[-1:])
transparent("behind routers on both sides", "far", "10.60.0.1", 0)
transparent("behind routers on both sides", "far", "fd60::1", 0)

r = box.mail_send("eicar", "10.78.0.20")
check("a virus in a VLAN is refused", r.get("reply", [0])[0] == 550, r)

for server in ("10.79.0.10", "fd79::10"):
    seen = len(box.events("maild", "mail"))
    r = box.mail_send("clean", server)
    vlans = [e.get("vlan") for e in box.events("maild", "mail")[seen:]]
    check(f"from VLAN 10 by a router to VLAN 20, {server}: taken", r.get("reply", [0])[0] == 250, r)
    check("and checked each time it passes the box", sorted(map(str, vlans)) == ["[10]", "[20]"], vlans)

box.certificate_install(w.MX, pem)
r = box.mail_send("clean", "10.79.0.10", starttls=pem)
kept = box.evidence.ledger(dmz, "mail")[-1:]
check("the same in TLS: taken, checked and in TLS again to the server", r.get("reply", [0])[0] == 250 and r.get("tls", "").startswith("TLS")
      and kept and kept[0]["tls"] and results(kept[0]) and kept[0]["peer"] == r["local"], (r, kept))

before = len(box.ledger("mail"))
r = box.mail_send("clean", "10.76.0.20")
kept = box.ledger("mail")
check("mail in a VLAN that is not listed passes unread", r.get("reply", [0])[0] == 250 and len(kept) == before + 1
      and not results(kept[-1]), (r, kept[-1:]))
said = sh(box.BIN / "sekisho", "-c", "show status maildial")
check("and is counted and shown", "vlan: 30\n" in said.stdout and "connections: 1\n" in said.stdout, said.stdout + said.stderr)
box.commit("set mail unlisted-vlan block")
r = box.mail_send("clean", "fd76::20", timeout=4)
check("or is blocked", "reply" not in r and len(box.ledger("mail")) == before + 1, r)

box.commit("delete interfaces bridge vlan 20", "set mail unlisted-vlan pass")
check("a VLAN that is listed no more loses its device", box.wait_for(lambda: sh("ip", "link", "show", "br0.20").returncode != 0))
check("and the others stay", box.mail_send("clean", "10.78.0.20").get("reply", [0])[0] == 250)
check("the box said nothing of its own on the VLAN", "br0" not in sh("ip", "-4", "-br", "addr").stdout)
box.finish()
