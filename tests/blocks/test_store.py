"""Stores by address, and the block that keeps one's address and credentials: a real Prefect, a real S3 server."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks.store import WinnowStore
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.home import default_store
from tasks.runtime.store import Store
from tasks.runtime.stores import open_store
from tests.s3 import KEY, SECRET

pytestmark = pytest.mark.usefixtures("prefect_server")


def use(store: Store) -> None:
    with store.draft() as draft:
        (draft / "page.html").write_text("hello")
        ref = store.publish(draft, "report")
    assert (store.open(ref) / "page.html").read_text() == "hello"


def block(uri: str, options: dict[str, Any], **more: Any) -> WinnowStore:
    keys = {"key": SecretStr(options["key"]), "secret": SecretStr(options["secret"])}
    return WinnowStore(uri=uri, endpoint_url=options["endpoint_url"], **keys, **more)


def test_no_address_is_the_store_under_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path))
    assert open_store().uri == open_store("").uri == default_store() == str(tmp_path / "store")
    use(open_store())


def test_a_folder(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "else"))
    use(store)
    assert store.local


def test_an_s3_address_with_the_environments_credentials(
    s3_store_uri: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, options = s3_store_uri
    monkeypatch.setenv("AWS_ENDPOINT_URL", options["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    use(open_store(f"{uri}/{uuid.uuid4().hex}"))


def test_a_saved_block_on_s3(s3_store_uri: tuple[str, dict[str, Any]]) -> None:
    uri, options = s3_store_uri
    address = f"{uri}/{uuid.uuid4().hex}"
    block(address, options, region="us-east-1").save("night", overwrite=True)
    store = open_store("block:night")
    assert store.uri == address
    assert store.options["client_kwargs"] == {"region_name": "us-east-1"}
    use(store)


def test_a_saved_block_of_a_folder(tmp_path: Path) -> None:
    WinnowStore(uri=str(tmp_path / "else")).save("folder", overwrite=True)
    use(open_store("block:folder"))
    assert (tmp_path / "else" / "objects").is_dir()


def test_secrets_show_nowhere(s3_store_uri: tuple[str, dict[str, Any]]) -> None:
    uri, options = s3_store_uri
    each = block(uri, options)
    each.save("secrets", overwrite=True)
    loaded = WinnowStore.load("secrets")
    for text in (repr(each), str(loaded), loaded.model_dump_json(), repr(open_store("block:secrets"))):
        assert KEY not in text
        assert SECRET not in text
    assert loaded.fsspec_options() == options


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no Winnow Store block is called 'nobody'") as caught:
        open_store("block:nobody")
    assert caught.value.exit_code == 2


def test_a_block_checks_its_fields() -> None:
    with pytest.raises(ValidationError, match="endpoint_url"):
        WinnowStore(uri="s3://b/p", endpoint_url="127.0.0.1:9000")
    with pytest.raises(ValidationError, match="uri"):
        WinnowStore(uri="")
