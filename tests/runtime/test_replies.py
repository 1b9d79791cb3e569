"""What a status means to whoever asked."""

from __future__ import annotations

import pytest

from tasks.runtime.endpoints import Endpoint
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.replies import NoReplyError, RefusedQuestionError, check_status, pause

HERE = Endpoint("http://host/v1", "m")


@pytest.mark.parametrize("status", [200, 201, 299])
def test_success_says_nothing(status: int) -> None:
    check_status(HERE, status, {})


@pytest.mark.parametrize(
    ("status", "what"), [(401, "the key"), (403, "the key"), (404, "address and model"), (405, "the address")]
)
def test_what_concerns_every_question_is_a_matter_of_configuration(status: int, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"answers {status} to model 'm'; check {what}"):
        check_status(HERE, status, {})


@pytest.mark.parametrize(
    ("after", "seconds"), [("7", 7.0), ("0", 0.0), ("", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-3", 0.0), ("٣", 0.0)]
)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_the_overloaded_are_asked_again(status: int, after: str, seconds: float) -> None:
    with pytest.raises(NoReplyError, match=f"status {status}") as caught:
        check_status(HERE, status, {"retry-after": after})
    assert caught.value.wait == seconds


@pytest.mark.parametrize("status", [301, 400, 413, 422])
def test_a_refusal_says_what_it_was_told(status: int) -> None:
    with pytest.raises(RefusedQuestionError, match=f"with status {status}: 'too long'$"):
        check_status(HERE, status, {}, "too long")


def test_pauses_grow_differ_and_stay_bounded() -> None:
    assert len({pause(3) for _ in range(20)}) == 20
    assert max(pause(1) for _ in range(100)) <= 1.0
    assert max(pause(30) for _ in range(100)) <= 30.0
