"""The mutants of the bigram model, of what it has in common with a GPT, and of the error function."""

from __future__ import annotations

from parity_tests.mutants.mutant import in_file

BIGRAM_AND_ERF = [
    *in_file(
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
    *in_file(
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
    *in_file(
        "model.py",
        ("a slice's own mean for its share in the batch's", "part, ignore, tokens.size)", "part, ignore, None)"),
        ("only the last slice's gradient", "out[name][...] += gradient", "out[name][...] = gradient"),
    ),
    *in_file(
        "parameters.py",
        ("parts with gaps", "range(0, size, part)", "range(0, size, part + 1)"),
    ),
    *in_file(
        "shared/model/parallel.py",
        ("neighbouring slices share a sequence", "batch * (part + 1) // count)", "batch * (part + 1) // count + 1)"),
        (
            "slices of what fits, not of the model's weight",
            "(config.n_layer * layer)), 1)",
            "(config.n_layer**9 * layer)), 1)",
        ),
    ),
    *in_file(
        "shared/training/randomness.py",
        ("masks of another part of the stream", "advance(start // 2)", "advance(start)"),
    ),
    *in_file(
        "shared/model/parallel.py",
        (
            "shares in the order in which they are done",
            "yield from pool.map(function, items)",
            "yield from pool.map(function, items[::-1])",
        ),
    ),
    *in_file(
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
]
