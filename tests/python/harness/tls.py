"""Certificates of an authority of the tests' own, and a door with TLS in front of a server."""

import datetime
import ipaddress
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _pem(key) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Signs certificates; `pem` is what those who trust it are given."""

    def __init__(self, directory: Path, name: str = "authority"):
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key.public_key(), [], is_authority=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.file = directory / f"{name}.pem"
        self.file.write_text(self.pem)
        self.key_file = directory / f"{name}.key"
        self.key_file.write_bytes(_pem(self._key))

    def _sign(self, subject, key, names, is_authority=False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(self._name, subject, key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
        constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
        if names:
            alternative = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def context(self, *names: str, versions=("http/1.1",)) -> ssl.SSLContext:
        """For a server of these names that offers these versions of HTTP."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(names[0]), key.public_key(), names)
        file = self._directory / f"{names[0]}-{id(key)}.pem"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(list(versions))
        return context


class Door:
    """Takes TLS off what comes in and passes it on to `server`; `url` has the host `localhost`."""

    def __init__(self, context: ssl.SSLContext, server: str):
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        # Closing alone does not wake who waits in it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            near.settimeout(20)
            near = self._context.wrap_socket(near, server_side=True)
            near.settimeout(None)
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        back = threading.Thread(target=pass_on, args=(far, near), daemon=True)
        back.start()
        pass_on(near, far)


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Passes bytes on until one side is at its end; then both are."""
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for one in (source, target):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
