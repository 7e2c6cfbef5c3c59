"""Each layer of numpy_gpt against its twin in torch_gpt, one file per layer."""
