"""Every action that the code writes has a sentence, and every text of the trail is in both languages."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.utils.functional import Promise
from django.utils.translation import override

from common.admin.audit_registry import actions, actions_of, add_action, add_group, add_kind, fields_of, groups, kinds
from common.admin.audit_trail import ENTRY_POINTS
from tests.admin.trail.written import Actions

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# The same word in both languages.
SAME = {"API", "ban"}


@cache
def written() -> Actions:
    return Actions()


# Their rows are kept for years.
OF_EARLIER_VERSIONS = {"refresh_session"}


def test_every_call_that_writes_an_audit_row_names_its_action() -> None:
    assert written().unknown == []
    assert len(written().names) > 40


def test_every_action_that_the_code_writes_has_a_sentence_and_no_other() -> None:
    assert set(written().names) - set(actions()) == set(), written().names
    assert set(actions()) - set(written().names) == OF_EARLIER_VERSIONS


@pytest.mark.parametrize("name", sorted(actions()))
def test_a_sentence_has_its_actor_and_names_that_its_kind_has(name: str) -> None:
    action = actions()[name]
    kind = kinds()[action.kind]
    known = {"actor", "target", kind.own, *kind.refers, *fields_of(kind.name)} - {""}

    for language in ("en", "tr"):
        with override(language):
            for sentence in action.sentences():
                placeholders = PLACEHOLDER.findall(str(sentence))
                assert "actor" in placeholders
                assert set(placeholders) <= known


def test_a_sentence_in_turkish_has_the_names_of_the_english_one() -> None:
    for action in actions().values():
        for sentence in action.sentences():
            with override("en"):
                english = set(PLACEHOLDER.findall(str(sentence)))
            with override("tr"):
                assert set(PLACEHOLDER.findall(str(sentence))) == english


def texts() -> Iterator[Any]:
    for action in actions().values():
        yield action.name
        yield from action.sentences()
    for kind in kinds().values():
        yield kind.label
        yield kind.gone
        yield from (field if isinstance(field, str | Promise) else field.label for field in kind.fields.values())
    yield from (group.label for group in groups())
    yield from ENTRY_POINTS.values()


def test_every_text_of_the_trail_is_in_turkish() -> None:
    missing = []
    for text in texts():
        assert isinstance(text, Promise), f"{text} is not marked for translation"
        with override("en"):
            english = str(text)
        with override("tr"):
            if str(text) == english and english not in SAME:
                missing.append(english)
    assert missing == []


def test_no_name_in_a_turkish_sentence_has_a_suffix() -> None:
    """A suffix depends on the last vowel of the name, so a sentence must not need one."""
    with override("tr"):
        for action in actions().values():
            for sentence in action.sentences():
                assert not re.search(r"\)s['’\w]", str(sentence)), sentence


def test_every_action_is_in_one_group_and_every_group_has_actions() -> None:
    names = [group.name for group in groups()]
    assert names == ["moderation", "streams", "sign-ins", "system"]
    assert sorted(name for group in names for name in actions_of(group)) == sorted(actions())
    assert all(map(actions_of, names))


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="ban_user"):
        add_action(actions()["ban_user"])
    with pytest.raises(ValueError, match="moderation"):
        add_group(groups()[0])
    with pytest.raises(ValueError, match="livestreamban"):
        add_kind(kinds()["livestreamban"])
