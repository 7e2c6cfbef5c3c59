"""Values that a careful program must expect, and the values that are right for it."""

from __future__ import annotations

import shlex

HUGE = ("1e18", "1e308", "9" * 40, "9" * 5000, "inf", "1e309", "2147483647", "4294967296", "9223372036854775808")
NUMBERS = (
    *("-1", "-0", "0", "1.5", "1e-400", "nan", "-inf", "-1e308", "0x10", "1_0", "１", "٣", " 1 ", "+1", "1,2", "½"),
    *("", "--", "True", "none", "null", "1e", ".", "1e5x", "1\n", "\x1b[31m1"),
)
TEXTS = (
    *("", " ", "-", "--", "\n", "\\n", "\r", "\t", "x" * 100_000, "9" * 100_000, "to be", "hello world", "HELLO"),
    *("\x1b]0;title\x07", "a\x1b[2Jb", "\x7f", "\x85", "\u202eabc", "مرحبا", "e\u0301", "😀", "\udcff"),
    *("%s%n{}{0}", "$(touch pwned)", "`touch pwned`", "<|3|>", "None", "NaN", "[0]", "*", "**", "[", ",", ",,", "."),
    *("FILE:", "FILE:prompt.txt", "FILE:missing", "FILE:fifo", "FILE:run", "FILE:/dev/zero", "FILE:input.txt"),
    *("attn.scores", "loss", "h.9.attn", "softmax", "scaling"),
)
PATHS = (
    *("run", "torch-run", "bigram", "single", "letters", "lexicon", "phrases", "nanogpt", "run/checkpoints", "empty"),
    *("input.txt", "prompt.txt", "recipe.toml", "homework.txt", "trace.txt", "trace.md", "trace.json"),
    *("missing", "missing/below", "input.txt/below", "fifo", "loop", "dangling", "", ".", "..", "x" * 300, "x" * 5000),
    *("/dev/null", "/dev/full", "/dev/zero", "/proc/nope/below", "/proc/self/mem", "new", "new/below", "a b", "-x"),
    *("line\nbreak", "\x1b]0;title\x07", "\udcff", "é", "\u202ecod", "$HOME", "~", "tiny", "grammar"),
)
_RIGHT = """
n_embd 4 6 8
n_head 1 2
n_layer 0 1 2
block_size 2 4 8
vocab_size 32 40 260
tokenizer vocabulary huggingface
activation relu gelu_erf gelu_tanh
dropout 0 0.1 0.5
batch_size 1 2 5
gradient_accumulation_steps 1 2
max_iters 0 1 2 3
learning_rate 0 1e-3 1e3 1e38 1e39 1e300
weight_decay 0 0.1 1e300
beta1 0 0.9
beta2 0 0.99 0.9999999
adam_epsilon 1e-8 1e-40 1e300
eval_interval 1 2 100
eval_stride 1 3 none
eval_iters 0 1 2
dtype float32 float64 bfloat16 float16
seed 0 7 999999999999999999999999999999
preset tiny tiny16 tiny-characters bigram shakespeare Tiny mingpt
dataset tiny tiny-characters letters lexicon phrases pairs nanogpt ids ./tiny
corpus text text text tiny shakespeare
files input.txt homework.txt
max_new_tokens 0 1 5
num_samples 1 2
steps 1 2
temperature 0 0.5 2
top_k 1 3 99
top_p 0.1 0.5 1
show 1 3 99
window 1 2
snapshots 0 2 3
by_hand 1 2 full full:2
html new.html
stop world ' ' be '\\n' '' hello-world
device cpu auto cuda cuda:9 mps meta xpu
compile no
text 'to be' 'hello world'
prompt to 'hello world' FILE:prompt.txt 'to\\tbe'
digits 1 2 4 9 34
worksheet 1 3
val_share 0.1 0.5 0.99
level 1 2 3
layer 0 1
head 0 1
file trace.txt trace.md trace.json averaging.txt homework.txt - sheet-key.txt
run run torch-run bigram single huggingface llmc/gpt2_124M.bin
runs run torch-run bigram
topic softmax gelu
windows 20 40
model run torch-run bigram single huggingface nanogpt-model
resume run torch-run bigram single
init_from run torch-run bigram single shards nanogpt-model
place huggingface shards pickled nanogpt-model llmc/gpt2_124M.bin nanogpt-model/ckpt.pt run
config recipe.toml
out_dir new new/below letters run
directory new gpt2 gpt2
theirs run/checkpoints huggingface/model.safetensors
output page input.txt
png loss.png new.svg
source input.txt
only attn.scores loss '*.mlp.*' softmax
"""
RIGHT = {name: tuple(values) for name, *values in map(shlex.split, _RIGHT.strip().splitlines())}
"""Right, or nearly right, values of each option; all of them are small, so that every command ends soon."""
UNBOUNDED = ("num_samples", "steps", "compile", "max_iters", "eval_iters", "gradient_accumulation_steps")
"""Options that may legally take any time; they are never given a number that is huge, nor the value true."""
