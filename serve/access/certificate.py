"""Whether a certificate and its private key are fit for TLS; what is wrong is told in our words, not as `PEM lib`."""

import ssl
from pathlib import Path
from typing import NoReturn

from fraud.errors import Problem

# What OpenSSL says of a key that is not the certificate's, the last where they are of different kinds.
OF_ANOTHER = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
PEM = "name a file in PEM; `openssl {} -inform der -in FILE -out FILE.pem` makes one of DER"


def check(certificate: Path, key: Path) -> None:
    """Raise where nothing can be served with these two files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise Problem(f"TLS_CERT: {certificate}: found no certificate in PEM; {PEM.format('x509')}") from None
    try:
        context.load_cert_chain(certificate, key, lambda: _locked(key))
    except ssl.SSLError as error:
        raise Problem(_sentence(error.reason, certificate, key)) from None


def _sentence(reason: str | None, certificate: Path, key: Path) -> str:
    if not reason:
        return f"TLS_KEY: {key}: found no private key in PEM; {PEM.format('pkey')}"
    if reason in OF_ANOTHER:
        return f"TLS_KEY: {key}: is not the key of the certificate in {certificate} (TLS_CERT); name two of one pair"
    return f"TLS_CERT: {certificate}: OpenSSL refuses it, {reason.lower().replace('_', ' ')}; make another one"


def _locked(key: Path) -> NoReturn:
    """Refuse a key that takes a passphrase, as OpenSSL would ask for it at each worker's terminal."""
    raise Problem(f"TLS_KEY: {key}: found a key with a passphrase; `openssl pkey -in FILE -out FILE.pem` takes it away")
