"""Streams under TLS, with a certificate of one's own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.account import Account, Tls
from bridge.errors import ServerUnreachable
from bridge.stream import Stream
from tests.bridge.prosody import INSTALLED, Prosody


def write_certificate(folder: Path, domain: str) -> Path:
    """`<domain>.crt` and `<domain>.key`, as Prosody looks for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / f"{domain}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path = folder / f"{domain}.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "certs", "localhost")


@pytest.fixture
async def server(tmp_path: Path, certificate: Path) -> AsyncIterator[Prosody]:
    if not INSTALLED:
        pytest.skip("needs Prosody; tests/install brings it")
    async with Prosody(tmp_path, tls=True) as server:
        yield server


@pytest.fixture
async def account(server: Prosody, certificate: Path) -> Account:
    registered = await server.register("support")
    return replace(registered, tls="starttls", ca_file=certificate)


async def test_begins_by_starttls(account: Account) -> None:
    async with Stream.open(account) as stream:
        await stream.ping()


async def test_begins_with_tls(server: Prosody, account: Account) -> None:
    direct = replace(account, tls="direct", port=server.direct_tls_port)
    async with Stream.open(direct) as stream:
        await stream.ping()


@pytest.mark.parametrize("tls", ["starttls", "direct"])
async def test_trusts_no_unknown_certificate(server: Prosody, account: Account, tls: Tls) -> None:
    port = server.port if tls == "starttls" else server.direct_tls_port
    unsure = replace(account, tls=tls, port=port, ca_file=None)
    with pytest.raises(ServerUnreachable, match="XMPP_CA_FILE"):
        async with Stream.open(unsure):
            pass


async def test_says_that_the_server_wants_encryption(account: Account) -> None:
    with pytest.raises(ServerUnreachable, match="XMPP_TLS=starttls"):
        async with Stream.open(replace(account, tls="none")):
            pass


async def test_gives_no_password_to_a_server_without_encryption(support: Account) -> None:
    with pytest.raises(ServerUnreachable, match="keeps the password safe"):
        async with Stream.open(replace(support, tls="starttls")):
            pass


async def test_says_that_a_port_speaks_no_tls(support: Account) -> None:
    with pytest.raises(ServerUnreachable, match="XMPP_"):
        async with Stream.open(replace(support, tls="direct")):
            pass


async def test_says_that_a_ca_file_is_none(account: Account, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("This is no certificate.")
    with pytest.raises(ServerUnreachable, match="XMPP_CA_FILE"):
        async with Stream.open(replace(account, ca_file=nonsense)):
            pass
