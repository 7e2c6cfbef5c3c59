"""A Hugging Face directory of GPT-2, in the precision of the model, with its tokenizer."""

from __future__ import annotations

import json

from gpt_data.tokens.bpe_files import bpe_file_contents
from gpt_data.tokens.bpe_tokenizer import END_OF_TEXT, BpeTokenizer
from gpt_data.tokens.tokenizer import Tokenizer
from numpy_gpt.shared.interchange.fixed_fields import require_fields
from numpy_gpt.shared.interchange.word_level import FILE, word_level_file
from numpy_gpt.shared.interchange.writing.exported import Exported, training_notes
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.gpt2_files import end_of_text_id, gpt2_files

FIXED = {"norm": "layer_norm"}
_USAGE = "in Python: transformers.GPT2LMHeadModel.from_pretrained({python})"
_TOKENS_USAGE = ", transformers.AutoTokenizer.from_pretrained({python})"


def export_huggingface(checkpoint: Checkpoint) -> Exported:
    """Return the model's files.

    Raises
    ------
    UserError
        If it is not a GPT, or GPT-2 has no such model.
    """
    config = require_gpt(checkpoint.config)
    require_fields(config, FIXED, "GPT-2")
    files = gpt2_files(config, checkpoint.tokenizer, checkpoint.values)
    notes = training_notes(checkpoint)
    if not config.bias:
        notes += ("GPT-2 always has biases: those that the model lacks are zeros",)
    tokenizer = tokenizer_files(checkpoint.tokenizer, config.block_size)
    if not tokenizer:
        notes += ("left out: the tokenizer, because the tokens of its ids are not known or no file of text",)
    return Exported(files | tokenizer, notes, _USAGE + _TOKENS_USAGE * bool(tokenizer))


def tokenizer_files(tokenizer: Tokenizer, block_size: int) -> dict[str, bytes]:
    """Return the files of a tokenizer for ``AutoTokenizer``, or none if it has no form there."""
    if isinstance(tokenizer, BpeTokenizer):
        files = bpe_file_contents(tokenizer)
    elif content := word_level_file(tokenizer):
        files = {FILE: content}
    else:
        return {}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # the one that takes tokenizer.json as it is
        "clean_up_tokenization_spaces": False,
        "model_max_length": block_size,
    }
    if end_of_text_id(tokenizer) is not None:
        settings |= {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    return files | {"tokenizer_config.json": json.dumps(settings, indent=2).encode() + b"\n"}
