"""Mistakes of the checker's list once more: only forward, only backward, or in other places than in ``bugs``.

They were written after the checker had been mended against ``bugs`` and ``held_back``, to see whether it had only
learnt those.
"""

from __future__ import annotations

from parity_tests.golden.port.bug import Bug

_FIRST = (
    ("scale_width:fwd", "h.N.attn.scaled"),
    ("scale_twice:fwd", "h.N.attn.scaled"),
    ("size_first:fwd", "h.N.attn.q"),
    ("qk_swapped:fwd", "h.N.attn.q"),
    ("qk_swapped:bwd", "h.N.attn.dqkv"),
    ("qv_swapped:bwd", "h.N.attn.dqkv"),
    ("merged_without_transpose:fwd", "h.N.attn.merged"),
    ("size_first_in_merge:bwd", "h.N.attn.dheads"),
    ("residual_forgotten:fwd@*attn", "h.N.attn.residual"),
    ("residual_of_normed:fwd@*attn", "h.N.attn.residual"),
    ("residual_of_normed:fwd@*mlp", "h.N.mlp.residual"),
    ("gelu_sigmoid:bwd", "h.N.mlp.dhidden"),
    ("gelu_root_of_pi_over_two:bwd", "h.N.mlp.dhidden"),
    ("gelu_cubic_constant:fwd", "h.N.mlp.gelu.argument"),
    ("gamma_forgotten@*ln1", "h.N.ln_1.out"),
    ("gamma_forgotten:fwd", "h.N.ln_1.out"),
    ("variance_unbiased@*ln1", "h.N.ln_1.variance"),
    ("epsilon_missing@lnf", "ln_f.rstd"),
    ("beta_forgotten@*ln1", "h.N.ln_1.out"),
    ("dbias_forgotten@*qkv", "h.N.attn.c_attn.dbias"),
    ("dbias_forgotten@*attproj", "h.N.attn.c_proj.dbias"),
    ("weight_misread:bwd@*fcproj", "h.N.mlp.dactivated"),
    ("weight_misread:bwd@*qkv", "h.N.ln_1.dout"),
    ("weight_misread:fwd@*qkv", "h.N.attn.qkv"),
    ("head_misread:bwd", "ln_f.dout"),
    ("positions_forgotten:fwd", "embedding.position"),
    ("positions_all_zero:bwd", "wpe.dweight"),
    ("dweight_misread@*qkv", "h.N.attn.c_attn.dweight"),
    ("dweight_of_last_sequence@*fcproj", "h.N.mlp.c_proj.dweight"),
    ("scale_missing@l0_", "h.0.attn.scaled"),
    ("mask_missing@l1_", "h.1.attn.softmax.exponentials"),
    ("residual_forgotten@l1_attn", "h.1.attn.residual"),
    ("softmax_over_heads:bwd@*_att", "h.N.attn.dmasked"),
    ("norm_rstd_dropped@*ln1", "h.N.ln_1.dx"),
    ("norm_term_of_mean_dropped@lnf", "ln_f.dx"),
    ("bias_forgotten", "h.N.attn.qkv"),
    ("loaded_misread@*qkv", "h.N.attn.c_attn.weight"),
    ("variance_unbiased:bwd", "ln_f.dx"),
)
VARIANTS = [Bug(name, first, f"{name}, in other places than in the list", "as in the list") for name, first in _FIRST]
