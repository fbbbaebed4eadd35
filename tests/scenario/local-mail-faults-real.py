#!/usr/bin/env python3
"""The faults of local-mail-faults.py against the real mailauthd and scand: they and their workers are killed, stopped and
started again under way. Delivered is only what both have judged: maild's own event says so, and no virus is among it.

    local-mail-faults-real.py [SEED [INJECTIONS]]
"""
import base64
import importlib.util
import json
import os
import shutil
import sys

import mailnet as net

spec = importlib.util.spec_from_file_location("faults", os.path.dirname(__file__) + "/local-mail-faults.py")
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


def infect(text):
    head = text.split(b"\r\n\r\n")[0]
    return (head + b"\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(EICAR).replace(b"\n", b"\r\n"))


def accepted():
    """By the number in HELO: the events of what was let pass."""
    found = {}
    with open(net.LOG, encoding="utf-8") as f:
        for line in f:
            m = json.loads(line)["mail"]
            if m["action"] == "accept":
                found[int(m["helo"].split(".")[0][1:])] = m
    return found


def was_checked(m):
    """A maild that was killed took its last events along; what it did write must be whole."""
    event = accepted().get(m.number)
    if event is None:
        return m.disturbed
    return event["scan"]["result"] == "clean" and event["spf"]["result"] == "none" and event["dmarc"]["result"] != ""


if __name__ == "__main__":
    print(f"seed {faults.SEED}", flush=True)
    faults.INJECTIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 250
    faults.infect, faults.was_checked = infect, was_checked
    faults.FAULTS = [f for f in faults.FAULTS if f[0] not in ("auth", "scan", "disk")] + [("mail", "", "infected")] * 40 \
        + [("mailauthd", "", "kill"), ("mailauthd", "", "stop"), ("mailauthd", "", "terminate"), ("scand", "", "kill"),
           ("scand", "", "stop"), ("scand", "", "kill-child")] * 4
    faults.DISTURBERS |= {"mailauthd", "scand"}
    net.DEFAULTS.update({"idle-timeout": 1, "data-timeout": 1, "max-sessions": 2000, "max-sessions-per-source": 0})
    failures = 1
    try:
        with net.running(with_servers=False, real_auth=True, real_scan=True):
            failures = net.run(net.rows_of(vars(faults)))
    finally:
        failures += net.logs(failures)
        shutil.rmtree(net.RUN, ignore_errors=True)
    sys.exit(1 if failures else 0)
