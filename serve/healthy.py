"""`python -m serve.healthy`: end with 0 while the server on this machine is ready, as a container's check asks."""

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # Asked on loopback, not listened on.


def address(environment: Mapping[str, str]) -> str:
    """Return where the server with these settings says whether it is ready."""
    host = environment.get("HOST", "").strip()
    host = ANY.get(host, host)
    scheme = "https" if environment.get("TLS_CERT", "").strip() else "http"
    port = environment.get("PORT", "").strip() or "8000"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/ready"


def trusting(certificate: str) -> ssl.SSLContext:
    """Return what trusts this very certificate, whatever name it is for and whoever signed it."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def main() -> int:
    """Ask once; a server that cannot log its answers is as little ready as one that does not answer."""
    certificate = os.environ.get("TLS_CERT", "").strip()
    ways: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({})
    ]  # No proxy stands between a server and itself.
    ways += [urllib.request.HTTPSHandler(context=trusting(certificate))] if certificate else []
    try:
        with urllib.request.build_opener(*ways).open(address(os.environ), timeout=4) as answer:
            print(answer.read().decode())
    except (OSError, urllib.error.URLError) as error:
        print(f"{address(os.environ)}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
