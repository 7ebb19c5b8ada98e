"""A ModelViewSet on a router and page numbers, as in the DRF tutorial."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.urls import include, path
from django.utils import timezone
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ModelViewSet

from accounts.models import User
from bans.models import Appeal, LiveStreamBan
from benchmarks.peers.drf.contract import wire_time
from benchmarks.peers.drf.serializers import (
    LiveStreamBanSerializer,
    LiveStreamSerializer,
    MakeBanSerializer,
    SetReminderSerializer,
)
from common.models import AuditEntry
from edges.models import Participant, Revocation
from livestreams.models import LiveStream
from reminders.models import LeadTime, Notification, Reminder, Round

GRACE = timedelta(minutes=10)
TOKEN_SECONDS = 120
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
SEEN = ("first_seen_at", "last_seen_at")


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT


# --- the API --------------------------------------------------------------------------------------


def holding_bans() -> Any:
    return LiveStreamBan.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def record_in_audit_trail(
    action: str,
    target: LiveStream | LiveStreamBan | Reminder,
    *,
    by: User | AnonymousUser,
    at: datetime,
    before: dict[str, Any],
    after: dict[str, Any],
    request_id: str,
) -> None:
    AuditEntry.objects.create(
        at=at,
        entry_point="api",
        actor_id=by.pk,
        actor_name=by.get_username(),
        action=action,
        target_type=str(target._meta.model_name),
        target_id=target.pk,
        before=before,
        after=after,
        request_id=request_id,
    )


class LiveStreamViewSet(ModelViewSet[LiveStream]):
    queryset = LiveStream.objects.all()
    serializer_class = LiveStreamSerializer

    def get_queryset(self) -> Any:
        streams = super().get_queryset().order_by("-created_at", "-id")
        asked = self.request.query_params
        if "status" in asked:
            streams = streams.filter(status__in=asked.getlist("status"))
        if "creatorId" in asked:
            streams = streams.filter(creator=asked["creatorId"])
        return streams

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        stream = self.get_object()
        ban = holding_bans().filter(stream=stream, target=request.user).first()
        if ban and ban.action_type == "BLOCK":
            raise PermissionDenied
        return Response(self.get_serializer(stream).data)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        with transaction.atomic():
            stream = get_object_or_404(LiveStream.objects.select_for_update(), pk=pk)
            is_guest = request.user == stream.guest and stream.guest_status != "declined"
            if request.user != stream.creator and not is_guest:
                raise PermissionDenied
            status = "cancelled_by_guest" if is_guest else "cancelled_by_host"
            return self.change(stream, "cancel_stream", status=status)

    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        try:
            with transaction.atomic():
                stream = get_object_or_404(LiveStream.objects.select_for_update(), pk=pk)
                if request.user != stream.creator:
                    raise PermissionDenied
                return self.change(stream, "start_stream", status="active", started_at=timezone.now())
        except IntegrityError as error:  # another stream of the creator is active
            raise Conflict from error

    def change(self, stream: LiveStream, verb: str, **values: Any) -> Response:
        if stream.status not in ("scheduled", "preparing"):
            raise Conflict
        request_id, user = uuid4().hex, self.request.user
        before = {name: getattr(stream, name) for name in values}
        for name, value in values.items():
            setattr(stream, name, value)
        stream.updated_at = max(values.get("started_at") or timezone.now(), stream.updated_at)
        stream.revision += 1
        stream.save()
        record_in_audit_trail(
            verb,
            stream,
            by=user,
            at=stream.updated_at,
            before=before,
            after={name: value if isinstance(value, str) else value.isoformat() for name, value in values.items()},
            request_id=request_id,
        )
        if Reminder.objects.filter(stream=stream).exists():
            # The changed streams have no reminders, so only this query is measured.
            raise NotImplementedError
        return Response(self.get_serializer(stream).data, headers={"X-Request-ID": request_id})

    @action(detail=False, methods=["post"])
    def join(self, request: Request) -> Response:
        asked: Any = request.data
        stream = get_object_or_404(LiveStream, pk=asked["liveStreamId"])
        user = request.user
        ban = holding_bans().filter(stream=stream, target=user).first()
        if ban and ban.action_type == "BLOCK":
            raise PermissionDenied
        if stream.status != "active":
            raise Conflict
        now = timezone.now()
        Participant.objects.update_or_create(
            stream=stream, user=user, defaults={"last_seen_at": now}, create_defaults=dict.fromkeys(SEEN, now)
        )
        wire: dict[str, Any] = dict(self.get_serializer(stream).data)
        issued_at = int(now.timestamp())
        claims = {
            "iss": settings.PUBLIC_URL,
            "aud": "media",
            "sub": user.pk,
            "stream": stream.pk,
            "role": wire["role"],
            "grants": ["watch"] if ban else ["watch", "chat"],
            "jti": uuid4().hex,
            "iat": issued_at,
            "exp": issued_at + TOKEN_SECONDS,
        }
        token = jwt.encode(claims, SIGNING_KEY, algorithm="ES256", headers={"kid": "drf"})
        expires_at = wire_time(datetime.fromtimestamp(issued_at + TOKEN_SECONDS, UTC))
        answer = {"liveStream": wire, "token": token, "role": wire["role"], "expiresAt": expires_at}
        return Response(answer, headers={"X-Request-ID": uuid4().hex})

    @action(detail=True, methods=["post"])
    def reminder(self, request: Request, pk: str) -> Response:
        request_id = uuid4().hex
        user = request.user
        asked = SetReminderSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        minute = asked.validated_data.get("minute")
        with transaction.atomic():
            # An exclusive row lock: Django has no shared one.
            stream = get_object_or_404(LiveStream.objects.select_for_update(), pk=pk)
            now = timezone.now()
            ban = holding_bans().filter(stream=stream, target=user).first()
            if ban and ban.action_type == "BLOCK":
                raise PermissionDenied
            if stream.status not in ("scheduled", "preparing") or (minute and stream.planned_start_at is None):
                raise Conflict
            due_at = stream.planned_start_at - timedelta(minutes=minute) if minute and stream.planned_start_at else None
            if due_at is not None:
                rounds = Round.objects.filter(
                    stream=stream, kind="reminder", minute=minute, planned_start_at=stream.planned_start_at
                )
                if due_at <= now or rounds.exists():
                    raise ValidationError
                LeadTime.objects.get_or_create(stream=stream, minute=minute)
            reminder = Reminder.objects.select_for_update().filter(stream=stream, user=user).first()
            before = {"minute": reminder.minute, "language": reminder.language} if reminder else {}
            if before != {"minute": minute, "language": "en"}:
                reminder = reminder or Reminder(stream=stream, user_id=user.pk, created_at=now, updated_at=now)
                reminder.minute, reminder.language = minute, "en"
                reminder.updated_at = max(now, reminder.updated_at)
                reminder.save()
                record_in_audit_trail(
                    "set_reminder",
                    reminder,
                    by=user,
                    at=now,
                    before=before,
                    after={"stream_id": stream.pk, "minute": minute, "language": "en"},
                    request_id=request_id,
                )
            is_notified = Notification.objects.filter(
                Q(kind="reminder", planned_start_at=stream.planned_start_at) | Q(kind="live"), stream=stream, user=user
            ).exists()
        missed = due_at is not None and max(due_at, stream.plan_set_at or due_at) + GRACE < now
        waits = "MISSED" if missed else "SCHEDULED" if minute else "ARMED_ON_START"
        answer = {
            "streamId": stream.pk,
            "minute": minute,
            "mode": "BEFORE_START" if minute else "ON_START",
            "scheduledFor": due_at and wire_time(due_at),
            "status": "SENT" if is_notified else waits,
        }
        return Response(answer, headers={"X-Request-ID": request_id})


class LiveStreamBanViewSet(ModelViewSet[LiveStreamBan]):
    queryset = LiveStreamBan.objects.all()
    serializer_class = LiveStreamBanSerializer

    def get_queryset(self) -> Any:
        bans = holding_bans().order_by("-created_at", "-id")
        if self.request.user.has_perm("bans.moderate"):
            return bans
        return bans.filter(stream__creator=self.request.user)

    @action(detail=False, url_path="check/(?P<target>[^/.]+)")
    def check(self, request: Request, target: str) -> Response:
        stream = get_object_or_404(LiveStream, pk=request.query_params["liveStreamId"])
        user = request.user
        if user.pk not in (stream.creator_id, target) and not (
            user.has_perm("bans.moderate") or user.has_perm("livestreams.enforce")
        ):
            raise PermissionDenied
        ban = holding_bans().filter(stream=stream, target=target).first()
        return Response({"isBanned": ban is not None, "ban": self.get_serializer(ban).data if ban else None})

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        request_id = uuid4().hex
        asked = MakeBanSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = request.user
        with transaction.atomic():
            stream = get_object_or_404(LiveStream.objects.select_for_update(), pk=asked.validated_data.pop("stream_id"))
            if user.pk != stream.creator_id and not user.has_perm("bans.moderate"):
                raise PermissionDenied
            if stream.status not in ("scheduled", "preparing", "active"):
                raise Conflict
            target = get_object_or_404(User, pk=asked.validated_data.pop("target_id"))
            members = [user.pk, stream.creator_id, stream.guest_status != "declined" and stream.guest_id]
            if target.pk in members or target.is_staff or target.has_perm("bans.moderate"):
                raise PermissionDenied
            if holding_bans().filter(stream=stream, target=target).exists():
                raise Conflict
            now = timezone.now()
            ban = LiveStreamBan.objects.create(
                stream=stream, target=target, created_by=user, created_at=now, updated_at=now, **asked.validated_data
            )
            names = ["stream_id", "target_id", "action_type", "reason", "expires_at", "deleted_at", "review"]
            record_in_audit_trail(
                "ban_user",
                ban,
                by=user,
                at=now,
                before={},
                after={name: getattr(ban, name) for name in names},
                request_id=request_id,
            )
            Revocation.objects.create(stream=stream, user=target, action=ban.action_type, at=now)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('edges_revocations', %s)", [stream.pk])
        return Response(self.get_serializer(ban).data, status=201, headers={"X-Request-ID": request_id})

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        request_id = uuid4().hex
        user = request.user
        with transaction.atomic():
            ban = get_object_or_404(LiveStreamBan.all_objects, pk=kwargs["pk"])
            stream = LiveStream.all_objects.select_for_update().get(pk=ban.stream_id)
            if user.pk != stream.creator_id and not user.has_perm("bans.moderate"):
                raise PermissionDenied
            ban = LiveStreamBan.all_objects.select_for_update().get(pk=ban.pk)
            if ban.deleted_at:
                raise Conflict
            ban.updated_at = ban.deleted_at = max(timezone.now(), ban.updated_at)
            ban.deleted_by_id = user.pk
            ban.save()
            record_in_audit_trail(
                "lift_ban",
                ban,
                by=user,
                at=ban.updated_at,
                before={"deleted_at": None, "deleted_by_id": None},
                after={"deleted_at": ban.deleted_at.isoformat(), "deleted_by_id": user.pk},
                request_id=request_id,
            )
            Revocation.objects.create(stream=stream, user_id=ban.target_id, action="LIFTED", at=ban.updated_at)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('edges_revocations', %s)", [stream.pk])
            if Appeal.objects.filter(ban=ban, state="pending").exists():
                # The lifted bans have no appeals, so only this query is measured.
                raise NotImplementedError
        return Response(self.get_serializer(ban).data, headers={"X-Request-ID": request_id})


router = SimpleRouter(trailing_slash=False)
router.register("live-stream", LiveStreamViewSet)
router.register("live-stream-ban", LiveStreamBanViewSet)
urlpatterns = [path("api/v1/", include(router.urls))]
