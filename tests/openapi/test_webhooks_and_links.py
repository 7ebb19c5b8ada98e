"""Webhooks, links, and the contact and licence of the OpenAPI document."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from common.playground import document as served_document
from config.links import OF_OPERATIONS
from config.webhooks import OPERATION
from reminders.channels import Batch, Device, Person
from reminders.channels.webhook import _headers, payload
from reminders.models import Kind
from tests.openapi.contents import Document, fits, operations, parameters

ID = "673ac9e2c93fe18d3fdd23f1"

# --- webhooks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("has_plan", [True, False])
def test_what_the_webhook_sends_fits_its_schema(kind: Kind, has_plan: bool, document: Document) -> None:
    now = timezone.now()
    people = (
        Person(ID, "Ayşe", "", "tr", (Device("ios", "token"), Device("web", "token"))),
        Person(ID, "Mehmet", "", "en"),
    )
    planned = now + timedelta(minutes=15) if has_plan else None
    sent = payload(Batch("key", kind, ID, "Akşam sohbeti", planned, now, people))
    schema = document["components"]["schemas"]["NotificationBatch"]

    assert fits(sent, schema, document)
    assert not fits({**sent, "type": "another"}, schema, document)
    assert not fits({**sent, "data": {**sent["data"], "recipients": [{"userId": ID}]}}, schema, document)


def test_the_example_of_the_webhook_fits_its_schema_and_has_every_key(document: Document) -> None:
    (content,) = OPERATION["requestBody"]["content"].values()
    person = Person(ID, "Ayşe", "", "tr", (Device("ios", "token"),))
    sent = payload(Batch("key", Kind.REMINDER, ID, "Akşam sohbeti", None, timezone.now(), (person,)))

    assert fits(content["example"], content["schema"], document)
    assert shape(content["example"]) == shape(sent)


def shape(value: Any) -> Any:
    """The keys of a value and of those in it; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def test_the_webhook_documents_the_headers_that_are_sent(document: Document, settings: Any) -> None:
    settings.WEBHOOK_SECRETS = ["whsec_" + "a" * 32]
    sent = _headers("key", b"{}")
    documented = {one["name"] for one in parameters(document["webhooks"]["notifications"]["post"], document)}

    assert documented == sent.keys() - {"Content-Type", "User-Agent"}


# --- links ----------------------------------------------------------------------------------------


def linking(document: Document) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each link with the response that has it, and the operation that it leads to."""
    by_id = {operation["operationId"]: operation for _, operation in operations(document)}
    found = []
    for name in OF_OPERATIONS:
        for response in by_id[name]["responses"].values():
            for reference in response.get("links", {}).values():
                link = document["components"]["links"][reference["$ref"].rpartition("/")[2]]
                found.append((link, response, by_id[link["operationId"]]))
    return found


def test_every_link_leads_from_a_value_of_the_answer_to_a_parameter_of_an_operation(document: Document) -> None:
    assert len(linking(document)) >= 15
    for link, response, operation in linking(document):
        paths = {one["name"] for one in parameters(operation, document) if one["in"] == "path"}
        assert paths == set(link.get("parameters", {})), link
        for expression in [*link.get("parameters", {}).values(), *link.get("requestBody", {}).values()]:
            pointer = re.fullmatch(r"\$response\.body#/data/(\w+)", expression)
            assert pointer, expression
            assert response["content"]["application/json"]["example"]["data"][pointer[1]], link


def test_every_link_is_used(document: Document) -> None:
    used = {link["operationId"] for link, _, _ in linking(document)}

    assert used == {link["operationId"] for link in document["components"]["links"].values()}


# --- contact and licence --------------------------------------------------------------------------


def test_the_served_document_names_the_contact_and_licence_of_the_settings(client: Client, settings: Any) -> None:
    settings.API_CONTACT = {"name": "Live team", "url": "", "email": "live@example.com"}
    settings.API_LICENSE = {"name": "Terms of use", "url": "https://example.com/terms"}

    info = served_document("en", "http://a", "http://b")["info"]

    assert info["contact"] == {"name": "Live team", "email": "live@example.com"}
    assert info["license"] == {"name": "Terms of use", "url": "https://example.com/terms"}


def test_a_licence_without_a_page_says_that_it_is_in_no_list(settings: Any) -> None:
    settings.API_LICENSE = {"name": "Proprietary", "url": ""}

    info = served_document("tr", "http://a", "http://b")["info"]

    assert info["license"] == {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"}
    assert info["contact"]["name"]
