"""The mutants: one error each, as real projects shipped it or as a tired person might write it.

``REAL`` are three bugs of public projects that passed their own tests. An ``explained`` mutant changes nothing that a
test could see, and says why.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change in one place of numpy_gpt: ``before``, which occurs in the file exactly once, becomes ``after``."""

    name: str
    path: str
    before: str
    after: str
    explained: str = ""


def _in(path: str, *changes: tuple[str, str, str] | tuple[str, str, str, str]) -> list[Mutant]:
    """Return the mutants of one file: each change is a name, before, after, and why it is ``explained`` if it is."""
    return [Mutant(change[0], path, *change[1:]) for change in changes]


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
        'layer_norm_backward(mlp.x, cache.ln_2, scoped(record_rows, "ln_2"))\n'
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
    *_in(
        "bigram.py",
        (
            "repeated tokens overwritten",
            "add_rows(dtable, cache.tokens, dlogits)",
            "dtable[cache.tokens] = dlogits",
        ),
        (
            "repeated tokens counted once",
            "add_rows(dtable, cache.tokens, dlogits)",
            "dtable[cache.tokens] += dlogits",
        ),
        (
            "table of what came before",
            'parameters["wte.weight"].take(',
            'parameters["wte.weight"].T.take(',
        ),
        (
            "gradient of the transposed table",
            "add_rows(dtable, cache.tokens, dlogits)",
            "np.add.at(dtable.T, cache.tokens, dlogits)",
        ),
        (
            "gradient added to the table itself",
            'dtable = np.zeros_like(cache.parameters["wte.weight"])',
            'dtable = cache.parameters["wte.weight"]',
        ),
    ),
    *_in(
        "model.py",
        (
            "a bigram's masks not looked at",
            "    check_masks(masks or {}, parameters.config,",
            "    check_masks({}, parameters.config,",
        ),
        (
            "loss of the inputs",
            "    loss, loss_cache = cross_entropy_forward(logits, targets, record, count)",
            "    loss, loss_cache = cross_entropy_forward(logits, cache.tokens, record, count)",
        ),
    ),
    *_in(
        "model.py",
        ("a slice's own mean for its share in the batch's", "part, ignore, tokens.size)", "part, ignore, None)"),
        ("only the last slice's gradient", "out[name][...] += gradient", "out[name][...] = gradient"),
    ),
    *_in(
        "parameters.py",
        ("parts with gaps", "range(0, size, part)", "range(0, size, part + 1)"),
    ),
    *_in(
        "shared/model/slices.py",
        ("neighbouring slices share a sequence", "batch * (part + 1) // count)", "batch * (part + 1) // count + 1)"),
        (
            "slices of what fits, not of the model's weight",
            "(config.n_layer * layer)), 1)",
            "(config.n_layer**9 * layer)), 1)",
        ),
    ),
    *_in(
        "shared/model/randomness.py",
        ("masks of another part of the stream", "advance(start // 2)", "advance(start)"),
    ),
    *_in(
        "shared/model/threads.py",
        (
            "shares in the order in which they are done",
            "yield from pool.map(function, items)",
            "yield from pool.map(function, items[::-1])",
        ),
    ),
    *_in(
        "layers/erf.py",
        ("slope taken as constant", "    step *= _bending(a, h)\n", "    step *= 1\n"),
        ("a term of float64's series wrong by a twentieth", "s += 2 / 3", "s += 0.7"),
        ("the last term of float64's series dropped", "q *= 1 / 3 - 0.1 * q", "q *= 1 / 3"),
        ("a third for a half", "s += 0.5 * q", "s += q / 3"),
        ("a float32 series of one term", "s = h * (-1 / 3)", "s = h * 0"),
        ("sign lost", "    h = np.clip(x, -grid.limit,", "    h = np.clip(np.abs(x), -grid.limit,"),
        ("the grid point below, on both sides", "np.trunc(a, out=a)", "np.floor(a, out=a)"),
        ("limit too low", "(512.0, 4.0)", "(512.0, 3.75)"),
        (
            "NaN taken for the limit",
            "h = np.clip(x, -grid.limit, grid.limit)",
            "h = np.fmin(np.fmax(x, -grid.limit), grid.limit)",
        ),
        ("parts of the array overlap", "first + CHUNK)", "first + CHUNK - 1)"),
    ),
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
