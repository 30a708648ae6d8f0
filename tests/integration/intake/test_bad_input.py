"""Every kind of bad input among good cases: the cases are accepted, and bad input is kept with a reason."""

from __future__ import annotations

from typing import Any

from deploy.local.stack import Stack
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.reading import read
from tests.builders.bodies import LEFT_OUT, as_bytes, nested
from tests.builders.cases import a_case_body
from tests.builders.events import STRUCTURED, an_inbound_event, binary_headers
from tests.integration.intake.conftest import MARK, letters_of, publish, records_of
from tests.raw_records import NOT_UTF8_NAME, Raw, RawName
from tests.waiting import eventually


def _bad(tenant: str) -> dict[str, tuple[str, Raw]]:
    """Name -> reason and record."""

    def case(**changes: Any) -> bytes:
        return as_bytes(a_case_body(tenant=tenant, **changes))

    event = as_bytes(an_inbound_event(a_case_body(tenant=tenant)))
    key = f"{tenant}/c-1".encode()
    return {
        "not json": ("not_json", Raw(b"hello", key)),
        "not utf-8": ("not_utf8", Raw(b"\xff\xfe" + case(), key)),
        "empty": ("empty", Raw(b"", key)),
        "null": ("null_value", Raw(None, key)),
        "null content-type": ("bad_header", Raw(case(), key, [("content-type", None)])),
        "content-type not utf-8": ("bad_header", Raw(event, key, [("content-type", b"\xff\xfe")])),
        "null ce_": ("bad_header", Raw(case(), key, [*binary_headers(), ("ce_subject", None)])),
        "ce_ not utf-8": ("bad_header", Raw(event, key, [*STRUCTURED, ("ce_id", b"\xff")])),
        "2 MB": ("too_large", Raw(case(subject="x" * 2 * 1024 * 1024), key)),
        "too deep": ("too_deep", Raw(case(facts=nested(32)), key)),
        "nan": ("not_json", Raw(case(facts={"n": float("nan")}), key)),
        "1e3": ("invalid", Raw(case(amount="1e3"), key)),
        "-5": ("invalid", Raw(case(amount="-5"), key)),
        "12,50": ("invalid", Raw(case(amount="12,50"), key)),
        "45.001": ("invalid", Raw(case(amount="45.001"), key)),
        "currency": ("unknown_currency", Raw(case(currency="XXY"), key)),
        "type": ("unknown_type", Raw(as_bytes(an_inbound_event(type="com.example.ticket")), key, STRUCTURED)),
        "missing": ("missing_field", Raw(case(kind=LEFT_OUT), key)),
        "key": ("key_mismatch", Raw(case(case_id="c-2"), key)),
        "key not utf-8": ("key_mismatch", Raw(case(), b"\xff\xfe")),
        "header name": ("header_name_not_utf8", Raw(case(case_id="c-bad"), None, [(RawName("x"), b"1")])),
    }


async def test_each_bad_record_is_kept_with_its_reason_and_its_neighbours_are_accepted(
    intake: Stack, tenant: str
) -> None:
    bad = _bad(tenant)
    records: list[Raw] = []
    for name, (_, raw) in bad.items():
        good = as_bytes(a_case_body(case_id=f"after {name}", tenant=tenant))
        mark = (MARK, f"{tenant}/{name}".encode())
        records += [
            raw._replace(headers=[*raw.headers, mark]),
            Raw(good, None, [("other", None), ("x", b"\xff")]),
        ]
    await publish(intake.bootstrap, records)

    async def all_good() -> bool:
        passed = await records_of(intake.bootstrap, "mandaat.cases", tenant)
        cases = [read(CloudEvent[Case], record.value).data.case_id for record in passed]
        return sorted(cases) == sorted(f"after {name}" for name in bad)

    await eventually(all_good, seconds=30)

    async def all_kept() -> bool:
        return set(await letters_of(intake.bootstrap, tenant)) == set(bad)

    await eventually(all_kept, seconds=30)
    for name, letter in (await letters_of(intake.bootstrap, tenant)).items():
        reason, raw = bad[name]
        assert (name, letter.reason) == (name, reason)
        assert letter.detail.endswith(".") or ":" in letter.detail
        assert (letter.service, letter.topic, letter.partition) == ("intake", "mandaat.inbound", 0)
        assert letter.offset is not None
        assert (letter.key, letter.value) == (raw.key, raw.value)
        if name == "header name":
            assert letter.headers[0] == (NOT_UTF8_NAME.decode(errors="backslashreplace"), b"1")
        else:
            assert letter.headers[:-1] == tuple(raw.headers)
    assert intake.running("intake")
