"""One process of test_torch_distributed.py, started by torchrun: trains on its part of a batch, writes what it got."""

import os
import sys

import focalloss.torch as losses
import torch
import torch.distributed as dist


def batch():
    """The whole batch, the same in every process: features, dense targets and labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    y = (torch.rand(40, 3, generator=generator) < 0.2).double()
    return x, y, torch.randint(0, 3, (40,), generator=generator)


def model():
    torch.manual_seed(1)
    return torch.nn.Linear(6, 3, dtype=torch.float64)


def loss_of(z, y, t, positives, samples):
    """Detector-style: the sum over all processes, divided by their positives; and a mean over their samples."""
    focal = losses.sigmoid_focal_loss(z, y, reduction="mean", divisor=positives)
    return focal + losses.softmax_focal_loss(z, t, divisor=samples)


def main(path):
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    x, y, t = (part[:25] if rank == 0 else part[25:] for part in batch())  # unequal parts
    network = torch.nn.parallel.DistributedDataParallel(model())
    counts = torch.stack([y.sum(), torch.tensor(float(len(t)), dtype=y.dtype)])
    dist.all_reduce(counts)
    # DDP averages the gradients over the processes: divide by the mean count, not by the sum.
    positives, samples = counts / world
    loss = loss_of(network(x), y, t, positives, samples)
    loss.backward()
    total = loss.detach() / world
    dist.all_reduce(total)
    if rank == 0:
        torch.save({"loss": total, "grads": [p.grad for p in network.module.parameters()]}, path)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # past the interpreter's winding down, in which torch's own threads aborted one run in a dozen
