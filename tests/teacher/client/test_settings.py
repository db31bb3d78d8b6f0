from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.teacher.client.settings import ClientSettings, Endpoint, endpoint_from, endpoints_from, settings_from


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "open")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure")
    monkeypatch.setenv("MINE", "mine")
    monkeypatch.delenv("UNSET", raising=False)


@pytest.mark.parametrize(
    ("url", "variable", "azure", "key"),
    [
        ("https://api.openai.com/v1", "", False, "open"),
        ("https://x.openai.azure.com", "", True, "azure"),
        ("https://x", "MINE", True, "mine"),
        ("https://x", "none", False, None),
        ("http://localhost:1/v1", "", False, "open"),
        ("http://127.0.0.1:1/v1", "", False, "open"),
        ("http://[::1]:1/v1", "", False, "open"),
        ("http://gpu-box:8000/v1", "", False, None),  # anybody on the way could read it
        ("http://127.0.0.1.example/v1", "", False, None),
        ("http://gpu-box:8000/v1", "MINE", False, "mine"),
    ],
)
def test_which_key_is_sent_where(url: str, variable: str, azure: bool, key: str | None) -> None:
    assert Endpoint(base_url=url, model="m", key_variable=variable, azure=azure).key() == key


def test_a_key_that_is_missing_or_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="UNSET is not set"):
        Endpoint(base_url="http://gpu-box/v1", model="m", key_variable="UNSET").key()
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        Endpoint(base_url="https://x/v1", model="m").key()
    assert Endpoint(base_url="http://localhost/v1", model="m").key() is None
    monkeypatch.setenv("OPENAI_API_KEY", "line\nline")
    with pytest.raises(UserError, match="characters that no key has"):
        Endpoint(base_url="https://x/v1", model="m").key()


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x/v1", "http://", "http://x:99999/v1", "http://a b/v1", "http://u:p@x/v1", "http://x/v1?a=1"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValidationError):
        Endpoint(base_url=url, model="m")


def test_endpoints_serve_one_model(tmp_path: Path) -> None:
    first = Endpoint(base_url="http://a/v1/", model="llama3.1:8b", known_as="llama", price_in=1.0, price_out=5.0)
    second = Endpoint(base_url="http://b/v1", model="llama", price_in=2.0, price_out=4.0)
    settings = ClientSettings(endpoints=(first, second), cache=tmp_path)
    assert settings.model == "llama" and settings.dearest == (2.0, 5.0) and first.base_url == "http://a/v1"
    with pytest.raises(ValidationError, match="serve llama, other"):
        ClientSettings(endpoints=(second, Endpoint(base_url="http://c/v1", model="other")), cache=tmp_path)
    with pytest.raises(ValidationError):
        ClientSettings(endpoints=(), cache=tmp_path)


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        (
            "http://localhost:11434/v1#llama3.1:8b",
            "",
            Endpoint(base_url="http://localhost:11434/v1", model="llama3.1:8b"),
        ),
        ("http://localhost:8000/v1/", "a/b", Endpoint(base_url="http://localhost:8000/v1", model="a/b")),
        ("http://x/v1#mine", "other", Endpoint(base_url="http://x/v1", model="mine")),
        ("http://x/v1/chat/completions#m", "", Endpoint(base_url="http://x/v1", model="m")),
        (
            "https://x/v1#m,price_in=0.15,price_out=0.6,key=MINE,as=n",
            "",
            Endpoint(
                base_url="https://x/v1", model="m", price_in=0.15, price_out=0.6, key_variable="MINE", known_as="n"
            ),
        ),
        ("https://x/v1#key=none", "m", Endpoint(base_url="https://x/v1", model="m", key_variable="none")),
        (
            "https://me.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2024-10-21",
            "",
            Endpoint(
                base_url="https://me.openai.azure.com/openai/deployments/mine",
                model="mine",
                azure=True,
                api_version="2024-10-21",
            ),
        ),
        (
            "https://me.openai.azure.com/openai/v1#gpt-4o",
            "",
            Endpoint(base_url="https://me.openai.azure.com/openai/v1", model="gpt-4o", azure=True),
        ),
    ],
)
def test_addresses(text: str, model: str, expected: Endpoint) -> None:
    assert endpoint_from(text, model) == expected
    assert endpoints_from([text, text], model) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:11434/v1#m", "it looks like http://localhost:11434/v1#llama3"),
        ("llama3", "is not the address of a teacher"),
        ("http://x/v1", "names no model; write http://x/v1#MODEL or add --model MODEL"),
        ("http://x/v1#m,prise_in=3", "did you mean 'price_in'?"),
        ("http://x/v1#m,price_in=cheap", "price_in= Input should be a valid number"),
        ("http://x/v1#m,price_in=-1", "price_in= Input should be greater"),
        ("http://x/v1#m,key=", "has the option 'key='"),
        ("http://x/v1?key=abc#m", "has ?key="),
        ("http://me:secret@x/v1#m", "environment variable"),
        ("http://#m", "is not a URL"),
        ("http://x:port/v1#m", "is not"),
        ("http://[x/v1#m", "is not the address"),
    ],
)
def test_what_is_no_address_gets_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        endpoint_from(text)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_several_addresses_share_one_model(tmp_path: Path) -> None:
    found = settings_from(["http://a/v1", "http://b/v1#big,as=m"], "m", cache=tmp_path, budget={"money": 5})
    assert [endpoint.model for endpoint in found.endpoints] == ["m", "big"] and found.model == "m"
    assert found.budget.money == 5
    with pytest.raises(UserError, match="share the load of one model, and these serve a, b"):
        settings_from(["http://a/v1#a", "http://b/v1#b"], cache=tmp_path)
    with pytest.raises(UserError, match=r"budget\.money: Input should be greater"):
        settings_from(["http://a/v1#a"], cache=tmp_path, budget={"money": -5})


@given(some.text(max_size=40) | some.text(max_size=30).map(lambda rest: f"http://{rest}"))
def test_any_text_is_an_address_or_a_user_error(text: str) -> None:
    try:
        found = endpoint_from(text, "m")
    except UserError:
        return
    assert found.base_url.startswith(("http://", "https://"))
