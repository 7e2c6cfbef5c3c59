/* golden.h: write a port's tensors to a file that `numpy_gpt golden check DIR FILE` reads. C99, no dependencies.
 * Include it in one file of the program:
 *
 *     golden_open("theirs.golden");
 *     golden_step(1);                                               // from 1; before each training step
 *     int dims[] = {B, T, C};
 *     golden_put("h.0.ln_1.out", out, "f32", 3, dims, NULL);        // NULL: the numbers follow each other, C order
 *     golden_put("loss", &loss, "f32", 0, NULL, NULL);
 *     golden_close();
 *
 * dtype is "f32", "f64", "bf16", "f16", "i32" or "i64"; strides count elements, not bytes, so a transposed or padded
 * array needs no copy. The file: "GOLDEN1\n", then for each array a line "name dtype d0,d1,...\n" ("-" if there are no
 * dims) and its numbers, little-endian, in C order. A failure ends the program with a message. */
#ifndef GOLDEN_H
#define GOLDEN_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *golden_file;
static int golden_now = 1;

static void golden_fail(const char *what, const char *name) {
    fprintf(stderr, "golden.h: %s: %s\n", what, name);
    exit(1);
}

static inline void golden_open(const char *path) {
    golden_file = fopen(path, "wb");
    if (!golden_file || fputs("GOLDEN1\n", golden_file) < 0) golden_fail("cannot write", path);
}

static inline void golden_step(int step) { golden_now = step; }

static inline void golden_put(const char *name, const void *numbers, const char *dtype, int ndim, const int *dims,
                              const int *strides) {
    static const char *const known[] = {"f32", "f64", "bf16", "f16", "i32", "i64"};
    static const size_t sizes[] = {4, 8, 2, 2, 4, 8};
    const unsigned one = 1;
    size_t size = 0, count = 1, n, k;
    int axis;
    for (k = 0; k < 6; k++)
        if (!strcmp(dtype, known[k])) size = sizes[k];
    if (!golden_file || !size) golden_fail(golden_file ? "unknown dtype" : "call golden_open first", name);
    if (golden_now > 1) fprintf(golden_file, "step%d.", golden_now);
    fprintf(golden_file, "%s %s %s", name, dtype, ndim ? "" : "-");
    for (axis = 0; axis < ndim; axis++) {
        fprintf(golden_file, axis ? ",%d" : "%d", dims[axis]);
        count *= (size_t)dims[axis];
    }
    fputc('\n', golden_file);
    for (n = 0; n < count; n++) {
        long place = (long)n, rest = (long)n;
        const char *at;
        if (strides)
            for (place = 0, axis = ndim - 1; axis >= 0; rest /= dims[axis--]) place += rest % dims[axis] * strides[axis];
        at = (const char *)numbers + place * (long)size;
        for (k = 0; k < size; k++) /* the lowest byte first, also where memory has it last */
            fputc(at[*(const char *)&one ? k : size - 1 - k], golden_file);
    }
    if (ferror(golden_file)) golden_fail("cannot write", name);
}

static inline void golden_close(void) {
    if (!golden_file || fclose(golden_file)) golden_fail("cannot finish", "the file");
    golden_file = NULL;
}
#endif
