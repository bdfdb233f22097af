"""A client certificate and its key are stored sealed, bound like other secrets, and judged before that."""

import json
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from django.core.exceptions import ValidationError

from monitoring.catalogue.plain_secrets import warnings_of
from monitoring.catalogue.services_file import sync_file
from monitoring.catalogue.tests.test_services_as_code import exported
from monitoring.config import sealing
from monitoring.models import Service
from monitoring.probes.net.tls_contexts import DEFAULT, ClientCertificate, make_context
from monitoring.probes.net.tls_settings import opened_client
from monitoring.tests.factories import make_service

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return pair_of(trustme.CA().issue_cert("monitor@example.com"))


def pair_of(certificate: trustme.LeafCert) -> tuple[str, str]:
    return certificate.cert_chain_pems[0].bytes().decode(), certificate.private_key_pem.bytes().decode()


def check(certificate: Any, key: Any) -> dict[str, Any]:
    return {"client_certificate": certificate, "client_key": {"secret": key}}


def problems(url: str = "https://api.example.com/", **settings: Any) -> list[str]:
    kind = url.partition(":")[0].replace("https", "http")
    service = Service(
        id="payments", name="Payments", display_name="Payments", kind=kind, endpoint_url=url, check_settings=settings
    )
    with pytest.raises(ValidationError) as refused:
        service.full_clean()
    return refused.value.messages


@pytest.mark.parametrize("kind", ["http", "tls"])
def test_key_is_sealed_and_opened_at_its_place_only(pair: tuple[str, str], kind: str) -> None:
    url = {"http": "https://api.example.com/", "tls": "tls://api.example.com"}[kind]
    service = make_service("payments", kind=kind, endpoint_url=url, check_settings=check({"secret": pair[0]}, pair[1]))

    stored = Service.objects.get()
    settings = stored.check_kind.read(stored.check_settings)[0]
    assert "PRIVATE KEY" not in json.dumps(stored.check_settings) + json.dumps(service.shown_settings)
    assert "CERTIFICATE-" not in json.dumps(stored.check_settings)
    found = opened_client(settings, stored.place, sealing.unseal)
    assert found == ClientCertificate(*pair)
    assert "PRIVATE" not in repr(found)
    stored.endpoint_url = url.replace("api.", "evil.")
    with pytest.raises(ValidationError, match="a secret is never sent to a new origin"):
        stored.full_clean()
    stored = Service.objects.get()
    stored.check_settings = {**stored.check_settings, "connect_to": "evil.example"}
    with pytest.raises(ValidationError, match="a secret is never sent to a new origin"):
        stored.full_clean()


def test_what_openssl_would_refuse_is_refused_when_saved(pair: tuple[str, str]) -> None:
    certificate, key = pair
    other = pair_of(trustme.CA().issue_cert("monitor@example.com"))[1]
    locked = load_pem_private_key(key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )

    not_a_key = "check.client_key: it is not a private key in PEM without password."
    assert problems(**check(certificate, other)) == [
        "check.client_key: it is not the key of this client certificate. Enter the key that the certificate was issued"
        " for."
    ]
    assert problems(**check(certificate, "hunter2"))[0].startswith(not_a_key)
    assert problems(**check(certificate, locked.decode()))[0].startswith(not_a_key)
    assert problems(**check(certificate, certificate))[0].startswith(not_a_key)
    assert problems(**check({"secret": "hunter2"}, key))[0].startswith(
        "check.client_certificate: it is not a certificate"
    )
    assert problems("tls://api.example.com", **check(certificate, other))[0].startswith(
        "check.client_key: it is not the"
    )


def test_line_ends_that_yaml_or_a_shell_took_are_given_back(pair: tuple[str, str]) -> None:
    for change in (" ".join, "\\n".join, "\r\n".join):
        flat = [change(text.strip().splitlines()) for text in pair]
        service = make_service(check_settings=check(*flat))
        settings = service.check_kind.read(service.check_settings)[0]
        client = opened_client(settings, service.place, sealing.unseal)
        assert make_context(DEFAULT._replace(client=client)).cert_store_stats()["x509"] >= 0
        service.delete()


def test_pair_from_the_environment_comes_back_as_references(pair: tuple[str, str]) -> None:
    file = (
        "services:\n- id: api\n  name: API\n  endpoint_url: https://api.example.com/\n"
        '  check: {client_certificate: "${SERVICE_CERT}", client_key: "${SERVICE_KEY}"}\n'
    )
    variables = {"SERVICE_CERT": pair[0], "SERVICE_KEY": pair[1]}

    assert sync_file(file.encode(), variables=variables).created == ["api"]
    text = exported()
    assert "secret: ${SERVICE_CERT}" in text and "secret: ${SERVICE_KEY}" in text
    assert sync_file(text.encode(), variables=variables).unchanged == 1


def test_certificates_are_not_taken_for_secrets(pair: tuple[str, str]) -> None:
    service = make_service(check_settings={**check(*pair), "ca": pair[0]})

    assert warnings_of(service) == []
