"""Expect: 100-continue (RFC 9110 section 10.1.1)."""

from http_servers import assert_alive, wait_until_read

from harness import Corral

EXPECT = {"Expect": "100-continue", "Content-Length": "5"}


def test_client_is_told_to_go_on(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT)
        assert client.head().status == 100
        assert client.send(b"hello").response().text == "hello"
        assert_alive(client)


def test_client_with_a_chunked_body_is_told_to_go_on(server: Corral) -> None:
    headers = {"Expect": "100-Continue", "Transfer-Encoding": "chunked"}
    with server.connect() as client:
        client.request("/echo", method="POST", headers=headers)
        assert client.head().status == 100
        assert client.send(b"5\r\nhello\r\n0\r\n\r\n").response().text == "hello"


def test_client_that_has_gone_on_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT, body=b"hello")
        assert client.head().status == 200


def test_client_of_http_1_0_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/echo", method="POST", headers=EXPECT, version="1.0")
        wait_until_read(server)
        client.send(b"hello")
        assert client.head().status == 200


def test_client_with_too_large_a_body_is_refused_at_once(server: Corral) -> None:
    with server.connect() as client:
        headers = {"Expect": "100-continue", "Content-Length": "99999999999"}
        client.request("/echo", method="POST", headers=headers)
        assert client.head().status == 413


def test_client_without_a_body_is_not_told(server: Corral) -> None:
    with server.connect() as client:
        client.request("/hello", headers={"Expect": "100-continue"})
        assert client.head().status == 200
