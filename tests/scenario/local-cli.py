#!/usr/bin/env python3
"""The command line on a pseudo terminal and through pipes, against the real configd and boxd, on this machine alone.

What needs our kernel (a commit, the self-test, ping) is in 25-cli.py. B names the build folder. Reports `ok NAME`,
`not ok NAME WHY`.
"""
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import pexpect

B = os.environ.get("B", "build/x86_64")
DIR = tempfile.mkdtemp(prefix="cli-")
RUN, DATA, SHARE = DIR + "/run", DIR + "/data", DIR + "/share"
ENV = dict(os.environ, SEKISHO_RUN=RUN, SEKISHO_DATA=DATA, SEKISHO_SHARE=SHARE, SEKISHO_NETWORKD=DIR + "/network",
           SEKISHO_COMMANDS=DIR + "/commands", TERM="dumb")
ENV.pop("SSH_CONNECTION", None)
BODY = "log/inspectd/eve.json"
failed = 0


def check(name, ok, why=""):
    global failed
    failed += not ok
    print(f"ok {name}" if ok else f"not ok {name}: {' '.join(str(why).split())[-600:]}", flush=True)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def cli(*lines, text=None, json_out=False, user=None, **more):
    argv = [B + "/bin/sekisho"] + (["--json"] if json_out else [])
    for line in lines:
        argv += ["-c", line]
    if user:
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--groups=" + more.pop("groups")] + argv
    return subprocess.run(argv, env=dict(ENV, **more), capture_output=True, text=True, timeout=60,
                          **({"input": text} if text is not None else {"stdin": subprocess.DEVNULL}))


def prepare():
    open(ENV["SEKISHO_COMMANDS"], "w").close()
    os.chmod(ENV["SEKISHO_COMMANDS"], 0o666)  # users of test_roles write it too
    for d in (RUN, DATA + "/config", DATA + "/export", SHARE + "/yang", DATA + "/log/inspectd", DATA + "/log/maild"):
        os.makedirs(d)
    os.makedirs(DIR + "/network")
    for f in os.listdir("userland/config"):
        if f.endswith(".yang"):
            shutil.copy("userland/config/" + f, SHARE + "/yang")
    for f in ("factory.json", "messages"):
        shutil.copy("rootfs/overlay/usr/share/sekisho/" + f, SHARE)
    with open(f"{DATA}/{BODY}", "w") as f:
        for i in range(60):
            f.write(json.dumps({"timestamp": f"2026-11-24T12:00:{i:02}.000000+0000", "event_type": "flow", "flow_id": 1000 + i,
                                "src_ip": f"10.0.0.{i % 3}", "src_port": 4000 + i, "dest_ip": "192.0.2.1", "dest_port": 443,
                                "proto": "TCP", "app": {"ndpi_app": "TLS" if i % 2 else "HTTP"},
                                "flow": {"bytes_toserver": 10, "bytes_toclient": 100 * (i % 3)}}, separators=(",", ":")) + "\n")
        f.write('{"timestamp":"2026-11-24T12:01:00.0","event_type":"drop","src_ip":"10.0.0.1","dest_ip":"192.0.2.1",'
                '"drop":{"reason":"\\u001b[2Jrules"}}\n{"cut')
    with open(DATA + "/log/maild/eve.json", "w") as f:
        f.write('{"timestamp":"2026-11-24T12:00:30.0","event_type":"mail","mail":{"mail_from":"a@example.org","action":"refused",'
                '"size":4711,"why":"DMARC"}}\n')


