"""A seal opens at its place and nowhere else; no secret follows an address to another origin unasked."""

import base64
import importlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.tests.cast import Person
from monitoring.api.tests.api_client import Program, fields_of
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.sync import Refused
from monitoring.config import sealing
from monitoring.models import Service
from monitoring.probes.http.requests import origin_of
from monitoring.probes.secrets import Place
from monitoring.tests.factories import make_service
from observability.signing import derived, root_keys

HOME = "https://pay.example/health"
PLACE = Place("payments", "https://pay.example:443", "headers.Authorization")
SECRET = "hunter2-of-payments"
WITH_SECRET = {"headers": {"Authorization": {"secret": SECRET}, "X-Key": {"secret": "another"}, "Accept": "*/*"}}
WORDS = "has another origin (https://pay.example:443 → https://evil.example:443)"

texts = st.text(max_size=30)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine


@patient
@given(st.builds(Place, texts, texts, texts), st.builds(Place, texts, texts, texts), texts, st.none() | texts)
def test_a_seal_opens_at_its_place_alone(place: Any, other: Any, value: Any, reference: Any) -> None:
    sealed = sealing.seal(value, place, reference)

    assert sealing.opened(sealed, place) == sealing.Opened(value, reference)
    if other != place:
        with pytest.raises(sealing.Unsealable):
            sealing.opened(sealed, other)


@patient
@given(st.text() | st.text("ABCab01-_=", max_size=60).map(lambda text: sealing.BOUND + text))
def test_what_is_no_seal_does_not_open(text: Any) -> None:
    with pytest.raises(sealing.Unsealable):
        sealing.opened(text, PLACE)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Pay.Example/health?x=1", "https://pay.example:443"),
        ("http://pay.example", "http://pay.example:80"),
        ("https://pay.example:8443/", "https://pay.example:8443"),
        ("https://bücher.example/", "https://xn--bcher-kva.example:443"),
        ("http://[::1]:80/", "http://::1:80"),
        ("tls://pay.example", "tls://pay.example:443"),
        ("tcp://pay.example:25", "tcp://pay.example:25"),
        ("host://pay.example", ""),
        ("not a URL", ""),
        ("", ""),
    ],
)
def test_the_origin_of_an_address(url: Any, origin: Any) -> None:
    assert origin_of(url) == origin


def stored_secret(header: str = "Authorization") -> str:
    service = Service.objects.get(id="payments")
    return sealing.unseal(service.check_settings["headers"][header]["secret"], service.place.at(f"headers.{header}"))


# --- Another origin ---------------------------------------------------------------------------------------------------


@pytest.fixture
def payments(db: None) -> Service:
    return make_service("payments", endpoint_url=HOME, check_settings=WITH_SECRET)


@pytest.fixture
def program(admin: Any, settings: Any) -> Program:
    settings.API_RATE_LIMIT = 0
    return Program.of(admin)


def test_over_the_api_another_origin_asks_for_every_secret_again(payments: Service, program: Any) -> None:
    refused = program.patch("services/payments", {"endpoint_url": "https://evil.example/collect"})

    assert refused.status_code == 422
    found = fields_of(refused)
    assert set(found) == {"check.headers.Authorization", "check.headers.X-Key"}
    assert all(WORDS in words and "Enter the secret again" in words for (words,) in found.values())
    assert Service.objects.get().endpoint_url == HOME


def test_masked_secrets_are_not_taken_to_another_origin(payments: Service, program: Any) -> None:
    check = {"headers": {"Authorization": {"secret": sealing.MASK}, "X-Key": {"secret": "unchanged"}}}

    refused = program.patch("services/payments", {"endpoint_url": "https://evil.example/", "check": check})

    assert set(fields_of(refused)) == {"check.headers.Authorization", "check.headers.X-Key"}


