"""Text fields of the API and of admin forms, which apply the rules of common/texts.py."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from rest_framework.fields import empty

from common.serializers import StrictString
from common.texts import (
    LONGEST_DECOMPOSITION,
    RULES,
    Rule,
    broken_rule,
    folded,
    normalized_line,
    normalized_lines,
)

# The part of the rules that a pattern can express. It does not cover marks of all scripts and pairs of isolates, so
# some texts that match are refused. Line breaks at the ends are trimmed.
_NOT_IN_LINE = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\ufdd0-\ufdef\ufffe\uffff"
_NOT_IN_LINES = _NOT_IN_LINE.replace(r"\x00-\x1f", r"\x00-\x08\x0b\x0c\x0e-\x1f")
_EMPTY = (
    r"\s\xad\u0300-\u036f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc"
)


class WrittenText(StrictString):
    """Text that is normalized to NFC and trimmed before its length is checked."""

    default_error_messages: ClassVar = dict(RULES)

    def normalized(self, text: str) -> str:
        return normalized_line(text)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        # Refused before normalization, which reads every character, if it is too long in any normal form.
        if self.max_length is not None and len(data) > LONGEST_DECOMPOSITION * self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(self.normalized(data))


class OneLine(WrittenText):
    """A title, a name, a short reason: visible, in one line."""

    many_lines: ClassVar[bool] = False

    @property
    def pattern(self) -> str:
        """A regular expression for ECMA-262 and Python that all accepted texts match, and some refused ones."""
        refused = _NOT_IN_LINES if self.many_lines else _NOT_IN_LINE
        visible = "" if self.allow_blank else f"[^{refused}{_EMPTY}][^{refused}]*"
        return rf"^\s*[^{refused}]*{visible}\s*$"

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if broken := broken_rule(text, many_lines=self.many_lines):
            rule, sign = broken
            self.fail(rule, sign=sign)
        return text


class ManyLines(OneLine):
    """Text that may also have tabs and line breaks. Each line break becomes LF."""

    many_lines: ClassVar[bool] = True

    def normalized(self, text: str) -> str:
        return normalized_lines(text)


class SearchedText(WrittenText):
    """Text to compare with stored text. A text that breaks the rules of stored text is valid and finds nothing."""


class FoldedText(SearchedText):
    """Text to search in a folded column. It is refused if it folds to "", which every row contains."""

    def run_validation(self, data: Any = empty) -> Any:
        # After the validators, because the length limit applies to the text as it was sent.
        text = super().run_validation(data)
        if not isinstance(text, str):
            return text
        if not (part := folded(text)):
            self.fail(Rule.INVISIBLE)
        return part


class ManyLinesFormField(forms.CharField):
    """`ManyLines` in a form of the admin."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(normalized_lines(value) if isinstance(value, str) else value)
        if text and (broken := broken_rule(text, many_lines=True)):
            rule, sign = broken
            raise ValidationError(str(RULES[rule]).format(sign=sign), code=rule)
        return text
