"""Where the API is, and who calls it."""

import os
from pathlib import Path

import httpx

DEFAULT_URL = "http://localhost:8777"
TOKEN_LIMIT = 4096


def base_url(given: str | None) -> str:
    """The URL of the API: the given one, `AOD_API_URL`, or that of a server on this machine."""
    text = given or os.environ.get("AOD_API_URL") or DEFAULT_URL
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("the API's URL is not of the form https://host")  # not repeated: it may hold a password
    return str(url).rstrip("/")


def bearer(given: str | None) -> str:
    """The token: the given one, `AOD_API_TOKEN`, or what is in the file `AOD_API_TOKEN_FILE`."""
    token, path = given or os.environ.get("AOD_API_TOKEN"), os.environ.get("AOD_API_TOKEN_FILE")
    if path and token and not given:
        raise ValueError("AOD_API_TOKEN and AOD_API_TOKEN_FILE are both set: set one of them")
    if path and not token:
        with Path(path).open() as file:
            token = file.read(TOKEN_LIMIT)
    token = (token or "").strip()
    if not token:
        raise ValueError("no API token: pass token=..., or set AOD_API_TOKEN or AOD_API_TOKEN_FILE")
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("the API token has characters that no token has")
    return token
