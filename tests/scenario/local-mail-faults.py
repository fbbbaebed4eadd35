#!/usr/bin/env python3
"""Faults at every state of the mail path, by chance: a peer resets, stalls, lies or goes away, a check dies, a process is
killed, the disk is full. What must hold after INJECTIONS of them:

    a client that heard 250 has its message at the server, byte by byte and once;
    the server has no message that both checks have not passed, and none twice;
    the server has a message whose client heard no 250 only where the answer was lost on its way back (RFC 1047).

    local-mail-faults.py [SEED [INJECTIONS]]      the seed is printed; the same seed draws the same faults
"""
import asyncio
import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

import mailnet as net

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ.get("SEED") or time.time_ns() % 1000000)
INJECTIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
SESSIONS = 24  # at once
BUDGET_S = 150
STATES = ("banner", "ehlo", "mail", "rcpt", "data", "body", "dot", "quit")
# how often each is drawn; what a side does at a state, or what happens to a process
FAULTS = ([("client", s, a) for s in STATES for a in ("reset", "close", "stall", "half-close")]
          + [("server", s, a) for s in STATES for a in ("reset", "close", "stall", "421", "451", "550", "garbage", "slow")]
          + [("server", "dot", a) for a in ("keep-reset", "keep-close", "lose-reset", "keep-slow")] * 3
          + [("server", "connect", "reset")]
          + [(check, "", a) for check in ("auth", "scan") for a in ("hang-up", "error", "nonsense", "slow", "gone")] * 2
          + [("mail", "", "infected"), ("mail", "", "flawed")] * 3) * 4 \
         + ([("maild", "", "kill"), ("maildial", "", "kill"), ("maild", "", "stop"), ("maild", "", "reload"), ("maild", "", "terminate"),
             ("disk", "", "full")])  # each of these hits all that is under way
# the answer is lost between the server and the client
LOST = {("server", "dot", "keep-reset"), ("server", "dot", "keep-close")}
RESET = struct.pack("ii", 1, 0)
DISTURBERS = {"maild", "maildial", "disk"}
rng = random.Random(SEED)


def infect(text):
    return text + b"EICAR\r\n"


class Mail:
    """One session and its message: what was done to it, and what became of it."""

    def __init__(self, number, fault):
        self.number, self.fault, self.fired = number, fault, False
        self.code = None  # of the reply to the message
        self.kept = []    # what the server kept
        self.disturbed = False  # a process that it ran through was killed or stopped
        lines = [rng.choice((b"", b".", b"..", b".x", b"text " * rng.randrange(1, 14))) for _ in range(rng.randrange(1, 600))]
        self.text = b"X-Number: %d\r\nFrom: a@a.example\r\nSubject: x\r\n\r\n" % number + b"".join(line + b"\r\n" for line in lines)
        if fault == ("mail", "", "infected"):
            self.text = infect(self.text)
        if fault == ("mail", "", "flawed"):
            self.text += b"a\n.\r\nMAIL FROM:<evil@a>\r\n"
        self.chunked, self.pipelined = rng.random() < 0.3, rng.random() < 0.3

    def fires(self, side, state):
        """The action, once, when it is this side's turn at this state."""
        if self.fired or self.fault[:2] != (side, state):
            return None
        self.fired = True
        return self.fault[2]


mails: list[Mail] = []
by_port: dict[int, Mail] = {}
passed = {"auth": set(), "scan": set()}
spoiled = {"auth": {}, "scan": {}}  # number -> action


class Broken(Exception):
    pass


def cut(sock, reset=True):
    if reset:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


class Peer:
    """A socket with lines; both sides of the test are one."""

    def __init__(self, sock):
        self.sock, self.buffer, self.loop = sock, b"", asyncio.get_running_loop()

    async def more(self):
        data = await self.loop.sock_recv(self.sock, 65536)
        if not data:
            raise Broken
        self.buffer += data

    async def line(self):
        while b"\n" not in self.buffer:
            await self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    async def take(self, n):
        while len(self.buffer) < n:
            await self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    async def reply(self):
        while (line := await self.line())[3:4] == b"-":
            pass
        return int(line[:3])

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)


