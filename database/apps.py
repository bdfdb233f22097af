from django.apps import AppConfig
from django.db.backends.signals import connection_created


class DatabaseConfig(AppConfig):
    name = "database"

    def ready(self) -> None:
        from database.reconnecting import ask_every_second
        from database.slow_queries import watch

        connection_created.connect(watch)
        ask_every_second()
