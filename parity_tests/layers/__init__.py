"""Each layer of numpy_gpt against its twin in torch_gpt: what belongs to one layer alone, one file a layer."""
