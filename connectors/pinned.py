"""HTTP for the openai SDK that connects to the very IP that was checked.

Imported only where LangChain's OpenAI models are made: httpx2 is what that SDK speaks through.
"""

import httpx2

from connectors.resolver import CheckedResolver, RefusedHost


class PinnedTransport(httpx2.AsyncHTTPTransport):
    """Resolves through our resolver and puts the IP into the address.

    The name stays in the Host header and in the TLS handshake, so that the certificate is that of
    the name.
    """

    def __init__(self, resolver: CheckedResolver) -> None:
        super().__init__()
        self._resolver = resolver

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Try the checked addresses in order. Raises RefusedHost or httpx2.ConnectError."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        failed: Exception | None = None
        for found in await self._addresses(url.host, port):
            request.url = url.copy_with(host=found)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                return await super().handle_async_request(request)
            except httpx2.ConnectError as error:  # nothing was sent yet
                failed = error
            finally:
                request.url = url
        raise failed or httpx2.ConnectError(f"{url.host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [found["host"] for found in await self._resolver.resolve(host, port)]
        except RefusedHost:
            raise
        except OSError as error:
            raise httpx2.ConnectError(f"{host} is not known") from error


def pinned_client(resolver: CheckedResolver, timeout: float) -> httpx2.AsyncClient:
    """A client of one event loop: no redirects, and no proxy of the environment, which would
    resolve names itself."""
    return httpx2.AsyncClient(
        transport=PinnedTransport(resolver),
        follow_redirects=False,
        trust_env=False,
        timeout=timeout,
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
    )
