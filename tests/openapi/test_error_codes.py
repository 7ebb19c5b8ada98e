"""The error codes of the OpenAPI document: frozen, explained, and with an example for each response."""

from common.api import TITLES
from common.schema import codes
from tests.openapi.contents import Document, fits, responses

# Clients branch on these codes. A code may be added; none may be renamed, removed or change its status.
FROZEN = {
    "malformed_request": 400,
    "moment_passed": 400,
    "page_too_deep": 400,
    "validation_failed": 400,
    "authentication_required": 401,
    "refresh_in_progress": 409,
    "refresh_token_invalid": 401,
    "refresh_token_reused": 401,
    "session_ended": 401,
    "token_expired": 401,
    "token_invalid": 401,
    "wrong_credentials": 401,
    "banned": 403,
    "cannot_approve_own_request": 403,
    "cannot_ban_creator": 403,
    "cannot_ban_guest": 403,
    "cannot_ban_oneself": 403,
    "cannot_ban_staff": 403,
    "cannot_decide_own_case": 403,
    "cannot_report_own_stream": 403,
    "deleted_by_others": 403,
    "insufficient_permissions": 403,
    "no_longer_true": 409,
    "not_a_service_account": 403,
    "not_member_or_moderator": 403,
    "not_concerned_by_ban": 403,
    "not_creator_or_moderator": 403,
    "not_oneself": 403,
    "not_the_author": 403,
    "not_the_banned_person": 403,
    "not_watched": 403,
    "not_the_creator": 403,
    "overruling_by_superusers_only": 403,
    "not_the_creator_or_guest": 403,
    "not_the_guest": 403,
    "only_by_superuser": 403,
    "undo_by_reviewer_only": 403,
    "appeal_not_found": 404,
    "ban_not_found": 404,
    "calendar_address_not_found": 404,
    "batch_not_found": 404,
    "bulk_request_not_found": 404,
    "case_not_found": 404,
    "delivery_not_found": 404,
    "device_token_not_found": 404,
    "not_found": 404,
    "note_not_found": 404,
    "notification_not_found": 404,
    "reminder_not_found": 404,
    "role_not_found": 404,
    "stream_not_found": 404,
    "user_not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "already_appealed": 409,
    "already_banned": 409,
    "already_delivered": 409,
    "already_live": 409,
    "already_reported": 409,
    "appeal_already_decided": 409,
    "ban_already_lifted": 409,
    "appeal_undecided": 409,
    "ban_already_reviewed": 409,
    "ban_claimed": 409,
    "ban_not_claimed": 409,
    "ban_changed_meanwhile": 409,
    "ban_not_reviewed": 409,
    "changed_meanwhile": 409,
    "last_superuser": 409,
    "no_service_account": 409,
    "no_session": 409,
    "not_erasable": 409,
    "no_verdict_to_undo": 409,
    "own_ban_waits_for_others": 409,
    "ban_changed_since": 409,
    "ban_does_not_hold": 409,
    "ban_lapsed": 409,
    "ban_not_changed": 409,
    "batch_already_undone": 409,
    "bulk_request_already_decided": 409,
    "bulk_request_expired": 409,
    "case_already_decided": 409,
    "conflict": 409,
    "feedback_already_given": 409,
    "guest_answer_too_late": 409,
    "guest_has_declined": 409,
    "stream_is_over": 409,
    "not_joined": 409,
    "stream_not_active": 409,
    "stream_not_awaited": 409,
    "stream_not_cancellable": 409,
    "stream_not_deletable": 409,
    "stream_not_deleted": 409,
    "stream_not_editable": 409,
    "stream_not_endable": 409,
    "stream_not_ended": 409,
    "stream_not_expirable": 409,
    "stream_not_startable": 409,
    "stream_without_plan": 409,
    "user_already_active": 409,
    "user_already_inactive": 409,
    "verdict_not_last": 409,
    "idempotency_key_in_use": 409,
    "precondition_failed": 412,
    "payload_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "unprocessable": 422,
    "rate_limited": 429,
    "too_many_failed_logins": 429,
    "too_many_requests": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "identity_provider_unavailable": 503,
    "login_busy": 503,
    "picture_slots_full": 503,
    "server_busy": 503,
    "service_unavailable": 503,
    "storage_full": 503,
    "storage_unavailable": 503,
}


def test_the_description_lists_every_error_code(document: Document) -> None:
    text = document["info"]["description"]

    for code, (status, meaning) in codes().items():
        assert f"| {status} | `{TITLES[status]}` | `{code}` | {meaning} |" in text


def test_error_codes_are_frozen() -> None:
    assert {code: status for code, (status, _) in codes().items()} == FROZEN


def test_every_error_code_has_a_meaning() -> None:
    assert all(meaning for _, meaning in codes().values())


def test_every_error_has_an_example_for_each_of_its_codes(document: Document) -> None:
    for name, status, response in responses(document):
        if status < 400:
            continue
        possible = response["x-error-codes"]
        envelope = response["content"]["application/json"]
        assert possible, name
        assert list(envelope["examples"]) == possible
        assert {FROZEN[code] for code in possible} == {status}
        for code in possible:
            example = envelope["examples"][code]["value"]
            assert example["errors"][0] == TITLES[status]
            assert (example["isSuccess"], example["statusCode"], example["data"]) == (False, status, None)
            assert fits(example, envelope["schema"], document), (name, code)


def test_every_error_refers_to_the_same_two_schemas(document: Document) -> None:
    for name, status, response in responses(document):
        if status >= 400:
            schemas = {kind: content["schema"] for kind, content in response["content"].items()}
            assert schemas == {
                "application/json": {"$ref": "#/components/schemas/Failure"},
                "application/problem+json": {"$ref": "#/components/schemas/Problem"},
            }, name


def test_the_error_code_is_one_enum_of_all_codes(document: Document) -> None:
    code = {"$ref": "#/components/schemas/ErrorCode"}

    assert document["components"]["schemas"]["ErrorCode"]["enum"] == list(codes())
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["$ref"] == code["$ref"]
    for name, status, response in responses(document):
        if status >= 400:
            assert response["headers"]["X-Error-Code"]["schema"] == code, name


def test_the_example_of_problem_details_fits_its_schema(document: Document) -> None:
    schema = document["components"]["schemas"]["Problem"]

    assert all(fits(example, schema, document) for example in schema["examples"])


def test_examples_contain_no_placeholders(document: Document) -> None:
    for name, status, response in responses(document):
        if status >= 400:
            for example in response["content"]["application/json"]["examples"].values():
                assert not any("%(" in error or "{" in error for error in example["value"]["errors"]), name
