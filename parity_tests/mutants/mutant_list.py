"""The mutants: one wrong thing each, as real projects shipped it or as a tired person might write it.

``REAL`` are three bugs of public projects that passed their own tests. An ``explained`` mutant changes nothing that a
test could see, and says why.
"""

from __future__ import annotations

from parity_tests.mutants.mutant import Mutant
from parity_tests.mutants.mutant import in_file as _in
from parity_tests.mutants.mutant_list_bigram_and_erf import BIGRAM_AND_ERF

REAL = [
    Mutant(
        "dK transposed",
        "layers/attention.py",
        "np.matmul(dscores.swapaxes(-1, -2), cache.q, out=dk)",
        "np.matmul(dscores, cache.q, out=dk)",
    ),
    Mutant(
        "residual gradient added before the norm's backward",
        "layers/block.py",
        'layer_norm_backward(mlp.x, cache.ln_2, within(record_rows, "ln_2"))\n'
        "    da = da.reshape(dout.shape)\n    da += dout",
        "layer_norm_backward(mlp.x + as_rows(dout), cache.ln_2)\n    da = da.reshape(dout.shape)",
    ),
    Mutant(
        "scores scaled by the root of the width",
        "layers/attention.py",
        "scores *= 1 / math.sqrt(q.shape[-1])",
        "scores *= 1 / math.sqrt(x.shape[-1])",
    ),
]

