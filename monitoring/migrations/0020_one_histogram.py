from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

# The old bucket b held times from 2^(b/4) to 2^((b+1)/4) ms; ordinality counts from 1. Its middle goes to the new bucket.
TO_ONE_HISTOGRAM = """
    UPDATE check_hours SET (histogram_buckets, histogram_counts) = (
        SELECT coalesce(array_agg(bucket ORDER BY bucket), '{}'), coalesce(array_agg(checks ORDER BY bucket), '{}')
        FROM (
            SELECT ceil(ln(2 ^ ((number - 0.5) / 4)) / ln(1.01 / 0.99))::smallint AS bucket, checks
            FROM unnest(response_buckets) WITH ORDINALITY AS old (checks, number)
            WHERE checks > 0
        ) AS moved
    )
"""


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0019_seals_bound")]

    operations = [
        migrations.AddField("hour", "histogram_buckets", ArrayField(models.SmallIntegerField(), null=True)),
        migrations.AddField("hour", "histogram_counts", ArrayField(models.IntegerField(), null=True)),
        migrations.RunSQL(TO_ONE_HISTOGRAM, migrations.RunSQL.noop),
        # The release before it still writes the old column; a later one drops it.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE check_hours ALTER COLUMN response_buckets DROP NOT NULL",
                    "UPDATE check_hours SET response_buckets = '{}' WHERE response_buckets IS NULL;"
                    " ALTER TABLE check_hours ALTER COLUMN response_buckets SET NOT NULL",
                )
            ],
            state_operations=[migrations.RemoveField("hour", "response_buckets")],
        ),
    ]
