from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from database.bulk import array, read_instants_fast


class Verdict(StrEnum):
    OK = "ok"
    BAD = "bad"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    ["null", "NULL", "", " ", "{}", '"', "\\", "a,b", "한국어", "\n"]
)
columns = {
    "text": texts,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "double precision": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  in that zone
}


def through_postgres(values: list[object], type_: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM unnest(%s::{type_}[])", [array(values)])
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
@pytest.mark.parametrize("type_", columns)
def test_what_goes_in_comes_out(type_: Any) -> None:
    @given(st.lists(st.none() | columns[type_], max_size=20))
    def check(values: Any) -> None:
        assert through_postgres(values, type_) == values

    check()


@pytest.mark.django_db
def test_members_of_enumerations_are_their_values() -> None:
    assert through_postgres([Verdict.OK, Verdict.BAD], "text") == ["ok", "bad"]
    assert through_postgres([HTTPStatus.OK, HTTPStatus.NOT_FOUND], "smallint") == [200, 404]


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="no element of an array: b'x'"):
        array([b"x"])


@pytest.mark.django_db
def test_instants_read_fast_are_the_same_instants() -> None:
    instant = datetime(2025, 3, 10, 12, 0, 0, 123000, tzinfo=timezone(timedelta(hours=9)))
    with connection.cursor() as cursor:
        read_instants_fast(cursor)
        cursor.execute("SELECT %s::timestamptz, NULL::timestamptz", [instant])
        found, nothing = cursor.fetchone()

    assert (found, nothing) == (instant, None)
    assert found.utcoffset() == timedelta(0)
