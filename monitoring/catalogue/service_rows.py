"""Write many services with one statement."""

import json
from collections.abc import Collection, Sequence

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from psycopg import sql

from monitoring.models import Service


def save(services: Sequence[Service], updated: Collection[str]) -> None:
    """Insert services; for existing ones, write the `updated` columns.

    The rows are sent as one JSON text: as parameters they would take longer than everything else together.
    """
    fields = [field for field in Service._meta.concrete_fields if not field.generated]
    rows = [{field.column: getattr(service, field.attname) for field in fields} for service in services]
    names = [sql.Identifier(str(field.column)) for field in fields]
    typed = [sql.SQL("{} {}").format(name, sql.SQL(str(field.db_type(connection))))
             for name, field in zip(names, fields, strict=True)]  # fmt: skip
    upsert = sql.SQL(
        "INSERT INTO services ({names}) SELECT {names} FROM jsonb_to_recordset(%s::jsonb) AS new ({typed})"
        " ON CONFLICT (id) DO UPDATE SET {updates}"
    ).format(
        names=sql.SQL(", ").join(names),
        typed=sql.SQL(", ").join(typed),
        updates=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in sorted(updated)
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(upsert, [json.dumps(rows, cls=DjangoJSONEncoder)])
