"""`python -m deploy.local.sinks STATE_DIR SMTP_PORT WEBHOOK_PORT` runs both in one process, until SIGTERM."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP

from deploy.local import access
from deploy.local.settings import HOST
from deploy.local.sinks.mail import MailSink
from deploy.local.sinks.webhook import receiver

MAIL_LIMIT_BYTES = 10 * 1024 * 1024


async def main(state: Path, smtp_port: int, webhook_port: int) -> None:
    """Serves until a signal stops uvicorn."""
    new_session = partial(
        SMTP,
        MailSink(state / "mail"),
        hostname="localhost",
        enable_SMTPUTF8=True,
        data_size_limit=MAIL_LIMIT_BYTES,
    )
    mail = await asyncio.get_running_loop().create_server(new_session, HOST, smtp_port)
    app = receiver(state / "webhook", access.webhook_secrets(state))
    config = uvicorn.Config(app, host=HOST, port=webhook_port, access_log=False, log_level="warning")
    try:
        await uvicorn.Server(config).serve()
    finally:
        mail.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
