"""Which entries of the audit trail name an erased person or have texts of or about them, and what replaces these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from common.canonical import COLUMNS, Row
from common.personal_data import ERASED, followed_kinds, ids_of_kinds, texts_of_kinds, trail_keys
from common.texts import folded
from common.word_search import words_of

# The places of a row in the canonical form.
ID, ACTOR, NAME, ACTION, KIND, TARGET, BEFORE, AFTER, REASON = map(
    COLUMNS.index, ["id", "actor_id", "actor_name", "action", "target_type", "target_id", "before", "after", "reason"]
)


@dataclass(frozen=True)
class Keys:
    """Keys of `before` and `after`, by kind of target, and the kinds `followed`: see `common.personal_data`."""

    followed: frozenset[str]
    texts: Mapping[str, frozenset[str]]
    ids: Mapping[str, frozenset[str]]
    names: Mapping[str, frozenset[str]]
    searches: Mapping[str, frozenset[str]]


def declared_keys() -> Keys:
    declared = trail_keys()
    return Keys(
        followed=followed_kinds(),
        texts=texts_of_kinds(),
        ids=ids_of_kinds(),
        names={each.kind: each.names for each in declared},
        searches={each.kind: each.searches for each in declared if each.searches},
    )


@dataclass(frozen=True)
class Erased:
    """A person to erase.

    `names` are the usernames, which `tombstone` replaces, `folded` all names in folded form, `email` the address.
    Former usernames are added when an entry of the person tells of them, and `is_free` says that nobody else has them.
    `creating` are the actions with which people make rows of their own. `targets` are the ids of the rows about the
    person; those of removed rows are added when an entry tells that they were. Entries of the actions `kept` are those
    of the erasure itself.
    """

    person: str
    tombstone: str
    names: set[str]
    is_free: Callable[[str], bool]
    folded: str
    email: str
    keys: Keys
    creating: frozenset[str]
    kept: frozenset[str]
    targets: set[str] = field(default_factory=set)

    def size(self) -> int:
        """It grows when an entry tells of another row or name of the person."""
        return len(self.targets) + len(self.names)

    def patterns(self) -> list[str]:
        """For LIKE: what the text of `before` or `after` has, if an entry of other people names the person."""
        quoted = [orjson.dumps(text).decode() for text in (self.person, *sorted(self.names))]
        return [f"%{_escaped(text)}%" for text in quoted]

    def email_pattern(self) -> str | None:
        return f"%{_escaped(self.email)}%" if self.email else None

    def redacted(self, row: Row) -> Row | None:
        """The row with what replaces names and texts; None if it has none. Its JSON is not normalized yet."""
        if row[ACTION] in self.kept:
            return None
        before, after = orjson.loads(row[BEFORE]), orjson.loads(row[AFTER])
        self.names.update(name for name in self._own_names(row, before, after) if self.is_free(name))
        changed, is_about = list(row), self._is_about(row, before, after)
        if row[ACTOR] == self.person:
            changed[NAME] = self.tombstone
        changed[REASON] = self._text(row[REASON], is_erased=is_about)
        for place, state in ((BEFORE, before), (AFTER, after)):
            replaced = self._state(state, row, is_about=is_about)
            if replaced != state:
                changed[place] = orjson.dumps(replaced).decode()
        return None if changed == list(row) else changed

    def tells_names(self, row: Row) -> bool:
        """Whether the entry has usernames of the person. Such entries are redacted last: see `audit_redaction`."""
        keys = self._keys_of_own_names(row)
        return any(orjson.loads(row[place]).get(key) for place in (BEFORE, AFTER) for key in keys)

    def _own_names(self, row: Row, before: Any, after: Any) -> set[str]:
        keys = self._keys_of_own_names(row)
        return {state[key] for state in (before, after) for key in keys if state.get(key)} - {self.tombstone}

    def _keys_of_own_names(self, row: Row) -> frozenset[str]:
        return self.keys.names.get(row[KIND], frozenset()) if row[TARGET] == self.person else frozenset()

    def _is_about(self, row: Row, before: Any, after: Any) -> bool:
        is_own = row[ACTOR] == self.person
        ids = self.keys.ids.get(row[KIND], frozenset())
        is_named = any(state.get(key) == self.person for state in (before, after) for key in ids)
        if row[KIND] in self.keys.followed and (is_named or (is_own and row[ACTION] in self.creating)):
            self.targets.add(row[TARGET])
        return is_own or is_named or row[TARGET] in self.targets

    def _state(self, state: dict[str, Any], row: Row, *, is_about: bool) -> dict[str, Any]:
        return {key: self._value(value, key, row, is_about=is_about) for key, value in state.items()}

    def _value(self, value: Any, key: str, row: Row, *, is_about: bool) -> Any:
        match value:
            case dict():
                return self._state(value, row, is_about=is_about)
            case list():
                return [self._value(each, key, row, is_about=is_about) for each in value]
            case str() if key in self.keys.names.get(row[KIND], ()):
                return self.tombstone if value in self.names or row[TARGET] == self.person else value
            case str() if key in self.keys.searches.get(row[KIND], ()):
                return self._text(value, is_erased=self._is_search_for_it(value))
            case str():
                return self._text(value, is_erased=is_about and key in self.keys.texts.get(row[KIND], ()))
        return value

    def _is_search_for_it(self, text: str) -> bool:
        words = words_of(folded(text))
        return bool(words) and all(word in self.folded for word in words)

    def _text(self, text: str, *, is_erased: bool) -> str:
        """A text with the address of the person is erased whole."""
        if is_erased or (self.email and self.email.casefold() in text.casefold()):
            return ERASED if text else ""
        return text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
