#!/usr/bin/env python3
"""10,000 SMTP sessions at once, each greeted, under way with an envelope and then silent: maild's memory stays within 64 MB,
a message passes among them, and all end when they are told to. Where a process may not have so many files open, as many
as may be, and what the missing ones would take is added.

    local-mail-idle.py [SESSIONS]
"""
import asyncio
import os
import re
import resource
import socket
import sys
import time

import mailnet as net

WANTED = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
SESSIONS = WANTED if HARD == resource.RLIM_INFINITY else min(WANTED, (HARD - 200) // 2)  # a session of maild's has two
BOUND_KB = 64 * 1024
AT_ONCE = 200
clients = []


def rss_kb():
    with open(f"/proc/{net.processes['maild'].pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


async def server_talk(loop, sock):
    """As much of a server as a session needs that goes no further than its envelope."""
    text = b""
    try:
        await loop.sock_sendall(sock, b"220 wan.example\r\n")
        while data := await loop.sock_recv(sock, 4096):
            text += data
            while b"\n" in text:
                line, text = text.split(b"\n", 1)
                await loop.sock_sendall(sock, b"250-wan.example\r\n250 PIPELINING\r\n" if line.startswith(b"EHLO") else
                                        b"354 go\r\n" if line.startswith(b"DATA") else b"250 ok\r\n")
    except OSError:
        pass
    finally:
        sock.close()


async def serve():
    loop, tasks = asyncio.get_running_loop(), set()
    listening = net.socket_in("wan")
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((net.WAN, 25))
    listening.listen(1000)
    listening.setblocking(False)
    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except OSError as e:
            print(f"# the server: {e}", flush=True)
            continue
        sock.setblocking(False)
        tasks.add(task := loop.create_task(server_talk(loop, sock)))
        task.add_done_callback(tasks.discard)


async def ask(loop, sock, command):
    if command:
        await loop.sock_sendall(sock, command)
    text = b""
    while not re.search(rb"(?m)^\d{3} .*\r\n\Z", text):
        data = await loop.sock_recv(sock, 4096)
        assert data, f"{command}: closed after {text}"
        text += data
    return text


async def client_open(loop, slots):
    async with slots:
        sock = net.socket_in("lan")
        sock.setblocking(False)
        clients.append(sock)
        await loop.sock_connect(sock, (net.WAN, 25))
        for command in (None, b"EHLO lan.example\r\n", b"MAIL FROM:<a@a.example>\r\n", b"RCPT TO:<b@b.example>\r\n"):
            got = await ask(loop, sock, command)
            assert got[:1] == b"2", got
        await loop.sock_sendall(sock, b"RCPT T")  # half a command, and then nothing


async def all_of_them():
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(AT_ONCE)
    before, begin = rss_kb(), time.monotonic()
    opening = [loop.create_task(client_open(loop, slots)) for _ in range(SESSIONS)]
    for task in opening:
        await task
    took = time.monotonic() - begin
    status = await asyncio.to_thread(net.status)
    assert status["sessions"] == SESSIONS, status
    held = rss_kb()
    last = clients[-1]
    await ask(loop, last, b"O:<c@b.example>\r\n")
    assert (await ask(loop, last, b"DATA\r\n")).startswith(b"354")
    got = await ask(loop, last, b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert got.startswith(b"250"), got
    for sock in clients:
        sock.close()
    await asyncio.to_thread(net.wait_for, "the end of all", lambda: net.status()["sessions"] == 0, 60)
    return before, held, took


def test_idle_sessions():
    before, held, took = asyncio.run(all_of_them())
    said = f"{SESSIONS} sessions in {took:.0f} s: {held / 1024:.1f} MB, {before / 1024:.1f} MB without, " \
           f"{(held - before) / SESSIONS:.2f} KB each"
    held += (held - before) // SESSIONS * (WANTED - SESSIONS)
    if "san" in net.B:
        return said + "; the bound is not for sanitized builds"
    assert held <= BOUND_KB, said
    return said


def start_server():
    """A process of its own: half of the files."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(serve())
        finally:
            os._exit(1)  # and nothing of what the parent would take down
    net.processes["server"] = Child(child)


class Child:
    """As much of Popen as mailnet.py wants."""

    def __init__(self, pid):
        self.pid = pid

    def terminate(self):
        os.kill(self.pid, 15)

    def wait(self, _):
        os.waitpid(self.pid, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))  # maild inherits it; its unit has 65536
    net.DEFAULTS.update({"idle-timeout": 600, "max-sessions": 20000, "max-sessions-per-source": 0})
    net.scenario(globals(), with_servers=False, setup=start_server)
