"""A mail server that stores each mail as an .eml file, and lists them in an index."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

INDEX = "index.jsonl"
REFUSING_DOMAIN = "refused.example"
"""Mail to this domain is refused for good (550)."""
BUSY_DOMAIN = "busy.example"
"""Mail to this domain is refused for now (451)."""
_HEADERS = BytesHeaderParser(policy=default)


@dataclass(frozen=True)
class KeptMail:
    """One line of the index. `file` is the name of the .eml beside it."""

    at: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    file: str


class MailSink:
    """The handler of aiosmtpd: writes each mail, and then its line in the index."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._count = len(kept_mails(folder))

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls the method by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Refuses REFUSING_DOMAIN and BUSY_DOMAIN."""
        domain = address.rpartition("@")[2].lower()
        if domain == REFUSING_DOMAIN:
            return "550 5.1.1 no such mailbox"
        if domain == BUSY_DOMAIN:
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls the method by this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Stores a mail once, also with several recipients."""
        content = (
            envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        )
        head = _HEADERS.parsebytes(content.partition(b"\r\n\r\n")[0])
        self._count += 1
        kept = KeptMail(
            at=datetime.now(UTC).isoformat(),
            to=tuple(envelope.rcpt_tos),
            subject=str(head["subject"] or ""),
            message_id=str(head["message-id"] or ""),
            file=f"{self._count:06d}.eml",
        )
        (self._folder / kept.file).write_bytes(content)
        with (self._folder / INDEX).open("a", encoding="utf-8") as index:
            index.write(json.dumps(asdict(kept), ensure_ascii=False) + "\n")
        return "250 stored"


def kept_mails(folder: Path) -> list[KeptMail]:
    """The mails of the index, without a last line that is still being written."""
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))
    return [KeptMail(**{**line, "to": tuple(line["to"])}) for line in lines]
