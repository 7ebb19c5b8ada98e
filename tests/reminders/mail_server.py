"""A mail server for tests: real SMTP on this machine, keeping what it takes, and refusing as it is told."""

import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

# Answers to MAIL, RCPT or a message by the address it is about, the recipient's for a message: None takes it.
type Refusals = Callable[[str], str | None]


@dataclass
class MailServer:
    refuse_sender: Refusals = lambda address: None
    refuse: Refusals = lambda address: None
    refuse_message: Refusals = lambda address: None
    breaks_after: int | None = None  # messages on one connection, then it hangs up
    port: int = 0
    connections: int = 0
    raw: list[bytes] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(text, policy=email.policy.default) for text in self.raw]

    @property
    def recipients(self) -> list[str]:
        return [str(message["To"]) for message in self.messages]

    @property
    def mailers(self) -> dict[str, object]:
        """The setting that leads here."""
        options = {"host": "127.0.0.1", "port": self.port, "timeout": 10}
        return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}


class _Talk(StreamRequestHandler):
    taken = 0
    recipient = ""
    house: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.house.connections += 1
        self.say("220 ready")
        for line in self.rfile:
            verb = line.decode().strip()
            if self.taken == self.house.breaks_after:
                return
            if not self.answer(verb):
                return

    def answer(self, verb: str) -> bool:
        match verb.partition(":")[0].upper().split(" ")[0]:
            case "MAIL":
                self.say(self.house.refuse_sender(_address(verb)) or "250 yes")
            case "RCPT":
                self.recipient = _address(verb)
                self.say(self.house.refuse(self.recipient) or "250 yes")
            case "DATA":
                self.say("354 go on")
                self.take(self.message())
            case "QUIT":
                self.say("221 bye")
                return False
            case _:
                self.say("250 yes")
        return True

    def take(self, message: bytes) -> None:
        refusal = self.house.refuse_message(self.recipient)
        if refusal is None:
            self.house.raw.append(message)
            self.taken += 1
        self.say(refusal or "250 taken")

    def message(self) -> bytes:
        return b"".join(line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))


def _address(verb: str) -> str:
    return verb.partition("<")[2].partition(">")[0]


@contextmanager
def serving_mail(house: MailServer | None = None) -> Iterator[MailServer]:
    house = house or MailServer()
    talk = type("Talk", (_Talk,), {"house": house})
    with ThreadingTCPServer(("127.0.0.1", 0), talk) as server:
        house.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield house
        finally:
            server.shutdown()
            thread.join()
