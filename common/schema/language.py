"""The OpenAPI document in another language than English."""

from copy import deepcopy

from django.utils.translation import gettext, override

from common.document_texts import translate
from common.examples import give_examples
from common.schema.components import Schema


def in_language(document: Schema, language: str) -> Schema:
    """A translated copy. Texts that the catalogue does not have stay English."""
    translated = deepcopy(document)
    with override(language):
        translate(translated, gettext)
    give_examples(translated, language)
    return translated
