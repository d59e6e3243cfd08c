"""DistributedDataParallel: two processes with an all-reduced normaliser give what one gives on the whole batch."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

import distributed_worker as worker  # noqa: E402


WORLD = 2


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_are_one(tmp_path):
    # They meet through a file and talk over loopback: a machine without any other network, or without a name, will do.
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, worker.__file__, str(rank), str(WORLD), str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(WORLD)
    ]
    try:
        said = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * WORLD, "\n".join(said)
    together = torch.load(tmp_path / "result.pt")
    x, y, t = worker.batch()
    network = worker.model()
    loss = worker.loss_of(network(x), y, t, y.sum(), float(len(t)))
    loss.backward()
    torch.testing.assert_close(together["loss"], loss.detach(), rtol=1e-14, atol=0)
    for mine, wanted in zip(together["grads"], (p.grad for p in network.parameters())):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-15)
