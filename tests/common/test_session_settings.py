"""What connections of requests set in PostgreSQL."""

import pytest
from django.conf import settings
from django.db import connection

from tests.poolers import needs_own_session


@needs_own_session
@pytest.mark.django_db(transaction=True)
def test_connections_of_requests_have_time_limits_and_compile_no_statements() -> None:
    other = connection.copy()
    other.settings_dict = connection.settings_dict | {"TIME_LIMITS": settings.REQUEST_TIME_LIMITS}
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT current_setting('jit'), current_setting('statement_timeout')")
            assert cursor.fetchone() == ("off", "3s")
    finally:
        other.close()
