"""Behind benchmarks.cuda and benchmarks.recipe_search: what is measured on a GPU, and how its time is spent."""