def test_with_its_secrets_written_again_the_address_may_change(payments: Service, program: Any) -> None:
    check = {"headers": {"Authorization": {"secret": SECRET}}}

    changed = program.patch("services/payments", {"endpoint_url": "https://new.example/", "check": check})

    assert changed.status_code == 200, changed.content
    assert Service.objects.get().endpoint_url == "https://new.example/"
    assert stored_secret() == SECRET


@pytest.mark.parametrize("url", ["https://pay.example/", "https://pay.example:443/v2?x", "https://PAY.example/health"])
def test_another_path_of_the_same_origin_keeps_them(payments: Service, program: Any, url: Any) -> None:
    assert program.patch("services/payments", {"endpoint_url": url}).status_code == 200
    assert stored_secret() == SECRET


@pytest.mark.parametrize("url", ["http://pay.example/health", "https://pay.example:444/health"])
def test_another_scheme_or_port_is_another_origin(payments: Service, program: Any, url: Any) -> None:
    assert program.patch("services/payments", {"endpoint_url": url}).status_code == 422


def test_another_place_to_connect_to_asks_for_them_again(payments: Service, program: Any) -> None:
    kept = {"Authorization": {"secret": sealing.MASK}, "X-Key": {"secret": sealing.MASK}}
    check = {"headers": kept, "connect_to": "evil.example:443"}

    refused = program.patch("services/payments", {"check": check})
    assert set(fields_of(refused)) == {"check.headers.Authorization", "check.headers.X-Key"}
    assert "https://pay.example:443 via evil.example:443" in refused.content.decode()

    allowed = program.patch("services/payments", {"check": {**check, "headers": {"Authorization": {"secret": SECRET}}}})
    assert allowed.status_code == 200 and stored_secret() == SECRET
    assert program.patch("services/payments", {"check": {"headers": kept}}).status_code == 422
    text = "services: [{id: payments, name: Pay, endpoint_url: %s, check: {connect_to: other.example, headers: %s}}]"
    with pytest.raises(Refused, match=r"via other\.example"):
        sync_file((text % (HOME, "{Authorization: {secret: unchanged}}")).encode(), variables={})


def test_in_the_admin_another_origin_asks_for_them_again(payments: Service, admin: Person) -> None:
    page = admin.client.get("/admin/monitoring/service/payments/change/")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    shown |= {"metadata": "{}", "tags": "", "regions": "default", "endpoint_url": "https://evil.example/"}

    answer = admin.client.post("/admin/monitoring/service/payments/change/", shown)

    errors = answer.context["adminform"].form.errors
    assert WORDS in str(errors["http__headers"]) and "Authorization" in str(errors["http__headers"])
    assert Service.objects.get().endpoint_url == HOME


def test_in_a_file_unchanged_means_where_it_is(payments: Service) -> None:
    text = "services: [{id: payments, name: Pay, endpoint_url: %s, check: {headers: {Authorization: {secret: %s}}}}]"
    with pytest.raises(Refused, match="another origin"):
        sync_file((text % ("https://evil.example/", "unchanged")).encode(), variables={})

    sync_file((text % ("https://new.example/", SECRET)).encode(), variables={})
    assert stored_secret() == SECRET


def test_a_seal_of_another_service_is_not_taken(payments: Service, program: Any) -> None:
    make_service("orders", endpoint_url=HOME)
    stolen = payments.check_settings["headers"]["Authorization"]["secret"]

    refused = program.patch("services/orders", {"check": {"headers": {"Authorization": {"secret": stolen}}}})

    assert refused.status_code == 422
    assert "was sealed by another installation" in str(fields_of(refused))


def test_what_bypasses_all_that_does_not_open(payments: Service) -> None:
    Service.objects.update(endpoint_url="https://evil.example/")

    with pytest.raises(sealing.Unsealable):
        stored_secret()


# --- Seals of older releases ------------------------------------------------------------------------------------------


