"""The mistakes that a checker should name: forward and backward where a port has both, or in only one of them."""

from __future__ import annotations

from parity_tests.golden.port.bug import Bug

_WEIGHT = "a weight is transposed"
_LAYOUT = "q, k, v are laid out differently"
_MERGE = "the heads are merged differently"
_SCALE = "the scores are scaled differently"
_MASK = "the mask is off by one"
_GELU = "another GELU"
_EPSILON = "another ε of layer norm"
_POSITION = "other rows of the position embedding"
_HEAD = "the head is not the token embedding"
_DIVIDED = "the loss is divided by another count"
_BATCH = "a gradient is not summed over the batch"
_BYPASS = "the bypass of a residual is lost in backward"
_RESIDUAL = "a residual is wrong"
_TIED = "half of the tied gradient is lost"
_CORRECTION = "a bias correction is missing"

LINEAR = [
    Bug("weight_misread@*attproj", "h.N.attn.out", "attention's output matrix is used transposed", _WEIGHT),
    Bug("weight_misread:fwd@*attproj", "h.N.attn.out", "the same, only forward", _WEIGHT),
    Bug("weight_misread:bwd@*attproj", "h.N.attn.dmerged", "the same, only backward", _WEIGHT),
    Bug("loaded_misread@*attproj", "h.N.attn.c_proj.weight", "attention's matrix is loaded transposed", _WEIGHT),
    Bug("loaded_misread@*fc", "h.N.mlp.c_fc.weight", "c_fc is loaded as (out, in)", _WEIGHT),
    Bug("weight_misread@*qkv", "h.N.attn.qkv", "c_attn's numbers are read as (out, in)", _WEIGHT),
    Bug("weight_misread@*fc", "h.N.mlp.hidden", "c_fc's numbers are read as (out, in)", _WEIGHT),
    Bug("weight_misread@*fcproj", "h.N.mlp.out", "the MLP's c_proj is read as (out, in)", _WEIGHT),
    Bug("weight_misread:bwd@*fc", "h.N.ln_2.dout", "c_fc is read as (out, in) in backward", _WEIGHT),
    Bug("dweight_misread@*attproj", "h.N.attn.c_proj.dweight", "attention's dW is stored transposed", _WEIGHT),
    Bug("dweight_misread@*fcproj", "h.N.mlp.c_proj.dweight", "the MLP's dW is stored as (out, in)", _WEIGHT),
    Bug("bias_forgotten@*qkv", "h.N.attn.qkv", "c_attn without bias", "a bias is forgotten"),
    Bug("bias_forgotten@*attproj", "h.N.attn.out", "attention's c_proj without bias", "a bias is forgotten"),
    Bug("bias_forgotten@*fc", "h.N.mlp.hidden", "c_fc without bias", "a bias is forgotten"),
    Bug("bias_forgotten@*fcproj", "h.N.mlp.out", "the MLP's c_proj without bias", "a bias is forgotten"),
    Bug("dbias_forgotten@*fc", "h.N.mlp.c_fc.dbias", "c_fc's bias gets no gradient", "a bias is forgotten"),
    Bug("dweight_of_last_sequence@*qkv", "h.N.attn.c_attn.dweight", "dW of the last sequence only", _BATCH),
    Bug("dweight_of_last_sequence@*fc", "h.N.mlp.c_fc.dweight", "dW of the last sequence only", _BATCH),
    Bug("dweight_of_last_sequence", "h.N.attn.c_attn.dweight", "every dW of the last sequence only", _BATCH),
]
ATTENTION = [
    Bug("qkv_interleaved", "h.N.attn.q", "c_attn's columns are read as (H, 3, D)", _LAYOUT),
    Bug("qkv_interleaved:fwd", "h.N.attn.q", "the same, only forward", _LAYOUT),
    Bug("qkv_interleaved:bwd", "h.N.attn.dqkv", "the same, only backward", _LAYOUT),
    Bug("qk_swapped", "h.N.attn.q", "q and k are swapped", _LAYOUT),
    Bug("kv_swapped", "h.N.attn.k", "k and v are swapped", _LAYOUT),
    Bug("qv_swapped", "h.N.attn.q", "q and v are swapped", _LAYOUT),
    Bug("kv_swapped:bwd", "h.N.attn.dqkv", "dk and dv are swapped", _LAYOUT),
    Bug("size_first", "h.N.attn.q", "q, k, v are split as (D, H)", _LAYOUT),
    Bug("size_first:bwd", "h.N.attn.dqkv", "dq, dk, dv are joined as (D, H)", _LAYOUT),
    Bug("merged_without_transpose", "h.N.attn.merged", "(B, H, T, D) is merged without transposing", _MERGE),
    Bug("merged_without_transpose:bwd", "h.N.attn.dheads", "the same, only backward", _MERGE),
    Bug("scale_width", "h.N.attn.scaled", "scores are scaled by 1/√C", _SCALE),
    Bug("scale_width:bwd", "h.N.attn.dscores", "the same, only backward", _SCALE),
    Bug("scale_missing", "h.N.attn.scaled", "scores are not scaled", _SCALE),
    Bug("scale_missing:fwd", "h.N.attn.scaled", "the same, only forward", _SCALE),
    Bug("scale_missing:bwd", "h.N.attn.dscores", "the same, only backward", _SCALE),
    Bug("scale_twice", "h.N.attn.scaled", "scores are scaled by 1/D", _SCALE),
    Bug("mask_sees_next", "h.N.attn.softmax.exponentials", "position t sees t + 1", _MASK),
    Bug("mask_excludes_self", "h.N.attn.masked", "position t does not see itself; the first sees nothing", _MASK),
    Bug("mask_excludes_self_nan", "h.N.attn.masked", "the same, and the first row is NaN", _MASK),
    Bug("mask_missing", "h.N.attn.softmax.exponentials", "no mask at all", "no mask"),
    Bug("mask_small", "h.N.attn.softmax.exponentials", "the future's scores are −5", "a finite mask"),
    Bug("mask_added", "h.N.attn.softmax.exponentials", "5 is subtracted from the future's scores", "a finite mask"),
    Bug(
        "softmax_over_queries@*_att",
        "h.N.attn.softmax.exponentials",
        "softmax over the queries",
        "softmax over a wrong axis",
    ),
    Bug(
        "softmax_over_queries:fwd@*_att",
        "h.N.attn.softmax.exponentials",
        "the same, only forward",
        "softmax over a wrong axis",
    ),
    Bug("softmax_over_queries:bwd@*_att", "h.N.attn.dmasked", "the same, only backward", "softmax over a wrong axis"),
    Bug(
        "softmax_over_heads@*_att",
        "h.N.attn.softmax.exponentials",
        "softmax over the heads",
        "softmax over a wrong axis",
    ),
    Bug("no_maximum@*_att", "h.N.attn.softmax.exponentials", "exp without subtracting the maximum", "no maximum"),
    Bug("softmax_term_of_sum_dropped@*_att", "h.N.attn.dmasked", "Σ p·dp is dropped", "a term of softmax is dropped"),
    Bug("softmax_weight_dropped@*_att", "h.N.attn.dmasked", "the factor p is dropped", "a term of softmax is dropped"),
    Bug("dk_transposed", "h.N.attn.dk", "dk is summed over keys, not queries", "dk is transposed"),
]
NORM_AND_MLP = [
    Bug("gelu_other", "h.N.mlp.activated", "erf GELU instead of tanh", _GELU),
    Bug("gelu_other:fwd", "h.N.mlp.activated", "the same, only forward", _GELU),
    Bug("gelu_other:bwd", "h.N.mlp.dhidden", "the same, only backward", _GELU),
    Bug("gelu_sigmoid", "h.N.mlp.activated", "x·σ(1.702·x)", _GELU),
    Bug("gelu_sigmoid:fwd", "h.N.mlp.activated", "the same, only forward", _GELU),
    Bug("gelu_cubic_constant", "h.N.mlp.gelu.argument", "0.047715 instead of 0.044715", _GELU),
    Bug("gelu_cubic_constant:bwd", "h.N.mlp.dhidden", "the same, only backward", _GELU),
    Bug("gelu_cubic_0.04", "h.N.mlp.gelu.argument", "0.04 instead of 0.044715", _GELU),
    Bug("gelu_root_of_pi_over_two", "h.N.mlp.gelu.argument", "√(π/2) instead of √(2/π)", _GELU),
    Bug("epsilon_1e-6", "h.N.ln_1.rstd", "ε of 1e-6 instead of 1e-5", _EPSILON),
    Bug("epsilon_1e-8", "h.N.ln_1.rstd", "ε of 1e-8 instead of 1e-5", _EPSILON),
    Bug("epsilon_1e-12", "h.N.ln_1.rstd", "ε of 1e-12 instead of 1e-5", _EPSILON),
    Bug("epsilon_missing", "h.N.ln_1.rstd", "no ε", _EPSILON),
    Bug("epsilon_outside_root", "h.N.ln_1.rstd", "ε is added to the root", _EPSILON),
    Bug("variance_unbiased:fwd", "h.N.ln_1.variance", "variance over n − 1, only forward", "variance over n − 1"),
    Bug("variance_one_pass", "h.N.ln_1.variance", "mean(x²) − mean(x)²", "variance in one pass", "float32"),
    Bug("gamma_forgotten", "h.N.ln_1.out", "no γ in any norm", "γ is forgotten"),
    Bug("gamma_forgotten:bwd", "ln_f.dnormalized", "no γ in backward", "γ is forgotten"),
    Bug("gamma_forgotten@*ln2", "h.N.ln_2.out", "no γ in ln_2", "γ is forgotten"),
    Bug("gamma_forgotten@lnf", "ln_f.out", "no γ in ln_f", "γ is forgotten"),
    Bug("beta_forgotten", "h.N.ln_1.out", "no β in any norm", "β is forgotten"),
    Bug("beta_forgotten@lnf", "ln_f.out", "no β in ln_f", "β is forgotten"),
    Bug("norm_term_of_mean_dropped", "ln_f.dx", "mean(dxhat) is dropped", "a term of norm is dropped"),
    Bug("norm_term_of_variance_dropped", "ln_f.dx", "xhat·mean(dxhat·xhat) is dropped", "a term of norm is dropped"),
    Bug("norm_rstd_dropped", "ln_f.dx", "the factor rstd is dropped", "a term of norm is dropped"),
    Bug("dbeta_forgotten", "ln_f.dbias", "β gets no gradient", "β is forgotten"),
    Bug("dgamma_of_last_sequence", "ln_f.dweight", "dγ of the last sequence only", _BATCH),
    Bug("residual_forgotten@*attn", "h.N.attn.residual", "no residual around attention", _RESIDUAL),
    Bug("residual_forgotten@*mlp", "h.N.mlp.residual", "no residual around the MLP", _RESIDUAL),
    Bug("residual_forgotten:fwd@*mlp", "h.N.mlp.residual", "the same, only forward", _RESIDUAL),
    Bug("residual_of_normed@*attn", "h.N.attn.residual", "ln_1's output is the residual", _RESIDUAL),
    Bug("residual_forgotten:bwd@*mlp", "h.N.attn.dresidual", "the bypass of the MLP is lost", _BYPASS),
    Bug("residual_forgotten:bwd@*attn", "h.N.mlp.dresidual", "the bypass of attention is lost", _BYPASS),
    Bug("bypass_before_norm@*mlp", "h.N.ln_2.dout", "the bypass joins before ln_2's backward", "bypass before norm"),
    Bug("bypass_before_norm@*attn", "h.N.ln_1.dout", "the bypass joins before ln_1's backward", "bypass before norm"),
    Bug("post_norm", "h.N.ln_1.mean", "norms after the residuals", "post-LN"),
    Bug("final_norm_forgotten", "logits", "no ln_f", "no ln_f"),
]
ENDS = [
    Bug("positions_from_one", "embedding.position", "positions count from 1", _POSITION),
    Bug("positions_forgotten", "embedding.position", "no position embedding", _POSITION),
    Bug("positions_all_zero", "embedding.position", "every position has row 0", _POSITION),
    Bug("positions_from_one:bwd", "wpe.dweight", "dwpe is one row down", _POSITION),
    Bug("position_of_sequence", "embedding.sum", "the row of the sequence, not of the position", _POSITION),
    Bug("head_untied_copy", "wte.dweight", "the head is a copy that is trained apart", _HEAD),
    Bug("head_random", "logits", "the head has other numbers than wte", _HEAD),
    Bug("head_misread", "logits", "wte is read as (C, V) in the head", "the head is transposed"),
    Bug("head_misread:fwd", "logits", "the same, only forward", "the head is transposed"),
    Bug("targets_not_shifted", "losses", "each token predicts itself", "targets are not shifted"),
    Bug("loss_summed", "loss", "the loss is a sum", _DIVIDED),
    Bug("loss_summed:fwd", "loss", "the loss is a sum, its gradient that of the mean", _DIVIDED),
    Bug("loss_summed:bwd", "dlogits", "dlogits are not divided", _DIVIDED),
    Bug("loss_over_batch_only", "loss", "divided by B", _DIVIDED),
    Bug("loss_over_time_only", "loss", "divided by T", _DIVIDED),
    Bug("padding_in_the_mean", "loss", "ignored targets count in the mean", "padding counts", "padding"),
    Bug("padding_counts_as_token_zero", "losses", "ignored targets are token 0", "padding counts", "padding"),
    Bug("onehot_forgotten", "dlogits", "1 is not subtracted at the target", "a term of softmax is dropped"),
    Bug("no_maximum@probs", "softmax.exponentials", "cross-entropy without subtracting the maximum", "no maximum"),
    Bug("tied_gradient_of_head_lost", "wte.dweight", "wte has only the embedding's gradient", _TIED),
    Bug("tied_gradient_of_embedding_lost", "wte.dweight", "wte has only the head's gradient", _TIED),
    Bug("repeated_tokens_overwritten", "embedding.dweight", "a repeated token overwrites its gradient", "overwritten"),
    Bug("dposition_of_last_sequence", "embedding.dposition", "dwpe of the last sequence only", _BATCH),
    Bug("dhead_of_last_sequence", "head.dweight", "the head's gradient of the last sequence only", _BATCH),
    Bug("accumulation_not_divided", "loss", "micro-batches are added, not averaged", _DIVIDED, "micro-batches"),
    Bug("dropout_not_scaled", "embedding.dropout", "kept values are not scaled", "dropout's scale", "dropout"),
    Bug("dropout_scaled_by_rate", "embedding.dropout", "kept values are divided by p", "dropout's scale", "dropout"),
    Bug("dropout_scaled_twice", "embedding.dropout", "kept values are divided twice", "dropout's scale", "dropout"),
]
UPDATE = [
    Bug("no_m_correction", "updated.wte.weight", "m without bias correction", _CORRECTION),
    Bug("no_v_correction", "updated.wte.weight", "v without bias correction", _CORRECTION),
    Bug("no_m_correction+no_v_correction", "updated.wte.weight", "no bias corrections", _CORRECTION),
    Bug("adam_epsilon_inside_root", "updated.wte.weight", "ε inside the root", "ε inside the root"),
    Bug("decay_on_vectors", "updated.ln_f.weight", "norms and biases decay", "decay on vectors"),
    Bug("decay_coupled", "m.wte.weight", "decay is added to the gradient", "L2 decay"),
    Bug("betas_swapped", "m.wte.weight", "β1 and β2 are swapped", "other betas"),
    Bug("beta2_0.999", "v.wte.weight", "β2 is 0.999", "other betas"),
    Bug("clipping_missing", "clipping.scale", "no clipping", "no clipping"),
    Bug("clipping_without_epsilon", "clipping.scale", "no 1e-6 in the scale of clipping", "clipping without ε"),
    Bug("rate_of_next_step", "updated.wte.weight", "the learning rate of the next step", "the rate is off by one"),
    Bug("step_off_by_one", "updated.wte.weight", "bias corrections of the next step", "the step is off by one"),
]
PRECISION = [
    Bug("bf16_products", "h.N.attn.qkv", "products of bfloat16 inputs", "bf16 products"),
    Bug("tf32_products", "h.N.attn.qkv", "products of TF32 inputs", "TF32 products"),
    Bug("bf16_accumulation", "h.N.attn.qkv", "sums in bfloat16", "bf16 accumulation"),
]
INVISIBLE = [
    Bug("mask_minus_1e4", "", "the future's scores are −10,000: exp gives exactly 0 for that, too", "a finite mask"),
]
"""What changes no number, and is no mistake as long as it does not."""
LISTED = [*LINEAR, *ATTENTION, *NORM_AND_MLP, *ENDS, *UPDATE, *PRECISION]
