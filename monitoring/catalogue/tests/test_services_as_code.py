"""Checks, secrets, parents, archiving and export in a services file."""

import asyncio
import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from monitoring.catalogue.services_export import export
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Refused
from monitoring.config import sealing
from monitoring.engine.dispatch import dispatch_due
from monitoring.models import Service, ServiceState, Span, Transition
from monitoring.probes import KINDS
from monitoring.probes.http.requests import origin_of
from monitoring.probes.model import ProbeSpec
from monitoring.probes.secrets import Place
from monitoring.progress import Progress
from monitoring.rules.unix_time import from_ms
from monitoring.tests.factories import START_MS, make_service
from monitoring.worker import messages
from monitoring.worker.probe_worker import make_tools

pytestmark = pytest.mark.django_db

SECRET = "hunter2-planted-and-never-seen-again"
HEAD = """\
services:
  - id: payments
    name: Payments
    endpoint_url: https://pay.example.com/health
"""
WITH_SECRET = (
    HEAD
    + """\
    check:
      headers:
        Authorization: {secret: "Bearer ${SERVICE_TOKEN}"}
        Accept: application/json
"""
)
VARIABLES = {"SERVICE_TOKEN": SECRET}


def sync(text: str, **options: Any) -> str:
    return str(sync_file(text.encode(), **{"variables": VARIABLES, **options}))


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        sync(text, **options)
    return [f"{problem.line}: {problem}" for problem in refused.value.problems]


def exported(*ids: str) -> str:
    services = Service.objects.present().order_by("id")
    return "".join(export(services.filter(id__in=ids) if ids else services))


def unsealed(text: str, place: Place) -> str:
    """Open a secret as a probe worker does."""

    async def unseal() -> str:
        return make_tools().unseal(text, place)

    return asyncio.run(unseal())


def secret_of(header: str) -> str:
    service = Service.objects.get()
    return unsealed(service.check_settings["headers"][header]["secret"], service.place.at(f"headers.{header}"))


def dispatched() -> list[ProbeSpec]:
    specs: list[ProbeSpec] = []
    Service.objects.update(check_interval=1000, phase_ms=0)
    dispatch_due(from_ms(START_MS), lambda region, batch: specs.extend(batch))
    assert specs
    return specs


# --- kinds and settings ---------------------------------------------------------------------------------------------


def test_a_check_has_a_kind_and_its_settings() -> None:
    sync(HEAD + "    check: {kind: http, method: HEAD, expected_status: [200, 3xx]}\n    failure_threshold: 3\n")

    service = Service.objects.get()
    assert (service.kind, service.failure_threshold) == ("http", 3)
    assert service.check_settings == {"method": "HEAD", "expected_status": [200, "3xx"]}


def test_every_wrong_setting_is_told_with_its_own_line() -> None:
    text = (
        HEAD
        + """\
    check:
      kind: http
      method: FETCH
      expected_status: [999]
      followredirects: false
"""
    )
    assert [problem.partition(" ")[0] + problem.split(" ")[1] for problem in problems(text)] == [
        "7:check.method:",
        "8:check.expected_status:",
        "9:check.followredirects:",
    ]
    assert "Did you mean follow_redirects?" in problems(text)[2]


def test_an_unknown_kind_is_told_alone() -> None:
    (problem,) = problems(HEAD + "    check: {kind: htpp, method: FETCH}\n")

    assert problem.startswith('5: check.kind: "htpp" is not a kind of check. Did you mean http? Available: http,')


def test_a_heartbeat_needs_no_address_and_can_have_none() -> None:
    sync("services:\n- {id: backup, name: Backup, check: {kind: heartbeat, period: 1d}}\n")
    service = Service.objects.get()
    assert (service.endpoint_url, service.phase_ms) == (None, None)

    found = problems(HEAD + "    check: {kind: heartbeat}\n")
    assert found == [
        '4: endpoint_url: "https://pay.example.com/health": a check of this kind has no address. Remove it.'
    ]


def test_an_address_must_be_one_of_the_kind() -> None:
    (problem,) = problems(HEAD + "    check: {kind: tcp}\n")

    assert problem.startswith("4: endpoint_url: ") and "tcp://" in problem


