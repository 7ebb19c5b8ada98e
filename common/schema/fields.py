"""Schemas of our serializer fields and authentication; drf-spectacular finds these classes by itself."""

# mypy: disable-error-code="no-untyped-call"

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from common.pagination import PLACE, PlaceField
from common.rows import Derived, Siblings, ZeroOrOne
from common.schema.components import EXAMPLE_CURSOR, ID, READ_TIME, WRITTEN_TIME, Schema
from common.serializers import IdField, WireTime


class ComputedFieldSchema(OpenApiSerializerFieldExtension):
    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return auto_schema._map_serializer_field(self.target.child, direction)


class DerivedFieldSchema(ComputedFieldSchema):
    target_class = Derived


class SiblingsFieldSchema(ComputedFieldSchema):
    target_class = Siblings


class ZeroOrOneFieldSchema(OpenApiSerializerFieldExtension):
    target_class = ZeroOrOne

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**schema, "maxItems": 1}


class IdFieldSchema(OpenApiSerializerFieldExtension):
    target_class = IdField
    match_subclasses = True

    def map_serializer_field(self, *_: Any) -> Schema:
        return dict(ID)


class PlaceFieldSchema(OpenApiSerializerFieldExtension):
    target_class = PlaceField

    def map_serializer_field(self, *_: Any) -> Schema:
        return {"type": "string", "pattern": f"^({PLACE.pattern})$", "examples": [EXAMPLE_CURSOR]}


class WireTimeSchema(OpenApiSerializerFieldExtension):
    target_class = WireTime
    match_subclasses = True

    def map_serializer_field(self, _: AutoSchema, direction: Any) -> Schema:
        return dict(READ_TIME if direction == "request" else WRITTEN_TIME)


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.TokenAuthentication"
    name = "JWT-auth"
    priority = 1

    def get_security_definition(self, *_: Any) -> Schema:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Paste the access token alone, without the word Bearer.",
        }
