"""multiprocessing with fork, forkserver and spawn: the library used in the parent before, in every child, and after."""

import array
import ctypes
import multiprocessing
import os
import sys

SIZE = 97 * 9_000  # large enough for the pool


def load():
    """The one function that is called here, by ctypes alone: no package in between."""
    library = ctypes.CDLL(os.environ["FOCALLOSS_LIBRARY"])
    function = library.focal_sigmoid_loss_f32
    pointer = ctypes.POINTER(ctypes.c_float)
    function.argtypes = [pointer, pointer, ctypes.c_size_t, ctypes.c_double, ctypes.c_double, ctypes.c_int32, pointer, pointer]
    function.restype = ctypes.c_int32
    return function


def compute(seed):
    """The mean loss of SIZE fixed logits."""
    vector = ctypes.c_float * SIZE
    logits = vector.from_buffer(array.array("f", [((i + seed) % 97 - 48) * 0.1 for i in range(97)] * 9_000))
    targets = vector.from_buffer(array.array("f", [1.0, 0.0, 0.0] * (SIZE // 3)))
    loss, grad = ctypes.c_float(), vector()
    status = load()(logits, targets, SIZE, 0.25, 2.0, 2, ctypes.byref(loss), grad)
    assert status == 0, status
    return loss.value, grad[SIZE - 1]


def main():
    wanted = [compute(seed) for seed in range(4)]
    failed = processes = 0
    for method in ("fork", "forkserver", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(4) as pool:
            got = pool.map_async(compute, range(4)).get(timeout=120)
        processes += 4
        if got != wanted or compute(0) != wanted[0]:
            failed += 1
            print(f"FAIL {method}: {got}, not {wanted}")
    print(f"FIGURE sum multiprocess.processes {processes}")
    return failed


if __name__ == "__main__":
    sys.exit(main() > 0)
