"""The sampling bench: the same work for both sides, and figures that are of what was run."""

from dataclasses import replace
from pathlib import Path

from flows.benches.sampling import WORKS
from flows.benches.sampling_sides import batched_side, our_side, peer_side


def test_the_workloads_are_what_they_are_called() -> None:
    for work in WORKS:
        ids, lengths = work.ids(49_152), work.lengths()
        assert work.ids(49_152) == ids
        assert len(ids) == len(lengths) == work.prompts
        assert {len(several) for several in lengths} == {work.draws}
        assert all(work.answer[0] <= length <= work.answer[1] for several in lengths for length in several)
        first, second = ids[:2]
        common = next(at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
        assert common == work.shared
        assert all(work.prompt[0] <= len(one) - work.shared <= work.prompt[1] for one in ids)


def test_every_side_generates_every_token(tiny_model: Path) -> None:
    """A side that did not would raise."""
    work = replace(WORKS[0], prompts=3, draws=2, prompt=(5, 9), answer=(2, 6))
    ours, bare = our_side(tiny_model, work, "float32")
    assert 0 < bare < ours
    assert peer_side(tiny_model, work, "float32", 4) > 0
    assert batched_side(tiny_model, work, "float32") > 0
