"""Who may ask: pages of other sites, other names of this machine and requests without token not."""

from __future__ import annotations

import pytest

PATHS = ["/", "/api/store", "/api/runs", "/static/main.js", "/api/stream", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_told_without_the_cookie(site, path):
    answer = site.get(path, cookie="")
    assert answer.status == 403
    assert site.access.token not in answer.text


@pytest.mark.parametrize("cookie", ["", "a", "é", "x" * 10_000])
def test_a_wrong_cookie_is_none(site, cookie):
    said = f"{site.access.cookie_name}={cookie}"
    assert site.get("/api/store", cookie=said).status == 403


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:81230",
        "localhost", "127.0.0.1:8123.evil.example", "evil.example@127.0.0.1:8123", "0.0.0.0:8123",
        "[::1]:8123", "127.0.0.1:8123,evil.example", "LOCALHOST:8123x", "127.1:8123",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/store"])
def test_other_names_of_this_machine_are_refused(site, host, path):
    answer = site.get(path, host=host, token=site.access.token)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_two_hosts_are_none(site):
    assert site.get("/api/store", headers=[("host", "127.0.0.1:8123")]).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123"])
def test_this_machine_may_be_called_by_both_names(site, host):
    assert site.get("/api/store", host=host).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8123"}, 200),
        ({"origin": "http://localhost:8123"}, 403),
        ({"origin": "https://127.0.0.1:8123"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ],
)
def test_other_sites_are_not_answered(site, headers, status):
    assert site.get("/api/store", headers=[*headers.items()]).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(site, method):
    assert site.get("/api/store", method=method).status == 405


def test_the_token_is_changed_for_a_cookie_that_scripts_and_other_sites_do_not_get(site):
    answer = site.get("/run/a b", cookie="", token=site.access.token, at="5")
    assert answer.status == 303
    assert answer.headers["location"] == "/run/a%20b?at=5"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert site.access.token not in answer.headers["set-cookie"] + answer.text
    assert site.get("/api/store", cookie=cookie).status == 200


@pytest.mark.parametrize("token", ["", "a", "é", "a" * 43])
def test_a_wrong_token_sets_no_cookie(site, token):
    answer = site.get("/", cookie="", token=token)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_redirect_stays_here(site, path):
    place = site.get(path, cookie="", token=site.access.token).headers["location"]
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\"))


@pytest.mark.parametrize("path", PATHS[:4])
@pytest.mark.parametrize("cookie", [None, ""])
def test_each_answer_has_a_strict_policy(site, path, cookie):
    headers = site.get(path, cookie=cookie).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_tokens_are_new_each_time_and_compared_in_constant_time(monkeypatch):
    from scutoid.serving import _guard

    first, second = _guard.Access(1), _guard.Access(1)
    assert len({first.token, first.cookie, second.token, second.cookie}) == 4
    assert min(len(first.token), len(first.cookie)) >= 40
    compared = []
    monkeypatch.setattr(
        _guard.secrets, "compare_digest", lambda a, b: compared.append((a, b)) or False
    )
    assert not first.is_token("a")
    assert not first.is_cookie(f"{first.cookie_name}=b")
    assert len(compared) == 2


def test_other_kinds_of_connection_are_not_answered(site):
    import asyncio

    async def never(*_):
        raise AssertionError("answered")

    asyncio.run(site.app({"type": "websocket"}, never, never))
