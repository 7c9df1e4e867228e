"""The guard lets in the lab's own page in the browser that has the key, and nothing else."""

import asyncio

import pytest

from sigsep_classic.lab.guard import Guard

KEY, PORT, LIMIT = "right", 8421, 10_000
HOST, ORIGIN = "127.0.0.1:8421", "http://127.0.0.1:8421"
COOKIE = "sigsep_lab_8421=right"


def ask(method="GET", path="/", query="", body=(b"",), kind="http", **headers):
    """Return the status of a request, what the application took of its body, and the headers of the answer."""
    taken, sent = [], []
    pieces = list(body)

    async def app(scope, receive, send):
        while kind == "http":
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            taken.append(message["body"])
            if not message.get("more_body"):
                break
        start = {
            "http": {"type": "http.response.start", "status": 200},
            "websocket": {"type": "websocket.accept"},
        }
        await send(start[kind])

    async def receive():
        if kind == "websocket":
            return {"type": "websocket.connect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), str(value).encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": pairs}
    scope |= {"method": method} if kind == "http" else {}
    guard = Guard(app, port=PORT, key=KEY, upload_limit=LIMIT)
    asyncio.run(guard(scope, receive, send))
    answer = {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}
    return sent[0].get("status", sent[0]["type"]), b"".join(taken), answer


def test_the_first_page_with_the_key_gives_the_cookie_that_all_else_needs():
    status, _, answer = ask(query=f"key={KEY}", host=HOST)
    assert status == 200
    assert answer["set-cookie"] == f"{COOKIE}; HttpOnly; SameSite=Strict; Path=/"
    assert ask(host=HOST, cookie=f"other=1; {COOKIE}")[0] == 200
    assert ask(host="localhost:8421", path="/result/x", cookie=COOKIE)[0] == 200
    assert ask(kind="websocket", host=HOST, origin=ORIGIN, cookie=COOKIE)[0] == "websocket.accept"
    assert ask("POST", host=HOST, origin=ORIGIN, cookie=COOKIE)[0] == 200


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"host": HOST}),
        (403, {"host": HOST, "cookie": "sigsep_lab_8421=wrong"}),
        (403, {"host": HOST, "query": "key=wrong"}),
        (403, {"host": HOST, "query": f"key={KEY}", "path": "/result/x"}),
        (421, {"host": "evil.example:8421", "query": f"key={KEY}"}),
        (421, {"host": "127.0.0.1", "cookie": COOKIE}),
        (421, {"cookie": COOKIE}),
        (403, {"host": HOST, "cookie": COOKIE, "origin": "http://evil.example"}),
        (403, {"host": HOST, "cookie": COOKIE, "origin": "null"}),
        (403, {"host": HOST, "cookie": COOKIE, "origin": "https://127.0.0.1:8421"}),
        (403, {"host": HOST, "cookie": COOKIE, "sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}),
        (403, {"host": HOST, "cookie": COOKIE, "method": "POST"}),
        ("websocket.close", {"host": HOST, "cookie": COOKIE, "kind": "websocket"}),
        (
            "websocket.close",
            {"host": HOST, "cookie": COOKIE, "kind": "websocket", "origin": "http://evil.example"},
        ),
        ("websocket.close", {"host": HOST, "kind": "websocket", "origin": ORIGIN}),
        (
            "websocket.close",
            {"host": "evil.example:8421", "cookie": COOKIE, "kind": "websocket", "origin": ORIGIN},
        ),
        (413, {"host": HOST, "cookie": COOKIE, "method": "POST", "origin": ORIGIN, "content_length": 10**6}),
        (413, {"host": HOST, "cookie": COOKIE, "method": "POST", "origin": ORIGIN, "content_length": "x"}),
    ],
)
def test_strangers_are_refused(status, headers):
    assert ask(**headers)[0] == status


def test_a_body_that_goes_on_beyond_the_limit_ends_there():
    body = [bytes(5000)] * 10
    taken = ask("POST", host=HOST, origin=ORIGIN, cookie=COOKIE, body=body)[1]
    assert len(taken) == 10_000


def test_answers_forbid_the_browser_to_load_anything_from_elsewhere():
    answer = ask(host=HOST, cookie=COOKIE)[2]
    assert "http" not in answer["content-security-policy"]
    assert "default-src 'self'" in answer["content-security-policy"]
    assert "frame-ancestors 'self'" in answer["content-security-policy"]
    assert answer["cross-origin-resource-policy"] == "same-origin"
