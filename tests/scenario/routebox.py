"""What the scenarios of mode route share: a router with an office behind it, and its policies.

    lan 192.168.1.2, 2001:db8:2::2 --- eth0 [ 192.168.1.1 | 198.51.100.2 ] eth1 --- wan 198.51.100.1, 2001:db8:1::1
"""
import os
import socket
import threading

from configbox import sh

ROUTE = ("set mail enabled false", "set interfaces mode route", "set interfaces network office side lan",
         "set interfaces network office port eth0", "set interfaces network office address 192.168.1.1/24",
         "set interfaces network office address 2001:db8:2::1/64", "set interfaces network modem side wan",
         "set interfaces network modem port eth1", "set interfaces network modem address 198.51.100.2/24",
         "set interfaces network modem address 2001:db8:1::2/64", "set interfaces network modem gateway 198.51.100.1",
         "set dhcp server office router-advertisement true", "set dhcp server office pool-size 20",
         "set nat forward web port 8080", "set nat forward web to-address 192.168.1.2", "set nat forward web to-port 80")
POLICY = ("set zones zone inside network office", "set zones zone outside network modem",
          "set zones service dropped tcp 81", "set zones service rejected tcp 82", "set zones service allowed tcp 80",
          "set zones address host prefix 2001:db8:2::2/128", "set zones address host prefix 192.168.1.2/32",
          "set zones policy a from inside", "set zones policy a service dropped", "set zones policy a action drop",
          "set zones policy b source host", "set zones policy b service rejected", "set zones policy b action reject",
          "set zones policy c from outside", "set zones policy c to inside", "set zones policy c destination host",
          "set zones policy c service allowed", "set zones policy c action accept")


def serve(ns, family, address, port):
    """A listener that sends the address it was called from."""
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen()
    while True:
        peer, who = s.accept()
        peer.sendall(f"{who[0]}\n".encode())
        peer.close()


def connect(ns, address, port, seconds=8):
    r = sh("timeout", str(seconds), "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port} && head -n1 <&3", ns=ns, ok=False)
    return r.stdout.strip() if r.returncode == 0 else "refused" if "refused" in r.stderr else None


def hosts():
    for ns, v4, v6, gate4, gate6 in (("lan", "192.168.1.2/24", "2001:db8:2::2/64", "192.168.1.1", "2001:db8:2::1"),
                                     ("wan", "198.51.100.1/24", "2001:db8:1::1/64", None, "2001:db8:1::2")):
        sh("ip", "addr", "add", v4, "dev", ns + "0", ns=ns)
        sh("ip", "addr", "add", v6, "dev", ns + "0", "nodad", ns=ns)
        if gate4:
            sh("ip", "route", "add", "default", "via", gate4, ns=ns)
        sh("ip", "-6", "route", "add", "default", "via", gate6, "metric", "10", ns=ns)
        for port in (80, 81, 82, 83):
            threading.Thread(target=serve, args=(ns, socket.AF_INET, "0.0.0.0", port), daemon=True).start()
        threading.Thread(target=serve, args=(ns, socket.AF_INET6, v6.split("/")[0], 80), daemon=True).start()
