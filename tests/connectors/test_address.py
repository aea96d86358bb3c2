"""SAFETY C1: where a call may go. Canary listeners count TCP connects; controls reach them."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from connectors.address import Ip, RefusedAddress, parse_address, reach
from connectors.chat import ChatClient
from connectors.resolver import CheckedResolver
from connectors.wire import ChatError, ChatRequest, Target

ASK = ChatRequest([{"role": "user", "content": "x"}])
PUBLIC = "93.184.215.14"

# Written by hand, by the kind of trick. `{p}` is the port of a canary listener on loopback.
FORMS = [
    # loopback, plainly
    "http://127.0.0.1:{p}", "http://127.0.0.1:{p}/v1", "HTTP://127.0.0.1:{p}", "http://127.1.2.3:{p}",
    "http://127.255.255.254:{p}", "http://localhost:{p}", "http://LOCALHOST:{p}", "http://localhost.:{p}",
    "http://LocalHost.:{p}/v1", "https://localhost:{p}", "https://127.0.0.1:{p}", "http://[::1]:{p}",
    "http://[0:0:0:0:0:0:0:1]:{p}", "http://[0000::0001]:{p}", "http://127.0.0.1.:{p}", " http://127.0.0.1:{p} ",
    # numbers that some parsers read as addresses
    "http://2130706433:{p}", "http://0x7f000001:{p}", "http://0x7f.1:{p}", "http://0x7f.0x0.0x0.0x1:{p}",
    "http://017700000001:{p}", "http://0177.0.0.1:{p}", "http://0177.0.0.01:{p}", "http://127.1:{p}",
    "http://127.0.1:{p}", "http://127.000.000.001:{p}", "http://0127.0.0.1:{p}", "http://0x7F000001:{p}",
    "http://00000177.0.0.1:{p}", "http://127.0.0.0x1:{p}", "http://4294967297:{p}", "http://0:{p}",
    "http://0x0:{p}", "http://00:{p}", "http://127.0.0.256:{p}", "http://127.0.0.1.1:{p}", "http://1.127:{p}",
    "http://0x:{p}", "http://127.0.0.1e0:{p}", "http://-1:{p}", "http://127..1:{p}", "http://1e9:{p}",
    # the unspecified address
    "http://0.0.0.0:{p}", "http://0.0.0.1:{p}", "http://[::]:{p}", "http://[::0]:{p}", "http://0.1.2.3:{p}",
    # IPv4 inside IPv6
    "http://[::ffff:127.0.0.1]:{p}", "http://[::ffff:7f00:1]:{p}", "http://[0:0:0:0:0:ffff:127.0.0.1]:{p}",
    "http://[::FFFF:127.0.0.1]:{p}", "http://[::127.0.0.1]:{p}", "http://[::7f00:1]:{p}",
    "http://[64:ff9b::127.0.0.1]:{p}", "http://[64:ff9b::7f00:1]:{p}", "http://[64:ff9b:1::127.0.0.1]:{p}",
    "http://[2002:7f00:1::]:{p}", "http://[2002:7f00:0001::1]:{p}", "http://[::ffff:0:127.0.0.1]:{p}",
    "http://[2001:0:7f00:1::]:{p}", "http://[2001::80ff:fffe]:{p}", "http://[fe80::5efe:127.0.0.1]:{p}",
    "http://[2001:db8::5efe:127.0.0.1]:{p}", "http://[::ffff:169.254.169.254]:{p}",
    "http://[64:ff9b::169.254.169.254]:{p}", "http://[2002:a9fe:a9fe::]:{p}", "http://[::ffff:10.0.0.1]:{p}",
    "http://[::ffff:93.184.215.14]:{p}", "http://[64:ff9b::93.184.215.14]:{p}",
    # private, shared, link-local, metadata, reserved
    "http://10.0.0.1:{p}", "http://10.255.255.255:{p}", "http://172.16.0.1:{p}", "http://172.31.255.255:{p}",
    "http://192.168.0.1:{p}", "http://192.168.255.255:{p}", "http://100.64.0.1:{p}", "http://100.127.255.255:{p}",
    "http://100.100.100.200:{p}", "http://169.254.169.254:{p}", "http://169.254.169.254:{p}/latest/meta-data",
    "http://169.254.0.1:{p}", "http://169.254.170.2:{p}", "http://168.63.129.16:{p}", "http://192.0.0.192:{p}",
    "http://198.18.0.1:{p}", "http://192.0.2.1:{p}", "http://198.51.100.1:{p}", "http://203.0.113.1:{p}",
    "http://224.0.0.1:{p}", "http://239.255.255.250:{p}", "http://240.0.0.1:{p}", "http://255.255.255.255:{p}",
    "http://[fe80::1]:{p}", "http://[fe80::1%25lo]:{p}", "http://[fe80::1%lo]:{p}", "http://[febf::1]:{p}",
    "http://[fc00::1]:{p}", "http://[fd00::1]:{p}", "http://[fd00:ec2::254]:{p}", "http://[fd20:ce::254]:{p}",
    "http://[fec0::1]:{p}", "http://[ff02::1]:{p}", "http://[100::1]:{p}", "http://[2001:db8::1]:{p}",
    # who is the host?
    "http://api.openai.com@127.0.0.1:{p}", "http://127.0.0.1:{p}@localhost:{p}", "http://user:secret@127.0.0.1:{p}",
    "http://127.0.0.1:{p}#@api.openai.com", "http://127.0.0.1:{p}?@api.openai.com", "http://@127.0.0.1:{p}",
    "http://127.0.0.1:{p}\\@api.openai.com", "http:\\\\127.0.0.1:{p}", "http:/127.0.0.1:{p}", "http:127.0.0.1:{p}",
    "http:///127.0.0.1:{p}", "http://127.0.0.1:{p}\\.openai.com", "//127.0.0.1:{p}", "127.0.0.1:{p}", "localhost:{p}",
    "http://127.0.0.1 :{p}", "http://127.0.0.1\t:{p}", "http://127.0.0.1\n:{p}", "http://127.0.0.1\r\nHost: x:{p}",
    "http://127.0.0.1%00.openai.com:{p}", "http://127.0.0.1%2f.openai.com:{p}", "http://%31%32%37.0.0.1:{p}",
    "http://127.0.0.1:{p}\x00", "http://127.0.0.1\u3000:{p}", "http://127.0.0.1:00{p}", "http://127.0.0.1:{p} x",
    "http://[::1:{p}", "http://::1:{p}", "http://[::1]{p}", "http://[127.0.0.1]:{p}", "http://[::1]x:{p}",
    "http://[v1.x]:{p}", "http://127.0.0.1:0", "http://127.0.0.1:99999", "http://127.0.0.1:-1", "http://127.0.0.1:{p}x",
    # letters that become others
    "http://１２７.０.０.１:{p}", "http://127。0。0。1:{p}", "http://①②⑦.0.0.1:{p}", "http://loc\u00adalhost:{p}",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{p}", "http://localhoſt:{p}", "http://xn--localhost-:{p}", "http://ℓocalhost:{p}",
    # other schemes
    "file:///etc/passwd", "ftp://127.0.0.1:{p}", "gopher://127.0.0.1:{p}", "dict://127.0.0.1:{p}", "ws://127.0.0.1:{p}",
    "data:text/plain,x", "javascript:alert(1)", "unix:///var/run/x.sock", "http+unix://x", "jar:http://127.0.0.1:{p}!/",
    "", " ", "http://", "https://", "http://:{p}", "http://.:{p}", "http://..:{p}", "http://" + "a" * 300 + ":{p}",
]  # fmt: skip


# Read as names, which no name server knows.
NAMES = {"http://127.0.0.1e0:{p}", "http://1e9:{p}", "http://xn--localhost-:{p}"}


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[int, list[str]]]:
    """A listener on loopback (IPv4 and IPv6) that notes every TCP connect."""
    seen: list[str] = []

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    servers = [server]
    if socket.has_ipv6:
        with suppress(OSError):
            servers.append(await asyncio.start_server(connected, "::1", port))
    try:
        yield port, seen
    finally:
        for opened in servers:
            opened.close()


async def outcome(client: ChatClient, url: str, *, allowed: bool = False) -> str:
    try:
        to = Target("m", "openai", "x", base_url=url, local_allowed=allowed, timeout=2)
        await client.chat(to, ASK)
    except ChatError as error:
        return error.failure.kind
    return "answered"


async def test_no_form_reaches_a_canary() -> None:
    assert len(set(FORMS)) >= 150
    async with canary() as (port, seen), ChatClient() as client:
        for form in FORMS:
            url = form.replace("{p}", str(port))
            kind = await outcome(client, url)
            assert kind == "refused_address" or (kind == "connection" and form in NAMES), url
        assert seen == []


async def test_control_the_same_listener_is_reached_when_allowed() -> None:
    async with canary() as (port, seen), ChatClient() as client:
        for form in (
            "http://127.0.0.1:{p}",
            "http://localhost:{p}",
            "http://[::ffff:127.0.0.1]:{p}",
        ):
            before = len(seen)
            url = form.replace("{p}", str(port))
            assert await outcome(client, url, allowed=True) == "connection"
            assert len(seen) > before, url


async def test_never_means_never() -> None:
    async with canary() as (port, seen), ChatClient() as client:
        for host in ("0.0.0.0", "[::]", "169.254.169.254", "[fe80::1]", "100.100.100.200"):
            assert await outcome(client, f"http://{host}:{port}", allowed=True) == "refused_address"
        assert seen == []


class Rebinding(CheckedResolver):
    """A hostile name server: public on the first look, loopback on every further one."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.looks = 0

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[Ip]:
        self.looks += 1
        now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ipaddress.ip_address(text) for text in now]


