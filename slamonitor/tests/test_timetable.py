"""The tasks that beat calls, and their queues."""

from slamonitor.celery import app


def test_all_long_work_on_days_comes_through_one_door_each_minute() -> None:
    app.loader.import_default_modules()
    called = [entry["task"] for entry in app.conf.beat_schedule.values()]

    assert called.count("monitoring.work_on_days") == 1
    assert app.amqp.router.route({}, "monitoring.work_on_days")["queue"].name == "rollups"
    assert app.tasks["monitoring.work_on_days"].acks_late in (None, False), "it may outlive what the broker waits for"


def test_whatever_is_called_has_a_queue_of_its_promise() -> None:
    app.loader.import_default_modules()

    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name
        assert app.amqp.router.route({}, entry["task"])["queue"].name in ("dispatch", "results", "alerts", "rollups")
        assert entry["options"]["expires"] <= 3600, "what nobody took in time is called again"