async def act(peer, action):
    """A fault of a connection; True when the session goes on after it."""
    if action in ("reset", "close"):
        cut(peer.sock, action == "reset")
        raise Broken
    if action == "stall":
        await asyncio.sleep(rng.choice((0.1, 1.5)))
    elif action == "half-close":
        peer.sock.shutdown(socket.SHUT_WR)
    elif action == "slow":
        await asyncio.sleep(0.3)


# ---- the client

async def client_session(m):
    sock = net.socket_in("lan")
    sock.setblocking(False)
    p = Peer(sock)
    try:
        await p.loop.sock_connect(sock, (net.WAN, 25))
        by_port[sock.getsockname()[1]] = m
        await asyncio.wait_for(client_talk(m, p), 40)
    except (Broken, OSError, ValueError):
        pass
    finally:
        sock.close()


async def client_step(m, p, state, command, want):
    if action := m.fires("client", state):
        await act(p, action)
    if command:
        await p.send(command)
    code = await p.reply() if want else want
    if want and code // 100 != want:
        raise Broken
    return code


async def client_talk(m, p):
    await client_step(m, p, "banner", None, 2)
    await client_step(m, p, "ehlo", b"EHLO m%d.example\r\n" % m.number, 2)
    if m.pipelined:
        await client_step(m, p, "mail", b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n", 2)
        await client_step(m, p, "rcpt", None, 2)
    else:
        await client_step(m, p, "mail", b"MAIL FROM:<a@a.example>\r\n", 2)
        await client_step(m, p, "rcpt", b"RCPT TO:<b@b.example>\r\n", 2)
    half = rng.randrange(len(m.text))
    if m.chunked:
        await client_step(m, p, "data", b"BDAT %d\r\n" % half + m.text[:half], 2)
        await client_step(m, p, "body", b"BDAT %d LAST\r\n" % (len(m.text) - half) + m.text[half:], 0)
    else:
        await client_step(m, p, "data", b"DATA\r\n", 3)
        stuffed = (b"\r\n" + m.text).replace(b"\r\n.", b"\r\n..")[2:]
        await p.send(stuffed[:half])
        await client_step(m, p, "body", stuffed[half:] + b".\r\n", 0)
    m.code = await client_step(m, p, "dot", None, 0) or await p.reply()
    await client_step(m, p, "quit", b"QUIT\r\n", 2)


# ---- the server

REPLIES = {"421": b"421 4.3.2 closing\r\n", "451": b"451 4.3.0 not now\r\n", "550": b"550 5.7.1 no\r\n", "garbage": b"this is no reply\r\n"}


async def server_session(sock, port):
    sock.setblocking(False)
    p = Peer(sock)
    try:
        await asyncio.wait_for(server_talk(by_port.get(port), p), 60)
    except (Broken, OSError, ValueError, TimeoutError):
        pass
    finally:
        sock.close()


async def server_say(m, p, state, reply):
    action = m.fires("server", state) if m else None
    if action in REPLIES:
        reply = REPLIES[action]
    elif action:
        await act(p, action)
    if action == "slow" and len(reply) > 4:
        await p.send(reply[:4])
        await asyncio.sleep(0.05)
        reply = reply[4:]
    await p.send(reply)
    if action == "421":
        raise Broken
    return action not in REPLIES


async def server_body(m, p):
    if m and (action := m.fires("server", "body")) and action not in REPLIES:
        await act(p, action)
    text = []
    while (line := await p.line()) != b".\r\n":
        text.append(line[1:] if line.startswith(b".") else line)
    return b"".join(text)


def keep(text):
    """By the number in the message itself."""
    mails[int(text.split(b"X-Number: ", 1)[1].split(b"\r\n", 1)[0])].kept.append(text)


async def server_kept(m, p, text):
    """The message is complete here: from now on losing the connection loses only the answer."""
    action = m.fault[2] if m and not m.fired and m.fault[:2] == ("server", "dot") else None
    if action and action.startswith(("keep-", "lose-")):
        m.fired = True
        if action.startswith("keep-"):
            keep(text)
        if action == "keep-slow":
            await asyncio.sleep(1.2)
            await p.send(b"250 2.0.0 kept\r\n")
            return
        cut(p.sock, action.endswith("reset"))
        raise Broken
    if action in REPLIES or action in ("reset", "close"):
        await server_say(m, p, "dot", b"")
        return
    keep(text)
    await server_say(m, p, "dot", b"250 2.0.0 kept\r\n")


async def server_talk(m, p):
    if m and m.fires("server", "connect"):
        cut(p.sock)
        raise Broken
    await server_say(m, p, "banner", b"220 wan.example\r\n")
    text = b""
    while True:
        line = await p.line()
        verb = line[:4].upper()
        if verb == b"EHLO":
            m = mails[int(line.split(b".")[0][6:])]  # whatever port it came from
            await server_say(m, p, "ehlo", b"250-wan.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n")
        elif verb == b"MAIL":
            await server_say(m, p, "mail", b"250 ok\r\n")
        elif verb == b"RCPT":
            await server_say(m, p, "rcpt", b"250 ok\r\n")
        elif verb == b"DATA":
            if await server_say(m, p, "data", b"354 go\r\n"):
                await server_kept(m, p, await server_body(m, p))
        elif verb == b"BDAT":
            text = await p.take(int(line.split()[1]))
            await server_kept(m, p, text)
        elif verb == b"QUIT":
            await server_say(m, p, "quit", b"221 bye\r\n")
            return
        else:
            await p.send(b"250 ok\r\n")


async def server_accept(listening, tasks):
    loop = asyncio.get_running_loop()
    while True:
        sock, peer = await loop.sock_accept(listening)
        tasks.add(asyncio.create_task(server_session(sock, peer[1])))


# ---- the checks

def number_of(message):
    return int(message.split(b"\r\n", 1)[0].split(b": ")[1])


def spoil(name, answer):
    """The answer of a check, unless this message is to meet a fault of it."""
    def reply(call, message):
        number = number_of(message)
        action = mails[number].fires(name, "")
        if action == "hang-up":
            raise OSError("the check dies")
        if action == "slow":
            time.sleep(0.5)
        if action == "error":
            return {"error": "io.sekisho.Failed", "parameters": {}}
        if action == "nonsense":
            return {"parameters": {"spf": 1}}
        if action == "gone":
            net.checks[name].stop()
            net.checks[name].listen_again(0.3)
            raise OSError("the check is gone")
        good = answer(call, message)
        if good["parameters"].get("result") != "infected":
            passed[name].add(number)
        return good
    return reply


# ---- processes

disturbing = asyncio.Lock()


def restart(name):
    process = net.processes[name]
    process.wait(40)
    net.processes[name] = net.start_again(name)


async def disturb(m):
    """The faults that hit whatever is under way; one at a time."""
    async with disturbing:
        await disturb_alone(m)


async def disturb_alone(m):
    target, _, action = m.fault
    m.fired = True
    for other in mails[-3 * SESSIONS:]:
        other.disturbed = True
    if target == "disk":
        net.reload(spool_memory_bytes=0, idle_timeout=1, data_timeout=1)
        await asyncio.sleep(0.3)
        net.reload(idle_timeout=1, data_timeout=1)
        return
    process = net.processes[target]
    if action == "reload":
        net.reload(idle_timeout=1, data_timeout=1)
    elif action == "kill-child":
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(rng.choice(net.descendants(process.pid)[1:]), signal.SIGKILL)
    elif action == "stop":
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGCONT)
    else:
        process.send_signal(signal.SIGKILL if action == "kill" else signal.SIGTERM)
        await asyncio.to_thread(restart, target)
        await asyncio.to_thread(net.wait_for, target, lambda: net.answers(target), 20)


