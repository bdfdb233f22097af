from celery import shared_task
from django.utils import timezone

from observability import idempotency


@shared_task(name="observability.sweep_idempotent_requests", ignore_result=True, time_limit=60, soft_time_limit=50)
def sweep_idempotent_requests() -> None:
    idempotency.sweep(timezone.now())
