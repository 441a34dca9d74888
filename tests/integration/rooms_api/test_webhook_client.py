"""Sending one callback over real sockets."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rooms_api.core.webhook import make_request
from rooms_api.webhook_client import NoAnswer, WebhookClient

from tests.kit.receiver import Receiver, receiving

HEADERS = [("X-Twilio-Signature", "signed")]
BODY = "StatusCallbackEvent=room-created&RoomName=a+b"


async def names(host: str, port: int) -> list[str]:
    """A name server of our own."""
    known = {
        "app.test": ["127.0.0.1"],
        "two.test": ["127.0.0.2", "127.0.0.1"],
        "inside.test": ["169.254.169.254", "::ffff:10.0.0.1"],
    }
    if host not in known:
        raise OSError("no such name")
    return known[host]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def client() -> WebhookClient:
    return WebhookClient(allow_private=True, resolve=names, timeout_s=5)


async def failure(client: WebhookClient, url: str) -> str:
    with pytest.raises(NoAnswer) as caught:
        await client.send(make_request(url, "POST", BODY), HEADERS)
    return str(caught.value)


async def test_a_post_arrives_as_it_was_made(client: WebhookClient, receiver: Receiver) -> None:
    url = f"http://ada:secret@App.test:{receiver.port}/it's/%27?x=%7e"
    client._resolve = lambda host, port: names(host.lower(), port)

    assert await client.send(make_request(url, "POST", BODY), HEADERS) == 200
    [got] = receiver.received
    assert (got.method, got.target, got.body) == ("POST", "/it's/%27?x=%7e", BODY)
    assert got.headers["host"] == f"App.test:{receiver.port}"
    assert got.headers["authorization"] == "Basic YWRhOnNlY3JldA=="
    assert got.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert got.headers["x-twilio-signature"] == "signed"


async def test_a_get_has_no_body(client: WebhookClient, receiver: Receiver) -> None:
    await client.send(make_request(f"http://app.test:{receiver.port}/x?y=1", "GET", BODY), HEADERS)

    [got] = receiver.received
    assert (got.method, got.target, got.body) == ("GET", f"/x?y=1&{BODY}", "")
    assert "content-type" not in got.headers


async def test_redirects_are_not_followed_and_the_environment_names_no_proxy(
    client: WebhookClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    receiver.answer = lambda _: 302

    assert await client.send(make_request(f"http://app.test:{receiver.port}/", "POST", BODY), HEADERS) == 302
    assert len(receiver.received) == 1


async def test_the_next_address_is_asked_when_one_is_dead(client: WebhookClient, receiver: Receiver) -> None:
    assert await client.send(make_request(f"http://two.test:{receiver.port}/", "POST", BODY), HEADERS) == 200


async def test_what_is_not_public_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    client = WebhookClient(allow_private=False, resolve=names)
    systems = WebhookClient(allow_private=False)

    assert await failure(client, "http://inside.test/latest/meta-data") == (
        "Refused: inside.test is at 169.254.169.254, ::ffff:10.0.0.1, which is not on the public internet"
    )
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"):
        assert (await failure(systems, f"http://{host}:{receiver.port}/")).startswith("Refused: ")
    assert receiver.received == []


async def test_a_name_is_asked_for_once(receiver: Receiver) -> None:
    """One that answers with a public address first and a private one then gets nothing from it."""
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.99"]

    client = WebhookClient(allow_private=True, resolve=rebinding)
    await client.send(make_request(f"http://app.test:{receiver.port}/", "POST", BODY), HEADERS)

    assert asked == ["app.test"]
    assert len(receiver.received) == 1


async def test_what_goes_wrong_is_said_in_words(client: WebhookClient, receiver: Receiver) -> None:
    async def silence(_: object) -> int:
        await asyncio.Event().wait()
        return 200

    receiver.answer = silence
    impatient = WebhookClient(allow_private=True, resolve=names, timeout_s=0.2)

    assert await failure(client, "http://nowhere.test/") == "The host name nowhere.test cannot be resolved"
    assert "Connection failed" in await failure(client, "http://app.test:1/")
    assert await failure(impatient, f"http://app.test:{receiver.port}/") == "No answer within 0.2 s"
    assert await failure(client, f"https://app.test:{receiver.port}/") == "Connection failed: closed by the receiver"


@pytest.mark.parametrize(
    ("bytes_back", "result"),
    [
        (b"", "Connection failed: closed without an answer"),
        (b"220 smtp.example ready\r\n\r\n", "HTTP failed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "HTTP failed"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 No\r\n\r\nbusy", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 300_000, 200),
        (b"HTTP/1.0 404 No\r\n\r\n", 404),
    ],
)
async def test_answers_of_every_kind(client: WebhookClient, bytes_back: bytes, result: int | str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY.encode())
        writer.write(bytes_back)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://app.test:{server.sockets[0].getsockname()[1]}/"
        if isinstance(result, int):
            assert await client.send(make_request(url, "POST", BODY), HEADERS) == result
        else:
            assert (await failure(client, url)).startswith(result)


async def test_tls_asks_for_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    serving, trusting = tls_of("app.test", tmp_path)
    client = WebhookClient(allow_private=True, tls=trusting, resolve=names)
    wrong = WebhookClient(allow_private=True, tls=trusting, resolve=lambda host, port: names("app.test", port))
    untrusting = WebhookClient(allow_private=True, resolve=names)
    async with receiving(tls=serving) as receiver:
        assert await client.send(make_request(f"https://app.test:{receiver.port}/", "POST", BODY), HEADERS) == 200
        assert "TLS failed" in await failure(wrong, f"https://other.test:{receiver.port}/")
        assert "TLS failed" in await failure(untrusting, f"https://app.test:{receiver.port}/")
        assert len(receiver.received) == 1


def tls_of(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a fresh certificate for that name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem, private)
    return serving, ssl.create_default_context(cafile=str(pem))
