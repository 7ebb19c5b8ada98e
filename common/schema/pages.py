"""Answers of lists in the OpenAPI document."""

from functools import cache
from typing import Any

from django.conf import settings
from rest_framework import serializers


def type_name(kind: type[serializers.BaseSerializer[Any]]) -> str:
    """The public name of the type that a serializer declares, without the ending of request bodies."""
    name = kind.__name__.removesuffix("Serializer")
    names: dict[str, str] = settings.SCHEMA_TYPE_NAMES
    return names.get(name, name)


class Pagination(serializers.Serializer[Any]):
    currentPage = serializers.IntegerField(min_value=1)
    totalPages = serializers.IntegerField(min_value=0)
    totalItems = serializers.IntegerField(min_value=0)
    itemsPerPage = serializers.IntegerField(min_value=1, max_value=100)
    hasNextPage = serializers.BooleanField()
    hasPrevPage = serializers.BooleanField()


class CountSerializer(serializers.Serializer[Any]):
    """The base of answers with a number that may have the header X-Total-Count: it is counted up to a bound."""


class PageSerializer(CountSerializer):
    """The base of all answers of lists, which may have the header X-Next-Cursor."""


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The answer of a list of such items, for `responses=`."""
    return type(f"{type_name(item)}Page", (PageSerializer,), {"list": item(many=True), "pagination": Pagination()})
