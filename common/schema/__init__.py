"""The OpenAPI document, generated with drf-spectacular from what views and serializers declare.

`operations` writes each operation, `components` the parts that they share, `pages` what lists answer, and `fields` how
our fields look.
"""

from common.schema import fields  # noqa: F401 - drf-spectacular finds extensions when their module is imported
from common.schema.components import EXAMPLE_ID, SHARED
from common.schema.operations import WARNING, EnvelopeSchema, bases_without_text
from common.schema.pages import page_of

__all__ = ["EXAMPLE_ID", "SHARED", "WARNING", "EnvelopeSchema", "bases_without_text", "page_of"]
