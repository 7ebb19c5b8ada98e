"""What is stored about a person here: see `common.personal_data`."""

from collections.abc import Iterator

from common.personal_data import Declaration, Keep, NotPersonal, Remove, Replace, Source, TrailKeys
from edges.models import CountingPass, CreatorAudience, Feedback, JoinKey, Participant, Revocation


def declarations() -> Iterator[Declaration]:
    yield Source("participations", Participant, "user", Keep("ids, times and the role, for statistics"))
    yield Source("revocations", Revocation, "user", Keep("ids and times, which media edges go on reading"))
    yield Source("audience_as_creator", CreatorAudience, "creator", Remove())
    yield Source("feedback", Feedback, "user", Replace({"comment": None}), created_by="give_feedback")
    yield NotPersonal(JoinKey, {"private_key": "of the service", "public_jwk": "of the service"})
    yield NotPersonal(CountingPass, {"name": "a kind of counting", "after": "an id, where a chunk begins"})
    yield TrailKeys("joinkey", others={"kid": "of the service", "old_retires_at": "a time"})
