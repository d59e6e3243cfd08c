"""test_keras.py's process for one backend (KERAS_BACKEND): runs the checks below, prints each that holds."""

import tempfile
import traceback

import focalloss.keras as losses
import keras
import numpy as np
from keras import ops

N, K = 64, 4
RNG = np.random.default_rng(0)
Z = 2 * RNG.normal(size=(N, K)).astype("float32")
T = RNG.integers(0, K, N)
ONE_HOT = np.eye(K, dtype="float32")[T]
SIGMOID, SOFTMAX = 1 / (1 + np.exp(-Z)), np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
WEIGHTS = RNG.random(N).astype("float32")
ALPHAS = [0.1, 0.9, 0.5, 0.25]
# Keras' own reductions are float32; its binary loss also clips and forms 1 - p.
CLOSE = {"rtol": 2e-5, "atol": 1e-7}


def same(mine, wanted):
    np.testing.assert_allclose(ops.convert_to_numpy(mine), ops.convert_to_numpy(wanted), **CLOSE)


def each_reduction(ours, theirs, y_true, y_pred):
    """Unreduced, reduced in every way, with and without sample weights."""
    for reduction in ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None):
        for weights in (None, WEIGHTS):
            same(ours(reduction)(y_true, y_pred, weights), theirs(reduction)(y_true, y_pred, weights))


def binary_is_keras():
    for logits, y_pred in ((True, Z), (False, SIGMOID)):
        for smoothing in (0.0, 0.1):
            options = dict(alpha=0.7, gamma=1.5, from_logits=logits, label_smoothing=smoothing)
            each_reduction(
                lambda r: losses.BinaryFocal(reduction=r, **options),
                lambda r: keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, reduction=r, **options),
                ONE_HOT, y_pred,
            )  # fmt: skip


def binary_keeps_every_score():
    loss = losses.BinaryFocal(from_logits=True, axis=None, reduction="none")(ONE_HOT, Z)
    assert tuple(loss.shape) == Z.shape
    same(ops.mean(loss, -1), losses.BinaryFocal(from_logits=True, reduction=None)(ONE_HOT, Z))


def categorical_is_keras():
    for logits, y_pred in ((True, Z), (False, SOFTMAX), (False, 3 * SOFTMAX / 4)):
        for options in (dict(), dict(alpha=ALPHAS, gamma=0.5), dict(label_smoothing=0.2)):
            each_reduction(
                lambda r: losses.CategoricalFocal(reduction=r, from_logits=logits, **options),
                lambda r: keras.losses.CategoricalFocalCrossentropy(reduction=r, from_logits=logits, **options),
                ONE_HOT, y_pred,
            )  # fmt: skip


def sparse_is_categorical():
    for labels in (T, T[:, None], T.astype("float32")):
        each_reduction(
            lambda r: losses.SparseCategoricalFocal(reduction=r, from_logits=True, alpha=ALPHAS),
            lambda r: WithOneHot(reduction=r),
            labels, Z,
        )  # fmt: skip
    images = RNG.normal(size=(2, 3, 4, K)).astype("float32")
    where = RNG.integers(0, K, (2, 3, 4))
    dense = losses.CategoricalFocal(from_logits=True)(np.eye(K, dtype="float32")[where], images)
    same(losses.SparseCategoricalFocal(from_logits=True)(where, images), dense)
    first = losses.SparseCategoricalFocal(from_logits=True, axis=1)(where, np.moveaxis(images, -1, 1))
    same(first, dense)


class WithOneHot(keras.losses.Loss):
    """Keras' categorical loss behind class indices."""

    def call(self, y_true, y_pred):
        y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), K)
        return keras.losses.CategoricalFocalCrossentropy(from_logits=True, alpha=ALPHAS, reduction=None)(y_true, y_pred)


def sparse_ignores_a_class():
    loss = losses.SparseCategoricalFocal(from_logits=True, ignore_class=2)(T, Z)
    same(loss, losses.SparseCategoricalFocal(from_logits=True)(T[T != 2], Z[T != 2]))
    void = np.where(T == 1, 255, T)
    loss = losses.SparseCategoricalFocal(from_logits=True, ignore_class=255, reduction="none")(void, Z)
    assert not ops.convert_to_numpy(loss)[T == 1].any()


