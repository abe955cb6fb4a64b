"""Real proxies as processes on loopback: tinyproxy, microsocks, Dante, and mitmproxy, which looks into
TLS. And servers that stand where a proxy should, for what no proxy does on command."""

import shutil
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import secrets
from .process import Process, ProcessError
from .tls import Authority

READY_SECONDS = 60.0
REPOSITORY = Path(__file__).resolve().parents[3]
# Ends what has children of its own together with them, when it is asked to end.
TOGETHER = ["timeout", "--kill-after=1", "3600"]


@dataclass
class Login:
    username: str
    password: str

    @classmethod
    def make(cls) -> "Login":
        return cls("proxy-user", secrets.make())


@dataclass
class Proxy:
    """`kind` is what `proxy_config.type` is to be."""

    kind: str
    port: int
    login: Login | None = None
    process: Process | None = None
    log: Path | None = None
    # The certificate of its authority, where it shows certificates of its own.
    authority: str = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.kind}://{self.address}"

    def section(self, login: Login | None = None, **more) -> dict:
        """A `proxy_config` that leads here, with the right credentials unless others are given."""
        login = login or self.login
        section = {"type": self.kind, "url": self.url, **more}
        if login:
            section |= {"username": login.username, "password": login.password}
        return section

    def said(self) -> str:
        """All that it has logged."""
        log = self.log.read_text() if self.log else ""
        return log + (self.process.output if self.process else "")

    def stop(self) -> None:
        """Asks it first: some have children that only they can end."""
        if not self.process:
            return
        self.process.resume()
        self.process.terminate()
        try:
            self.process.wait(5)
        except ProcessError:
            self.process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin")
    assert path, f"{name} is not installed; `cargo xtask test` installs it as root"
    return path


def _started(proxy: Proxy) -> Proxy:
    """Waits until it takes connections."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", proxy.port)).close()
            return proxy
        except OSError:
            assert proxy.process.alive(), f"ended:\n{proxy.said()}"
            assert time.monotonic() < deadline, f"does not listen:\n{proxy.said()}"
            time.sleep(0.01)


def tinyproxy(directory: Path, login: Login | None = None, allows: bool = True) -> Proxy:
    """An HTTP proxy. One that does not allow its clients answers 403."""
    port = free_port()
    log = directory / f"tinyproxy-{port}.log"
    lines = [
        f"Port {port}",
        "Listen 127.0.0.1",
        "Timeout 600",
        "MaxClients 100",
        f'LogFile "{log}"',
        "LogLevel Connect",
        f"Allow {'127.0.0.1' if allows else '192.0.2.1'}",
    ]
    if login:
        lines.append(f"BasicAuth {login.username} {login.password}")
    file = directory / f"tinyproxy-{port}.conf"
    file.write_text("\n".join(lines) + "\n")
    argv = [_program("tinyproxy"), "-d", "-c", str(file)]
    process = Process(f"tinyproxy-{port}", argv, {}, directory)
    return _started(Proxy("http", port, login, process, log))


def microsocks(directory: Path, login: Login | None = None) -> Proxy:
    """A SOCKS5 proxy."""
    port = free_port()
    argv = [_program("microsocks"), "-i", "127.0.0.1", "-p", str(port)]
    if login:
        argv += ["-u", login.username, "-P", login.password]
    process = Process(f"microsocks-{port}", argv, {}, directory)
    return _started(Proxy("socks5", port, login, process))


# Dante asks the system for its users. This gives it one of its own, in a view of the file system
# that nobody else has.
DANTE_ALONE = """
set -e
{ cat /etc/passwd; echo "$1:x:65533:65533::/:/usr/sbin/nologin"; } > "$3/passwd"
{ cat /etc/shadow; echo "$1:$2:19000:0:99999:7:::"; } > "$3/shadow"
chmod 600 "$3/shadow"
mount --bind "$3/passwd" /etc/passwd
mount --bind "$3/shadow" /etc/shadow
exec "$4" -f "$3/danted.conf" -p "$3/danted.pid"
"""


def dante(directory: Path, login: Login | None = None) -> Proxy:
    """A SOCKS5 proxy; with a login it needs root."""
    port = free_port()
    own = directory / f"danted-{port}"
    own.mkdir()
    method = "username" if login else "none"
    rule = "{ from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error }"
    lines = [
        "logoutput: stdout",
        f"internal: 127.0.0.1 port = {port}",
        "external: lo",
        f"socksmethod: {method}",
        "clientmethod: none",
        "user.privileged: root",
        "user.unprivileged: root" if login else "",
        f"client pass {rule}",
        f"socks pass {rule}",
    ]
    file = own / "danted.conf"
    file.write_text("\n".join(line for line in lines if line) + "\n")
    program = _program("danted")
    argv = [program, "-f", str(file), "-p", str(own / "danted.pid")]
    if login:
        hashed = _hashed(login.password)
        script = ["sh", "-c", DANTE_ALONE, "sh", login.username, hashed, str(own), program]
        argv = ["unshare", "--mount", *script]
    process = Process(f"danted-{port}", TOGETHER + argv, {}, directory)
    return _started(Proxy("socks5", port, login, process))


def _hashed(password: str) -> str:
    import subprocess

    argv = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(
        argv, input=password, capture_output=True, text=True, check=True
    ).stdout.strip()


def mitmproxy(directory: Path, trusted: Authority | None, login: Login | None = None) -> Proxy:
    """An HTTP proxy that looks into TLS: it shows certificates of an authority that it makes for
    itself (`authority` of it), and trusts `trusted`, or else the system's."""
    port = free_port()
    own = directory / f"mitmproxy-{port}"
    own.mkdir()
    argv = [_mitmdump(), "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    options = {"confdir": own, "flow_detail": 1}
    if trusted:
        options["ssl_verify_upstream_trusted_ca"] = trusted.file
    if login:
        options["proxyauth"] = f"{login.username}:{login.password}"
    for option, value in options.items():
        argv += ["--set", f"{option}={value}"]
    process = Process(f"mitmproxy-{port}", argv, {"PYTHONUNBUFFERED": "1"}, directory)
    proxy = _started(Proxy("http", port, login, process))
    proxy.authority = (own / "mitmproxy-ca-cert.pem").read_text()
    return proxy


def _mitmdump() -> str:
    """It has a Python environment of its own: it wants other versions of packages than the
    scenarios do."""
    own = REPOSITORY / ".venv-mitmproxy" / "bin"
    path = shutil.which("mitmdump", path=own) or shutil.which("mitmdump")
    assert path, f"there is no mitmdump in {own}; `cargo xtask test` puts it there"
    return path


class Impostor(Proxy):
    """Something that listens where a proxy should and does `act` with each connection."""

    def __init__(self, kind: str, act: Callable[[socket.socket], None]):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        super().__init__(kind, self._listener.getsockname()[1])
        self.connections = 0
        self._act = act
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            self._act(peer)
        except OSError:
            pass
        peer.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def silent(kind: str) -> Impostor:
    """Takes connections and says nothing until its client gives up."""

    def act(peer: socket.socket) -> None:
        while peer.recv(1 << 16):
            pass

    return Impostor(kind, act)


def refusing_socks() -> Impostor:
    """Lets everybody in, and then allows nothing (RFC 1928: connection not allowed by ruleset)."""

    def act(peer: socket.socket) -> None:
        peer.recv(512)
        peer.sendall(b"\x05\x00")
        peer.recv(512)
        peer.sendall(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")

    return Impostor("socks5", act)


def down(kind: str) -> Proxy:
    """An address where nobody listens."""
    return Proxy(kind, free_port())
