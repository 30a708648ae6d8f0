"""A webhook receiver that checks Standard Webhooks signatures, and stores what it receives, valid or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

RECEIVED = "received.jsonl"


@dataclass(frozen=True)
class KeptWebhook:
    """One line of the file. `refusal` is null where the signature was valid."""

    at: str
    tenant: str
    webhook_id: str
    refusal: str | None
    body: str


def receiver(folder: Path, secrets: Mapping[str, str]) -> FastAPI:
    """The application. `secrets` has the secret of each tenant.

    `POST /webhooks/{tenant}` responds with 204, 401 for a wrong signature, or 404 for a tenant without a
    secret. With `?answer=503` it stores the request and responds with that status, to test how a sender
    retries.
    """
    folder.mkdir(parents=True, exist_ok=True)
    app = FastAPI(openapi_url=None)

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/webhooks/{tenant}")
    async def receive(tenant: str, request: Request, answer: int = 204) -> Response:
        body = await request.body()
        refusal = _refusal(secrets.get(tenant), body, request.headers)
        _keep(folder, tenant, request.headers.get("webhook-id", ""), refusal, body)
        if tenant not in secrets:
            return Response(status_code=404)
        return Response(status_code=401 if refusal else answer)

    return app


def _refusal(secret: str | None, body: bytes, headers: Mapping[str, str]) -> str | None:
    if secret is None:
        return "this tenant has no secret"
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as problem:
        return str(problem) or type(problem).__name__
    return None


def _keep(folder: Path, tenant: str, webhook_id: str, refusal: str | None, body: bytes) -> None:
    kept = KeptWebhook(
        datetime.now(UTC).isoformat(), tenant, webhook_id, refusal, body.decode("utf-8", errors="replace")
    )
    with (folder / RECEIVED).open("a", encoding="utf-8") as received:
        received.write(json.dumps(asdict(kept), ensure_ascii=False) + "\n")


def kept_webhooks(folder: Path) -> list[KeptWebhook]:
    """The webhooks received so far, without a last line that is still being written."""
    try:
        text = (folder / RECEIVED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [KeptWebhook(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
