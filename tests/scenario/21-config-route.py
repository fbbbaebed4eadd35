#!/usr/bin/env python3
"""Mode route on our kernel: networks, NAT, port forwards, DHCP, router advertisements, policies, and back.

    lan 192.168.1.2, 2001:db8:2::2 --- eth0 [ 192.168.1.1 | 198.51.100.2 ] eth1 --- wan 198.51.100.1, 2001:db8:1::1

networkd runs on the rendered files, nftables is the kernel's own. One line for each check; exit code 1 when one failed.
"""
import os
import traceback

import configbox as c
from configbox import check, sh, wait_for
from routebox import POLICY, ROUTE, connect, hosts


def test_route(s):
    reply = s.commit(*ROUTE)
    check("mode route is committed", reply["changed"])
    networkd = c.networkd_start()
    check("networkd gives the ports their addresses", wait_for(lambda: "192.168.1.1/24" in sh("ip", "-br", "addr").stdout
          and "2001:db8:1::2/64" in sh("ip", "-br", "addr").stdout, 40), sh("ip", "-br", "addr").stdout)
    check("there is no bridge", "br0" not in sh("ip", "-br", "link").stdout)
    check("the way out is masqueraded", wait_for(lambda: connect("lan", "198.51.100.1", 80) == "198.51.100.2"), connect("lan", "198.51.100.1", 80))
    check("IPv6 is routed as it is", wait_for(lambda: (connect("lan", "2001:db8:1::1", 80) or "").startswith("2001:db8:2:")),
          connect("lan", "2001:db8:1::1", 80))
    check("from outside nothing comes in", connect("wan", "2001:db8:2::2", 80, 2) is None)
    check("a port forward leads inside", connect("wan", "198.51.100.2", 8080) == "198.51.100.1", connect("wan", "198.51.100.2", 8080))
    check("and so it does for the office's own hosts", connect("lan", "198.51.100.2", 8080) == "192.168.1.1",
          connect("lan", "198.51.100.2", 8080))
    check("SSH from the LAN side is let in", connect("lan", "192.168.1.1", 22, 2) == "refused")  # nobody listens in this test
    check("and not from the WAN side", connect("wan", "198.51.100.2", 22, 2) is None)
    check("the box is silent outside", sh("ping", "-n", "-c1", "-W1", "198.51.100.2", ns="wan", ok=False).returncode != 0)
    check("and answers inside", sh("ping", "-n", "-c1", "-W2", "192.168.1.1", ns="lan", ok=False).returncode == 0)
    return networkd


def test_spoof():
    sh("ip", "addr", "add", "203.0.113.9/32", "dev", "lan0", ns="lan")
    sh("ping", "-n", "-c1", "-W1", "-I", "203.0.113.9", "198.51.100.1", ns="lan", ok=False)
    rule = [l for l in sh("nft", "list", "chain", "inet", "sekisho_route", "antispoof").stdout.splitlines() if "missing" in l]
    check("a foreign source is dropped and counted", rule and "packets 0 " not in rule[0], rule)


def test_addresses():
    r = sh("timeout", "15", "busybox", "udhcpc", "-f", "-q", "-n", "-i", "lan0", "-s", "/bin/true", ns="lan", ok=False, timeout=20)
    check("DHCP lends an address of the pool", "lease of 192.168.1.1" in r.stdout + r.stderr, r.stdout + r.stderr)
    check("router advertisements announce the prefix", wait_for(lambda: [
        l for l in sh("ip", "-6", "addr", "show", "lan0", ns="lan").stdout.splitlines()
        if "2001:db8:2:" in l and "dynamic" in l], 30), sh("ip", "-6", "addr", "show", "lan0", ns="lan").stdout)


def test_policies(s):
    s.commit(*POLICY)
    check("what a policy drops is silent", connect("lan", "198.51.100.1", 81, 2) is None)
    check("what it rejects is refused", connect("lan", "198.51.100.1", 82) == "refused", connect("lan", "198.51.100.1", 82))
    check("the rest passes", connect("lan", "198.51.100.1", 83) == "198.51.100.2")
    check("a policy lets in from outside", connect("wan", "2001:db8:2::2", 80) == "2001:db8:1::1", connect("wan", "2001:db8:2::2", 80))
    check("the port forward still leads inside", connect("wan", "198.51.100.2", 8080) == "198.51.100.1")
    s.commit("set zones unmatched drop")
    check("unmatched drop", connect("lan", "198.51.100.1", 83, 2) is None)
    try:
        s.commit("set interfaces mode bridge")
        check("a bridge cannot reject", False)
    except c.Refused as e:
        check("a bridge cannot reject", "reject only in mode route" in str(e), e)
    s.call("Discard")
    s.commit("delete zones unmatched")


def test_vlan_and_bridge(s):
    s.commit("set interfaces network guests side lan", "set interfaces network guests port eth0", "set interfaces network guests vlan 7",
             "set interfaces network guests address 192.168.7.1/24")
    sh("networkctl", "reload", ok=False)
    check("a VLAN has its file", os.path.exists(c.NETWORKD + "/60-sekisho-vl-guests.netdev")
          and "VLAN=vl-guests" in c.read(c.NETWORKD + "/60-sekisho-eth0.network"))
    s.commit("delete interfaces network guests")
    check("and loses it", not os.path.exists(c.NETWORKD + "/60-sekisho-vl-guests.netdev"))


def test_flowtable():
    tables = sh("nft", "list", "flowtables").stdout
    check("inspected flows have a short way", '"eth0", "eth1"' in tables.replace("eth0, eth1", '"eth0", "eth1"'), tables)


def test_back(s, configd):
    configd.stop()
    configd = c.Configd()
    s = c.Session()
    check("a restart keeps mode route", "sekisho_route" in sh("nft", "list", "tables").stdout)
    s.call("Load", mode="replace", text=c.read(c.DIR + "/share/factory.json"))
    s.call("Commit", comment="back to the factory")
    tables = sh("nft", "list", "tables").stdout
    check("back in mode bridge", "table bridge sekisho" in tables and "sekisho_route" not in tables and "sekisho_policy" not in tables, tables)
    check("the bridge's files are back", os.path.exists(c.NETWORKD + "/60-sekisho-br0.netdev")
          and "Bridge=br0" in c.read(c.NETWORKD + "/60-sekisho-eth1.network"))
    return configd


def main():
    c.prepare()
    configd, networkd = c.Configd(), None
    try:
        s = c.Session()
        hosts()
        networkd = test_route(s)
        test_spoof()
        test_addresses()
        test_flowtable()
        test_policies(s)
        test_vlan_and_bridge(s)
        configd = test_back(s, configd)
        check("configd ends cleanly", configd.stop() == 0)
    except Exception:
        check("no exception", False, traceback.format_exc())
    if networkd:
        networkd.terminate()
    c.end()


main()