class Daemons:
    def __init__(self):
        self.log = open(DIR + "/log", "w")
        self.all = [subprocess.Popen([f"{B}/bin/{d}"], env=ENV, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
                    for d in ("configd", "boxd")]
        if not wait_for(lambda: all(os.path.exists(f"{RUN}/{d}.varlink") for d in ("configd", "boxd"))):
            raise RuntimeError("no daemons: " + open(DIR + "/log").read())

    def stop(self):
        for p in self.all:
            p.send_signal(signal.SIGTERM)
        codes = [p.wait(20) for p in self.all]
        for d in ("configd", "boxd"):
            os.unlink(f"{RUN}/{d}.varlink")
        return codes


def test_codes():
    for lines, code, needle in ((("show version",), 0, ""), (("frobnicate",), 2, "no such command"), (("show st x",), 2, "inspectd | maild"),
                                (("show",), 2, "status"), (("ping",), 2, "<host>"), (("show flows last 0",), 2, "1.."),
                                (("show status nosuch",), 2, "accepted"), (("show version extra",), 2, "no such command"),
                                (("configure", "set frob 1"), 1, "accepted: system"), (("show status maild",), 1, ""),
                                (("configure", "rollback 99"), 2, "0..49"), (("show version | frob",), 2, "match, except"),
                                (("show version | match (",), 2, ""), (("configure", "edit system hostname"), 1, "nothing stands below")):
        r = cli(*lines)
        check(f"exit code of '{lines[-1]}'", r.returncode == code and needle in r.stderr, (r.returncode, r.stdout, r.stderr))
    r = subprocess.run([B + "/bin/sekisho", "--help"], capture_output=True, text=True, timeout=20)
    check("--help documents the exit codes", r.returncode == 0 and "130 interrupted" in r.stdout, r.stdout)
    r = cli("show version", "frobnicate", "show version")
    check("the first failure ends the run", r.returncode == 2 and r.stdout.count("kernel") == 1, r.stdout)
    r = cli("# a comment", "   ", "\t# another")
    check("comments and empty lines", r.returncode == 0 and not r.stdout + r.stderr, r.stderr)
    r = cli("sh ver", json_out=True)
    check("JSON", set(json.loads(r.stdout)) >= {"release", "kernel", "uptime_s"}, r.stdout)


def test_filters():
    everything = cli("show events inspectd last 100").stdout.splitlines()
    check("events are printed, a cut line is passed over", len(everything) == 61, len(everything))
    check("no byte of an event steers the terminal", "\x1b" not in "".join(everything) and "?[2Jrules" in everything[-1], everything[-1])
    for line, want in (("| match drop | count", "1 lines"), ("| except flow | count", "1 lines"), ("| count", "61 lines"),
                       ("| last 3 | match 4059 | count", "1 lines"), ("| match \"HTTP|TLS\" | count", "60 lines"), ("| no-more | count", "61 lines")):
        r = cli("show events inspectd last 100 " + line)
        check("filter " + line, r.stdout.strip() == want, r.stdout + r.stderr)
    r = cli("show configuration mail | display json")
    check("display json", json.loads(r.stdout)["mail"]["enabled"] is True, r.stdout + r.stderr)
    r = cli("show configuration interfaces | display xml")
    check("display xml", "<name>eth0</name>" in r.stdout, r.stdout)


def test_inspect():
    r = cli("show flows")
    check("flows from the log, which is said", "have ended" in r.stdout and "10.0.0.2:4059" in r.stdout, r.stdout)
    wide = [line for c in ("show status", "show flows", "show top", "show applications", "show interfaces", "show mail stats", "help",
                           "show sockets", "show lists", "show users", "show commits")
            for line in cli(c).stdout.splitlines() if len(line) >= 80]
    check("tables fit 80 columns", not wide, wide)
    rows = json.loads(cli("show top", json_out=True).stdout)
    check("top adds up", [(x["name"], x["flows"], x["bytes"]) for x in rows] == [("10.0.0.2", 20, 4200), ("10.0.0.1", 20, 2200), ("10.0.0.0", 20, 200)], rows)
    rows = json.loads(cli("show applications", json_out=True).stdout)
    check("applications", {x["name"]: x["flows"] for x in rows} == {"HTTP": 30, "TLS": 30}, rows)
    check("why of a flow", "src port: 4007" in cli("show inspect why 1007").stdout)
    check("why of an unknown flow", cli("show inspect why 9").returncode == 1)
    check("alerts and drops", cli("show inspect alerts").stdout.count("\n") == 1)
    check("mail log", "DMARC" in cli("show mail log").stdout)
    check("mail log about nobody", cli("show mail log about nobody").stdout == "")
    check("mail why", "why: DMARC" in cli("show mail why a@example.org").stdout)
    check("mail stats", "refused" in cli("show mail stats").stdout)
    check("quarantine is asked of maild", "not running" in cli("show mail quarantine").stderr)
    for line in ("show mail sessions", "show mail certificates", "request mail certificate remove mx.example"):
        check(f"{line} is asked of maild", "maild: it is not running" in cli(line).stderr)
    r = cli(text="request mail certificate install mx.example\nnot a certificate\n.\n")
    check("so is an installed certificate", "maild: it is not running" in r.stderr, r.stderr)
    check("a certificate from a file that is not there", "nosuch" in cli("request mail certificate install mx.example nosuch").stderr)
    for line in ("show update", "update now", "update confirm rules"):
        check(f"{line} is asked of updated", "updated: it is not running" in cli(line).stderr)
    check("update import of no such file", "nosuch" in cli("update import nosuch rules").stderr)
    with open(DATA + "/export/a.rules", "w") as f:
        f.write("x")
    check("update import is asked of updated", "updated: it is not running" in cli("update import a.rules rules").stderr)
    r = cli("show interfaces lo")
    check("interfaces", "127.0.0.1" in r.stdout, r.stdout)
    with socket.socket() as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("::1", 0))
        want = {("tcp", "127.0.0.1", tcp.getsockname()[1], "root"), ("udp", "::1", udp.getsockname()[1], "root")}
        have = {(x["protocol"], x["address"], x["port"], x["user"]) for x in json.loads(cli("show sockets", json_out=True).stdout)}
        check("what listens", want <= have, have)
        check("as a table", re.search(rf"^tcp +127.0.0.1 +{tcp.getsockname()[1]} +root$", cli("show sockets").stdout, re.M), cli("show sockets").stdout)
    r = cli("monitor traffic lo count 1")
    check("traffic", r.returncode == 0 and r.stdout.splitlines()[-1].startswith("lo "), r.stdout)
    r = cli("ping 127.0.0.1 count 2")
    check("ping", r.returncode == 0 and "2 answered" in r.stdout, r.stdout + r.stderr)
    check("ping of nobody", cli("ping 192.0.2.1 count 1").returncode == 1)
    r = cli("traceroute 127.0.0.1")
    check("traceroute", r.returncode == 0 and r.stdout.splitlines()[-1].startswith(" 1  127.0.0.1"), r.stdout + r.stderr)
    r = cli("test inspect")
    check("test inspect without an engine fails, and says what", r.returncode == 1 and r.stdout + r.stderr, r.stdout + r.stderr)
    for text, needle in (("short\nshort\n", "10 characters"), ("ten characters\nother characters\n", "not the same"), ("", "no password")):
        r = cli(text="request password admin\n" + text)
        check("request password: " + needle, r.returncode == 1 and needle in r.stderr, r.stdout + r.stderr)
    check("users", "You are root (admin), from script." in cli("show users").stdout)
    check("commits", cli("show commits").returncode == 0 and cli("show rollback 0").stdout.startswith("set "))
    check("log", cli("show log last 1").returncode in (0, 1))  # a build root has no journal


