"""Links to the pages of rows, and who may follow them."""

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def view_permission(model: type[Model]) -> str:
    """The permission to see the rows of `model`, as `has_perm` takes it."""
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


def page_of(row: Model) -> str:
    """The address of the row's page."""
    return page_with_id(type(row), row.pk)


def page_with_id(model: type[Model], pk: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=(quote(pk),))


def linked(row: Model, text: str) -> SafeString:
    """`text` as a link to the row's page."""
    return link(page_of(row), text)


def link(address: str, text: str) -> SafeString:
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, text)
