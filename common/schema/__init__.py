"""The OpenAPI document, generated with drf-spectacular from what views and serializers declare.

`operations` generates the operations, `errors` their errors, `components` and `headers` the parts that they share,
`pages` the answers of lists, and `fields` the schemas of our serializer fields. `sharing` is the last step.
"""

from common.schema import fields  # noqa: F401 - drf-spectacular finds extensions when their module is imported
from common.schema.errors import codes
from common.schema.operations import WARNING, EnvelopeSchema, bases_without_text
from common.schema.pages import CountSerializer, page_of
from common.schema.sharing import share_responses, simplify_references

__all__ = [
    "WARNING",
    "CountSerializer",
    "EnvelopeSchema",
    "bases_without_text",
    "codes",
    "page_of",
    "share_responses",
    "simplify_references",
]