def test_configure():
    r = cli("configure", "edit interfaces management", "delete dhcp", "set address 10.0.0.1/24", "show", "up", "show management", "top",
            "compare", "discard", "compare")
    check("edit, up, top and discard", r.stdout == "set interfaces management address 10.0.0.1/24\n" * 2
          + "delete interfaces management dhcp\nset interfaces management address 10.0.0.1/24\n", r.stdout + r.stderr)
    r = cli("configure", "do show users", "do show version", "exit", "show users")
    check("do", r.returncode == 0 and r.stdout.count("You are") == 2, r.stderr)
    r = cli("configure", "set system dns-server 10.0.0.1", "set system dns-server 10.0.0.2", "insert system dns-server 10.0.0.2 first",
            "show system", "insert system dns-server 10.0.0.2 after 10.0.0.1", "show system")
    check("insert", [l.split()[-1] for l in r.stdout.splitlines() if "dns" in l] == ["10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.2"], r.stdout + r.stderr)
    check("insert without a place", cli("configure", "insert system dns-server 10.0.0.2").returncode == 2)
    r = cli(text="configure\nload set terminal\n# pasted\nset system hostname pasted\n\ndelete mail enabled\n.\ncompare\n")
    check("load set from a pipe", "set system hostname pasted" in r.stdout and "delete mail\n" in r.stdout, r.stdout + r.stderr)
    r = cli(text='configure\nload merge terminal\n{"system": {"hostname": "json"}}\n.\ncompare\n')
    check("load merge of JSON", "set system hostname json" in r.stdout, r.stdout + r.stderr)
    r = cli(text="configure\nload set terminal\nset system hostname x\nset nonsense 1\n.\n")
    check("a wrong line of a load is named", r.returncode == 1 and "line 2" in r.stderr, r.stderr)
    r = cli("configure", "set system hostname saved", "save one", "save one.json", "save two.xml", "discard", "load replace one.json", "compare")
    check("save and load", r.returncode == 0 and "set system hostname saved" in r.stdout, r.stdout + r.stderr)
    check("in the forms of their names", open(DATA + "/export/one").read().startswith("set ")
          and "hostname" in json.dumps(json.load(open(DATA + "/export/one.json"))) and open(DATA + "/export/two.xml").read().startswith("<"))
    for name in ("../config/x", ".hidden", "a/b"):
        check("no file " + name, cli("configure", "save " + name).returncode == 1)
    r = cli("configure", "save terminal | match eth0")
    check("save terminal", r.stdout.startswith("set interfaces port eth0"), r.stdout)
    r = cli("configure", "commit check")
    check("commit check", r.returncode in (0, 1) and ("good" in r.stdout or "nftables" in r.stderr), r.stdout + r.stderr)
    r = cli("configure", "set system hostname elsewhere", "rollback 0", "compare")
    check("rollback 0 forgets what is not committed", r.returncode == 0 and "elsewhere" not in r.stdout, r.stdout + r.stderr)
    check("update", cli("configure", "update").returncode == 0)


