"""What GPT-2's ``config.json``, as Hugging Face writes it, means; ``runs/gpt2_files.py`` writes it.

Every field is used, known to be harmless, required to have the one value that this project computes, or mentioned in a
note: nothing is ignored in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import describe, list_names
from numpy_gpt.shared.model.config import GPTConfig

_ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "n_ctx": "n_positions",  # older files have both
}
_DEFAULTS: dict[str, Any] = {
    **{"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None},
    **{"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True},
    **{"embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1},
    **{"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "reorder_and_upcast_attn": False},
}
_ACTIVATIONS = {
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"), "gelu_tanh"),
    **{"gelu": "gelu_erf", "gelu_python": "gelu_erf", "relu": "relu"},
}
_DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
_SCALES = ("scale_attn_weights", "scale_attn_by_inverse_layer_idx")
_REQUIRED: dict[str, tuple[Any, ...]] = {
    "model_type": ("gpt2",),
    "architectures": (None, ["GPT2LMHeadModel"], ["GPT2Model"]),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "is_causal": (True, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "auto_map": (None,),  # the model has code of its own
}
_HARMLESS = frozenset(
    "_name_or_path transformers_version torch_dtype dtype use_bfloat16 torchscript tf_legacy_loss return_dict "
    "use_cache output_attentions output_hidden_states output_scores gradient_checkpointing chunk_size_feed_forward "
    "_attn_implementation attn_implementation _attn_implementation_autoset initializer_range bos_token_id "
    "eos_token_id pad_token_id sep_token_id decoder_start_token_id forced_bos_token_id forced_eos_token_id "
    "suppress_tokens begin_suppress_tokens summary_type summary_use_proj summary_activation summary_proj_to_labels "
    "summary_first_dropout task_specific_params problem_type finetuning_task id2label label2id num_labels "
    "tokenizer_class prefix is_decoder cross_attention_hidden_size tie_encoder_decoder max_length min_length do_sample "
    "early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty "
    "length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences "
    "return_dict_in_generate exponential_decay_length_penalty remove_invalid_values".split()
)


@dataclass(frozen=True)
class Gpt2Config:
    """What a ``config.json`` says: the config; by how much the scores of each layer are multiplied; notes for the user.

    ``score_scales`` (L,) are relative to q·k/√D, which this project computes.
    """

    config: GPTConfig
    score_scales: tuple[float, ...]
    notes: tuple[str, ...]


def config_from_gpt2(values: Mapping[str, Any]) -> Gpt2Config:
    """Return what the fields of a ``config.json`` mean.

    Raises
    ------
    UserError
        If it is not GPT-2's, a field has a value that this project does not compute, or is out of range.
    """
    given = _resolve_aliases(values)
    _check_required(given)
    whole_number("n_positions", given.get("n_positions", 1), 1)
    fields = _DEFAULTS | {name: value for name, value in given.items() if name in _DEFAULTS}
    unknown = sorted(set(given) - set(_DEFAULTS) - set(_REQUIRED) - _HARMLESS)
    config = GPTConfig(
        vocab_size=fields["vocab_size"],
        block_size=fields["n_positions"],
        n_layer=fields["n_layer"],
        n_head=fields["n_head"],
        n_embd=fields["n_embd"],
        bias=True,
        tie_weights=fields["tie_word_embeddings"],
        activation=_activation(fields["activation_function"]),
        dropout=_dropout(fields),
        layer_norm_epsilon=fields["layer_norm_epsilon"],
    )
    if fields["n_inner"] not in (None, config.n_hidden):
        raise UserError(
            f"n_inner={describe(fields['n_inner'])} is not supported: it must be null or 4·n_embd = {config.n_hidden}"
        )
    return Gpt2Config(config, _score_scales(fields, config), tuple(_notes(fields, unknown)))


def single_dropout(rates: Mapping[str, Any]) -> tuple[float, str]:
    """Return the largest of several dropout rates, because there is only one here, and a note if they differ."""
    largest = max(rates.values())
    if len(set(rates.values())) == 1:
        return largest, ""
    listed = ", ".join(f"{name}={describe(rate)}" for name, rate in rates.items())
    return largest, f"dropout in training is {largest}: there is one rate here, and the model has {listed}"


def _resolve_aliases(values: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in values.items() if name not in _ALIASES}
    for alias, name in _ALIASES.items():
        if alias not in values:
            continue
        if name in given and given[name] != values[alias]:
            raise UserError(f"{name}={describe(given[name])} and {alias}={describe(values[alias])} must be the same")
        given[name] = values[alias]
    return given


def _check_required(given: Mapping[str, Any]) -> None:
    if "model_type" not in given:
        raise UserError("model_type is missing; it must be 'gpt2'")
    for name, allowed in _REQUIRED.items():
        if name in given and given[name] not in allowed:
            raise UserError(
                f"{name}={describe(given[name])} is not supported: it must be {' or '.join(map(repr, allowed))}"
            )
    for name in (*_SCALES, "reorder_and_upcast_attn", "tie_word_embeddings"):
        if not isinstance(given.get(name, False), bool):
            raise UserError(f"{name} must be true or false, not {describe(given[name])}")


def _activation(name: Any) -> str:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise UserError(
            f"activation_function={describe(name)} is not supported; supported are {', '.join(sorted(_ACTIVATIONS))}"
        )
    return _ACTIVATIONS[name]


def _dropout(fields: Mapping[str, Any]) -> Any:
    for name in _DROPOUTS:
        rate = fields[name]
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise UserError(f"{name} must be a number in [0, 1), not {describe(rate)}")
    return single_dropout({name: fields[name] for name in _DROPOUTS})[0]


def _score_scales(fields: Mapping[str, Any], config: GPTConfig) -> tuple[float, ...]:
    base = 1.0 if fields["scale_attn_weights"] else config.head_size**0.5
    by_layer = fields["scale_attn_by_inverse_layer_idx"]
    return tuple(base / (layer + 1) if by_layer else base for layer in range(config.n_layer))


def _notes(fields: Mapping[str, Any], unknown: list[str]) -> list[str]:
    notes = []
    scaled = [name for name in _SCALES if fields[name] != _DEFAULTS[name]]
    if scaled:
        named = " and ".join(f"{name}={fields[name]}" for name in scaled)
        notes.append(
            f"{named} {'are' if len(scaled) > 1 else 'is'} now in q's weights and biases: the same function up to "
            "rounding, but training takes another path"
        )
    if note := single_dropout({name: fields[name] for name in _DROPOUTS})[1]:
        notes.append(note)
    if fields["reorder_and_upcast_attn"]:
        notes.append("reorder_and_upcast_attn=True concerns mixed precision only, and changes nothing here")
    if unknown:
        notes.append(f"left out fields of config.json that are not known here: {list_names(unknown, 10)}")
    return notes
