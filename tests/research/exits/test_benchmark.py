"""What the benchmark of exits holds its ways to."""

import torch

from research.exits.benchmark import SPEC, even, kept, main
from research.exits.model import ExitClassifier


@torch.inference_mode()
def test_nobody_leaving_the_batch_answers_as_leaving_it():
    torch.manual_seed(0)
    model, pixels = ExitClassifier(SPEC).eval(), torch.randn(10, 3, 64, 64)
    limits = even(model(pixels).softmax(dim=2))
    left = model.infer(pixels, limits)
    torch.testing.assert_close(kept(model, pixels, limits), left.shares, rtol=0, atol=1e-5)
    assert left.exit.bincount(minlength=SPEC.exits).tolist() == [2] * SPEC.exits


def test_it_prints_a_row_a_way(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark", "--repeats", "1", "--batch", "5"])
    threads = torch.get_num_threads()
    try:
        main()
    finally:
        torch.set_num_threads(threads)
    said = capsys.readouterr().out
    assert all(way in said for way in ("exits", "kept", "whole", "time saved"))
