"""The mutants: one error each, taken from a real project or easily made by a tired programmer.

``REAL`` are three bugs of public projects that passed their own tests. An ``explained`` mutant changes nothing that a
test could see, and says why.
"""

from __future__ import annotations

from parity_tests.mutants.mutant import Mutant
from parity_tests.mutants.mutant import in_file as _in
from parity_tests.mutants.replay_of_calls import REPLAY_OF_CALLS
from parity_tests.mutants.replay_of_steps import REPLAY_OF_STEPS

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
        'norm_backward(mlp.x, cache.ln_2, scoped(record, "ln_2"))\n    da += dout',
        'norm_backward(mlp.x + dout, cache.ln_2, scoped(record, "ln_2"))\n    da += 0',
    ),
    Mutant(
        "scores scaled by the root of the width",
        "layers/attention.py",
        "multiply_(scores, 1 / math.sqrt(q.shape[-1]))",
        "multiply_(scores, 1 / math.sqrt(x.shape[-1]))",
    ),
]

MUTANTS = [
    *REAL,
    *_in(
        "layers/linear.py",
        ("bias dropped forward", "        y += bias\n", "        pass\n"),
        ("dweight 1 % too large", "dweight = transposed_matmul(", "dweight = 1.01 * transposed_matmul("),
        ("dbias a mean", "column_sum(dy) if", "dy.reshape(-1, dy.shape[-1]).mean(axis=0) if"),
        (
            "dx by the weight, not transposed",
            "matmul(dy, cache.weight.T)",
            "matmul(dy, cache.weight.reshape(cache.weight.T.shape))",
        ),
        (
            "copy of the rows",
            "LinearCache(x, weight, bias is not None)",
            "LinearCache(x.copy(), weight, bias is not None)",
            "a copy has the same numbers: only slower",
        ),
    ),
    *_in(
        "layers/embedding.py",
        ("repeated tokens keep one gradient", "scatter_add_(dwte, cache.tokens, dx)", "dwte[cache.tokens] += dx"),
        (
            "positions from the end",
            "position = wpe[first : first + tokens.shape[1]]",
            "position = wpe[len(wpe) - tokens.shape[1] :]",
        ),
        ("dwpe averaged over the batch", "dx.sum(axis=0)", "dx.mean(axis=0)"),
        ("position not added", "x = token + position", "x = token + 0 * position"),
    ),
    *_in(
        "layers/layer_norm.py",
        (
            "epsilon outside the root",
            "rstd = np.reciprocal(np.sqrt(variance + epsilon))",
            "rstd = np.reciprocal(np.sqrt(variance) + epsilon)",
        ),
        ("no epsilon", "np.sqrt(variance + epsilon)", "np.sqrt(variance)"),
        (
            "variance over n − 1",
            "row_mean(centered * centered)",
            "row_mean(centered**2) * len(weight) / max(len(weight) - 1, 1)",
        ),
        ("one-pass variance", "row_mean(centered * centered)", "row_mean(x * x) - mean * mean"),
        ("mean term dropped backward", "dx = dnormalized - row_mean_keepdims(dnormalized)", "dx = 1 * dnormalized"),
        ("normalized term dropped backward", "dx -= normalized * row", "dx -= 0 * row"),
        ("rstd dropped backward", "    multiply_per_row_(dx, rstd)\n", ""),
        ("dweight without the normalized values", "column_sum(dy * normalized)", "column_sum(dy)"),
        ("dnormalized without the weight", "dnormalized = dy * weight", "dnormalized = dy * 1"),
    ),
    *_in(
        "layers/rms_norm.py",
        ("RMSNorm's epsilon outside the root", "np.sqrt(mean_square + epsilon)", "(np.sqrt(mean_square) + epsilon)"),
        ("sum of squares, not their mean", "row_mean(x * x)", "row_mean(x * x) * x.shape[-1]"),
        ("RMSNorm of the distances from the mean", "row_mean(x * x)", "row_mean(x * x) - row_mean(x) ** 2"),
        (
            "RMSNorm's normalized term dropped backward",
            "dx = dy - normalized * row_mean_keepdims(dy * normalized)",
            "dx = 1 * dy",
        ),
        ("mean subtracted backward", "dx = dy - normalized", "dx = dy - row_mean_keepdims(dy) - normalized"),
        ("rrms dropped backward", "multiply_per_row_(dx, rrms)\n    record", "record"),
        ("RMSNorm's backward from what record changed", "RMSNormCache(normalized, rrms)", "RMSNormCache(y, rrms)"),
    ),
    *_in(
        "layers/activation.py",
        ("erf for tanh", 'if kind == "gelu_tanh":\n        argument', 'if kind == "never":\n        argument'),
        ("cubic constant 0.04471", "_CUBIC = 0.044715", "_CUBIC = 0.04471"),
        ("factor 3 lost in the slope", "2 * 3 * _CUBIC", "2 * _CUBIC"),
        ("derivative of tanh without the square", "slope *= gate * (1 - gate)", "slope *= 1 - gate"),
        ("density of the erf slope without the half", "x * x, -0.5)", "x * x, -1.0)"),
        ("ReLU passes what is negative", "np.where(x <= 0, 0, dy)", "np.where(x >= 0, 0, dy)"),
    ),
    *_in(
        "layers/softmax.py",
        ("sum over the wrong axis backward", "row_dot(p, dp)", "np.resize((p * dp).sum(axis=-2), p.shape[:-1])"),
        ("dot term dropped", "subtract_per_row(dp, row_dot(p, dp))", "subtract_per_row(dp, 0 * row_dot(p, dp))"),
    ),
    *_in(
        "layers/dropout.py",
        ("mask forgotten backward", "return dout * mask", "return dout"),
        ("mask applied twice", "return x * mask.reshape(x.shape), mask", "return x * mask.reshape(x.shape) ** 2, mask"),
    ),
    *_in(
        "layers/attention.py",
        (
            "scale forgotten backward",
            "dscores = multiply_(dmasked, 1 / math.sqrt(size))",
            "dscores = multiply_(dmasked, 1)",
        ),
        ("dq from q", "np.matmul(dscores, cache.k, out=dq)", "np.matmul(dscores, cache.q, out=dq)"),
        ("dv by the weights, not transposed", "cache.used.swapaxes(-1, -2), dheads", "cache.used, dheads"),
        (
            "dv by the weights before dropout",
            "cache.used.swapaxes(-1, -2), dheads",
            "cache.softmax.probabilities.swapaxes(-1, -2), dheads",
        ),
        ("keys and values exchanged", "dq, dk, dv = split", "dq, dv, dk = split"),
        (
            "the past's keys not read",
            "return past.k[:, :, :end], past.v[:, :, :end]",
            "return past.k[:, :, :end], past.v[:, :, :end] * 1.01",
        ),
    ),
    *_in(
        "layers/block.py",
        ("bypass forgotten backward", "    dx += da  # (10.4)", "    dx += 0 * da  # (10.4)"),
        (
            "second norm reads the first stream",
            "normed, ln_2 = norm_forward(a,",
            "normed, ln_2 = norm_forward(x,",
        ),
    ),
    *_in(
        "layers/cross_entropy.py",
        ("gradient not divided by the count", "    dlogits /= positions\n", "    dlogits /= len(entries)\n"),
        (
            "one-hot not subtracted",
            "subtract_at_(probabilities.copy(), entries, 1)",
            "subtract_at_(probabilities.copy(), entries, 0)",
        ),
        ("logarithm of the sum dropped", "np.log(total) + (largest", "(largest"),
        (
            "gradient of an ignored target",
            "np.copyto(dlogits.reshape(len(ignored), -1), 0, where=ignored[:, None])",
            "pass",
        ),
        ("loss of an ignored target", "np.copyto(losses, 0, where=ignored)", "pass"),
        (
            "a mean over ignored targets, too",
            "losses.size - (0 if ignored is None else int(np.count_nonzero(ignored)))",
            "losses.size",
        ),
    ),
    *_in(
        "kernels/rows.py",
        (
            "maximum not subtracted",
            "return x - largest[..., None], largest",
            "return x - 0 * largest[..., None], largest",
        ),
        (
            "columns taken for rows",
            "return x if x.flags.c_contiguous else x.copy()",
            "return x if x.flags.c_contiguous else x.T.copy().reshape(x.shape)",
        ),
        ("half a row ignored in its maximum", "np.maximum(x[..., :width], x[..., width:])", "x[..., :width]"),
        ("a number along another row", "return column.repeat(width, -1)", "return column[::-1].repeat(width, -1)"),
        ("sums for means", "np.full(shape, 1 / shape[0], dtype)", "np.full(shape, 1, dtype)"),
        (
            "sum without the last exponential",
            "np.add.accumulate(x, axis=-1)[..., -1]",
            "np.add.accumulate(x, axis=-1)[..., -2 if x.shape[-1] > 1 else 0]",
        ),
    ),
    *_in(
        "kernels/lookup.py",
        (
            "places overflow",
            "ids.astype(np.intp, copy=False)[..., None] * width",
            "ids[..., None] * ids.dtype.type(width)",
        ),
    ),
    *_in(
        "kernels/heads.py",
        (
            "mask off by one: the present hidden",
            "np.tri(time, keys, keys - time, dtype=np.bool_)",
            "np.tri(time, keys, keys - time - 1, dtype=np.bool_) | np.eye(1, keys, dtype=np.bool_)",
        ),
        (
            "mask off by one: one future token seen",
            "np.tri(time, keys, keys - time, dtype=np.bool_)",
            "np.tri(time, keys, keys - time + 1, dtype=np.bool_)",
        ),
        ("mask of a large finite number", "math.nan, -math.inf", "math.nan, -10.0"),
        (
            "heads merged without moving the axis",
            "    heads = split_heads(merged, n_head)",
            "    heads = merged.reshape(batch, n_head, time, -1)",
        ),
        (
            "cache mask without the past",
            "np.tri(time, keys, keys - time, dtype=np.bool_)",
            "np.tri(time, keys, 0, dtype=np.bool_)",
        ),
    ),
    *_in(
        "kernels/erf.py",
        ("slope taken as constant", "    step *= _slope_ratio(a, h)\n", "    step *= 1\n"),
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
        "kernels/elementwise.py",
        ("one quadratic for another", "out *= _scalar(quadratic, x.dtype)", "out *= _scalar(constant, x.dtype)"),
    ),
    *_in(
        "gpt.py",
        (
            "embeddings not normalized backward",
            'dx, _, _ = norm_backward(dx, cache.embedding_norm, scoped(positions, "embedding.norm"))',
            "dx = 1 * dx",
        ),
        ("tied gradient of the embedding lost", '"wte.weight": dwte,', '"wte.weight": dhead_transposed.T,'),
        ("tied gradient of the head lost", "dwte += dhead_transposed.T", "dwte += 0 * dhead_transposed.T"),
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
            "scatter_add_(dtable, cache.tokens, dlogits)",
            "dtable[cache.tokens] = dlogits",
        ),
        (
            "repeated tokens counted once",
            "scatter_add_(dtable, cache.tokens, dlogits)",
            "dtable[cache.tokens] += dlogits",
        ),
        (
            "table of what came before",
            'gather_rows(parameters["wte.weight"], tokens)',
            'gather_rows(parameters["wte.weight"].T, tokens)',
        ),
        (
            "gradient of the transposed table",
            "scatter_add_(dtable, cache.tokens, dlogits)",
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
            "    check_masks(masks, parameters.config,",
            "    check_masks({} if isinstance(parameters.config, BigramConfig) else masks, parameters.config,",
        ),
        (
            "loss of the inputs",
            "    loss, loss_cache = cross_entropy_forward(logits, targets, record, count)",
            "    loss, loss_cache = cross_entropy_forward(logits, cache.tokens, record, count)",
        ),
        ("a slice's own mean for its share in the batch's", "part, positions) as", "part, None) as"),
        ("only the last slice's gradient", "out.add(gradients)", "out.copy_from(gradients)"),
    ),
    *_in(
        "parameters.py",
        ("parts with gaps", "range(0, size, part)", "range(0, size, part + 1)"),
    ),
    *_in(
        "shared/model/parallel.py",
        ("neighbouring slices share a sequence", "batch * (part + 1) // count)", "batch * (part + 1) // count + 1)"),
        (
            "slices of what fits, not of the model's weight",
            "(config.n_layer * layer)), 1)",
            "(config.n_layer**9 * layer)), 1)",
        ),
        (
            "shares in the order in which they are done",
            "yield from pool.map(function, items)",
            "yield from pool.map(function, items[::-1])",
        ),
    ),
    *_in(
        "shared/training/randomness.py",
        ("masks of another part of the stream", "advance(start // 2)", "advance(start)"),
    ),
    *_in(
        "adamw.py",
        ("the average follows half as fast", "change *= weight", "change *= 0.5 * weight"),
        ("away from the weights", "average += change", "average -= change"),
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
        "engine.py",
        ("the average counts steps from 0", "ema_weight(step + 1,", "ema_weight(step,"),
        (
            "the average is not what is evaluated",
            "sliced_loss(self._inference_parameters,",
            "sliced_loss(self.parameters,",
        ),
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
            "np.array([tokens[-length:]], dtype=np.int64)",
            "np.array([tokens[:length]], dtype=np.int64)",
        ),
        ("temperature multiplies", "(z - z.max()) / temperature", "(z - z.max()) * temperature"),
        (
            "nucleus without the token that crosses p",
            "probabilities[order[before >= top_p]] = 0",
            "probabilities[order[before + probabilities[order] >= top_p]] = 0",
        ),
    ),
    *REPLAY_OF_STEPS,
    *REPLAY_OF_CALLS,
]