MUTANTS = [
    *REAL,
    *_in(
        "layers/linear.py",
        ("bias dropped forward", "        out += bias\n", "        pass\n"),
        ("dweight 1 % too large", "dweight = cache.rows.T.dot(drows)", "dweight = 1.01 * cache.rows.T.dot(drows)"),
        ("dbias a mean", "column_sums(drows) if", "drows.mean(axis=0) if"),
        (
            "dx by the weight, not transposed",
            "dx = drows.dot(cache.weight.T)",
            "dx = drows.dot(cache.weight.reshape(cache.weight.T.shape))",
        ),
    ),
    *_in(
        "layers/embedding.py",
        ("repeated tokens keep one gradient", "add_rows(dwte, cache.tokens, dout)", "dwte[cache.tokens] += dout"),
        ("positions from the end", "position = wpe[: tokens.shape[1]]", "position = wpe[-tokens.shape[1] :]"),
        ("dwpe averaged over the batch", "np.add.reduce(dout, axis=0)", "dout.mean(axis=0)"),
        ("position not added", "out = token + position", "out = token + 0 * position"),
    ),
    *_in(
        "layers/layer_norm.py",
        (
            "epsilon outside the root",
            "rstd = np.reciprocal(np.sqrt(variance + epsilon))",
            "rstd = np.reciprocal(np.sqrt(variance) + epsilon)",
        ),
        ("no epsilon", "np.sqrt(variance + epsilon)", "np.sqrt(variance)"),
        ("variance over n − 1", "row_means(centered * centered)", "row_means(centered**2) * width / max(width - 1, 1)"),
        ("one-pass variance", "row_means(centered * centered)", "row_means(rows * rows) - mean * mean"),
        ("mean term dropped backward", "dnormalized - along_constant", "1 * dnormalized"),
        ("normalized term dropped backward", "dx -= normalized * along", "dx -= 0 * along"),
        ("rstd dropped backward", "    dx *= along_rows(cache.rstd, len(cache.weight))\n", "    dx *= 1\n"),
        ("dweight without the normalized values", "column_sums(rows * normalized)", "column_sums(rows)"),
        ("dnormalized without the weight", "dnormalized = rows * cache.weight", "dnormalized = rows * 1"),
    ),
    *_in(
        "layers/activation.py",
        (
            "erf for tanh",
            'if kind == "gelu_tanh":\n        inner: Array = x * x',
            'if kind == "never":\n        inner: Array = x * x',
        ),
        ("cubic constant 0.04471", "_CUBIC = 0.044715", "_CUBIC = 0.04471"),
        ("factor 3 lost in the slope", "slope * 3 * _CUBIC", "slope * _CUBIC"),
        (
            "derivative of tanh without the square",
            "slope *= gate * (constants.one - gate)",
            "slope *= constants.one - gate",
        ),
        ("density of the erf slope without the half", "        slope *= -0.5\n", "        slope *= -1.0\n"),
        ("ReLU passes what is negative", "np.where(x <= 0, 0, dout)", "np.where(x >= 0, 0, dout)"),
    ),
    *_in(
        "layers/softmax.py",
        (
            "sum over the wrong axis backward",
            "dot = row_sums(dx)",
            "dot = np.resize(np.add.reduce(dx, axis=0), len(dx))",
        ),
        ("dot term dropped", "dx -= probabilities * along_rows(", "dx -= 0 * along_rows("),
        ("maximum not subtracted", "x - along(largest, x, axis)", "x - 0 * along(largest, x, axis)"),
        ("columns taken for rows", "probabilities.T.copy(), largest", "probabilities.reshape(rows.shape), largest"),
    ),
    *_in(
        "layers/rows.py",
        ("half a row without a say in its maximum", "np.maximum(rows[:, :width], rows[:, width:])", "rows[:, :width]"),
        ("a number along another row", "else column.repeat(width, 1)", "else column[::-1].repeat(width, 1)"),
        ("sums for means", "np.full(shape, 1 / shape[0], dtype)", "np.full(shape, 1, dtype)"),
        (
            "places overflow",
            "places.astype(np.intp, copy=False)[..., None] * width",
            "places[..., None] * places.dtype.type(width)",
        ),
    ),
    *_in(
        "layers/dropout.py",
        ("mask forgotten backward", "return dout * mask", "return dout"),
        ("mask applied twice", "return x * mask, mask", "return x * mask * mask, mask"),
    ),
    *_in(
        "layers/attention.py",
        (
            "mask off by one: the present hidden",
            "np.where(np.tri(time, dtype=np.bool_)",
            "np.where(np.tri(time, k=-1, dtype=np.bool_) | np.eye(1, time, dtype=np.bool_)",
        ),
        (
            "mask off by one: one future token seen",
            "np.where(np.tri(time, dtype=np.bool_)",
            "np.where(np.tri(time, k=1, dtype=np.bool_)",
        ),
        ("mask of a large finite number", "math.nan, -math.inf", "math.nan, -10.0"),
        ("scale forgotten backward", "dscores *= 1 / math.sqrt(size)", "dscores *= 1"),
        ("dq from q", "np.matmul(dscores, cache.k, out=dq)", "np.matmul(dscores, cache.q, out=dq)"),
        ("dv by the weights, not transposed", "cache.used.swapaxes(-1, -2), dheads", "cache.used, dheads"),
        (
            "dv by the weights before dropout",
            "cache.used.swapaxes(-1, -2), dheads",
            "cache.softmax.probabilities.swapaxes(-1, -2), dheads",
        ),
        (
            "heads merged without moving the axis",
            "heads = per_head(merged, batch, time, n_head)",
            "heads = merged.reshape(q.shape)",
        ),
        ("keys and values exchanged", "dq, dk, dv = thirds", "dq, dv, dk = thirds"),
    ),
    *_in(
        "layers/block.py",
        ("bypass forgotten backward", "    dx += da  # (10.4)", "    dx += 0 * da  # (10.4)"),
        (
            "second norm reads the first stream",
            "normed, ln_2 = layer_norm_forward(as_rows(a),",
            "normed, ln_2 = layer_norm_forward(as_rows(x),",
        ),
    ),
    *_in(
        "layers/cross_entropy.py",
        (
            "gradient not divided by the count",
            "    dlogits /= positions\n",
            "    dlogits /= len(places)\n",
        ),
        ("one-hot not subtracted", "[places] -= 1\n", "[places] -= 0\n"),
        ("logarithm of the sum dropped", "np.log(total) + (largest", "(largest"),
    ),
    *_in(
        "gpt.py",
        (
            "tied gradient of the embedding lost",
            '"wte.weight": dwte,',
            '"wte.weight": dhead_transposed.T,',
        ),
        (
            "tied gradient of the head lost",
            "dwte += dhead_transposed.T",
            "dwte += 0 * dhead_transposed.T",
        ),
        (
            "blocks undone in the order of forward",
            "for layer in reversed(range(len(cache.blocks)))",
            "for layer in range(len(cache.blocks))",
        ),
    ),
    *BIGRAM_AND_ERF,
    *_in(
        "adamw.py",
        ("the average follows half as fast", "change *= weight", "change *= 0.5 * weight"),
        ("away from the weights", "average += change", "average -= change"),
    ),
    *_in(
        "engine.py",
        ("the average counts steps from 0", "ema_weight(step + 1,", "ema_weight(step,"),
        (
            "the average is not what is evaluated",
            "sliced_loss(self._inference_parameters,",
            "sliced_loss(self.parameters,",
        ),
    ),
    *_in(
        "adamw.py",
        ("bias correction of m missing", "change *= learning_rate / (1 - beta1**step)", "change *= learning_rate"),
        ("bias correction of v missing", "denominator *= 1 / (1 - beta2**step) ** 0.5", "denominator *= 1"),
        (
            "epsilon inside the root's correction",
            "denominator *= 1 / (1 - beta2**step) ** 0.5  # (13.7): √v̂ = √v / √(1 − β₂ᵗ)\n"
            "        denominator += epsilon",
            "denominator += epsilon\n        denominator *= 1 / (1 - beta2**step) ** 0.5",
        ),
        (
            "decay coupled to the gradient",
            "matrices *= 1 - learning_rate * weight_decay",
            "gradients.flat[: parameters.decayed.size] += weight_decay * parameters.decayed",
        ),
        ("decay on norms and biases", "matrices = parameters.decayed", "matrices = parameters.flat"),
    ),
    *_in(
        "clipping.py",
        (
            "clipping per entry",
            "gradients.flat *= scale",
            "np.clip(gradients.flat, -max_norm, max_norm, out=gradients.flat)",
        ),
    ),
    *_in(
        "sampling.py",
        (
            "the first tokens for the last in the window",
            "window = np.array([tokens[-length:]], dtype=np.int64)",
            "window = np.array([tokens[:length]], dtype=np.int64)",
        ),
        ("temperature multiplies", "(z - z.max()) / temperature", "(z - z.max()) * temperature"),
        (
            "nucleus without the token that crosses p",
            "probabilities[order[before >= top_p]] = 0",
            "probabilities[order[before + probabilities[order] >= top_p]] = 0",
        ),
    ),
    *_in(
        "layers/cached_attention.py",
        (
            "cache mask without the past",
            "np.tri(time, end, length, dtype=np.bool_)",
            "np.tri(time, end, 0, dtype=np.bool_)",
        ),
    ),
    *_in(
        "layers/linear.py",
        (
            "copy of the rows",
            "rows = as_rows(x)  # one",
            "rows = as_rows(x).copy()  # one",
            "a copy has the same numbers: only slower",
        ),
    ),
]