async def one(m, slots):
    async with slots:
        tasks = [client_session(m)]
        if m.fault[0] in DISTURBERS:
            await asyncio.sleep(rng.random() / 20)
            tasks.append(disturb(m))
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, TimeoutError):
                raise result


async def all_of_them():
    slots, serving = asyncio.Semaphore(SESSIONS), set()
    listening = net.socket_in("wan")
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((net.WAN, 25))
    listening.listen(200)
    listening.setblocking(False)
    accepting = asyncio.create_task(server_accept(listening, serving))
    begin, running = time.monotonic(), set()
    while sum(m.fired for m in mails) < INJECTIONS and time.monotonic() < begin + BUDGET_S:
        while len(running) < 2 * SESSIONS:
            mails.append(Mail(len(mails), rng.choice(FAULTS)))
            running.add(asyncio.create_task(one(mails[-1], slots)))
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    await asyncio.gather(*running)
    await asyncio.sleep(1)  # what the server still has under way
    accepting.cancel()
    for task in serving:
        task.cancel()


# ---- what must hold

def body_of(kept):
    """The message without the field that was put in front."""
    if not kept.startswith(b"Authentication-Results: sekisho.test;"):
        return b"no results in front: " + kept[:80]
    lines = kept.splitlines(keepends=True)
    at = 1
    while lines[at][:1] in b" \t":
        at += 1
    return b"".join(lines[at:])


