from django.test import Client

from statuspage import assets


def test_files_may_be_kept_for_good_at_their_own_address(client: Client) -> None:
    response = client.get(assets.url("page.css"))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_address_of_an_earlier_version_gives_todays_file_for_a_minute(client: Client) -> None:
    response = client.get("/assets/0123abcd/page.css")

    assert response.content == client.get(assets.url("page.css")).content
    assert response.headers["Cache-Control"] == "public, max-age=60"


def test_nothing_else_can_be_fetched(client: Client) -> None:
    assert client.get("/assets/0123abcd/..%2f..%2fviews.py").status_code == 404
    assert client.get("/assets/0123abcd/views.py").status_code == 404
