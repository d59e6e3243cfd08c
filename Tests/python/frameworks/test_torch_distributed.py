"""DistributedDataParallel: two processes with an all-reduced normaliser give what one gives on the whole batch."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

import distributed_worker as worker  # noqa: E402


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_are_one(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    # Over loopback, by number: a machine without any other network, or whose name leads nowhere, will do.
    done = subprocess.run(
        [*torchrun, "--local-addr=127.0.0.1", worker.__file__, str(tmp_path / "result.pt")],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    together = torch.load(tmp_path / "result.pt")
    x, y, t = worker.batch()
    network = worker.model()
    loss = worker.loss_of(network(x), y, t, y.sum(), float(len(t)))
    loss.backward()
    torch.testing.assert_close(together["loss"], loss.detach(), rtol=1e-14, atol=0)
    for mine, wanted in zip(together["grads"], (p.grad for p in network.parameters())):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-15)
