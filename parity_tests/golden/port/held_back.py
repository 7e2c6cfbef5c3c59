"""Mistakes that no author of the checker saw before the first table: some of its list, and many that are in no list."""

from __future__ import annotations

from parity_tests.golden.port.bug import Bug

HELD_BACK = [
    Bug("size_first_in_merge", "h.N.attn.merged", "the heads are merged as (D, H)", "the heads are merged differently"),
    Bug("scale_twice:bwd", "h.N.attn.dscores", "scaled by 1/D in backward", "the scores are scaled differently"),
    Bug(
        "mask_after_softmax", "h.N.attn.softmax.exponentials", "the mask is applied after softmax", "mask after softmax"
    ),
    Bug("gelu_root_0.8", "h.N.mlp.gelu.argument", "0.8 for √(2/π)", "another GELU"),
    Bug("variance_unbiased", "h.N.ln_1.variance", "variance over n − 1, forward and backward", "variance over n − 1"),
    Bug("positions_reversed", "embedding.position", "positions from the end", "other rows of the position embedding"),
    Bug("residual_of_normed@*mlp", "h.N.mlp.residual", "ln_2's output is the residual", "a residual is wrong"),
    Bug("padding_in_gradient", "dlogits", "ignored targets have a gradient", "padding counts", "padding"),
    Bug(
        "dbias_of_last_sequence",
        "h.N.attn.c_attn.dbias",
        "db of the last sequence",
        "a gradient is not summed over the batch",
    ),
    Bug(
        "dbeta_of_last_sequence",
        "ln_f.dbias",
        "dβ of the last sequence only",
        "a gradient is not summed over the batch",
    ),
    Bug("clipping_per_tensor", "clipping.scale", "each tensor is clipped alone", "clipping per tensor"),
    Bug("rate_of_previous_step", "step2.updated.wte.weight", "the rate of the step before", "the rate is off by one"),
    Bug("fp16_products", "h.N.attn.qkv", "products of float16 inputs", "fp16 products"),
]
"""Mistakes of the checker's list, in other forms or places than in ``bugs``."""

ONE_LAYER = [
    Bug("gamma_forgotten@l1_ln2", "h.1.ln_2.out", "no γ in one norm", "γ is forgotten"),
    Bug("bias_forgotten@l1_fc", "h.1.mlp.hidden", "no bias in one layer", "a bias is forgotten"),
    Bug("scale_missing@l1_", "h.1.attn.scaled", "one layer does not scale", "the scores are scaled differently"),
    Bug("qk_swapped@l2_", "h.2.attn.q", "q and k are swapped in the last layer", "q, k, v are laid out differently"),
    Bug(
        "residual_forgotten:bwd@l0_mlp",
        "h.0.attn.dresidual",
        "one bypass is lost",
        "the bypass of a residual is lost in backward",
    ),
    Bug("weight_misread@l2_attproj", "h.2.attn.out", "one matrix is transposed", "a weight is transposed"),
]
"""Mistakes of the list, made in one layer."""

