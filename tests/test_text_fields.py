"""Every input field for texts uses one of the two rules for texts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.utils.module_loading import import_string
from rest_framework import serializers

from common.pagination import PlaceField
from common.serializers import IdField, InputSerializer
from common.text_fields import ManyLines, ManyLinesFormField, OneLine, SearchedText

# Account names, which have separate rules, and opaque values that are only compared.
OPAQUE = {
    "LoginSerializer.username",
    "LoginSerializer.password",
    "RefreshTokenSerializer.refreshToken",
    "RevocationsQuery.since",
    "ListBansQuery.targetUser",
    "BulkBanSerializer.targets",
    "ImportedBanSerializer.targetUsername",
    "RegisterDeviceSerializer.deviceId",
    "RegisterDeviceSerializer.token",
}
ROOT = Path(__file__).parents[1]
APPS = ("accounts", "bans", "common", "edges", "livestreams", "reminders")
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if path.name in {"serializers.py", "pagination.py", "admin.py"}
]


def every_kind(of: type[Any]) -> Iterator[type[Any]]:
    for kind in of.__subclasses__():
        yield kind
        yield from every_kind(kind)


def text_fields() -> dict[str, serializers.Field]:
    for module in MODULES:
        import_string(f"{module}.__name__")
    found: dict[str, serializers.Field] = {}
    for kind in every_kind(InputSerializer):
        if kind.__module__.split(".")[0] not in APPS:
            continue  # a serializer of another test
        for name, field in kind().fields.items():
            whole = getattr(field, "child", field)
            if isinstance(whole, serializers.CharField) and not isinstance(whole, (IdField, PlaceField)):
                found[f"{kind.__name__}.{name}"] = whole
    return found


def test_every_text_of_the_api_and_the_import_has_a_rule() -> None:
    fields = text_fields()
    assert {
        "CreateStreamSerializer.title",
        "EditStreamSerializer.motivation",
        "CreateBanSerializer.reason",
        "BulkBanSerializer.reason",
        "ImportedBanSerializer.reason",
        "AppealBanSerializer.text",
        "ListStreamsQuery.search",
        "ViewersQuery.search",
    } <= fields.keys()

    without = {name for name, field in fields.items() if not isinstance(field, (OneLine, ManyLines, SearchedText))}

    assert without <= OPAQUE
    assert fields.keys() >= OPAQUE, "an exception that is none any more"


def test_every_text_of_a_form_of_the_admin_has_a_rule() -> None:
    ours = [kind for kind in every_kind(forms.Form) if kind.__module__.split(".")[0] in APPS]
    texts = {
        f"{kind.__name__}.{name}": field
        for kind in ours
        for name, field in kind.base_fields.items()
        # Subclasses, for example for email addresses and passwords, have their own rules.
        if type(field) is forms.CharField or isinstance(field, ManyLinesFormField)
    }
    passwords = {name for name in texts if "password" in name}
    compared = {"PersonBanForm.find", "DecisionForm.seen"}  # a search and a version, which are not stored

    assert {"ReasonForm.reason", "ChangeForm.reason"} <= texts.keys()
    plain = {name for name, field in texts.items() if type(field) is forms.CharField}
    assert plain - passwords == compared


@pytest.mark.parametrize("name", ["CreateStreamSerializer.title", "CreateStreamSerializer.motivation"])
def test_the_rules_have_a_pattern_for_clients(name: str) -> None:
    field: Any = text_fields()[name]
    for good in ("a", " a\n", "👨‍👩‍👧", "می‌خواهم", "विद्या", "\u2067a\u2069", "ş"):
        assert re.search(field.pattern, good), good
    for bad in ("a\x1bb", "a\u202eb", "a\u2028b"):
        assert not re.search(field.pattern, bad), ascii(bad)
    assert bool(re.search(field.pattern, "a\nb")) is isinstance(field, ManyLines)