def gradients_are_finite_differences():
    """Through a model of one weight a score, in every backend's own way: one step of plain gradient descent."""
    for make, y_true in (
        (losses.BinaryFocal, ONE_HOT),
        (losses.CategoricalFocal, ONE_HOT),
        (losses.SparseCategoricalFocal, T),
    ):
        for logits in (True, False):
            loss = make(from_logits=logits, reduction="sum")
            inputs = keras.Input((K,))
            scale = Scale()
            outputs = scale(inputs)
            if not logits:
                outputs = keras.layers.Activation("sigmoid" if make is losses.BinaryFocal else "softmax")(outputs)
            model = keras.Model(inputs, outputs)
            model.compile(keras.optimizers.SGD(1.0), loss=loss)
            model.train_on_batch(Z, y_true)
            step = 1 - ops.convert_to_numpy(scale.factor)
            h, numeric = 1e-2, []
            for k in range(K):
                ends = []
                for sign in (1, -1):
                    factor = np.ones(K, "float32")
                    factor[k] += sign * h
                    scale.factor.assign(factor)
                    ends.append(float(ops.convert_to_numpy(loss(y_true, model(Z)))))
                numeric.append((ends[0] - ends[1]) / (2 * h))
            np.testing.assert_allclose(step, numeric, rtol=2e-2, atol=2e-2)


class Scale(keras.layers.Layer):
    """x times a factor a column."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor


def hardest_examples_have_gradients():
    """Where Keras' clipping leaves 1e-7 of the gradient, or none: z = -20 with y = 1, true gradient about -1."""
    inputs = keras.Input((1,))
    scale = Scale()
    model = keras.Model(inputs, scale(inputs))
    steps = []
    for loss in (
        losses.BinaryFocal(alpha=None, from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True),
    ):
        scale.factor.assign([1.0])
        model.compile(keras.optimizers.SGD(0.01), loss=loss)
        model.train_on_batch(np.float32([[-20]]), np.float32([[1]]))
        steps.append(float(1 - ops.convert_to_numpy(scale.factor)[0]))
    np.testing.assert_allclose(steps[0], 0.01 * 20, rtol=1e-3)
    if keras.config.backend() != "tensorflow":  # there Keras remembers the logits behind a sigmoid
        assert abs(steps[1]) < 1e-4, "Keras has mended its loss"


def trains_saves_and_loads():
    x, y = RNG.normal(size=(N, 3)).astype("float32"), (T == 0).astype("float32")[:, None]
    for loss in (
        losses.BinaryFocal(alpha=0.75, gamma=1.5, from_logits=True, label_smoothing=0.1, name="mine"),
        losses.CategoricalFocal(alpha=ALPHAS, from_logits=True),
        losses.SparseCategoricalFocal(from_logits=True, ignore_class=3),
    ):
        targets = {losses.BinaryFocal: y, losses.CategoricalFocal: ONE_HOT}.get(type(loss), T)
        model = keras.Sequential(
            [keras.layers.Input((3,)), keras.layers.Dense(targets.shape[1] if targets.ndim == 2 else K)]
        )
        model.compile(keras.optimizers.Adam(0.02), loss=loss)
        before = model.evaluate(x, targets, verbose=0)
        history = model.fit(x, targets, epochs=10, batch_size=16, verbose=0, sample_weight=WEIGHTS).history["loss"]
        after = model.evaluate(x, targets, verbose=0)
        assert np.isfinite(history).all() and after < before, (before, after)
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/model.keras")
            again = keras.models.load_model(f"{folder}/model.keras")
        assert type(again.loss) is type(loss) and again.loss.get_config() == loss.get_config()
        same(again.evaluate(x, targets, verbose=0), after)
        clone = keras.losses.deserialize(keras.losses.serialize(loss))
        assert clone.get_config() == loss.get_config()


def lower_precision():
    for dtype in ("bfloat16", "float16"):
        loss = losses.SparseCategoricalFocal(from_logits=True, dtype=dtype)(T, Z)
        exact = losses.SparseCategoricalFocal(from_logits=True)(T, Z)
        np.testing.assert_allclose(float(ops.cast(loss, "float32")), float(exact), rtol=0.03)


CHECKS = (
    binary_is_keras,
    binary_keeps_every_score,
    categorical_is_keras,
    sparse_is_categorical,
    sparse_ignores_a_class,
    gradients_are_finite_differences,
    hardest_examples_have_gradients,
    trains_saves_and_loads,
    lower_precision,
)


def main():
    keras.utils.set_random_seed(0)
    for check in CHECKS:
        try:
            check()
            print("holds", check.__name__, flush=True)
        except Exception:
            print("fails", check.__name__, flush=True)
            traceback.print_exc()


if __name__ == "__main__":
    main()
