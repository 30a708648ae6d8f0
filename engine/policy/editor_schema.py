"""The JSON Schema of a policy file. Editors complete and check the file with it.

The file is schemas/json/policy.schema.json; `mandaat policy schema` prints it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from engine.policy.document import PolicyDocument


def policy_schema() -> str:
    """The JSON Schema (draft 2020-12) of a policy file, as the text of schemas/json/policy.schema.json."""
    return schema_text(PolicyDocument, "Mandaat policy")


def schema_text(model: type[BaseModel], title: str) -> str:
    """The JSON Schema (draft 2020-12) of a file that people write."""
    schema = _for_editors(model.model_json_schema(by_alias=True))
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _for_editors(part: Any) -> Any:
    """The schema without null, because an empty value is an error, and without additional properties."""
    if isinstance(part, list):
        return [_for_editors(item) for item in part if item != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    kept = {key: _for_editors(value) for key, value in part.items() if not _is_noise(key, value)}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    choices = kept.get("anyOf")
    return {**choices[0], **_without(kept, "anyOf")} if choices and len(choices) == 1 else kept


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def _without(part: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != name}
