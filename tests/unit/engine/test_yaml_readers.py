"""What the fast reader of YAML takes, it reads as the exact one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy.local
from engine.policy.problems import PolicyProblems
from engine.policy.yaml.events import NotReadError, exact_events, fast_events
from engine.policy.yaml.tree import Node, parse_yaml, read_tree

RETAIL = (Path(deploy.local.__path__[0]) / "retail" / "policy.yaml").read_text()
POLICY = """\
policy: acme   # a comment
roles:
  agent: {}
  senior: {extends: [agent, "lead"]}
mandates:
  - {id: a, grants: "*", when: "facts.x >= 2 && !facts.y", limit: 5.50}
  -
    id: b
    limit: 'it''s'
    when: facts.x
      > 2
  - id: c
    when: "é€😀 \\u00e9 \\\\
      b"
"""


def _flat(node: Node) -> Any:
    """All of a node; an empty one's place is not told alike, and nothing is said of it but by its key."""
    if node.text == "" and node.style is None:
        return None
    items = None if node.items is None else [_flat(item) for item in node.items]
    entries = {name: (_flat(key), _flat(value)) for name, (key, value) in (node.entries or {}).items()}
    source = node.source[node.start : node.end].rstrip()
    return (node.spot, node.text, node.value, node.start, source, node.style, items, entries)


def _read(text: str, events: Any) -> Any:
    try:
        tree, problems = read_tree(text, events(text))
    except PolicyProblems as found:
        return sorted(one.text for one in found.problems)
    return _flat(tree), sorted(one.text for one in problems)


def _is_read_fast(text: str) -> bool:
    try:
        list(fast_events(text))
    except NotReadError:
        return False
    return True


@pytest.mark.parametrize(
    "text", [RETAIL, POLICY, POLICY.replace("\n", "\r\n"), '{"a": [1, true, {"b": null}]}']
)
def test_policies_as_they_are_written_are_read_fast_and_alike(text: str) -> None:
    assert _is_read_fast(text)
    assert _read(text, fast_events) == _read(text, exact_events)


@pytest.mark.parametrize(
    "text",
    [
        "%YAML 1.2\n---\na: b",
        "\ufeffa: b",
        "a: b\x85c: d",
        "a: b\u2028c",
        "a:\tb",
        "a: &x [1]",
        "a: &x b\nc: *x",
        "a: !x b",
        "a: !!str b",
        "a: |\n  b\n",
        "a: >-\n  b\n",
        '"\\ud83d\\ude00": b',
        "a: b: c",
        "[a",
        '["a":1]',  # ruamel.yaml refuses it, and would only where something else made it read the text
        '["a": 1]',
        "[a: 1]",
        "0x1F:...\n...\n...\n",
    ],
)
def test_what_the_versions_of_yaml_may_read_otherwise_is_left_to_the_exact_reader(text: str) -> None:
    assert not _is_read_fast(text)


PIECES = [
    *"abé€: \n-?#*&!|>'\"%@`[]{},\\~0.=<",
    *("\n  ", ": ", "- ", "? ", "<<: ", "{a:1}", '"a":1', " #", '""', "---\n", "...\n", "\r\n", "\\/"),
]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_what_both_read_they_read_alike_whatever_is_changed_in_it(data: st.DataObject) -> None:
    text = POLICY
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        at = data.draw(st.integers(0, len(text)), "at")
        cut = data.draw(st.integers(0, 3), "cut")
        text = text[:at] + data.draw(st.sampled_from(PIECES), "piece") + text[at + cut :]
    try:
        fast = _read(text, fast_events)
    except NotReadError:
        return
    assert fast == _read(text, exact_events), "nothing is allowed to differ, nor to be refused by one"


@pytest.mark.parametrize("unrelated", ["", "\tx: 1", "{b: &c 1}", "%", "..."])
def test_a_pair_in_a_list_is_read_or_not_whatever_else_stands_in_the_file(unrelated: str) -> None:
    for pair, taken in (('["k":1, 2]', False), ('["k": 1, 2]', True)):
        text = f"a: {pair}\n# {unrelated}\nb: [{unrelated if '&' in unrelated else 1}]\n"
        try:
            parse_yaml(text)
        except PolicyProblems:
            assert not taken
        else:
            assert taken
