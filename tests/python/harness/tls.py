"""Certificates of an authority of the tests' own, and a door with TLS in front of a server."""

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .pipe import Pipe

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

    def certificate(self, *names: str) -> tuple[bytes, bytes]:
        """A certificate for these names and its key, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(names[0]), key.public_key(), names)
        return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)

    def context(self, *names: str, versions=("http/1.1",)) -> ssl.SSLContext:
        """For a server of these names that offers these versions of HTTP."""
        certificate, key = self.certificate(*names)
        file = self._directory / f"{names[0]}-{id(key)}.pem"
        file.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(list(versions))
        return context


class Door(Pipe):
    """Takes TLS off what comes in and passes it on to `server`; `url` has the host `localhost`."""

    def __init__(self, context: ssl.SSLContext, server: str):
        parts = urlsplit(server)
        self._target = (parts.hostname, parts.port)
        self._context = context
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        super().__init__(listener)

    def _ends(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        near.settimeout(20)
        open_near = self._context.wrap_socket(near, server_side=True)
        open_near.settimeout(None)
        return open_near, socket.create_connection(self._target)
