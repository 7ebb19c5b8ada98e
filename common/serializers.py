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
# Numbers as forms and addresses write them. Python reads much more: 1_000, ١٢, " 5 ", +5, 1e3, nan.
WHOLE_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)
NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,19})?", re.ASCII)

# How rules are told, after the name of the field: `minute: must be between 0 and 10080`.
ALWAYS: dict[str, Text] = {"required": _("is required"), "null": _("must not be null")}


class IdField(serializers.CharField):
    """An id on the wire: 24 lower-case hexadecimal characters."""

    default_error_messages: ClassVar = {**ALWAYS, "id": _("must be 24 lower-case hexadecimal characters")}

    def to_internal_value(self, data: Any) -> str:
        if not (isinstance(data, str) and OBJECT_ID.fullmatch(data)):
            self.fail("id")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # Unlike other text, an empty id is not a missing one.
        return serializers.Field.run_validation(self, data)


class WithoutCycles(serializers.Field):
    """Django's ValidationError holds itself, and with it all calls on the stack, until the cycle collector comes."""

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
    """Text that was sent as text: DRF would take a number or a boolean for it."""

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
        # The validators look at every character, so what is too long does not get that far.
        if self.max_length is not None and len(text) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return text


def between(low: float, high: float) -> dict[str, Text]:
    """The messages of a number that has both bounds."""
    message = format_lazy(_("must be between {low} and {high}"), low=low, high=high)
    return {"min_value": message, "max_value": message}


class StrictInteger(WithoutCycles, serializers.IntegerField):
    """A whole number sent as one; digits in text count only in forms and addresses, which know nothing else."""

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
            # 60.0 is whole as well: JSON has one kind of number.
            self.fail("invalid")
        return super().to_internal_value(data if isinstance(data, str) else int(data))


class StrictNumber(WithoutCycles, serializers.FloatField):
    """A number sent as one; as text, in digits with a point, only in forms and addresses."""

    default_error_messages: ClassVar = {**ALWAYS, "invalid": _("must be a number")}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, str):
            if not (from_form(self) and NUMBER.fullmatch(data)):
                self.fail("invalid")
        elif isinstance(data, bool) or not isinstance(data, (int, float)) or not isfinite(data):
            self.fail("invalid")
        return float(data)


class StrictBoolean(serializers.BooleanField):
    """true or false, sent as one; as text only in forms and addresses."""

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
    """A list with a bound. DRF would validate every item before it looks at the length."""

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
    """Some of the choices, in any order; more values than there are choices are refused unread."""

    default_error_messages: ClassVar = {
        **ALWAYS,
        "not_a_list": _("must be a list"),
        "max_length": _("must have at most {max_length} items"),
        "unknown": _("must be one of {choices}"),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # For the document; `to_internal_value` has refused such lists already.
        self.validators.append(MaxLengthValidator(len(self.choices)))

    def to_internal_value(self, data: Any) -> tuple[str, ...]:  # type: ignore[override]  # sorted: part of a cache key
        refuse_unless_bounded_list(self, data, len(self.choices))
        if not all(isinstance(value, str) and value in self.choices for value in data):
            self.fail("unknown", choices=", ".join(self.choices))
        return tuple(sorted(set(data)))


def refuse_unless_bounded_list(field: serializers.Field, data: Any, max_length: int) -> None:
    """Type and length, before any work is done for an item. Raises ValidationError."""
    if not isinstance(data, list):
        field.fail("not_a_list")
    if len(data) > max_length:
        field.fail("max_length", max_length=max_length)


class WireTime(serializers.DateTimeField):
    """A moment with its time zone; without one nobody could tell which moment is meant."""

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
    """What somebody sent. Unlike DRF's it is bound once and shared: building it costs more than running it.

    Keys that are neither fields, nor in `ignored_keys`, nor in `settings.IGNORED_KEYS` are refused: a misspelt key that
    is ignored asks for something else than its sender means.
    """

    default_error_messages: ClassVar = dict.fromkeys(("invalid", "null"), _("body: must be a JSON object"))
    from_form: bool = False
    # A form sends its empty fields, too; an address has no reason to name what it leaves empty.
    empty_is_absent: ClassVar[bool] = True
    documented_as_form: ClassVar[bool] = False
    # What clients may send although nothing reads it.
    ignored_keys: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """`data` (parsed JSON, a form, or an address's query) in the names of the domain; raises ValidationError."""
        is_form = html.is_html_input(data)
        serializer = _bound(cls, is_form, get_language())
        if isinstance(data, dict):
            serializer.refuse_unknown(data)
        # As a plain dictionary: of a form's values, DRF takes the empty ones for absent ones.
        values = serializer.taken_from(data) if is_form else data
        return serializer.run_validation(values)

    @classmethod
    def validated_field(cls, data: Any, name: str) -> Any:
        """The value of the field `name` alone, so that permission can be checked before the rest is validated.

        Raises the ValidationError of the whole when this field is not valid.
        """
        field = _bound(cls, html.is_html_input(data), get_language()).fields[name]
        try:
            return field.run_validation(data.get(name, serializers.empty) if isinstance(data, dict) else data)
        except serializers.ValidationError:
            cls.validated(data)
            raise

    def refuse_unknown(self, data: dict[str, Any]) -> None:
        """Raises ValidationError with a line for each key of `data` that nothing takes."""
        if data.keys() <= self.taken_keys:
            return
        known = frozenset(self.fields)
        if names := unknown_keys(data, known=known, ignored=self.ignored_keys.union(settings.IGNORED_KEYS)):
            raise serializers.ValidationError(reasons_of_unknown(names, known))

    @cached_property
    def taken_keys(self) -> frozenset[str]:
        return self.ignored_keys.union(self.fields)

    def taken_from(self, form: Any) -> dict[str, Any]:
        """The values of a form or query. Raises ValidationError when a field that takes one value is repeated."""
        taken: dict[str, Any] = {}
        repeated: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name not in form:
                continue
            values = form.getlist(name)
            if self.empty_is_absent and not field.required and all(value == "" for value in values):
                continue
            if isinstance(field, serializers.ListField):
                taken[name] = listed(values)
            elif isinstance(field, serializers.MultipleChoiceField):
                taken[name] = values
            elif len(values) == 1:
                taken[name] = values[0]
            else:
                # Which of them would count is not documented anywhere, and differs between servers.
                repeated[name] = [_("must not be repeated")]
        if repeated:
            raise serializers.ValidationError(repeated)
        return taken


class AtLeastOneSerializer(InputSerializer):
    """Optional fields, at least one of which must be sent: an edit that changes nothing is a mistake of the client."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = super().validate(attrs)
        if not values:
            names = ", ".join(self.fields)
            raise serializers.ValidationError(_("body: must have at least one of %(names)s") % {"names": names})
        return values


def listed(values: list[Any]) -> Any:
    """A list in a form: a part for each item, or all items as JSON text in one part."""
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].lstrip().startswith("["):
        return values
    try:
        return orjson.loads(values[0])
    except orjson.JSONDecodeError:
        return values[0]  # no list: the field says so


@cache
def _bound(kind: type[InputSerializer], from_form: bool, language: str) -> InputSerializer:
    # One for each language: DRF's validators keep their first message, once it has been asked for.
    serializer = kind()
    serializer.from_form = from_form
    return serializer


def from_form(field: serializers.Field) -> bool:
    """Whether what `field` reads came from a form or an address, where everything is text."""
    return bool(getattr(field.root, "from_form", False))
