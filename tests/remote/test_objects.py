"""Objects of a store: what is there after each fault is what the writer was told."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from scutoid import remote
from scutoid.errors import ScutoidWarning, StoreError, UnwritableStore
from scutoid.remote import _uploads

URL = "s3://bucket/store/lock"


def test_an_object_is_written_read_listed_and_removed(bucket):
    remote.put(URL, b"one")
    remote.put(URL, memoryview(b"two"))
    remote.put("s3://bucket/store/step/a b+c%20ü", b"x")
    remote.put("s3://bucket/store2/other", b"x")
    assert remote.get(URL) == bucket.get("store/lock") == b"two"
    (lock, other) = remote.objects("s3://bucket/store")
    assert (lock.url, lock.size) == (URL, 3)
    assert abs(lock.changed - other.changed) < 60
    assert remote.get(other.url) == b"x"
    assert remote.names("s3://bucket/store/") == ["lock", "step/"]
    assert remote.names("s3://bucket") == ["store/", "store2/"]
    remote.remove([URL, "s3://bucket/store/never"])
    remote.remove([other.url])
    assert remote.get(URL) is None
    assert remote.objects("s3://bucket/store") == []


def test_many_objects_are_listed_and_removed(bucket, monkeypatch):
    monkeypatch.setattr("scutoid.remote._objects._REMOVED_AT_ONCE", 7)
    urls = [f"s3://bucket/a/{number:03}" for number in range(23)]
    for url in urls:
        bucket.put(url.removeprefix("s3://bucket/"), b"x")
    call = remote._s3.call

    def few(url, method, **arguments):
        return call(url, method, **arguments, **({"MaxKeys": 5} if "list" in method else {}))

    monkeypatch.setattr("scutoid.remote._s3.call", few)
    assert [each.url for each in remote.objects("s3://bucket/a")] == urls
    assert remote.names("s3://bucket/a") == [url[-3:] for url in urls]
    remote.remove(urls[1:])
    assert [each.url for each in remote.objects("s3://bucket/a")] == urls[:1]


def test_what_another_process_does_is_seen_at_once(bucket):
    assert remote.names("s3://bucket/a") == []
    assert remote.get("s3://bucket/a/b") is None
    bucket.put("a/b", b"one")
    assert remote.names("s3://bucket/a") == ["b"]
    assert remote.get("s3://bucket/a/b") == b"one"
    bucket.put("a/b", b"two")
    assert remote.get("s3://bucket/a/b") == b"two"
    bucket.remove("a/b")
    assert remote.objects("s3://bucket/a") == []


def test_of_many_that_create_an_object_one_does(bucket):
    def race(number):
        url = f"{URL}-{number}"
        start = threading.Barrier(8)

        def compete(own):
            start.wait()
            return remote.create(url, own)

        tokens = [f"token {number} {n}".encode() for n in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(compete, tokens))
        assert won.count(True) == 1
        assert remote.get(url) == tokens[won.index(True)]

    for number in range(5):
        race(number)


FAULTS = {
    "503": 503,
    "500": (500, "InternalError"),
    "slow down": (503, "SlowDown"),
    "429": (429, "TooManyRequests"),
    "409": (409, "ConditionalRequestConflict"),
    "operation aborted": (409, "OperationAborted"),
    "408": (408, "RequestTimeout"),
    "drop": "drop",
    "delay": 0.05,
    "precondition": (412, "PreconditionFailed"),
}
LATE = ("503", "500", "409", "408", "drop", "precondition", "delay")


def fault_of(bucket, fault, is_late):
    return bucket.proxy.late(FAULTS[fault]) if is_late else FAULTS[fault]


def test_a_create_that_failed_in_passing_is_made_again_and_won(bucket):
    for times, fault in itertools.product((1, 2), FAULTS):
        key = f"{fault} {times}"
        bucket.proxy.fails(*[FAULTS[fault]] * times, method="PUT")
        assert remote.create(f"s3://bucket/{key}", b"mine"), key
        assert bucket.get(quote(key)) == b"mine"


def test_a_create_whose_answer_was_lost_is_won(bucket):
    for fault in LATE:
        bucket.proxy.fails(fault_of(bucket, fault, is_late=True), method="PUT")
        assert remote.create(f"{URL}-{fault}", b"mine"), fault
        assert not remote.create(f"{URL}-{fault}", b"other"), fault
        assert bucket.get(f"store/lock-{fault}") == b"mine"


def test_a_create_of_what_another_has_made_is_lost(bucket):
    bucket.put("store/lock", b"other")
    for fault, is_late in itertools.product(LATE, (True, False)):
        bucket.proxy.fails(fault_of(bucket, fault, is_late), method="PUT")
        assert not remote.create(URL, b"mine"), (fault, is_late)
        assert bucket.get("store/lock") == b"other"


@pytest.mark.parametrize("fault", ["503", "drop"])
def test_a_create_that_another_wins_between_two_tries_is_lost(bucket, fault):
    def other_comes(method, path):
        bucket.proxy.fault = lambda method, path: None
        bucket.put("store/lock", b"other")
        return FAULTS[fault]

    bucket.proxy.fault = other_comes
    assert not remote.create(URL, b"mine")
    assert bucket.get("store/lock") == b"other"


def test_who_has_created_cannot_be_known_while_reading_fails(bucket):
    bucket.proxy.fault = lambda method, path: bucket.proxy.late("drop") if method == "PUT" else 503
    with pytest.raises(StoreError, match="in each of 4 tries"):
        remote.create(URL, b"mine")
    bucket.proxy.fault = lambda method, path: None
    assert remote.create(URL, b"mine")  # its answer then


def test_a_create_is_one_conditional_request_with_a_checksum(bucket):
    bucket.proxy.forget()
    remote.create(URL, bytes(2**20))
    ((method, _, _),) = bucket.proxy.asked
    (headers,) = bucket.proxy.headers
    assert method == "PUT"
    assert headers["If-None-Match"] == "*"
    assert any("checksum" in name.lower() for name in headers)


WAYS = {
    "put": lambda url: remote.put(f"{url}/a", b"x"),
    "create": lambda url: remote.create(f"{url}/a", b"x"),
    "get": lambda url: remote.get(f"{url}/a"),
    "objects": remote.objects,
    "names": remote.names,
    "uploads": remote.uploads,
    "remove": lambda url: remote.remove([f"{url}/a"]),
    "remove many": lambda url: remote.remove([f"{url}/a", f"{url}/b"]),
    "abort": lambda url: remote.abort(remote.Upload(f"{url}/a", "none", 0)),
    "check": remote.check_writable,
}


@pytest.mark.parametrize("fault", ["503", "drop", "429", "408", "500", "409"])
def test_what_fails_in_passing_is_asked_again(bucket, fault):
    for way in WAYS.keys() - {"check", "get"}:
        due = bucket.proxy.fails(FAULTS[fault], FAULTS[fault])
        WAYS[way]("s3://bucket/a")
        assert not due, way


@pytest.mark.parametrize("fault", ["503", "drop"])
def test_what_fails_for_ever_is_an_error_that_names_the_place_and_the_tries(bucket, fault):
    bucket.proxy.fault = lambda method, path: FAULTS[fault]
    for way in WAYS.values():
        with pytest.raises(StoreError, match=r"s3://bucket/a(.|\n)*run it again later") as raised:
            way("s3://bucket/a")
        assert "in each of 4 tries" in str(raised.value)
        assert not isinstance(raised.value, UnwritableStore)


def test_a_bucket_that_is_missing_is_said(bucket):
    for way in WAYS.values():
        with pytest.raises(UnwritableStore, match=r"the bucket of a store exists(.|\n)*s3://none"):
            way("s3://none/a")


REFUSALS = {
    "access denied": (403, "AccessDenied"),
    "unknown key": (403, "InvalidAccessKeyId"),
    "wrong secret": (403, "SignatureDoesNotMatch"),
    "expired": (400, "ExpiredToken"),
    "unauthorized": (401, "Unauthorized"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_is_refused_is_said_at_once_with_what_gives_the_right(bucket, refusal):
    bucket.proxy.fault = lambda method, path: REFUSALS[refusal]
    for way in WAYS.values():
        bucket.proxy.forget()
        with pytest.raises(UnwritableStore, match=r"AWS_ACCESS_KEY_ID") as raised:
            way("s3://bucket/a")
        assert "s3://bucket/a" in str(raised.value)
        assert len(bucket.proxy.asked) <= 2


@pytest.mark.parametrize(
    "url", ["http://host/a", "memory://a", "a/b", "s3://", "zip://a::s3://b/c"]
)
def test_objects_are_not_written_where_no_bucket_is(url):
    for way in WAYS.keys() - {"get", "objects", "names"}:  # which read at any URL
        with pytest.raises(StoreError, match="s3://bucket/folder"):
            WAYS[way](url)


def test_a_store_is_tried_before_work_and_nothing_is_left(bucket):
    bucket.proxy.forget()
    remote.check_writable("s3://bucket/store")
    assert len(bucket.proxy.asked) <= 4
    assert remote.objects("s3://bucket/store") == []


def test_a_server_that_writes_over_what_is_there_holds_no_store(bucket, monkeypatch):
    asked = remote._objects.asked

    def unconditional(url, method, **arguments):
        arguments.pop("IfNoneMatch", None)
        return asked(url, method, **arguments)

    monkeypatch.setattr("scutoid.remote._objects.asked", unconditional)
    with pytest.raises(StoreError, match="refuses to create an object that is there"):
        remote.check_writable("s3://bucket/store")
    assert remote.objects("s3://bucket/store") == []


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "AccessDenied"])
def test_what_is_not_removed_with_the_others_is_tried_again_or_said(bucket, monkeypatch, code):
    for name in "ab":
        bucket.put(f"a/{name}", b"x")
    asked = remote._objects.asked
    failures = [[{"Key": "a/b", "Code": code, "Message": "failed"}]]

    def failing(url, method, **arguments):
        if failures:
            return {"Errors": failures.pop()}
        return asked(url, method, **arguments)

    monkeypatch.setattr("scutoid.remote._objects.asked", failing)
    urls = ["s3://bucket/a/a", "s3://bucket/a/b"]
    if code == "AccessDenied":
        with pytest.raises(StoreError, match=r"AccessDenied(.|\n)*s3://bucket/a/b"):
            remote.remove(urls)
    else:
        remote.remove(urls)
        assert remote.objects("s3://bucket/a") == []


def test_an_answer_that_is_cut_is_never_taken_for_content(bucket):
    content = bytes(range(256)) * 40
    bucket.put("a", content)
    bucket.proxy.fails("cut", "cut", method="GET")
    assert remote.get("s3://bucket/a") == content
    bucket.proxy.fault = lambda method, path: "cut"
    with pytest.raises(StoreError, match="in each of 4 tries"):
        remote.get("s3://bucket/a")


@pytest.mark.parametrize("way", ["objects", "names", "uploads"])
def test_a_listing_that_is_cut_is_asked_for_again(bucket, way):
    bucket.put("a/b", b"x")
    whole = WAYS[way]("s3://bucket/a")
    bucket.proxy.fails("cut", "cut")
    assert WAYS[way]("s3://bucket/a") == whole


def test_long_waits_are_told(bucket, monkeypatch):
    monkeypatch.setattr("scutoid.remote._tries.PAUSES", (0, 0.02))
    monkeypatch.setattr("scutoid.remote._tries._TOLD_S", 0.01)
    bucket.proxy.fails(503, 503)
    with pytest.warns(ScutoidWarning, match=r"s3://bucket fails \(.*503.* asked again in 0\.02 s"):
        remote.put(URL, b"x")


PART = 5 * 2**20  # the least that servers take


@pytest.fixture
def large(monkeypatch):
    """Objects of more than 5 MiB are sent in parts."""
    monkeypatch.setattr("scutoid.remote._objects.SINGLE", PART)
    monkeypatch.setattr("scutoid.remote._uploads._PART", PART)
    return bytes(range(251)) * (PART * 5 // 2 // 251)


@pytest.mark.parametrize("is_file", [True, False])
def test_large_objects_are_sent_in_parts(bucket, large, tmp_path, is_file):
    path = tmp_path / "large"
    path.write_bytes(large)
    bucket.proxy.forget()
    remote.put(URL, path if is_file else large)
    assert bucket.get("store/lock") == large
    assert [method for method, _, _ in bucket.proxy.asked] == ["POST", "PUT", "PUT", "PUT", "POST"]
    assert remote.uploads("s3://bucket") == []


REQUESTS = {
    "begin": ("POST", "uploads"),
    "part": ("PUT", "partNumber=2"),
    "end": ("POST", "uploadId="),
}


@pytest.mark.parametrize("is_late", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_each_request_of_an_upload_is_made_again(bucket, large, request_, is_late):
    method, of = REQUESTS[request_]
    for number, fault in enumerate(("503", "drop", "500")):
        content = large + bytes([number])
        due = bucket.proxy.fails(fault_of(bucket, fault, is_late), of=of, method=method)
        remote.put(URL, content)
        assert not due
        assert bucket.get("store/lock") == content


GONE = (404, "NoSuchUpload")


def test_an_upload_that_is_gone_after_a_lost_answer_was_completed(bucket, large):
    bucket.proxy.fails(bucket.proxy.late(503), GONE, of="uploadId=", method="POST")
    remote.put(URL, large)
    assert bucket.get("store/lock") == large


def test_an_upload_that_was_ended_by_others_is_no_success(bucket, large):
    remote.put(URL, large)  # another's, as large
    bucket.proxy.fails(503, GONE, of="uploadId=", method="POST")
    with pytest.raises(StoreError, match="NoSuchUpload"):
        remote.put(URL, large[::-1])
    assert bucket.get("store/lock") == large


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError])
def test_an_upload_that_fails_is_given_up(bucket, large, monkeypatch, raised):
    call = _uploads.call

    def failing(url, method, **arguments):
        if arguments.get("PartNumber") == 2:
            raise raised
        return call(url, method, **arguments)

    monkeypatch.setattr("scutoid.remote._uploads.call", failing)
    with pytest.raises(raised):
        remote.put(URL, large)
    assert remote.uploads("s3://bucket") == []
    assert remote.get(URL) is None


def test_uploads_left_open_are_listed_below_a_place_and_aborted(bucket):
    begun = {}
    for key in ("store/a/shard", "store/b", "store2/c"):
        answer = bucket.request("POST", f"{key}?uploads")
        begun[f"s3://bucket/{key}"] = answer
    found = remote.uploads("s3://bucket/store")
    assert [each.url for each in found] == ["s3://bucket/store/a/shard", "s3://bucket/store/b"]
    assert all(each.id.encode() in begun[each.url] for each in found)
    for each in found + found:  # a second time is no error
        remote.abort(each)
    assert [each.url for each in remote.uploads("s3://bucket")] == ["s3://bucket/store2/c"]
