"""The client: what all operations take as `client`."""

import httpx
from attrs import Factory, define, evolve, field

from kumanda_client.answers import KumandaError, data
from kumanda_client.api.accounts import login_auth_v1, logout_auth_v1
from kumanda_client.client import AuthenticatedClient
from kumanda_client.models import LoginRequest, UserSummary
from kumanda_client.retries import Retries, RetryingTransport
from kumanda_client.session import Session, Tokens


@define
class Kumanda(AuthenticatedClient):
    """A client of one service, `Kumanda("https://live.example.com")`, which may be used by many threads.

    `session` has the tokens; without tokens calls are anonymous. `retries` says when a request is sent again. The
    copies that `with_headers` and `with_timeout` make share the session. Revocations wait for 25 seconds, so a timeout
    below 30 is too short for them.
    """

    token: str = field(default="", init=False)  # of the generated class; the session has ours
    session: Session = field(default=Factory(lambda self: Session(self._base_url), takes_self=True), kw_only=True)
    retries: Retries = field(factory=Retries, kw_only=True)
    _timeout: httpx.Timeout | None = field(default=httpx.Timeout(30.0), kw_only=True, alias="timeout")

    # The generated methods also change the client that they copy.

    def with_headers(self, headers: dict[str, str]) -> "Kumanda":
        """A copy that sends these headers, too, such as `X-Language`."""
        return evolve(self, headers={**self._headers, **headers})

    def with_cookies(self, cookies: dict[str, str]) -> "Kumanda":
        return evolve(self, cookies={**self._cookies, **cookies})

    def with_timeout(self, timeout: httpx.Timeout) -> "Kumanda":
        return evolve(self, timeout=timeout)

    def get_httpx_client(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                base_url=self._base_url,
                headers=self._headers,
                cookies=self._cookies,
                timeout=self._timeout,
                follow_redirects=self._follow_redirects,
                auth=self.session,
                transport=RetryingTransport(self.retries, verify=self._verify_ssl),
                **self._httpx_args,
            )
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(
                base_url=self._base_url,
                headers=self._headers,
                cookies=self._cookies,
                timeout=self._timeout,
                follow_redirects=self._follow_redirects,
                auth=self.session,
                transport=RetryingTransport(self.retries, verify=self._verify_ssl),
                **self._httpx_args,
            )
        return self._async_client

    def log_in(self, username: str, password: str) -> UserSummary:
        """Begin a session. Raises KumandaError (`wrong_credentials`)."""
        body = LoginRequest(username=username, password=password)
        tokens = data(login_auth_v1.sync_detailed(client=self, body=body))
        self.session.keep(Tokens.of(tokens))
        return tokens.user

    def log_out(self) -> None:
        """End all sessions of the user. Does nothing if this one has ended already."""
        try:
            data(logout_auth_v1.sync_detailed(client=self))
        except KumandaError as error:
            if error.status != 401:
                raise
        self.session.keep(None)

    async def log_in_async(self, username: str, password: str) -> UserSummary:
        body = LoginRequest(username=username, password=password)
        tokens = data(await login_auth_v1.asyncio_detailed(client=self, body=body))
        self.session.keep(Tokens.of(tokens))
        return tokens.user

    async def log_out_async(self) -> None:
        try:
            data(await logout_auth_v1.asyncio_detailed(client=self))
        except KumandaError as error:
            if error.status != 401:
                raise
        self.session.keep(None)
