"""Input serializers: strict validation of what a client sent. Output is in `common/rows.py`."""

import re
from functools import cache, cached_property
from math import isfinite
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import MaxLengthValidator
from django.utils.text import format_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import get_error_detail
from rest_framework.utils import html

from common.fields import OBJECT_ID
from common.keys import reasons_of_unknown, unknown_keys
from common.refusals import Text

RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:(?P<second>[0-5]\d|60)(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
# Numbers in forms and query strings. Python accepts much more: 1_000, ١٢, " 5 ", +5, 1e3, nan.
WHOLE_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)
NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,19})?", re.ASCII)

# Messages of rules. The name of the field precedes them: `minute: must be between 0 and 10080`.
ALWAYS: dict[str, Text] = {"required": _("is required"), "null": _("must not be null")}


class IdField(serializers.CharField):
    """An id on the wire: 24 lower-case hexadecimal characters."""

    default_error_messages: ClassVar = {**ALWAYS, "id": _("must be 24 lower-case hexadecimal characters")}

    def to_internal_value(self, data: Any) -> str:
        if not (isinstance(data, str) and OBJECT_ID.fullmatch(data)):
            self.fail("id")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # Unlike in other text fields, an empty text does not count as missing.
        return serializers.Field.run_validation(self, data)


class WithoutCycles(serializers.Field):
    """Breaks the reference cycle of Django's ValidationError, which keeps all frames of the stack alive."""

    def run_validators(self, value: Any) -> None:
        details: list[Any] = []
        for validator in self.validators:
            try:
                validator(value)  # type: ignore[call-arg]  # none of ours asks for the field
            except DjangoValidationError as error:
                details += get_error_detail(error)
                error.error_list = []
        if details:
            raise serializers.ValidationError(details)


class StrictString(WithoutCycles, serializers.CharField):
    """Accepts strings only; DRF would accept numbers and booleans too."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        "invalid": _("must be text"),
        "blank": _("must not be empty"),
        "max_length": _("must have at most {max_length} characters"),
        "min_length": _("must have at least {min_length} characters"),
    }

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text: str = super().to_internal_value(data)
        # Refused before the validators, which read every character.
        if self.max_length is not None and len(text) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return text


def between(low: float, high: float) -> dict[str, Text]:
    """The messages of a number that has both bounds."""
    message = format_lazy(_("must be between {low} and {high}"), low=low, high=high)
    return {"min_value": message, "max_value": message}


class StrictInteger(WithoutCycles, serializers.IntegerField):
    """Accepts whole numbers; strings of digits only in forms and query strings, which have no numbers."""

    default_error_messages: ClassVar = {**ALWAYS, "invalid": _("must be a whole number")}

    def __init__(self, *, min_value: int, max_value: int, **kwargs: Any) -> None:
        super().__init__(
            min_value=min_value, max_value=max_value, error_messages=between(min_value, max_value), **kwargs
        )

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str):
            if not (from_form(self) and WHOLE_NUMBER.fullmatch(data)):
                self.fail("invalid")
        elif isinstance(data, bool) or not (isinstance(data, int) or (isinstance(data, float) and data.is_integer())):
            # 60.0 is whole too: JSON has one type of number.
            self.fail("invalid")
        return super().to_internal_value(data if isinstance(data, str) else int(data))


class StrictNumber(WithoutCycles, serializers.FloatField):
    """Accepts numbers; strings of digits with a point only in forms and query strings."""

    default_error_messages: ClassVar = {**ALWAYS, "invalid": _("must be a number")}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, str):
            if not (from_form(self) and NUMBER.fullmatch(data)):
                self.fail("invalid")
        elif isinstance(data, bool) or not isinstance(data, (int, float)) or not isfinite(data):
            self.fail("invalid")
        return float(data)


class StrictBoolean(serializers.BooleanField):
    """Accepts true and false; strings only in forms and query strings."""

    default_error_messages: ClassVar = {**ALWAYS, "invalid": _("must be true or false")}

    def to_internal_value(self, data: Any) -> bool:
        words = {"true": True, "false": False} if from_form(self) else {}
        value = words.get(data, data) if isinstance(data, str) else data
        if not isinstance(value, bool):
            self.fail("invalid")
        return value


class StrictChoice(serializers.ChoiceField):
    default_error_messages: ClassVar = {**ALWAYS, "unknown": _("must be one of {choices}")}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("unknown", choices=", ".join(self.choices))
        return data


class StrictList(serializers.ListField):
    """A list whose length is checked first; DRF would validate every item before."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        "not_a_list": _("must be a list"),
        "max_length": _("must have at most {max_length} items"),
        "min_length": _("must have at least {min_length} items"),
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        self.most = max_length

    def to_internal_value(self, data: Any) -> list[Any]:
        refuse_unless_bounded_list(self, data, self.most)
        values: list[Any] = self.run_child_validation(data)
        return values


