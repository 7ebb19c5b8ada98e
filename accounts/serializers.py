"""Users and their photos as the API returns them; the bodies and answers of logins and refreshes."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts.models import Media, User
from accounts.names import LONGEST, LONGEST_KEY, stored
from common.pagination import PageQuery
from common.rows import Derived, ReadSerializer
from common.serializers import IdField, InputSerializer, StrictString, WireTime
from common.text_fields import FoldedText


def file_url(file: str) -> str:
    """The URL of a stored file. Its name has safe characters only, so nothing has to be quoted."""
    return settings.MEDIA_URL + file


def variant_urls(variants: dict[str, str] | None) -> dict[str, str]:
    return {size: file_url(file) for size, file in (variants or {}).items()}


class MediaSerializer(ReadSerializer):
    _id = IdField(source="id")
    url = Derived(serializers.CharField(), of=["file"], by=file_url)
    type = serializers.ChoiceField(Media.Type.choices)
    variants = Derived(serializers.DictField(child=serializers.CharField()), of=["variants"], by=variant_urls)
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")


class UserSummarySerializer(ReadSerializer):
    _id = IdField(source="id")
    username = serializers.CharField()
    name = serializers.CharField()
    surname = serializers.CharField()
    profilePhoto = MediaSerializer(source="profile_photo", allow_null=True)
    availabilityStatus = serializers.ChoiceField(User.Availability.choices, source="availability_status")


class UserProfileSerializer(UserSummarySerializer):
    createdAt = WireTime(source="created_at")


class CurrentUserSerializer(UserSummarySerializer):
    email = serializers.CharField()
    createdAt = WireTime(source="created_at")
    updatedAt = WireTime(source="updated_at")


class UsernameText(StrictString):
    """A username, normalized to its stored form before its length is checked."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(stored(data) if isinstance(data, str) else data)


class LoginSerializer(InputSerializer):
    username = UsernameText(max_length=LONGEST)
    # Not normalized here, because old hashes may be of another normal form. Decomposed, 128 characters may be 512.
    password = StrictString(max_length=512, trim_whitespace=False)


class RefreshTokenSerializer(InputSerializer):
    refreshToken = StrictString(source="refresh_token", max_length=4096)


class UserSearchQuery(PageQuery):
    # Three times the longest name: the upper case of one letter can be three code points.
    q = FoldedText(
        source="search",
        max_length=LONGEST_KEY,
        help_text="Words, or parts of words, all of which the username, name and surname have together; in any case, "
        "with and without accents.",
    )


class TokensSerializer(serializers.Serializer[Any]):
    accessToken = serializers.CharField()
    refreshToken = serializers.CharField()
    expiresIn = serializers.IntegerField(help_text="Lifetime of the access token, in seconds.")
    refreshExpiresIn = serializers.IntegerField(help_text="Lifetime of the refresh token, in seconds.")
    user = UserSummarySerializer()
