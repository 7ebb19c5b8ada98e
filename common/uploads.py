"""Multipart bodies, bounded before they are parsed: in bytes and in parts, for the API and for forms of the admin."""

from contextlib import suppress
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import (
    FileUploadHandler,
    MemoryFileUploadHandler,
    TemporaryFileUploadHandler,
)
from django.http.multipartparser import MultiPartParser as DjangoParser
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from common.storage.files import refusal_of

MOST_PARTS = 100


class BoundedUploadHandler(FileUploadHandler):
    """Refuses a body of more than `UPLOAD_BODY_LIMIT` bytes or `MOST_PARTS` parts; Django parses what is left.

    Django counts fields and files, but not parts that have a file name and no field name: 100,000 of them fit into
    6 MB and hold a thread for seconds. Every multipart parser goes through the upload handlers, so that this holds
    wherever a form is read, before a login too (the CSRF check reads forms).
    """

    def __init__(self, request: Any = None) -> None:
        # Without the request: it refers to its handlers, and the reference cycle would keep megabytes alive until the
        # garbage collector runs.
        super().__init__()

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,  # bytes, whatever the type stubs say
        encoding: str | None = None,
    ) -> tuple[Any, Any]:
        """The fields and the files. Raises RequestDataTooBig, MultiPartParserError; StorageFull, StorageUnavailable
        when a large file cannot be written to the folder of temporary files.
        """
        limit = settings.UPLOAD_BODY_LIMIT
        if content_length > limit:
            raise RequestDataTooBig(f"a form of more than {limit} bytes")
        body = input_data.read(limit + 1)
        # The last part ends with the boundary too.
        if body.count(b"--" + boundary) > MOST_PARTS + 1:
            raise MultiPartParserError(_("more than %(limit)d parts") % {"limit": MOST_PARTS})
        temporary = TemporaryFileUploadHandler()
        handlers = [MemoryFileUploadHandler(), temporary]
        try:
            return DjangoParser(META, BytesIO(body), handlers, encoding).parse()
        except OSError as error:
            # Closing removes the file. What is still buffered does not fit either.
            with suppress(AttributeError, OSError):
                temporary.file.close()
            raise refusal_of(error) from error

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class MultiPartParser(parsers.MultiPartParser):
    """DRF's parser, with error messages like those of the JSON parser."""

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except ParseError as error:
            problem = str(error.__context__)[:200]
            raise ParseError(_("body: is not multipart/form-data: %(problem)s") % {"problem": problem}) from error