class StrictMultipleChoice(serializers.MultipleChoiceField):
    """Some of the choices, in any order. A list that is longer than the choices is refused first."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        "not_a_list": _("must be a list"),
        "max_length": _("must have at most {max_length} items"),
        "unknown": _("must be one of {choices}"),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # For the OpenAPI document only: `to_internal_value` has refused such lists already.
        self.validators.append(MaxLengthValidator(len(self.choices)))

    def to_internal_value(self, data: Any) -> tuple[str, ...]:  # type: ignore[override]  # sorted: part of a cache key
        refuse_unless_bounded_list(self, data, len(self.choices))
        if not all(isinstance(value, str) and value in self.choices for value in data):
            self.fail("unknown", choices=", ".join(self.choices))
        return tuple(sorted(set(data)))


def refuse_unless_bounded_list(field: serializers.Field, data: Any, max_length: int) -> None:
    """Checks type and length before any item is read. Raises ValidationError."""
    if not isinstance(data, list):
        field.fail("not_a_list")
    if len(data) > max_length:
        field.fail("max_length", max_length=max_length)


class WireTime(serializers.DateTimeField):
    """A time with its UTC offset; a time without one would be ambiguous."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        **dict.fromkeys(
            ("invalid", "overflow"),
            _("must be an ISO 8601 time with a time zone, such as 2026-01-15T10:30:00.000Z"),
        ),
        "leap_second": _("must not be a leap second (:60); send the second before or after it"),
    }

    def to_internal_value(self, value: Any) -> Any:
        written = RFC_3339.fullmatch(value) if isinstance(value, str) else None
        if written is None:
            self.fail("invalid")
        if written["second"] == "60":
            self.fail("leap_second")
        try:
            # RFC 3339 allows t and z; Python does not read them.
            return super().to_internal_value(value.upper())
        except OverflowError:
            self.fail("invalid")


class InputSerializer(serializers.Serializer[Any]):
    """Validates a body or a query. Instances are cached, because building one costs more than running it.

    Keys that are neither fields, nor in `ignored_keys`, nor in `settings.IGNORED_KEYS` are refused: ignoring a
    misspelt key would do something else than the client wants.
    """

    default_error_messages: ClassVar = dict.fromkeys(("invalid", "null"), _("body: must be a JSON object"))
    from_form: bool = False
    # Whether an empty value of a form or query string counts as absent. Browsers send the empty fields of forms.
    empty_is_absent: ClassVar[bool] = True
    documented_as_form: ClassVar[bool] = False
    # Keys that clients may send and that are ignored.
    ignored_keys: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """The values of `data` (parsed JSON, a form or a query string) by source name. Raises ValidationError."""
        is_form = html.is_html_input(data)
        serializer = _bound(cls, is_form, get_language())
        if isinstance(data, dict):
            serializer.refuse_unknown(data)
        # As a plain dictionary, because in a form DRF treats empty values as absent.
        values = serializer.values_of_form(data) if is_form else data
        return serializer.run_validation(values)

    @classmethod
    def validated_field(cls, data: Any, name: str) -> Any:
        """The value of the field `name` alone, so that permission can be checked before the rest is validated.

        Raises the ValidationError of the whole input when this field is not valid.
        """
        field = _bound(cls, html.is_html_input(data), get_language()).fields[name]
        try:
            return field.run_validation(data.get(name, serializers.empty) if isinstance(data, dict) else data)
        except serializers.ValidationError:
            cls.validated(data)
            raise

    def refuse_unknown(self, data: dict[str, Any]) -> None:
        """Raises ValidationError with a line for each unknown key of `data`."""
        if data.keys() <= self.accepted_keys:
            return
        known = frozenset(self.fields)
        if names := unknown_keys(data, known=known, ignored=self.ignored_keys.union(settings.IGNORED_KEYS)):
            raise serializers.ValidationError(reasons_of_unknown(names, known))

    @cached_property
    def accepted_keys(self) -> frozenset[str]:
        return self.ignored_keys.union(self.fields)

    def values_of_form(self, form: Any) -> dict[str, Any]:
        """The values of a form or query string. Raises ValidationError when a field of one value is repeated."""
        found: dict[str, Any] = {}
        repeated: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name not in form:
                continue
            values = form.getlist(name)
            if self.empty_is_absent and not field.required and all(value == "" for value in values):
                continue
            if isinstance(field, serializers.ListField):
                found[name] = items_of(values)
            elif isinstance(field, serializers.MultipleChoiceField):
                found[name] = values
            elif len(values) == 1:
                found[name] = values[0]
            else:
                # No standard defines which of them counts, and servers differ.
                repeated[name] = [_("must not be repeated")]
        if repeated:
            raise serializers.ValidationError(repeated)
        return found


class AtLeastOneSerializer(InputSerializer):
    """Optional fields, at least one of which must be sent: an edit that changes nothing is a mistake of the client."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = super().validate(attrs)
        if not values:
            names = ", ".join(self.fields)
            raise serializers.ValidationError(_("body: must have at least one of %(names)s") % {"names": names})
        return values


def items_of(values: list[Any]) -> Any:
    """The items of a list in a form, which has a part for each item, or one part with all items as JSON."""
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].lstrip().startswith("["):
        return values
    try:
        return orjson.loads(values[0])
    except orjson.JSONDecodeError:
        return values[0]  # the field refuses it as no list


@cache
def _bound(kind: type[InputSerializer], from_form: bool, language: str) -> InputSerializer:
    # One for each language: DRF's validators cache their message in the language of its first use.
    serializer = kind()
    serializer.from_form = from_form
    return serializer


def from_form(field: serializers.Field) -> bool:
    """Whether the input of `field` is a form or a query string, where all values are text."""
    return bool(getattr(field.root, "from_form", False))
