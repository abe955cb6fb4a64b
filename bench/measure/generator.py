"""A load generator for what wrk cannot do: arrivals at a fixed rate, and times within a stream.

    python3 generator.py '{"port": 8080, "path": "/v1/chat/completions", "body": "...",
                           "rate": 500, "total": 1500}'

With `rate`, requests are due at fixed times, whether or not earlier ones were answered, and a
latency counts from when the request was due: a slow answer cannot hide the wait of those behind it.
With `clients`, so many begin anew when their last answer ended, until `seconds` are over; what runs
then is read to its end, so that every chunk is counted. One thread, no dependencies; prints one
line of JSON. Time to first token is up to the first event with content in it.
"""

import collections
import ctypes
import gc
import json
import os
import re
import select
import socket
import struct
import sys
import time

CONTENT = re.compile(rb'"(?:content|text)": ?"[^"]')
# The end of OpenAI's streams, and of Anthropic's.
END = re.compile(rb"\[DONE\]|event: message_stop")
PATIENCE = 30.0


class Connection:
    """One connection, and the request under way on it."""

    __slots__ = ("socket", "due", "first", "head", "left", "tail", "events", "connected", "status",
                 "told_end", "told_error")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.connected = False

    def begin(self, due: float) -> None:
        self.due = due
        self.first = 0.0
        self.head = b""
        self.left: int | None = None
        self.tail = b""
        self.events = 0
        self.status = 0
        self.told_end = self.told_error = False

    def take(self, data: bytes, now: float) -> bool:
        """True when the answer is complete."""
        if not self.status:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return False
            self.status = int(head[9:12])
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            self.left = int(length[1]) if length else None
            if not data:
                return self.left == 0
        if self.left is not None:
            self.left -= len(data)
            if not self.first:
                self.first = now
            return self.left <= 0
        # A token may be cut by a read: the last few bytes are looked at again.
        seen = self.tail + data
        self.told_end |= END.search(seen) is not None
        self.told_error |= b'data: {"error"' in seen
        self.events += seen.count(b"data: {") - self.tail.count(b"data: {")
        if not self.first and CONTENT.search(seen):
            self.first = now
        self.tail = seen[-32:] if self.first else seen[-4096:]
        return seen.endswith(b"\r\n0\r\n\r\n")


def ticker(interval: float) -> int:
    """A descriptor that becomes readable every `interval`: epoll alone rounds up to 1 ms."""
    libc = ctypes.CDLL(None, use_errno=True)
    clock = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
    nanos = int(interval * 1e9)
    each = (nanos // 10**9, nanos % 10**9)
    if clock < 0 or libc.timerfd_settime(clock, 0, struct.pack("4q", *each, *each), None) < 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    return clock


class Generator:
    def __init__(self, port: int, path: str, body: str, repeat: bool) -> None:
        payload = body.encode()
        self.request = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-weir-bench-client\r\n"
            f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
        ).encode() + payload
        self.port = port
        self.repeat = repeat
        self.poll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: list[Connection] = []
        self.running = self.most_open = self.open = 0
        self.latencies: list[float] = []
        self.firsts: list[float] = []
        self.events = 0
        self.late: list[float] = []
        self.errors: collections.Counter[str] = collections.Counter()

    def begin(self, due: float) -> None:
        self.running += 1
        self.late.append(time.monotonic() - due)
        if self.idle:
            connection = self.idle.pop()
            connection.begin(due)
            self.send(connection)
            return
        connection = Connection(self.port)
        connection.begin(due)
        self.connections[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.EPOLLOUT)

    def send(self, connection: Connection) -> None:
        try:
            sent = connection.socket.send(self.request)
        except OSError as error:
            self.fail(connection, type(error).__name__)
            return
        if sent != len(self.request):
            self.fail(connection, "request larger than the socket's buffer")

    def drop(self, connection: Connection) -> None:
        del self.connections[connection.socket.fileno()]
        connection.socket.close()

    def fail(self, connection: Connection, why: str) -> None:
        self.errors[why] += 1
        self.running -= 1
        self.open -= bool(connection.first)
        self.drop(connection)

    def readable(self, connection: Connection, now: float) -> None:
        try:
            data = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            data, why = b"", type(error).__name__
        else:
            why = "closed"
        if connection in self.idle:
            self.idle.remove(connection)
            self.drop(connection)
        elif not data:
            self.fail(connection, why)
        else:
            before = connection.first
            done = connection.take(data, now)
            if connection.first and not before:
                self.open += 1
                self.most_open = max(self.most_open, self.open)
            if done:
                self.finish(connection, now)

    def finish(self, connection: Connection, now: float) -> None:
        if connection.status != 200:
            self.fail(connection, f"status {connection.status}")
            return
        if connection.left is None and (connection.told_error or not connection.told_end):
            self.fail(connection, "stream broken off")
            return
        self.running -= 1
        self.open -= bool(connection.first)
        self.latencies.append(now - connection.due)
        self.firsts.append(connection.first - connection.due)
        self.events += connection.events
        self.idle.append(connection)
        if self.repeat:
            self.begin(now)

    def turn(self, seconds: float) -> bool:
        """Does what is ready; True when `self.clock` ticked."""
        ticked = False
        for number, event in self.poll.poll(max(seconds, 0)):
            connection = self.connections.get(number)
            if connection is None:
                ticked = True
            elif not connection.connected and event & select.EPOLLOUT:
                connection.connected = True
                self.poll.modify(number, select.EPOLLIN)
                self.send(connection)
            else:
                self.readable(connection, time.monotonic())
        return ticked

    def at_rate(self, rate: float, total: int) -> None:
        clock = ticker(1 / rate)
        self.poll.register(clock, select.EPOLLIN)
        begun = 0
        start = time.monotonic()
        while begun < total:
            if self.turn(1):
                (ticks,) = struct.unpack("Q", os.read(clock, 8))
                for _ in range(min(ticks, total - begun)):
                    begun += 1
                    self.begin(start + begun / rate)
        self.poll.unregister(clock)
        os.close(clock)

    def clients(self, clients: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for _ in range(clients):
            self.begin(time.monotonic())
        while (left := deadline - time.monotonic()) > 0:
            self.turn(left)
        self.repeat = False

    def drain(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.running and time.monotonic() < deadline:
            self.turn(1)
        if self.running:
            self.errors["unanswered"] += self.running

    def result(self, seconds: float) -> dict:
        def at(values: list[float], share: float) -> float:
            ordered = sorted(values)
            return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3 if values else 0

        return {
            "requests": len(self.latencies), "seconds": seconds, "events": self.events,
            "failed": sum(self.errors.values()), "errors": dict(self.errors),
            "p50_ms": at(self.latencies, 0.5), "p99_ms": at(self.latencies, 0.99),
            "first_p50_ms": at(self.firsts, 0.5), "first_p99_ms": at(self.firsts, 0.99),
            "late_p99_ms": at(self.late, 0.99), "most_open": self.most_open,
        }


def main() -> None:
    order = json.loads(sys.argv[1])
    gc.disable()
    generator = Generator(order["port"], order["path"], order["body"], "clients" in order)
    start = time.monotonic()
    if "clients" in order:
        generator.clients(order["clients"], order["seconds"])
    else:
        generator.at_rate(order["rate"], order["total"])
    generator.drain()
    print(json.dumps(generator.result(time.monotonic() - start)))


if __name__ == "__main__":
    main()
