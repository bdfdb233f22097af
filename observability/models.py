"""The stored results of requests that must not be processed twice."""

from typing import ClassVar

from django.db import models


class IdempotentRequest(models.Model):
    """The result of a request with an `Idempotency-Key`. Neither the key nor the result can be read from the row."""

    key_hash = models.BinaryField(primary_key=True)  # of the key and its sender
    fingerprint = models.BinaryField()  # of method, path, query and body
    sealed_result = models.BinaryField()  # opened by the key alone; a result may contain a token that is shown once
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "idempotent_requests"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["expires_at"], name="idempotent_requests_expiry"),  # the sweep
        ]

    def __str__(self) -> str:
        return bytes(self.key_hash).hex()
