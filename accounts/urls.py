"""URLs of logins, tokens, logouts, the current user and the profiles of users."""

from django.urls import path

from accounts.views import CurrentUserViewSet, TokensViewSet, UserViewSet

urlpatterns = [
    path("auth/login", TokensViewSet.as_view({"post": "log_in"})),
    path("auth/refresh", TokensViewSet.as_view({"post": "refresh"})),
    path("auth/revoke-token", TokensViewSet.as_view({"post": "revoke"})),
    path("auth/logout", CurrentUserViewSet.as_view({"post": "log_out"})),
    path("users/me", CurrentUserViewSet.as_view({"get": "retrieve"})),
    path("users/profile/<str:userId>", UserViewSet.as_view({"get": "profile"})),
    path("users/profile/username/<str:username>", UserViewSet.as_view({"get": "profile_by_username"})),
    path("users/search", UserViewSet.as_view({"get": "search"})),
]
