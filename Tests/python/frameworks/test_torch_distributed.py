"""DistributedDataParallel: two processes with an all-reduced normaliser give what one gives on the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import distributed_worker as worker  # noqa: E402


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_are_one(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            str(Path(worker.__file__)),
            str(tmp_path / "result.pt"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    together = torch.load(tmp_path / "result.pt")
    x, y, t = worker.batch()
    network = worker.model()
    loss = worker.loss_of(network(x), y, t, y.sum(), float(len(t)))
    loss.backward()
    torch.testing.assert_close(together["loss"], loss.detach(), rtol=1e-14, atol=0)
    for mine, wanted in zip(together["grads"], (p.grad for p in network.parameters())):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-15)