_NONE = "not in the list"
_IN_ATTENTION = [
    ("scale_by_size", "h.N.attn.scaled", "scores are divided by D, not √D"),
    ("key_of_head_zero", "h.N.attn.k", "every head has the keys of the first"),
    ("scores_transposed", "h.N.attn.scores", "the scores are k qᵀ"),
    ("mask_of_the_past", "h.N.attn.masked", "positions see the future, not the past"),
    ("mask_of_all_but_first", "h.N.attn.masked", "the first position is hidden from the others"),
    ("last_row_stale", "h.N.attn.weights", "the last row of attention is the row before"),
    ("value_of_own_position", "h.N.attn.heads", "v is read one position late"),
    ("head_overwritten", "h.N.attn.heads", "the second head has the output of the first"),
    ("dv_transposed", "h.N.attn.dv", "dv is summed over keys, not queries"),
    ("dq_transposed", "h.N.attn.dq", "dq is summed over queries, not keys"),
    ("dq_of_queries", "h.N.attn.dq", "dq is made of q, not k"),
    ("dk_of_last_query", "h.N.attn.dk", "dk of the last query only"),
    ("dv_not_cleared", "h.N.attn.dv", "dv starts at dk instead of zero"),
    ("softmax_epsilon@*_att", "h.N.attn.softmax.sum", "0.001 is added to the sum"),
    ("softmax_without_cross_terms@*_att", "h.N.attn.dmasked", "only the diagonal of softmax's Jacobian"),
    ("softmax_sum_unweighted@*_att", "h.N.attn.dmasked", "Σ dp instead of Σ p·dp"),
    ("maximum_of_the_whole@*_att", "h.N.attn.softmax.exponentials", "one maximum for all rows"),
]
_IN_BLOCKS = [
    ("gelu_silu", "h.N.mlp.activated", "SiLU instead of GELU"),
    ("gelu_twice", "h.N.mlp.gelu.argument", "GELU is applied twice"),
    ("gelu_square_for_cube", "h.N.mlp.activated", "x² instead of x³ in GELU"),
    ("gelu_slope_lost", "h.N.mlp.dhidden", "GELU's backward is missing"),
    ("gelu_slope_term_dropped", "h.N.mlp.dhidden", "the second term of GELU's slope is dropped"),
    ("gelu_sech_not_squared", "h.N.mlp.dhidden", "1 − tanh instead of 1 − tanh²"),
    ("gelu_slope_without_three", "h.N.mlp.dhidden", "no factor 3 in GELU's slope"),
    ("residual_scaled", "h.N.attn.residual", "residuals are scaled by 1/√2"),
    ("residual_subtracted@*mlp", "h.N.mlp.residual", "the MLP is subtracted"),
    ("residual_twice@*attn", "h.N.attn.residual", "the stream is added twice"),
    ("branch_lost@*mlp", "h.N.attn.dresidual", "the MLP's gradient does not reach the stream"),
    ("bypass_twice@*attn", "h.N.mlp.dresidual", "the bypass is added twice in backward"),
    ("mlp_of_stream_before_attention", "h.N.mlp.hidden", "the MLP reads the stream before attention"),
    ("mean_not_subtracted@*ln1", "h.N.ln_1.centered", "ln_1 does not subtract the mean"),
    ("gamma_plus_one", "h.N.ln_1.out", "1 + γ instead of γ"),
    ("dgamma_of_centered", "ln_f.dweight", "dγ of centered, not of normalized"),
    ("norm_term_of_variance_added", "ln_f.dx", "a sign in the norm's backward"),
    ("norm_rstd_squared", "ln_f.dx", "rstd² in the norm's backward"),
    ("bias_twice@*fc", "h.N.mlp.hidden", "c_fc's bias is added twice"),
    ("dbias_averaged", "h.N.attn.c_attn.dbias", "db is a mean, not a sum"),
    ("dweight_without_first_position@*fc", "h.N.mlp.c_fc.dweight", "dW leaves out position 0"),
    ("weights_of_layer_zero", "h.1.ln_1.out", "every layer uses the weights of the first"),
    ("norm_of_layer_zero", "h.1.ln_1.out", "every layer uses the norms of the first"),
    ("mlp_of_next_layer", "h.N.mlp.hidden", "each layer has the MLP of the next"),
    ("last_layer_skipped", "ln_f.mean", "the loop over layers ends one early"),
    ("bf16_results", "h.N.attn.qkv", "results of products are rounded to bfloat16"),
]
_AT_THE_ENDS = [
    ("token_of_next", "embedding.token", "tokens are read one position late"),
    ("embedding_scaled", "embedding.token", "token embeddings are scaled by √C"),
    ("positions_only_in_first_sequence", "embedding.sum", "only the first sequence has positions"),
    ("repeated_tokens_averaged", "embedding.dweight", "the gradients of a repeated token are averaged"),
    ("dposition_averaged", "embedding.dposition", "dwpe is averaged over the batch"),
    ("logits_scaled", "logits", "logits are divided by √C"),
    ("logits_of_last_row_stale", "logits", "the last position has the logits of the one before"),
    ("targets_shifted_twice", "losses", "targets are two positions ahead"),
    ("loss_in_bits", "losses", "losses in bits"),
    ("loss_without_first_position", "losses", "the first position has no loss"),
    ("loss_gradient_negated", "dlogits", "onehot − p instead of p − onehot"),
    ("tied_gradient_averaged", "wte.dweight", "the tied gradient is a mean"),
    ("gradients_not_cleared", "step2.wte.dweight", "gradients are not set to zero between steps"),
]
_IN_UPDATES = [
    ("moments_cleared", "step2.m.wte.weight", "m and v start at zero in every step"),
    ("moments_of_unclipped", "clipped.wte.weight", "AdamW uses the gradients before clipping"),
    ("norm_not_rooted", "clipping.norm", "the norm is not rooted"),
    ("norm_of_matrices_only", "clipping.norm", "vectors are left out of the norm"),
    ("clipping_by_value", "clipping.scale", "each value is clipped"),
    ("clipping_always", "step3.clipping.scale", "gradients are scaled up to the limit, too"),
    ("beta1_0.95", "m.wte.weight", "β1 is 0.95"),
    ("adam_epsilon_1e-6", "updated.wte.weight", "AdamW's ε is 1e-6"),
    ("step_never_counted", "step2.updated.wte.weight", "bias corrections of step 1 in every step"),
    ("m_without_new_weight", "m.wte.weight", "m = β1·m + g"),
    ("v_of_absolute", "v.wte.weight", "v averages |g|"),
    ("adam_epsilon_before_correction", "updated.wte.weight", "ε is added before v is corrected"),
    ("update_of_raw_gradient", "updated.wte.weight", "SGD"),
    ("decay_without_rate", "updated.wte.weight", "decay is not multiplied by the rate"),
    ("decay_after_update", "updated.wte.weight", "decay after the update"),
    ("update_added", "updated.wte.weight", "the update has the wrong sign"),
    ("decay_missing", "updated.wte.weight", "no decay"),
    ("decay_not_on_embeddings", "updated.wte.weight", "embeddings do not decay"),
    ("rate_constant", "step2.updated.wte.weight", "the rate of step 1 in every step"),
    ("layer_zero_frozen", "updated.h.0.ln_1.weight", "the first layer is never updated"),
]
_NEEDY = [
    Bug("accumulation_overwritten", "head.dweight", "only the last micro-batch's gradient", _NONE, "micro-batches"),
    Bug("dv_of_undropped", "h.N.attn.dv", "dv of the weights before dropout", _NONE, "dropout"),
    Bug("dropout_lost_in_backward@*_att", "h.N.attn.dweights", "no mask in backward", _NONE, "dropout"),
    Bug("dropout_scaled_down", "embedding.dropout", "kept values are multiplied by 1 − p", _NONE, "dropout"),
    Bug("relu_slope_of_negative", "h.N.mlp.dhidden", "a leaky slope in ReLU's backward", _NONE, "relu"),
    Bug("head_tied_though_untied", "logits", "wte is used for a head that is not tied", _NONE, "untied"),
]
UNLISTED = [
    *(
        Bug(name, first, sentence, _NONE)
        for name, first, sentence in (*_IN_ATTENTION, *_IN_BLOCKS, *_AT_THE_ENDS, *_IN_UPDATES)
    ),
    *_NEEDY,
]