def test_a_changed_setting_raises_the_version_and_is_told() -> None:
    sync(HEAD + "    check: {method: HEAD}\n")

    told = sync(HEAD + "    check: {method: GET}\n")

    assert told == '0 created, 1 updated (payments: check.method "HEAD" → "GET"), 0 unchanged'
    assert Service.objects.get().version == 2


# --- variables and secrets ------------------------------------------------------------------------------------------


def test_variables_are_filled_in_anywhere_and_numbers_stay_numbers() -> None:
    text = (
        HEAD.replace("pay.example.com", "${SERVICE_HOST}")
        + "    timeout: ${SERVICE_MS}\n    description: 'costs $${SERVICE_MS}'\n"
    )
    sync(text, variables={"SERVICE_HOST": "pay.test", "SERVICE_MS": "2500"})

    service = Service.objects.get()
    assert (service.endpoint_url, service.timeout) == ("https://pay.test/health", 2500)
    assert service.description == "costs ${SERVICE_MS}"


def test_a_missing_variable_is_told_with_line_key_and_remedy() -> None:
    (problem,) = problems(WITH_SECRET, variables={})

    assert problem == (
        "7: check.headers.Authorization.secret: the environment has no variable SERVICE_TOKEN."
        " Set it, or write $${SERVICE_TOKEN} if it is meant literally."
    )


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "SECRETS_KEY", "DATABASE_URL", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PATH", "service_x"]
)
def test_no_variable_is_filled_in_that_was_not_meant_for_services(name: Any) -> None:
    for text in (HEAD.replace("pay.example.com", f"x.example/${{{name}}}"), WITH_SECRET.replace("SERVICE_TOKEN", name)):
        (problem,) = problems(text, variables={name: SECRET})

        assert f"only variables whose names begin with SERVICE_ are. Set SERVICE_{name}" in problem
        assert SECRET not in problem and not Service.objects.exists()


def test_a_wrong_value_from_the_environment_is_not_repeated() -> None:
    (problem,) = problems(HEAD + "    timeout: ${SERVICE_TOKEN}\n")

    assert (
        problem
        == "5: timeout: ${SERVICE_TOKEN} is text, not a whole number. Enter digits only, without unit or quotes."
    )


