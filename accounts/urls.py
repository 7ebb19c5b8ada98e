"""URLs of logins, tokens, logouts and the current user."""

from django.urls import path

from accounts.views import CurrentUserViewSet, TokensViewSet

urlpatterns = [
    path("auth/login", TokensViewSet.as_view({"post": "log_in"})),
    path("auth/refresh", TokensViewSet.as_view({"post": "refresh"})),
    path("auth/revoke-token", TokensViewSet.as_view({"post": "revoke"})),
    path("auth/logout", CurrentUserViewSet.as_view({"post": "log_out"})),
    path("users/me", CurrentUserViewSet.as_view({"get": "retrieve"})),
]
