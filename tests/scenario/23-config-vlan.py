#!/usr/bin/env python3
"""VLANs in mode bridge on our kernel: every tag passes, the management address lies in one, policies name others.

    lan 10.0.0.2, VLAN 10: 10.10.0.2, 20: 10.20.0.2 --- eth0 [ br0 ] eth1 --- wan 10.0.0.3, 10.10.0.3, 10.20.0.3
                                             mgmt0.10 10.10.0.1

One line for each check; exit code 1 when one failed.
"""
import os
import socket
import threading
import traceback

import configbox as c
from configbox import check, sh, wait_for

NETS = ((None, "10.0.0", "fd00:0"), (10, "10.10.0", "fd00:10"), (20, "10.20.0", "fd00:20"))


def hosts():
    for ns, n in (("lan", 2), ("wan", 3)):
        for vlan, v4, v6 in NETS:
            device = ns + "0"
            if vlan:
                device = f"{ns}0.{vlan}"
                sh("ip", "link", "add", "link", ns + "0", "name", device, "type", "vlan", "id", str(vlan), ns=ns)
                sh("ip", "link", "set", device, "up", ns=ns)
            sh("ip", "addr", "add", f"{v4}.{n}/24", "dev", device, ns=ns)
            sh("ip", "addr", "add", f"{v6}::{n}/64", "dev", device, "nodad", ns=ns)


def serve(ns, port):
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        peer, _ = s.accept()
        peer.sendall(b"here\n")
        peer.close()


def connect(ns, address, port, seconds=6):
    r = sh("timeout", str(seconds), "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port} && head -n1 <&3", ns=ns, ok=False)
    return r.stdout.strip() == "here"


def ping(ns, address):
    return sh("ping", "-n", "-c1", "-W1", address, ns=ns, ok=False).returncode == 0


def test_management(s):
    s.commit("delete interfaces management", "set interfaces management vlan 10", "set interfaces management address 10.10.0.1/24",
             "set interfaces management address fd00:10::1/64")
    networkd = c.networkd_start()
    check("every VLAN passes", wait_for(lambda: all(ping("lan", v4 + ".3") and ping("lan", v6 + "::3") for _, v4, v6 in NETS)),
          sh("bridge", "link").stdout)
    check("the box answers in its VLAN", wait_for(lambda: ping("lan", "10.10.0.1")) and wait_for(lambda: ping("lan", "fd00:10::1")),
          sh("ip", "-br", "addr").stdout)
    check("not from the WAN side", not ping("wan", "10.10.0.1") and not ping("wan", "fd00:10::1"))
    check("and nothing is on the cable itself", "mgmt0@mgmt1" in sh("ip", "-br", "link").stdout
          and not sh("ip", "-br", "addr", "show", "dev", "mgmt0").stdout.split()[2:], sh("ip", "-br", "addr").stdout)
    sh("ip", "addr", "add", "10.10.0.9/24", "dev", "lan0", ns="lan")  # untagged, an address of the VLAN's network
    r = sh("ping", "-n", "-c1", "-W1", "-I", "lan0", "10.10.0.1", ns="lan", ok=False)
    sh("ip", "addr", "del", "10.10.0.9/24", "dev", "lan0", ns="lan")
    check("untagged frames do not reach it", r.returncode != 0, r.stdout)
    return networkd


def test_zones(s):
    s.commit("set zones zone guests vlan 20", "set zones service web tcp 80", "set zones policy g from guests",
             "set zones policy g service web", "set zones policy g action drop", "set zones policy g log true")
    for port in (80, 81):
        threading.Thread(target=serve, args=("wan", port), daemon=True).start()
    wait_for(lambda: connect("lan", "10.0.0.3", 80), 10)
    inspectd = c.inspectd_start()
    check("what is not in the zone passes", all(connect("lan", a, 80) for a in ("10.0.0.3", "fd00:0::3", "10.10.0.3", "fd00:10::3")))
    check("the zone's policy drops, IPv4", not connect("lan", "10.20.0.3", 80, 2))
    check("the zone's policy drops, IPv6", not connect("lan", "fd00:20::3", 80, 2))
    check("and nothing but its service", connect("lan", "10.20.0.3", 81) and connect("lan", "fd00:20::3", 81))

    def told():
        return {(e["policy"]["name"], e["policy"]["action"], e["in_iface"], e["dest_ip"], e["dest_port"], tuple(e.get("vlan", ())))
                for e in c.events("inspectd", "policy")}
    check("it is told, with its VLAN", wait_for(lambda: ("g", "drop", "eth0", "10.20.0.3", 80, (20,)) in told(), 10), told())
    s.commit("set zones zone guests port eth1")
    check("a zone of a port and a VLAN is both", connect("lan", "10.20.0.3", 80))
    inspectd.terminate()
    check("inspectd ends cleanly", inspectd.wait(20) == 0)


def test_back(s):
    s.commit("delete zones", "set interfaces management vlan 20", "delete interfaces management address",
             "set interfaces management address 10.20.0.1/24")
    sh("networkctl", "reload", ok=False)
    check("the address may move to another VLAN", not os.path.exists(c.NETWORKD + "/60-sekisho-mgmt0.10.netdev")
          and "VLAN=mgmt0.20" in c.read(c.NETWORKD + "/60-sekisho-mgmt0.network"))
    s.commit("delete interfaces management vlan")
    check("and out of it", "Address=10.20.0.1/24" in c.read(c.NETWORKD + "/60-sekisho-mgmt0.network")
          and not os.path.exists(c.NETWORKD + "/60-sekisho-mgmt0.20.netdev"))


def main():
    c.prepare()
    configd, networkd = c.Configd(), None
    try:
        s = c.Session()
        hosts()
        networkd = test_management(s)
        test_zones(s)
        test_back(s)
        check("configd ends cleanly", configd.stop() == 0)
    except Exception:
        check("no exception", False, traceback.format_exc())
    if networkd:
        networkd.terminate()
    c.end()


main()
