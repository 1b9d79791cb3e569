"""The session's environment, set before Prefect, Great Expectations or torch are imported anywhere."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# One home a session, whatever the user's own settings say: tests never touch the user's store or Prefect's database.
_HOME = Path(tempfile.mkdtemp(prefix="winnow-tests-"))
_OWNER = os.getpid()
os.environ["WINNOW_HOME"] = str(_HOME)
for name in [name for name in os.environ if name.startswith(("PREFECT_", "AWS_"))]:
    del os.environ[name]
# Two threads a process are enough on two cores; more than one process computes at a time.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["COLUMNS"] = "120"  # tables are as wide as this, whatever terminal the tests are started from

from tasks.runtime.home import configure_environment  # noqa: E402

configure_environment()

from tests.s3 import s3_server  # noqa: E402


@atexit.register
def _remove_home() -> None:
    if os.getpid() == _OWNER:  # not in a forked child
        shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Prefect's own server and database for tests that run tasks and flows: one a session, for it takes seven seconds."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def s3_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A real S3 server for the session; yields the options s3fs reaches it with."""
    with s3_server(tmp_path_factory.mktemp("s3")) as options:
        yield options


@pytest.fixture(scope="session")
def s3_store_uri(s3_options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """``(uri, options)`` of a bucket on the session's S3 server; add a folder to the URI for a store of your own."""
    return "s3://winnow-tests", s3_options


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The embedded chat model as a plain float32 folder (converted once a session, about twenty seconds)."""
    from tasks.runtime.models import embedded_model_folder

    return embedded_model_folder()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Path:
    """A random Llama of two layers with the embedded model's tokenizer: trains in seconds, through the same lines."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from tasks.runtime.models import save_model

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("tiny")
    save_model(LlamaForCausalLM(config), tokenizer, folder)
    return folder
