"""The OpenAPI document, generated with drf-spectacular from what views and serializers declare.

`operations` generates the operations, `components` the parts that they share, `pages` the answers of lists, and
`fields` the schemas of our serializer fields.
"""

from common.schema import fields  # noqa: F401 - drf-spectacular finds extensions when their module is imported
from common.schema.components import EXAMPLE_ID, SHARED
from common.schema.operations import WARNING, EnvelopeSchema, bases_without_text
from common.schema.pages import CountSerializer, page_of

__all__ = ["EXAMPLE_ID", "SHARED", "WARNING", "CountSerializer", "EnvelopeSchema", "bases_without_text", "page_of"]
