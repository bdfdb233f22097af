"""The models of compressed days are named for what they hold; their tables keep their names."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0020_one_histogram")]

    # The models are not managed and keep their `db_table`: nothing changes in the database.
    operations = [
        migrations.RenameModel("FoldedChecks", "CompressedChecks"),
        migrations.RenameModel("FoldedRequests", "CompressedRequests"),
    ]
