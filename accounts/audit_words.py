"""The audit trail in words: people and their sessions."""

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Session, User
from common.admin.audit_registry import Action, Field, Group, Kind, Reference, add_action, add_group, add_kind
from common.texts import folded
from common.word_search import is_indexable, words_of


def find_people(text: str, most: int) -> list[str]:
    """The ids of at most `most` people in whose names every word of `text` occurs, in folded form.

    Words that are all too short for the index are looked up among the staff and in whole usernames only.
    """
    words = words_of(folded(text))
    if not words:
        return []
    named = Q(*(Q(names_folded__contains=word) for word in words))
    people = User.objects.filter(named)
    if not any(map(is_indexable, words)):
        people = User.objects.staff().filter(named)
    exact = User.objects.filter(username_key=User.key_of(text)).values_list("pk", flat=True)
    found = [*exact, *people.order_by().values_list("pk", flat=True)[:most]]
    return list(dict.fromkeys(found))[:most]


MODERATION = "moderation"
SIGN_INS = "sign-ins"

add_group(Group(SIGN_INS, _("Sign-ins"), 30))

add_kind(
    Kind(
        "user",
        _("person"),
        User,
        own="person",
        title="username",
        title_noted="username",
        gone=_("a person"),
        fields={
            "ended_sessions": _("ended sessions"),
            "marked": _("marked notifications"),
            "note_id": _("note"),
            "source": _("what was erased"),
            "rows": _("rows"),
            "erased": _("erased rows"),
            "redaction": _("redaction"),
            "groups": _("roles"),
            "role": _("role"),
            "language": Field(_("language"), worded=lambda code: dict(settings.LANGUAGES).get(code, code)),
            "time_zone": _("time zone"),
            "stay_on_case": _("the queue stays on the case"),
            "profile_photo": _("Profile photo"),
            # The names of channels are keys of the choice of channels.
            "email": _("notifications by email"),
            "webhook": _("notifications by webhook"),
        },
        find=find_people,
    )
)
add_kind(
    Kind(
        "session",
        _("session"),
        Session,
        refers={"person": Reference("user", "user_id", "user", finds=True)},
        fields={
            "user": Field(_("person"), kind="user"),
            "expires_at": _("ends"),
            "ended_at": _("ended"),
        },
    )
)

for action in (
    Action("log_in", "session", SIGN_INS, _("log in"), _("%(actor)s logged in")),
    Action(
        "issue_token",
        "session",
        SIGN_INS,
        _("issue a token"),
        _("%(actor)s issued a token for %(person)s"),
    ),
    # Of rows from before decision 49: a refresh leaves none now.
    Action("refresh_session", "session", SIGN_INS, _("renew a session"), _("%(actor)s renewed a session")),
    Action(
        "end_session",
        "session",
        SIGN_INS,
        _("end a session"),
        _("%(actor)s ended a session of %(person)s"),
    ),
    Action(
        "remove_expired_session",
        "session",
        SIGN_INS,
        _("remove an expired session"),
        _("%(actor)s removed an expired session of %(person)s"),
    ),
    Action("log_out", "user", SIGN_INS, _("end all sessions"), _("%(actor)s ended all sessions of %(person)s")),
    Action(
        "change_password",
        "user",
        SIGN_INS,
        _("change a password"),
        _("%(actor)s changed the password of %(person)s"),
    ),
    Action(
        "create_user",
        "user",
        SIGN_INS,
        _("create an account"),
        _("%(actor)s created the account of %(person)s"),
    ),
    Action("rename_user", "user", SIGN_INS, _("rename a person"), _("%(actor)s renamed %(person)s")),
    Action(
        "set_profile_photo",
        "user",
        SIGN_INS,
        _("set a profile photo"),
        _("%(actor)s set the profile photo of %(person)s"),
    ),
    Action(
        "change_preferences",
        "user",
        SIGN_INS,
        _("change preferences"),
        _("%(actor)s changed the own preferences for the admin"),
    ),
    Action(
        "add_note", "user", MODERATION, _("write a note about a person"), _("%(actor)s wrote a note about %(person)s")
    ),
    Action(
        "delete_note",
        "user",
        MODERATION,
        _("delete a note about a person"),
        _("%(actor)s deleted a note about %(person)s"),
    ),
    Action(
        "grant_role",
        "user",
        MODERATION,
        _("grant a role"),
        _("%(actor)s granted %(person)s the role %(role)s"),
    ),
    Action(
        "revoke_role",
        "user",
        MODERATION,
        _("revoke a role"),
        _("%(actor)s took the role %(role)s from %(person)s"),
    ),
    Action(
        "erase_rows",
        "user",
        SIGN_INS,
        _("erase rows of a person"),
        _("%(actor)s erased rows of %(person)s"),
    ),
    Action(
        "erase_account",
        "user",
        SIGN_INS,
        _("erase a person"),
        _("%(actor)s erased the account of %(person)s"),
    ),
    Action(
        "redact_audit_rows",
        "user",
        SIGN_INS,
        _("redact the audit trail"),
        _("%(actor)s replaced the names and texts of %(person)s in the audit trail"),
    ),
    Action(
        "activate_user",
        "user",
        MODERATION,
        _("activate an account"),
        _("%(actor)s activated the account of %(person)s"),
    ),
    Action(
        "deactivate_user",
        "user",
        MODERATION,
        _("deactivate an account"),
        _("%(actor)s deactivated the account of %(person)s"),
    ),
):
    add_action(action)
