"""What we add to the ORM for PostgreSQL; the only table of our own counts changes."""

from django.db import models


class ChangeCounter(models.Model):
    """One number per topic, raised in the transaction that changes something readers keep in memory."""

    topic = models.TextField(primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "change_counters"

    def __str__(self) -> str:
        return f"{self.topic} {self.value}"
