"""Two readers of YAML, each giving the text's events with their places.

libyaml, by PyYAML, takes a tenth of the time of ruamel.yaml, which is written in Python, and activating a
policy must not keep a worker from deciding. But libyaml knows YAML 1.1. So it reads what both versions read
alike, and ruamel.yaml reads all else; also all that libyaml refuses, to say why in one voice.
tests/unit/rules/test_yaml_readers.py holds them to each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from ruamel.yaml import YAML
from ruamel.yaml import events as exact

SCALAR: Final = (yaml.ScalarEvent, exact.ScalarEvent)
SEQUENCE: Final = (yaml.SequenceStartEvent, exact.SequenceStartEvent)
SEQUENCE_END: Final = (yaml.SequenceEndEvent, exact.SequenceEndEvent)
MAPPING_END: Final = (yaml.MappingEndEvent, exact.MappingEndEvent)
ALIAS: Final = (yaml.AliasEvent, exact.AliasEvent)
NODE: Final = (yaml.NodeEvent, exact.NodeEvent)
DOCUMENT: Final = (yaml.DocumentStartEvent, exact.DocumentStartEvent)

_READ_OTHERWISE: Final = re.compile(r"^%|^\.\.\.|[\t\ufeff\x7f-\x9f\u2028\u2029\ud800-\udfff]", re.MULTILINE)
"""Directives, ends of documents (of two in a row the libraries make another number) and tabs; characters that
YAML 1.1 takes for line breaks, or that are counted in another way."""


class NotReadError(Exception):
    """The fast reader does not read this text: the exact one reads it, or says what is wrong."""


def fast_events(text: str) -> Iterator[Any]:
    """The events by libyaml. Raises NotReadError, also in the middle."""
    parser = getattr(yaml, "CLoader", None)  # not there where PyYAML was built without libyaml
    if parser is None or _READ_OTHERWISE.search(text):
        raise NotReadError
    try:
        for event in yaml.parse(text, Loader=parser):
            if isinstance(event, yaml.NodeEvent) and (_is_read_otherwise(event) or _is_pair(event, text)):
                raise NotReadError
            yield event
    except yaml.YAMLError as error:
        raise NotReadError from error


def exact_events(text: str) -> Iterator[Any]:
    """The events by ruamel.yaml. Raises its YAMLError, ValueError or RecursionError, also in the middle."""
    return YAML(typ="safe", pure=True).parse(text)  # type: ignore[no-any-return]  # it has no types


def _is_read_otherwise(event: Any) -> bool:
    """Anchors, aliases, tags and block scalars: libyaml takes some that YAML 1.2 does not allow."""
    if event.anchor is not None:
        return True
    if isinstance(event, yaml.ScalarEvent):
        return event.tag is not None or event.style in ("|", ">")
    return event.tag is not None


def _is_pair(event: Any, text: str) -> bool:
    """A pair in a list, `["k": 1]`: ruamel.yaml refuses some that YAML allows, and would in other files."""
    if not isinstance(event, yaml.MappingStartEvent) or not event.flow_style:
        return False
    mark = event.start_mark
    return mark is not None and not text.startswith("{", mark.index)
