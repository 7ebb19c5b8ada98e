"""An identity provider that publishes its keys on a real HTTP server, and tokens as it signs them."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conftest import Api

ME = "/api/v1/users/me"
ISSUER = "https://id.example/"
AUDIENCE = "kumanda-api"
type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk_of(key: PrivateKey, kid: str) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return {**jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "kid": kid, "use": "sig"}
    return {**jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True), "kid": kid, "use": "sig"}


class Provider(ThreadingHTTPServer):
    """Publishes `keys`, after `delay` seconds, with `status`; `asked` counts the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderHandler)
        self.keys = [jwk_of(RSA_KEY, "rsa"), jwk_of(EC_KEY, "ec")]
        self.asked, self.status, self.delay = 0, 200, 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks"


class ProviderHandler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": self.server.keys}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing on the console."""


def token(key: PrivateKey | str = RSA_KEY, kid: str = "rsa", algorithm: str = "RS256", **claims: Any) -> str:
    """A valid token of the user Ada, changed by `claims`; a claim that is None is left out."""
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "person-1",
        "iat": now - 5,
        "exp": now + 600,
        "preferred_username": "ada",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "email": "ada@example.com",
    } | claims
    return jwt.encode(
        {name: value for name, value in given.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={"kid": kid},
    )


def me(api: Api, text: str) -> Any:
    return api().get(ME, HTTP_AUTHORIZATION=f"Bearer {text}")


def unsigned(**claims: Any) -> str:
    return token("", algorithm="none", **claims)


def signed_with_the_public_key(algorithm: str = "HS256") -> str:
    """A token of an attacker who uses the public key as an HMAC secret (algorithm confusion).

    PyJWT refuses to sign like that, so it is signed here.
    """
    header, claims = (
        jwt.utils.base64url_encode(json.dumps(part).encode())
        for part in (
            {"alg": algorithm, "typ": "JWT", "kid": "rsa"},
            jwt.decode(token(), options={"verify_signature": False}),
        )
    )
    signed = header + b"." + claims
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = secret.sign(signed, pem_of(RSA_KEY).encode())
    return (signed + b"." + jwt.utils.base64url_encode(signature)).decode()
