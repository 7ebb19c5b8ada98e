@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
PATH = "/api/v1/live-stream"

REASONS = {
    400: "Validation failed",
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    409: "Resource already exists or cannot be changed in its current state",
}


@app.exception_handler(HTTPException)
async def refused(_: Request, error: HTTPException) -> JSONResponse:
    reason = REASONS.get(error.status_code, str(error.detail))
    timestamp = wire_time(datetime.now(UTC))
    answer = {
        "isSuccess": False,
        "statusCode": error.status_code,
        "data": None,
        "errors": [reason],
        "timestamp": timestamp,
    }
    return JSONResponse(answer, error.status_code)


@app.get(PATH + "/{id}")
async def read(
    id: Id,
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(read_session)],
    response: Response,
) -> Envelope[LiveStream]:
    user = await user_of(claims, session)
    row = await session.scalar(
        select(StreamRow).where(StreamRow.id == id, StreamRow.deleted_at.is_(None)).options(*WITH_PEOPLE)
    )
    if row is None:
        raise HTTPException(404)
    response.headers["X-Request-ID"] = uuid4().hex
    return Envelope(data=LiveStream.of(row, user))


@app.get(PATH)
async def page(  # noqa: PLR0917 - FastAPI reads the parameters by name
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(read_session)],
    response: Response,
    status: Annotated[list[str] | None, Query()] = None,
    creator: Annotated[str | None, Query(alias="creatorId", pattern="^[0-9a-f]{24}$")] = None,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Envelope[Page]:
    user = await user_of(claims, session)
    wanted: list[ColumnElement[bool]] = [StreamRow.deleted_at.is_(None)]
    if status:
        wanted.append(StreamRow.status.in_(status))
    if creator:
        wanted.append(StreamRow.creator_id == creator)
    total = await session.scalar(select(func.count(StreamRow.id)).where(*wanted)) or 0
    rows = await session.scalars(
        select(StreamRow)
        .where(*wanted)
        .options(*WITH_PEOPLE)
        .order_by(StreamRow.created_at.desc(), StreamRow.id.desc())
        .limit(limit)
        .offset((number - 1) * limit)
    )
    response.headers["X-Request-ID"] = uuid4().hex
    pagination = Pagination(
        current_page=number,
        total_pages=-(-total // limit),
        total_items=total,
        items_per_page=limit,
        has_next_page=number * limit < total,
        has_prev_page=number > 1,
    )
    return Envelope(data=Page(list=[LiveStream.of(row, user) for row in rows], pagination=pagination))


@app.post(PATH + "/{id}/cancel")
async def cancel(
    id: Id,
    claims: Annotated[dict[str, Any], Depends(claims_of)],
    session: Annotated[AsyncSession, Depends(write_session)],
    response: Response,
) -> Envelope[LiveStream]:
    request_id = uuid4().hex
    now = datetime.now(UTC)
    async with session.begin():
        user = await user_of(claims, session)
        # The lock is taken in the statement that reads, so that nothing is asked twice.
        row = await session.scalar(
            select(StreamRow)
            .where(StreamRow.id == id, StreamRow.deleted_at.is_(None))
            .options(*WITH_PEOPLE)
            .with_for_update(of=StreamRow, key_share=True)
        )
        if row is None:
            raise HTTPException(404)
        if user.id not in (row.creator_id, row.guest_id):
            raise HTTPException(403)
        if row.status not in ("scheduled", "preparing"):
            raise HTTPException(409)
        before = row.status
        row.status = "cancelled_by_guest" if user.id == row.guest_id else "cancelled_by_host"
        row.updated_at = max(now, row.updated_at)
        session.add(
            AuditRow(
                at=row.updated_at,
                door="api",
                actor_id=user.id,
                actor_name=user.username,
                action="cancel_stream",
                target_type="livestream",
                target_id=row.id,
                before={"status": before},
                after={"status": row.status},
                reason="",
                request_id=request_id,
            )
        )
    response.headers["X-Request-ID"] = request_id
    return Envelope(data=LiveStream.of(row, user))