def older_seal(value: str, key: str | None = None) -> str:
    """Seal as releases did that bound seals to nothing."""
    fernet = Fernet(base64.urlsafe_b64encode(derived(key or root_keys()[0], sealing.OLDER_PURPOSE)))
    return sealing.PREFIX + fernet.encrypt(json.dumps([value, "${TOKEN}"]).encode()).decode()


@pytest.fixture
def older(payments: Service) -> Service:
    settings = {"headers": {"Authorization": {"secret": older_seal(SECRET)}}}
    Service.objects.update(check_settings=settings)
    payments.refresh_from_db()
    return payments


def migrate() -> None:
    importlib.import_module("monitoring.migrations.0019_seals_bound").bind(apps, None)


def test_the_upgrade_binds_them(older: Any) -> None:
    with pytest.raises(sealing.Unsealable):
        stored_secret()

    migrate()

    assert stored_secret() == SECRET
    bound = Service.objects.get()
    assert sealing.exported(bound.check_settings, bound.place) == {"headers": {"Authorization": {"secret": "${TOKEN}"}}}
    before = Service.objects.values().get()
    migrate()
    assert Service.objects.values().get() == before


def test_the_upgrade_names_those_that_no_key_opens(older: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lost = {"headers": {"Authorization": {"secret": older_seal(SECRET, key="a-lost-key-that-was-long-enough-too")}}}
    Service.objects.update(check_settings=lost)

    migrate()

    assert "service payments: no key of this process opens its secrets" in capsys.readouterr().err
    assert Service.objects.get().check_settings == lost


def test_saved_once_more_they_are_bound(older: Any, program: Any) -> None:
    check = {"headers": {"Authorization": {"secret": sealing.MASK}}}

    assert program.patch("services/payments", {"check": check}).status_code == 200

    assert stored_secret() == SECRET


def test_they_are_not_taken_to_another_origin_either(older: Any, program: Any) -> None:
    assert program.patch("services/payments", {"endpoint_url": "https://evil.example/"}).status_code == 422


def test_a_seal_says_nothing_of_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sealed = sealing.seal(SECRET, PLACE)

    with pytest.raises(sealing.Unsealable) as error:
        sealing.unseal(sealed, replace(PLACE, origin="https://evil.example:443"))

    assert SECRET not in sealed + str(error.value) + caplog.text


# --- What stands in the clear -----------------------------------------------------------------------------------------

HEADERS = {"X-Api-Key": "k", "X-Note": "Bearer abcdef0123456789", "Accept": "*/*"}
PLAIN = {"headers": HEADERS, "body": "password=hunter2"}
HINTS = ("check.headers.X-Note: ", "check.headers.X-Api-Key: ", "check.body: ", "endpoint_url: ")


def test_plain_values_that_look_secret_are_told_and_never_repeated(
    program: Any, admin: Person, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "services.json"  # JSON is YAML
    check = {**PLAIN, "method": "POST"}
    wanted = {"id": "plain", "name": "Plain", "endpoint_url": "https://a.example/?access_token=hunter2", "check": check}
    file.write_text(json.dumps({"services": [wanted]}))

    call_command("sync_services", str(file))
    told = capsys.readouterr().err
    answer = program.get("services/plain").json()["warnings"]
    page = admin.client.get("/admin/monitoring/service/plain/change/")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    saved = {**shown, "metadata": "{}", "tags": "", "regions": "default", "description": "x"}
    after = admin.client.post("/admin/monitoring/service/plain/change/", saved, follow=True)

    assert [line.startswith(hint) for line, hint in zip(answer, HINTS, strict=True)] == [True] * 4
    assert "hunter2" not in str(answer) + told
    for hint in HINTS:
        assert f"services.json:1: warning: {hint}" in told
    assert "check.headers.X-Api-Key" in after.content.decode()


def test_what_is_sealed_or_harmless_is_not_told(payments: Service, program: Any) -> None:
    assert program.get("services/payments").json()["warnings"] == []