def test_a_planted_secret_is_seen_nowhere(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    sync(WITH_SECRET)
    told = sync(WITH_SECRET, variables={"SERVICE_TOKEN": SECRET + "-new"})
    service = Service.objects.get()
    published = [json.dumps(messages.pack_specs(dispatched()))]
    with connection.cursor() as cursor:
        cursor.execute("SELECT services::text FROM services")
        rows = str(cursor.fetchall())

    assert told.endswith("(payments: check.headers has another secret), 0 unchanged")
    for place in (caplog.text, *capsys.readouterr(), rows, repr(service), repr(vars(service)), *published, exported()):
        assert SECRET not in place
    assert SECRET not in json.dumps(service.shown_settings)


def test_a_probe_worker_opens_what_a_message_brings() -> None:
    sync(WITH_SECRET)

    spec = dispatched()[0]

    sealed, place = spec.settings["headers"]["Authorization"]["secret"], Place(spec.service_id, origin_of(spec.url))
    assert unsealed(sealed, place.at("headers").at("Authorization")) == f"Bearer {SECRET}"


def test_what_comes_from_a_variable_is_secret_where_secrets_may_stand() -> None:
    sync(HEAD + "    check: {headers: {X-Key: '${SERVICE_TOKEN}', Accept: text/html}}\n")

    assert secret_of("X-Key") == SECRET
    assert Service.objects.get().check_settings["headers"]["Accept"] == "text/html"


def test_the_same_secret_again_changes_nothing() -> None:
    sync(WITH_SECRET)
    before = Service.objects.values().get()

    assert sync(WITH_SECRET) == "0 created, 0 updated, 1 unchanged"
    assert Service.objects.values().get() == before


def test_an_unchanged_secret_is_kept_and_must_be_there() -> None:
    text = HEAD + "    check: {headers: {X-Key: {secret: %s}}}\n"
    assert "there is no stored secret" in problems(text % "unchanged")[0]

    sync(text % "literal")
    assert "X-Key:\n        secret: unchanged" in exported()

    assert sync(text % "unchanged") == "0 created, 0 updated, 1 unchanged"
    assert secret_of("X-Key") == "literal"


def test_a_reference_that_holds_more_than_a_word_is_not_exported() -> None:
    sync(HEAD + "    check: {headers: {X-Key: {secret: 'user:pass-${SERVICE_TOKEN}'}}}\n")

    assert "secret: unchanged" in exported()
    assert "pass" not in exported()


def test_a_saved_form_keeps_masked_secrets_and_seals_new_ones() -> None:
    sync(WITH_SECRET)
    service = Service.objects.get()
    service.check_settings = service.shown_settings
    service.check_settings["headers"]["X-New"] = {"secret": "another"}
    service.full_clean()
    service.save()

    assert secret_of("Authorization") == f"Bearer {SECRET}"
    assert secret_of("X-New") == "another"
    assert Service.objects.get().version == 2


def test_keys_are_changed_by_syncing_under_the_new_one(settings: Settings) -> None:
    sync(WITH_SECRET)
    settings.SECRETS_KEYS = ["the-new-key-that-is-long-enough-for-us"]
    assert sync(WITH_SECRET).startswith("0 created, 1 updated")

    settings.SECRET_KEY = "the-old-key-is-gone-and-nobody-needs-it"

    assert secret_of("Authorization").endswith(SECRET)


def test_a_secret_under_a_lost_key_is_an_error_without_the_text(settings: Settings) -> None:
    place = Place("payments", "https://pay.example.com:443", "headers.X-Key")
    sealed = sealing.seal(SECRET, place)
    settings.SECRET_KEY = "another-key-that-is-long-enough-for-us"

    with pytest.raises(sealing.Unsealable, match="SECRETS_KEY") as raised:
        unsealed(sealed, place)
    assert sealed not in str(raised.value)


# --- groups, parents, archiving ---------------------------------------------------------------------------------------

FAMILY = """\
services:
  - {id: shop, name: Shop, endpoint_url: http://shop, group: Sales, tags: [web, eu]}
  - {id: cart, name: Cart, endpoint_url: http://cart, parent: shop}
"""


def test_groups_parents_and_tags() -> None:
    sync(FAMILY)

    shop, cart = Service.objects.get(id="shop"), Service.objects.get(id="cart")
    assert (shop.group_name, shop.tags, cart.parent_id) == ("Sales", ["web", "eu"], "shop")


def test_a_service_is_no_part_of_itself() -> None:
    sync(FAMILY)
    circle = FAMILY.replace("group: Sales", "parent: cart")

    assert problems(circle)[0] == "2: parent: a service cannot be part of itself: shop → cart → shop."


def test_a_parent_must_be_there() -> None:
    (problem,) = problems(FAMILY.replace("parent: shop", "parent: shopp"))

    assert problem.startswith('3: parent: "shopp" is not a service. Did you mean shop?')


def test_pruning_archives_and_names_what_the_file_does_not() -> None:
    sync(FAMILY)
    sync(HEAD)

    assert sync(HEAD, prune=True) == "0 created, 0 updated, 2 archived (cart, shop), 1 unchanged"
    assert list(Service.objects.present().values_list("id", flat=True)) == ["payments"]
    assert Service.objects.count() == 3


def test_pruning_by_an_empty_file_is_refused() -> None:
    sync(HEAD)

    assert "--prune would archive all of them" in problems("services: []", prune=True)[0]


def test_a_service_that_comes_back_is_unknown_until_it_is_checked() -> None:
    sync(FAMILY)
    Service.objects.filter(id="cart").update(status="mo")
    ServiceState.objects.create(service_id="cart", status="mo", is_down=True)
    sync(FAMILY.replace("- {id: cart", "# "), prune=True)

    sync(FAMILY)

    cart = Service.objects.select_related("state").get(id="cart")
    assert (cart.archived_at, cart.status, cart.state.status) == (None, "nd", "nd")
    assert cart.state.is_down, "a gap does not end an outage, for the ledger neither"
    assert Transition.objects.get().to_status == "nd"


def test_switching_off_and_on_in_the_file_is_a_pause() -> None:
    sync(FAMILY)
    sync(FAMILY.replace("parent: shop", "is_active: false"))
    span = Span.objects.get()
    assert (span.kind, span.service_id, span.reason, span.until) == ("paused", "cart", "services.yaml", None)

    sync(FAMILY.replace("parent: shop", "is_active: true"))

    span.refresh_from_db()
    assert span.until is not None


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Any:
    sync(FAMILY)
    file = tmp_path / "services.yaml"
    file.write_text(HEAD + "  - {id: shop, name: Shop, endpoint_url: http://shop, tags: [web], timeout: 3000}\n")
    return file


def test_a_dry_run_shows_a_plan_and_changes_nothing(file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = list(Service.objects.order_by("id").values())

    call_command("sync_services", str(file), "--dry-run", "--prune")

    assert capsys.readouterr().out.splitlines() == [
        "+ payments",
        "~ shop",
        '    tags ["web", "eu"] → ["web"]',
        "    timeout 5000 → 3000",
        "- cart",
        "1 to create, 1 to update, 1 to archive, 0 unchanged; nothing was changed.",
    ]
    assert list(Service.objects.order_by("id").values()) == before


def test_what_is_exported_is_unchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    sync(WITH_SECRET + FAMILY.removeprefix("services:\n"))
    call_command("export_services")
    file = tmp_path / "exported.yaml"
    file.write_text(capsys.readouterr().out)

    call_command("sync_services", str(file), "--prune")

    assert "secret: Bearer ${SERVICE_TOKEN}" in file.read_text()
    assert capsys.readouterr().out == "0 created, 0 updated, 3 unchanged\n"


def test_nothing_is_exported_as_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("export_services")

    assert capsys.readouterr().out == "services: []\n"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40).filter(
    str.strip
)
URLS = {"http": "https://a.example/", "tcp": "tcp://a.example:25", "dns": "dns://a.example", "tls": "tls://a.example",
        "reach": "host://a.example", "domain": "domain://a.example"}  # fmt: skip


@hypothesis_settings(suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(sorted(KINDS)),
    name=texts,
    description=texts,
    tags=st.lists(texts, unique=True),
    data=st.data(),
)
def test_every_service_comes_back_as_it_was(kind: Any, name: Any, description: Any, tags: Any, data: Any) -> None:
    examples = {
        each: setting.metadata["setting"].example for each, setting in KINDS[kind].settings.__dataclass_fields__.items()
    }
    wanted = data.draw(
        st.sets(st.sampled_from(sorted(key for key, example in examples.items() if example is not None)))
    )
    values = {key: examples[key] for key in wanted}
    if KINDS[kind].read(values)[0] is None:
        values = {}
    Service.objects.all().delete()
    service = make_service(
        "a", name=name[:100], display_name=name[:100], kind=kind, endpoint_url=URLS.get(kind), description=description,
        tags=tags, check_settings=values, metadata={description: [name, 1, 2.5, None, True]},
    )  # fmt: skip
    before = Service.objects.values().get()

    assert sync_file(exported().encode(), variables={}).unchanged == 1, exported()
    assert Service.objects.values().get() == before
    assert service.kind == kind


class Terminal(io.StringIO):
    def isatty(self) -> Any:
        return True


def test_progress_is_shown_on_a_terminal_once_it_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("monitoring.progress.time.monotonic", lambda: now[0])
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        now[0] = 0.0
        progress = Progress(stream)
        for done, now[0] in enumerate((0.5, 1.5, 1.55, 2.0)):
            progress("read", done, 4)
        progress.end()

    assert terminal.getvalue() == "\r\x1b[K1 of 4 read\r\x1b[K3 of 4 read\r\x1b[K"
    assert pipe.getvalue() == ""


def test_problems_end_the_command(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(HEAD + "    check: {kind: nothing}\n")

    with pytest.raises(CommandError, match="1 problem"):
        call_command("sync_services", str(file), "--dry-run")