def varlink(daemon, method, groups):
    return subprocess.run(["setpriv", "--reuid=61000", "--regid=61000", "--groups=" + groups, "varlinkctl", "call",
                           f"{RUN}/{daemon}.varlink", method, "{}"], capture_output=True, text=True, timeout=20)


def test_roles():
    for d in (DIR, RUN):
        os.chmod(d, 0o755)
    # The build root has no such groups: give this mount namespace some.
    with open(DIR + "/group", "w") as f:
        f.write(open("/etc/group").read() + "sekisho-auditor:x:60914:\nsekisho-operator:x:60913:\nsekisho-admin:x:60900:\n")
    r = subprocess.run(["mount", "--bind", DIR + "/group", "/etc/group"], capture_output=True, text=True)
    if r.returncode:
        print("skip roles: no bind mount here: " + r.stderr)
        return
    daemons = Daemons()
    for d in ("configd", "boxd"):
        os.chmod(f"{RUN}/{d}.varlink", 0o666)
    os.chmod(DATA + "/log/inspectd", 0o755)
    auditor, operator, admin = "60914", "60914,60913", "60914,60913,60900"
    for who, gids, may in (("auditor", auditor, 0), ("operator", operator, 1), ("admin", admin, 2)):
        r = cli("show users", user=61000, groups=gids)
        check(f"{who} may look", r.returncode == 0 and f"({who})" in r.stdout, r.stdout + r.stderr)
        r = cli("clear flows", user=61000, groups=gids)
        check(f"{who} {'may' if may > 0 else 'may not'} clear", (r.returncode == 3) == (may == 0), (r.returncode, r.stderr))
        r = cli("configure", user=61000, groups=gids)
        check(f"{who} {'may' if may > 1 else 'may not'} configure", r.returncode == (0 if may > 1 else 3), (r.returncode, r.stderr))
        # The same asked of the daemons, past the command line.
        for daemon, method, need in (("configd", "io.sekisho.Config.Discard", 2), ("configd", "io.sekisho.Config.Status", 0),
                                     ("boxd", "io.sekisho.Box.Reboot", 2), ("boxd", "io.sekisho.Daemon.Status", 0),
                                     ("boxd", "io.sekisho.Daemon.Reload", 2)):
            if method.endswith("Reboot") and may > 1:
                continue
            r = varlink(daemon, method, gids)
            check(f"{daemon} {'takes' if may >= need else 'refuses'} {method.rsplit('.', 1)[1]} from {who}",
                  (r.returncode == 0) == (may >= need) and (may >= need or "MethodNotFound" in r.stderr), r.stdout + r.stderr)
    r = cli("show users", user=61000, groups="60999")
    check("nobody else may look", r.returncode == 3, r.stdout + r.stderr)
    r = varlink("configd", "io.sekisho.Config.Status", "60999")
    check("nor is served by a daemon", r.returncode != 0 and "MethodNotFound" not in r.stderr, r.stdout + r.stderr)
    check("daemons end cleanly", daemons.stop() == [0, 0])
    subprocess.run(["umount", "/etc/group"], check=True)


