#!/usr/bin/env python3
"""What a router's policies and port forwards do over time: hairpin, hours, the log. Mode route without inspection, which any kernel can do.

    lan 192.168.1.2, 2001:db8:2::2 --- eth0 [ 192.168.1.1 | 198.51.100.2 ] eth1 --- wan 198.51.100.1, 2001:db8:1::1

Runs in a network and a mount namespace of its own. One line for each check; exit code 1 when one failed.
"""
import os
import subprocess
import sys
import time
import traceback

if "SEKISHO_OWN_NAMESPACE" not in os.environ:
    os.environ["SEKISHO_OWN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
for command in (("mount", "--make-rprivate", "/"), ("mount", "-t", "tmpfs", "tmpfs", "/run"), ("ip", "link", "set", "lo", "up")):
    subprocess.run(command, check=True)

import configbox as c  # noqa: E402  # it looks at /run
from configbox import check, sh, wait_for  # noqa: E402
from routebox import POLICY, ROUTE, connect, hosts  # noqa: E402


def start(s):
    s.commit("set inspection enabled false", *ROUTE)
    networkd = c.networkd_start()
    check("the router routes", wait_for(lambda: connect("lan", "198.51.100.1", 80) == "198.51.100.2"), sh("ip", "-br", "addr").stdout)
    return networkd


def test_reflection(s):
    check("a port forward leads inside from outside", connect("wan", "198.51.100.2", 8080) == "198.51.100.1")
    check("and from inside", connect("lan", "198.51.100.2", 8080) == "192.168.1.1", connect("lan", "198.51.100.2", 8080))
    check("the address inside is not forwarded", connect("lan", "192.168.1.1", 8080, 2) == "refused"
          or connect("lan", "192.168.1.1", 8080, 2) is None)
    s.commit("set nat reflection false")
    check("reflection can be switched off", connect("lan", "198.51.100.2", 8080, 2) is None)
    check("and the way from outside stays", connect("wan", "198.51.100.2", 8080) == "198.51.100.1")
    s.commit("delete nat reflection")


def test_policies(s):
    s.commit(*POLICY)
    check("what a policy drops is silent", connect("lan", "198.51.100.1", 81, 2) is None)
    s.commit("set zones policy a enabled false")
    check("a policy that is switched off is not in force", connect("lan", "198.51.100.1", 81) == "198.51.100.2")
    s.commit("delete zones policy a enabled", "set zones service dropped tcp 83", "delete zones service dropped tcp 81")
    check("a set that changes takes its policy along", connect("lan", "198.51.100.1", 83, 2) is None
          and connect("lan", "198.51.100.1", 81) == "198.51.100.2")
    s.commit("set zones service dropped tcp 81", "delete zones service dropped tcp 83")
    tables = sh("nft", "list", "table", "inet", "sekisho_policy").stdout
    s.commit("set zones policy b description again")
    check("a remark changes no rule", sh("nft", "list", "table", "inet", "sekisho_policy").stdout == tables)


def test_log(s):
    """A policy's connections are events of inspectd; those that it does not log are not."""
    inspectd = c.inspectd_start()
    s.commit("set zones policy a log true", "set zones policy c log true", "set zones log-unmatched true")
    connect("lan", "198.51.100.1", 81, 2)
    connect("lan", "198.51.100.1", 82)
    connect("wan", "2001:db8:2::2", 80)
    connect("lan", "198.51.100.1", 83)

    def told():
        return {(e["policy"]["action"], e["policy"]["name"], e["src_ip"], e["dest_ip"], e.get("dest_port"), e.get("in_iface"), e.get("out_iface"))
                for e in c.events("inspectd", "policy")}
    wanted = {("drop", "a", "192.168.1.2", "198.51.100.1", 81, "eth0", "eth1"),
              ("accept", "c", "2001:0db8:0001:0000:0000:0000:0000:0001", "2001:0db8:0002:0000:0000:0000:0000:0002", 80, "eth1", "eth0"),
              ("accept", "", "192.168.1.2", "198.51.100.1", 83, "eth0", "eth1")}
    check("policies that log are in the log", wait_for(lambda: wanted <= told(), 10), told())
    check("and no others", "b" not in {t[1] for t in told()}, told())
    before = len(c.events("inspectd", "policy"))
    sh("python3", "-c", "import socket\nfor n in range(400):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
       " s.sendto(b'x', ('198.51.100.1', 20000 + n))", ns="lan")
    time.sleep(0.5)
    many = len(c.events("inspectd", "policy")) - before
    # the rule's rate is 20 a second with a burst of 40
    check("a flood is told only in part", 20 <= many < 200, many)
    inspectd.terminate()
    check("inspectd ends cleanly", inspectd.wait(20) == 0)
    s.commit("delete zones policy a log", "delete zones policy c log", "delete zones log-unmatched")


def test_schedule(s):
    """Its hours begin with the next minute."""
    if time.time() % 60 > 50:
        time.sleep(60 - time.time() % 60)
    minute = time.time() // 60 * 60 + 60
    begin = time.strftime("%H:%M", time.gmtime(minute))
    s.commit("set zones schedule soon from " + begin, "set zones policy d schedule soon", "set zones policy d service allowed",
             "set zones policy d from inside", "set zones policy d action reject")
    early = connect("lan", "198.51.100.1", 80)
    if time.time() < minute:
        check("before its hours a policy is not in force", early == "198.51.100.2", early)
    time.sleep(max(0, minute - 2 - time.time()))
    check("it begins with the minute", wait_for(lambda: connect("lan", "198.51.100.1", 80) == "refused", 12) and time.time() >= minute,
          time.time() - minute)
    day = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")[(time.gmtime().tm_wday + 3) % 7]
    s.commit("set zones schedule soon day " + day)
    check("on other days it is not in force", connect("lan", "198.51.100.1", 80) == "198.51.100.2")


def main():
    c.prepare()
    configd, networkd = c.Configd(), None
    try:
        s = c.Session()
        hosts()
        networkd = start(s)
        test_reflection(s)
        test_policies(s)
        test_log(s)
        test_schedule(s)
        check("configd ends cleanly", configd.stop() == 0)
    except Exception:
        check("no exception", False, traceback.format_exc())
    if networkd:
        networkd.terminate()
    c.end()


main()
