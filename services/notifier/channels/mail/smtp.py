"""Mail over SMTP (RFC 5321): connections that are kept, and the meaning of the server's answers.

An answer about the recipient or the message concerns this notice: after 5xx it failed, after 4xx it is tried
again. An answer about us (the connection, the login, our sender address) never makes the notice fail.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent

TOO_LARGE = 552
MAIL_SECONDS = 120.0
"""For one mail. `Server.timeout_seconds` limits each answer."""
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True)
class Server:
    """The mail server. `starttls`: True requires it, False never uses it, None uses it when offered."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    starttls: bool | None = None
    timeout_seconds: float = 30.0


class Mailer:
    """Sends mails over at most `connections` connections, which are kept open."""

    def __init__(self, server: Server, connections: int) -> None:
        self._server = server
        self._idle: list[SMTP] = []
        self._free = asyncio.Semaphore(connections)

    async def send(self, sender: str, to: str, message: bytes) -> Outcome:
        """Send one mail to one person."""
        async with self._free:
            try:
                async with asyncio.timeout(MAIL_SECONDS):
                    return await self._send(sender, to, message)
            except TimeoutError:
                return Passing("smtp: TimeoutError")

    async def close(self) -> None:
        """Close the connections that are idle."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await _quit(connection)

    async def _send(self, sender: str, to: str, message: bytes) -> Outcome:
        kept = True
        while self._idle and kept:
            connection = self._idle.pop()
            kept = connection.is_connected
            if kept:
                outcome = await self._over(connection, sender, to, message)
                # The server may have closed an idle connection. That says nothing about the mail.
                if outcome != _HUNG_UP:
                    return outcome
        try:
            connection = await self._connect()
        except (SMTPException, OSError) as error:
            return Passing(f"smtp_connect: {_said(error)}")
        return await self._over(connection, sender, to, message)

    async def _connect(self) -> SMTP:
        server = self._server
        connection = SMTP(
            hostname=server.host,
            port=server.port,
            start_tls=server.starttls,
            username=server.username,
            password=server.password,
            timeout=server.timeout_seconds,
        )
        try:
            await connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _over(self, connection: SMTP, sender: str, to: str, message: bytes) -> Outcome:
        try:
            await connection.sendmail(sender, [to], message)
            outcome: Outcome = Delivered()
        except (SMTPException, OSError, ValueError) as error:
            outcome = _meaning(error)
        except BaseException:
            connection.close()
            raise
        if connection.is_connected and outcome != _HUNG_UP:
            self._idle.append(connection)
        else:
            connection.close()
        return outcome


_HUNG_UP = Passing("smtp_disconnected")


def _meaning(error: Exception) -> Outcome:
    match error:
        case SMTPRecipientsRefused():
            return _answered(error.recipients[0])
        case SMTPRecipientRefused() | SMTPDataError():
            return _answered(error)
        case SMTPSenderRefused() if error.code == TOO_LARGE:
            return _answered(error)
        case SMTPAuthenticationError() | SMTPHeloError() | SMTPSenderRefused() | SMTPConnectError():
            return Passing(f"smtp_setup: {_said(error)}")
        case SMTPResponseException():
            return _answered(error)
        case ValueError():
            return Permanent("bad_address")
        case ConnectionError():
            return _HUNG_UP
        case _:
            return Passing(f"smtp: {_said(error)}")


def _answered(error: SMTPResponseException) -> Outcome:
    if 500 <= error.code <= 599:
        return Permanent(f"smtp_refused: {_said(error)}")
    return Passing(f"smtp_refused: {_said(error)}")


def _said(error: Exception) -> str:
    """The code and the enhanced code (RFC 3463). Not the text, which may repeat the address."""
    if not isinstance(error, SMTPResponseException):
        return type(error).__name__
    enhanced = _ENHANCED.search(str(error.message))
    return f"{error.code} {enhanced[1]}" if enhanced else str(error.code)


async def _quit(connection: SMTP) -> None:
    try:
        async with asyncio.timeout(1.0):
            await connection.quit()
    except (SMTPException, OSError):
        pass
    finally:
        connection.close()