def test_events():
    cli("update now", SSH_CONNECTION="10.9.8.7 1 10.9.8.6 22")
    cli("set clock yesterday")
    lines = [json.loads(l) for l in open(DATA + "/log/boxd/eve.json")]
    acts = [(e["event_type"], e["cli"]["user"], e["cli"].get("source"), e["cli"]["command"]) for e in lines]
    check("what changes something is an event with user and source", ("cli", "root", "ssh 10.9.8.7", "update now") in acts, acts)
    check("boxd says what it has recorded", json.loads(cli("show status boxd", json_out=True).stdout)["boxd"]["recorded"] >= 2)
    check("a time that is none is refused", cli("set clock yesterday").returncode == 2)
    r = cli("request shell", text="")
    check("request shell is recorded", any(e["cli"]["command"] == "request shell" for e in map(json.loads, open(DATA + "/log/boxd/eve.json"))), r.stderr)
    r = cli("capture lo count 3 seconds 5 file lo.pcap")
    check("a capture is bounded by time", r.returncode == 0 and open(DATA + "/export/lo.pcap", "rb").read(4) in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4"), r.stderr)
    check("of no such interface", "no such interface" in cli("capture nosuch0").stderr)
    r = cli("diagnose mail nosuch ip 192.0.2.1")
    check("diagnose of no such file", r.returncode == 1 and "nosuch" in r.stderr, r.stderr)
    with open(DATA + "/export/m.eml", "w") as f:
        f.write("From: a@invalid.\r\nSubject: x\r\n\r\nx\r\n")
    if os.path.exists(B + "/bin/mailcheck"):
        r = cli("diagnose mail m.eml ip 192.0.2.1")
        check("diagnose mail", r.returncode == 0 and "spf" in r.stdout, r.stdout + r.stderr)
    else:
        print("skip diagnose mail: mailcheck is not built")
    check("traceroute asks for a host", cli("traceroute").returncode == 2)


def test_setup_answers():
    for answers, needle in (("{", "JSON object"), ('{"frob": 1}', "no question"), ('{"mode": "hub"}', "bridge or route"),
                            ('{"lan": "nosuch"}', "a port"), ('{"password": "short"}', "10 characters"), ('{"language": "xx"}', "language")):
        with open(DATA + "/export/answers", "w") as f:
            f.write(answers)
        r = cli("setup answers")
        check("setup refuses " + answers, r.returncode == 1 and needle in r.stderr, r.stderr)
    check("setup asks nobody in a script", cli("setup").returncode == 2)
    check("nothing was changed", "lan" not in cli("configure", "compare").stdout)


class Terminal:
    def __init__(self, rows=24, columns=80):
        self.t = pexpect.spawn(B + "/bin/sekisho", env=ENV, encoding="utf-8", timeout=15, dimensions=(rows, columns))

    def first(self, language=""):
        self.t.expect("Language: en English, ja 日本語 ")
        self.t.sendline(language)

    def say(self, line, then="sekisho> "):
        self.t.send(line + "\r")
        self.t.expect_exact(then)
        return self.t.before


def test_first_login():
    t = Terminal()
    t.first("ja")
    t.t.expect("この装置には")
    t.t.expect("新しいパスワード: ")
    t.t.sendline("short")
    t.t.expect("もう一度: ")
    t.t.sendline("short")
    t.t.expect("10 文字")
    check("the first login speaks Japanese, and refuses a short password", True)
    t.t.close(force=True)
    t = Terminal()
    t.first()
    for _ in range(5):
        t.t.expect("New password: ")
        t.t.sendline("correct horse")
        t.t.expect("Once more: ")
        t.t.sendline("battery staple")
        t.t.expect("not the same")
    t.t.expect(pexpect.EOF)
    t.t.close()
    check("five wrong answers end the login", t.t.exitstatus == 1, t.t.exitstatus)
    t = Terminal()
    t.first()
    t.t.expect("New password: ")
    t.t.sendintr()
    t.t.expect("no password was given")
    check("Ctrl-C is no way round the password", t.t.expect(["New password: ", "sekisho> "]) == 0)
    t.t.close(force=True)


def with_password():
    """A box that has one: the store is of the last configd's own form, so it is taken through the factory file."""
    path = SHARE + "/factory.json"
    factory = json.load(open(path))
    factory["sekisho:system"] = {"user": [{"name": "admin", "password-hash": "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC"}]}
    json.dump(factory, open(path, "w"))


def test_editing():
    t = Terminal(rows=24)
    t.t.expect("sekisho> ")
    t.t.send("show ?")
    t.t.expect("version +Release and kernel")
    t.t.expect("sekisho> show ")
    t.t.send("ver\t")
    t.t.expect_exact("version ")
    check("? keeps the line, TAB completes", "kernel" in t.say(""))
    t.t.send("show s\t\t")
    t.t.expect("status")
    t.t.send("\x03")
    t.t.expect_exact("^C\r\n")
    t.t.expect("sekisho> ")
    check("Ctrl-C forgets the line", "kernel" in t.say("show version"))
    t.t.send("show sta\x02\x06\x15")
    t.t.send("show version\r")
    t.t.expect("sekisho> ")
    t.t.send("\x10")
    t.t.expect_exact("show version")
    t.t.send(" | match kernel\r")
    t.t.expect("kernel ")
    t.t.expect("sekisho> ")
    check("history and line editing", True)
    t.t.send("ping h ?")
    t.t.expect("count +How many")
    t.t.send("\x15show status ma\t\t")
    t.t.expect("maildial")
    t.t.send("\x15configure\r")
    t.t.expect("sekisho# ")
    t.t.send("set mail ?")
    t.t.expect("enabled ")
    t.t.expect_exact("sekisho# set mail ")
    t.t.send("ena\t?")
    t.t.expect("false")
    t.t.expect_exact("sekisho# set mail enabled ")
    t.t.send("\x15set interfaces port ?")
    t.t.expect("eth1 ")
    check("TAB and ? from the schema and from live values", True)
    t.t.send("\x15edit interfaces management\r")
    t.t.expect_exact("sekisho[interfaces management]# ")
    t.t.send("set d\t")
    t.t.expect("dhcp ")
    t.t.send("\x15top\r")
    t.t.expect("sekisho# ")
    check("the prompt shows the level, and completion starts there", True)
    t.t.send("set system user admin password-hash $y$j9T$sEcReT\r")
    t.t.expect("sekisho# ")
    t.t.send("\x10")
    t.t.expect_exact("top")
    check("a secret is not in the history", True)
    t.t.send("\x15load set terminal\r")
    t.t.expect("Paste")
    t.t.send("set system hostname pasted\n# comment\n.\n")
    t.t.expect("loaded")
    t.t.expect("sekisho# ")
    t.t.send("load merge terminal\r")
    t.t.expect("Paste")
    t.t.send("{\x03")
    t.t.expect("sekisho# ")
    check("pasting, and Ctrl-C out of it", "hostname pasted" in t.say("compare", "sekisho# "))
    t.t.send("exit\r")
    t.t.expect("not committed")
    t.t.expect("sekisho> ")
    t.t.send("monitor events\r")
    t.t.expect("Ctrl-C")
    with open(f"{DATA}/{BODY}", "a") as f:
        f.write('\n{"timestamp":"2026-11-24T13:00:00.0","event_type":"alert","alert":{"signature":"seen live"}}\n')
    t.t.expect("seen live")
    t.t.sendintr()
    t.t.expect("sekisho> ")
    check("monitor follows, Ctrl-C ends it", True)
    t.t.send("request reboot\r")
    t.t.expect("Are you sure")
    t.t.send("no\r")
    check("a reboot asks first", "Nothing was done" in t.say(""))
    t.t.send("request shutdown\r")
    t.t.expect("Are you sure")
    t.t.sendintr()
    check("Ctrl-C is no", "Nothing was done" in t.say(""))
    t.t.send("request factory-reset\r")
    t.t.expect("Are you sure")
    t.t.send("\r")
    check("nor is an empty answer yes", "Nothing was done" in t.say("") and not os.path.exists(DATA + "/.reset/requested"))
    t.t.send("quit\r")
    t.t.expect(pexpect.EOF)


def test_waiting(daemons):
    configd = daemons.all[0]
    t = Terminal()
    t.t.expect("sekisho> ")
    configd.send_signal(signal.SIGSTOP)
    t.t.send("show commits\r")
    t.t.expect_exact("working ...")
    configd.send_signal(signal.SIGCONT)
    t.t.expect("sekisho> ")
    check("what takes long says so", True)
    configd.send_signal(signal.SIGSTOP)
    t.t.send("configure\r")
    t.t.expect_exact("working ...")
    t.t.sendintr()
    configd.send_signal(signal.SIGCONT)
    t.t.expect("sekisho[>#] ")
    # the prompt may come twice, so it says nothing about the answer
    t.t.send("do show version\r" if t.t.after == "sekisho# " else "show version\r")
    check("Ctrl-C does not leave configd with half a call", t.t.expect(["kernel", pexpect.TIMEOUT]) == 0)
    t.t.close(force=True)
    p = subprocess.Popen([B + "/bin/sekisho", "-c", "monitor events", "-c", "show version"], env=ENV, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = []

    def more():
        with open(f"{DATA}/{BODY}", "a") as f:
            f.write('{"timestamp":"2026-11-24T13:00:02.0","event_type":"alert","alert":{"signature":"seen by a script"}}\n')
        seen.extend(select.select([p.stdout], [], [], 0.2)[0])
        return seen
    wait_for(more)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    check("a script that is interrupted ends with 130, and the next line is not run", p.returncode == 130 and "seen by a script" in out
          and "kernel" not in out, (p.returncode, out, err))


def test_paging():
    t = Terminal(rows=10, columns=80)
    t.t.expect("sekisho> ")
    t.t.send("show events inspectd last 60\r")
    t.t.expect("--More--")
    page = [l for l in t.t.before.splitlines() if "flow" in l]
    check("a page is as long as the terminal, wrapped lines counted", 3 <= len(page) <= 9, len(page))
    t.t.send("\r")
    t.t.expect("--More--")
    t.t.send(" ")
    t.t.expect("--More--")
    t.t.send("q")
    t.t.expect("sekisho> ")
    check("enter, space and q", True)
    t.t.send("show events inspectd last 60\r")
    t.t.expect("--More--")
    t.t.send("\x03")
    t.t.expect("sekisho> ")
    check("Ctrl-C at --More--", True)
    t.t.send("show events inspectd last 60 | no-more\r")
    check("no-more", t.t.expect(["--More--", "sekisho> "]) == 1)
    t.t.send("show events inspectd last 60 | count\r")
    check("what the filters leave is paged, not what they read", t.t.expect(["--More--", "60 lines"]) == 1)
    t.t.send("quit\r")
    t.t.expect(pexpect.EOF)
    t = Terminal(rows=0, columns=0)
    t.t.expect("sekisho> ")
    t.t.send("show events inspectd last 60\r")
    t.t.expect("--More--")
    shown = sum(-(-len(l) // 80) for l in t.t.before.splitlines()[1:])
    check("a terminal that does not know its size has 24 rows", 20 <= shown <= 24, shown)
    t.t.close(force=True)


def commands_listed():
    return {m[1] for lines in (("help",), ("configure", "help")) for line in cli(*lines).stdout.splitlines()
            if (m := re.match(r"  ((?:[a-z-]+ )*[a-z-]+) +[A-Z]", line))}


def test_coverage(commands):
    """Every command has been run by the checks above, says the program's own record; what it did was checked there. Whether an act
    on the machine succeeds is checked in the guest (25-cli.py) and on the image."""
    with open(ENV["SEKISHO_COMMANDS"]) as f:
        run = {line.split("\t")[0] for line in f}
    untouched = sorted(commands - run - {"help"})  # help was run for the list
    check(f"commands that no test runs: none of {len(commands)}", len(commands) > 60 and not untouched, untouched)


def own_network():
    """What acts on links and sockets acts on none of this machine's."""
    os.unshare(os.CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as f:
        f.write("0 914")  # this administrator is root, whose group is 0


def main():
    own_network()
    prepare()
    daemons = Daemons()
    try:
        commands = commands_listed()
        test_codes()
        test_filters()
        test_inspect()
        test_configure()
        test_events()
        test_setup_answers()
        test_first_login()
        check("daemons end cleanly", daemons.stop() == [0, 0])
        with_password()
        daemons = Daemons()
        test_editing()
        test_paging()
        test_waiting(daemons)
        daemons.stop()
        test_roles()
        test_coverage(commands)
    except Exception:  # pylint: disable=broad-except
        check("no exception", False, traceback.format_exc())
        daemons.stop()
    shutil.rmtree(DIR, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