def was_checked(m):
    return m.number in passed["auth"] and m.number in passed["scan"]


def test_faults():
    asyncio.run(all_of_them())
    fired = sum(m.fired for m in mails)
    window = 0
    for m in mails:
        who = f"message {m.number}, {m.fault}, disturbed {m.disturbed}, reply {m.code}: "
        assert m.code != 250 or m.kept, who + "250 was said, and the server does not have it"
        assert len(m.kept) <= 1, who + "kept twice"
        for kept in m.kept:
            assert body_of(kept) == m.text, who + f"altered: {kept[:200]}"
            assert was_checked(m), who + "delivered unchecked"
        if m.kept and m.code != 250:
            window += 1
            lost = m.fault in LOST or m.disturbed or m.fault[0] == "client" or m.fault[2] in ("keep-slow", "stall", "slow", "reset", "close")
            assert lost, who + "the server has it, the client does not know"
            assert m.code is None or m.code == 421 or m.code >= 400 and m.fault in LOST, who + "kept, and refused"
        if m.fault[0] == "mail":
            m.fired = m.fired or m.code is not None
            assert m.code != 250 and not m.kept, who + "such a message is refused"
    fired = sum(m.fired for m in mails)
    assert fired >= INJECTIONS * 0.95, f"only {fired} injections in {BUDGET_S} s"
    good = sum(m.code == 250 for m in mails)
    assert good >= INJECTIONS // 10, f"only {good} of {len(mails)} messages came through: too few to mean anything"
    states = len({m.fault for m in mails if m.fired})
    return f"seed {SEED}: {fired} injections of {states} kinds in {len(mails)} sessions, {good} delivered, {window} in the RFC 1047 window"


def test_nothing_is_left_over():
    net.wait_for("the last sessions", lambda: net.status()["sessions"] == 0, 30)
    s = net.status()
    assert s["spool_bytes"] == 0 and s["spool_disk_bytes"] == 0, s
    fds = len(os.listdir(f"/proc/{net.processes['maild'].pid}/fd"))
    assert fds < 60, f"{fds} descriptors are still open"
    return f"{fds} descriptors"


def small_disk():
    """A full disk is a tmpfs of a few pages."""
    os.makedirs(net.RUN + "/data/mail/spool", exist_ok=True)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", net.RUN + "/data/mail/spool"], capture_output=True, check=False)
    return r.returncode == 0


if __name__ == "__main__":
    print(f"seed {SEED}", flush=True)
    if not small_disk():
        print("skip full_disk no tmpfs can be mounted here")
        FAULTS = [f for f in FAULTS if f[0] != "disk"]
    net.auth_answer, net.scan_answer = spoil("auth", net.auth_answer), spoil("scan", net.scan_answer)
    net.DEFAULTS.update({"idle-timeout": 1, "data-timeout": 1, "max-sessions": 2000, "max-sessions-per-source": 0})
    net.scenario(globals(), with_servers=False)