async def test_rebinding_reaches_nobody() -> None:
    """A check that looks up apart from the connect is fooled (control); ours connects to what it checked."""
    async with canary() as (port, seen):
        resolver = Rebinding([PUBLIC], ["127.0.0.1"])
        async with ChatClient(resolver) as client:
            url = f"http://rebind.example.com:{port}"
            kinds = [await outcome(client, url) for _ in range(2)]
            assert resolver.looks >= 1
            assert set(kinds) <= {"connection", "refused_address", "timeout"}
            assert seen == []
        fooled = Rebinding([PUBLIC], ["127.0.0.1"])
        checked = await fooled.look_up("rebind.example.com", port, socket.AF_UNSPEC)
        assert all(reach(ip) == "public" for ip in checked)
        later = (await fooled.look_up("rebind.example.com", port, socket.AF_UNSPEC))[0]
        _, writer = await asyncio.open_connection(str(later), port)
        writer.close()
        await asyncio.sleep(0.05)
        assert len(seen) == 1


async def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    async with canary() as (port, seen):
        async with ChatClient(Rebinding([PUBLIC, "127.0.0.1"])) as client:
            assert await outcome(client, f"http://mixed.example.com:{port}") == "refused_address"
        assert seen == []


async def test_the_allowlist_is_exact() -> None:
    async with canary() as (port, seen), canary() as (other, other_seen):
        async with ChatClient() as client:
            assert await outcome(client, f"http://localhost:{port}", allowed=True) == "connection"
            assert await outcome(client, f"http://localhost:{other}") == "refused_address"
            assert await outcome(client, f"http://127.0.0.1:{port}") == "refused_address"
            assert await outcome(client, f"http://localhost:{port}") == "refused_address"
        assert other_seen == []
        assert seen


@pytest.mark.parametrize(
    ("written", "url", "host", "port"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "api.openai.com", 443),
        ("https://API.openai.com:443/v1/", "https://api.openai.com/v1", "api.openai.com", 443),
        ("http://model_server:8000/v1", "http://model_server:8000/v1", "model_server", 8000),
        ("http://[2606:4700::1111]:8080", "http://[2606:4700::1111]:8080", "2606:4700::1111", 8080),
        (
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example",
            "xn--bcher-kva.example",
            443,
        ),
        ("http://8.8.8.8/a/b%20c", "http://8.8.8.8/a/b%20c", "8.8.8.8", 80),
    ],
)
def test_good_addresses_have_one_spelling(written: str, url: str, host: str, port: int) -> None:
    found = parse_address(written)
    assert (found.url, found.host, found.port) == (url, host, port)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(RefusedAddress) as refused:
        parse_address("https://user:hunter2@api.openai.com/v1")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450::1"]
)
def test_public_addresses_are_public(ip: str) -> None:
    assert reach(ipaddress.ip_address(ip)) == "public"
