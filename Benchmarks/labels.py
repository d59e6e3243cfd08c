"""What a person reads for a contender's name."""

NAMES = {
    "ours": "libfocalloss",
    "trusted": "libfocalloss, targets not checked",
    "short": "libfocalloss, short function",
    "ours:numpy": "libfocalloss, NumPy arrays, no options",
    "ours_torch": "libfocalloss in PyTorch (autograd)",
    "floor": "memory floor",
    "floor:streaming": "memory floor, streaming stores",
    "floor:builtin": "the library's built-in objective",
    "avx2_1": "C, AVX2 intrinsics",
    "avx2_4": "C, AVX2 intrinsics, 4 interleaved",
    "avx512_1": "C, AVX-512 intrinsics",
    "avx512_4": "C, AVX-512 intrinsics, 4 interleaved",
    "avx2": "C, AVX2 intrinsics",
    "avx512": "C, AVX-512 intrinsics",
    "c_avx2": "C, AVX2 intrinsics",
    "libmvec_avx2": "C, gcc and libmvec, AVX2",
    "libmvec_avx512": "C, gcc and libmvec, AVX-512",
    "c_libmvec": "C, gcc and libmvec, AVX2",
    "sleef_avx2": "C, SLEEF, AVX2",
    "torch_eager": "PyTorch eager",
    "torch_by_hand": "torch.compile, gradient by hand",
    "torch_compiled": "torch.compile",
    "jax": "JAX jit",
    "jax_by_hand": "JAX jit, gradient by hand",
    "numba": "numba, fused",
    "numpy": "NumPy",
    "keras_tf": "Keras on TensorFlow, XLA",
    "kornia": "kornia",
    "monai": "MONAI",
    "optax": "optax, jit",
}


def label(contender):
    """'ours:x86-64-v3/gamma=1.5' -> 'libfocalloss x86-64-v3, gamma=1.5'."""
    name, *options = contender.split("/")
    base, _, isa = name.partition(":")
    text = NAMES.get(name) or " ".join(filter(None, (NAMES.get(base, base), isa)))
    return ", ".join([text, *options])


def is_ours(contender):
    return contender.startswith(("ours", "trusted", "short"))


def is_floor(contender):
    return contender.startswith("floor")


def allocator(record):
    """What a title says besides, where frameworks ran under several."""
    return f", {record['allocator']}" if record.get("allocator") else ""
