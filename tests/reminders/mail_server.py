"""A mail server for tests: real SMTP on this machine. It keeps accepted messages and refuses as configured."""

import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

# The answer to MAIL, RCPT or DATA, by sender or recipient. None accepts.
type Refusals = Callable[[str], str | None]


@dataclass
class MailServer:
    refuse_sender: Refusals = lambda address: None
    refuse: Refusals = lambda address: None
    refuse_message: Refusals = lambda address: None
    breaks_after: int | None = None  # closes a connection after so many messages
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
        """A value for `settings.MAILERS`, with this server."""
        options = {"host": "127.0.0.1", "port": self.port, "timeout": 10}
        return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}


class _Session(StreamRequestHandler):
    taken = 0
    recipient = ""
    mail_server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.mail_server.connections += 1
        self.say("220 ready")
        for line in self.rfile:
            verb = line.decode().strip()
            if self.taken == self.mail_server.breaks_after:
                return
            if not self.answer(verb):
                return

    def answer(self, verb: str) -> bool:
        match verb.partition(":")[0].upper().split(" ")[0]:
            case "MAIL":
                self.say(self.mail_server.refuse_sender(_address(verb)) or "250 yes")
            case "RCPT":
                self.recipient = _address(verb)
                self.say(self.mail_server.refuse(self.recipient) or "250 yes")
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
        refusal = self.mail_server.refuse_message(self.recipient)
        if refusal is None:
            self.mail_server.raw.append(message)
            self.taken += 1
        self.say(refusal or "250 taken")

    def message(self) -> bytes:
        return b"".join(line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))


def _address(verb: str) -> str:
    return verb.partition("<")[2].partition(">")[0]


@contextmanager
def serving_mail(mail_server: MailServer | None = None) -> Iterator[MailServer]:
    mail_server = mail_server or MailServer()
    session = type("Session", (_Session,), {"mail_server": mail_server})
    with ThreadingTCPServer(("127.0.0.1", 0), session) as listener:
        mail_server.port = listener.server_address[1]
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield mail_server
        finally:
            listener.shutdown()
            thread.join()
