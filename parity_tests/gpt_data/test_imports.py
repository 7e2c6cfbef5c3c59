"""The package is light: importing it loads no other module."""

import subprocess
import sys


def modules_loaded_by(statement):
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_loads_nothing_else():
    assert modules_loaded_by("import gpt_data") == {"gpt_data"}


def test_modules_need_only_numpy():
    more = modules_loaded_by(
        "import gpt_data.tokens.word_tokenizer, gpt_data.tokens.batches; "
        "import gpt_data.texts.corpora, gpt_data.floors.loss_floor"
    )
    assert not {name.partition(".")[0] for name in more} & {
        "numpy_gpt",
        "torch_gpt",
        "torch",
        "safetensors",
        "rich",
    }
    assert not more & {"difflib", "tempfile"}
