"""The page needs packages that not everybody has."""

import importlib.util

import pytest

if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("httpx") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from starlette.testclient import TestClient

    from manualnst.web.app import make_app


@pytest.fixture
def client(tmp_path):
    """Somebody at the page, whose server runs."""
    with TestClient(make_app(tmp_path / "page"), base_url="http://127.0.0.1") as client:
        client.headers["X-Manualnst"] = "1"
        yield client
