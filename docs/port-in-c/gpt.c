/* A GPT in C99: forward, backward and AdamW, for every step of a golden pack.

       cc -std=c99 -O2 -Iruns/pack docs/port-in-c/gpt.c -lm -o runs/gpt
       runs/gpt runs/pack runs/theirs.golden

   `numpy_gpt golden check` checks it: docs/check-a-port.md. The names are those of numpy_gpt/shared/model/names.py, and
   (4.10) is an equation of docs/derivations.md. -DBUG=1 to -DBUG=5 plant mistakes of real ports; -Dreal=double computes
   in float64. The code is meant to be read, and is slow. The computer must be little-endian, as the pack is. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "golden.h"
#ifndef BUG
#define BUG 0
#endif
#ifndef real
#define real float
#endif
#define FOR(i, n) for (long i = 0; i < (n); i++)
#define ROW(x, i, n) ((x) + (i) / (n) * (n)) /* the row of n numbers in which x[i] is */

static long B, T, C, H, D, F, V;          /* sizes by the letters of §1 */
static long P, L, N, M;                   /* block_size, layers, positions B·T, scores B·H·T·T */
static int biases, tied, activation;      /* 0 gelu_tanh, 1 gelu_erf, 2 relu */
static double layer_norm_epsilon, beta1, beta2, epsilon, weight_decay, grad_clip;
static int32_t *tokens, *targets;         /* (B, T) */
static long step, counted;                /* steps from 1; the targets that are not negative */
static void fail(const char *message, const char *name) { fprintf(stderr, "%s%s\n", message, name), exit(2); }
static void *checked(void *memory) { if (!memory) fail("out of memory", ""); return memory; }

/* ---- Named arrays, kept until the end of a step, when one loop writes them --------------------------------------- */
typedef struct {
    char name[96];
    const char *axes;                     /* a letter each; E is 3·C */
    real *numbers, *gradient;             /* ∂loss/∂numbers: zeros at the start of each step */
    int has_gradient;
} Array;
static Array arrays[1 << 14];
static int array_count, parameter_count;  /* the parameters come first */
static char block[24];                    /* comes before each name: "h.0." in block 0, "" outside of the blocks */
static void enter_block(long layer) { sprintf(block, "h.%ld.", layer); }
static void leave_block(void) { block[0] = '\0'; }
static const char *in(const char *part, const char *name) { static char s[999]; return strcat(strcpy(s, part), name); }
static long size_of(char axis) {
    const long sizes[] = {B, T, T, C, H, D, F, V, P, 3 * C};
    return sizes[strchr("BTSCHDFVPE", axis) - "BTSCHDFVPE"];
}
static long count_of(const char *axes) { return *axes ? size_of(*axes) * count_of(axes + 1) : 1; }
static real *zeros(const char *axes) { return checked(calloc((size_t)count_of(axes), sizeof(real))); }
static Array *find(const char *name) {    /* NULL if there is none, such as a bias */
    size_t n = strlen(block);
    FOR(i, array_count) if (!strncmp(arrays[i].name, block, n) && !strcmp(arrays[i].name + n, name)) return &arrays[i];
    return NULL;
}
static real *get(const char *name) { Array *a = find(name); return a ? a->numbers : NULL; }

static real *make(const char *name, const char *axes) { /* zeros if it is new, otherwise as the last step left it */
    if (find(name)) return get(name);
    Array *a = &arrays[array_count++];
    if (array_count == sizeof arrays / sizeof *arrays) fail("too many layers: no room for ", name);
    strcat(strcpy(a->name, block), name);
    a->axes = axes, a->numbers = zeros(axes), a->gradient = zeros(axes);
    return a->numbers;
}
static real *gradient(const char *name) { Array *a = find(name); return a ? a->has_gradient = 1, a->gradient : NULL; }

/* ---- The pack: golden.tsv says where each array lies in golden.safetensors --------------------------------------- */
static FILE *tsv, *safetensors;
static char dtype[8], dims[96];           /* of the array that seek found */
static int seek(const char *name) {
    char line[999], found[96], wanted[160] = "";
    long offset;
    if (step > 1) sprintf(wanted, "step%ld.", step);
    strcat(strcat(wanted, block), name);
    for (rewind(tsv); fgets(line, sizeof line, tsv);)
        if (sscanf(line, "%ld %7s %95s %95s", &offset, dtype, dims, found) == 4 && strcmp(found, wanted) == 0)
            return fseek(safetensors, offset, SEEK_SET) == 0;
    return 0;
}
static double next_number(void) {
    union { float f32; double f64; int32_t i32; } number;
    if (fread(&number, strcmp(dtype, "F64") ? 4 : 8, 1, safetensors) != 1) fail("golden.safetensors is truncated", "");
    return *dtype == 'I' ? number.i32 : strcmp(dtype, "F64") ? number.f32 : number.f64;
}
static void need(const char *name) { if (!seek(name)) fail("not a pack of GPT-2's architecture: it has no ", name); }
static double number(const char *name) { need(name); return next_number(); }
static int32_t *read_ids(const char *name) {
    if (!seek(name) || sscanf(dims, "%ld,%ld", &B, &T) != 2) return NULL;
    int32_t *ids = checked(malloc((size_t)(B * T) * sizeof *ids));
    N = B * T, M = B * H * T * T, counted = 0;
    FOR(n, N) counted += (ids[n] = (int32_t)next_number()) >= 0;
    return ids;
}
static void read_parameter(const char *name, const char *axes) {
    if ((!biases && strstr(name, ".bias")) || (tied && strcmp(name, "lm_head.weight") == 0)) return;
    need(name);
    if (strtol(dims, NULL, 10) != size_of(*axes)) fail("this port reads matrices (in, out) only, not ", name);
    real *numbers = make(name, axes);
    FOR(i, count_of(axes)) numbers[i] = (real)next_number();
    parameter_count = array_count;
}

/* ---- Layers: forward, and below it backward ---------------------------------------------------------------------- */
static real sum(const real *x, long n) { real s = 0; FOR(i, n) s += x[i]; return s; }
static real dot(const real *x, const real *y, long n) { real s = 0; FOR(i, n) s += x[i] * y[i]; return s; }
static void add(real *y, real factor, const real *x, long n) { FOR(i, n) y[i] += factor * x[i]; }
static real *copy(real *y, const real *x, long n) { return memcpy(y, x, (size_t)n * sizeof *y); }

/* §2 Linear, (N, I) → (N, O) */
static real *linear_forward(const char *part, const real *x, real *y, long I, long O) {
    const real *w = get(in(part, "weight")), *b = get(in(part, "bias"));
    FOR(i, N * O) y[i] = b ? b[i % O] : 0;
    FOR(n, N) FOR(i, I) add(y + n * O, x[n * I + i], w + i * O, O);                         /* (2.1) */
    return y;
}
static void linear_backward(const char *part, const real *dy, const real *x, real *dx, long I, long O) {
    const real *w = get(in(part, "weight"));
    real *dw = gradient(in(part, "weight")), *db = gradient(in(part, "bias"));
    FOR(n, N) FOR(i, I) dx[n * I + i] = dot(dy + n * O, w + i * O, O);                      /* (2.2) */
    FOR(n, N) FOR(i, I) add(dw + i * O, x[n * I + i], dy + n * O, O);                       /* (2.3) */
    if (db) FOR(n, N) add(db, 1, dy + n * O, O);                                            /* (2.4) */
}

/* §3 Embedding */
static real *embedding_forward(void) {
    const real *wte = get("wte.weight"), *wpe = get("wpe.weight");
    real *token = make("embedding.token", "BTC"), *position = copy(make("embedding.position", "TC"), wpe, T * C);
    real *x = make("embedding.sum", "BTC");
    FOR(n, N) copy(token + n * C, wte + tokens[n] * C, C);
    FOR(i, N * C) x[i] = token[i] + position[i % (T * C)];                                  /* (3.1) */
    return x;
}
static void embedding_backward(const real *dx, real *dwte) {
    real *dtoken = copy(gradient("embedding.token"), dx, N * C), *dposition = gradient("embedding.position");
    FOR(n, N) if (BUG != 4) add(dwte + tokens[n] * C, 1, dtoken + n * C, C);                /* (3.2) */
    FOR(n, N) if (BUG == 4) copy(dwte + tokens[n] * C, dtoken + n * C, C);
    FOR(i, N * C) dposition[i % (T * C)] += dx[i];                                          /* (3.3) */
    copy(gradient("wpe.weight"), dposition, T * C);
}

/* §4 Layer norm */
static real *layer_norm_forward(const char *part, const real *x) {
    const real *weight = get(in(part, "weight")), *bias = get(in(part, "bias"));
    real *mean = make(in(part, "mean"), "BT"), *centered = make(in(part, "centered"), "BTC");
    real *variance = make(in(part, "variance"), "BT"), *rstd = make(in(part, "rstd"), "BT");
    real *normalized = make(in(part, "normalized"), "BTC"), *y = make(in(part, "out"), "BTC");
    FOR(n, N) mean[n] = sum(x + n * C, C) / C;                                              /* (4.1) */
    FOR(i, N * C) centered[i] = x[i] - mean[i / C];                                         /* (4.2) */
    FOR(n, N) variance[n] = dot(centered + n * C, centered + n * C, C) / C;                 /* (4.3) */
    FOR(n, N) rstd[n] = 1 / sqrt(variance[n] + layer_norm_epsilon);                         /* (4.4) */
    FOR(i, N * C) normalized[i] = rstd[i / C] * centered[i];                                /* (4.5) */
    FOR(i, N * C) y[i] = normalized[i] * weight[i % C] + (bias ? bias[i % C] : 0);          /* (4.6) */
    return y;
}
static real *layer_norm_backward(const char *part) {
    const real *weight = get(in(part, "weight")), *xhat = get(in(part, "normalized")), *rstd = get(in(part, "rstd"));
    real *dweight = gradient(in(part, "weight")), *dbias = gradient(in(part, "bias")), *dy = gradient(in(part, "out"));
    real *dxhat = gradient(in(part, "normalized")), *dx = make(in(part, "dx"), "BTC");
    FOR(i, N * C) dweight[i % C] += dy[i] * xhat[i];                                        /* (4.7) */
    if (dbias) FOR(i, N * C) dbias[i % C] += dy[i];                                         /* (4.8) */
    FOR(i, N * C) dxhat[i] = dy[i] * weight[i % C];                                         /* (4.9) */
    FOR(i, N * C) dx[i] = rstd[i / C] * (dxhat[i] - sum(ROW(dxhat, i, C), C) / C
                                         - xhat[i] * dot(ROW(dxhat, i, C), ROW(xhat, i, C), C) / C); /* (4.10) */
    return dx;
}

/* §5 Activations */
static const double SQRT_2_OVER_PI = 0.79788456080286536, SQRT_2 = 1.4142135623730951, CUBIC = 0.044715;
static real *activation_forward(const real *x, real *y) {
    real *w = activation == 0 ? make("mlp.gelu.argument", "BTF") : NULL, *t = w ? make("mlp.gelu.tanh", "BTF") : NULL;
    real *e = activation == 1 ? make("mlp.gelu.erf", "BTF") : NULL;
    FOR(i, N * F) {
        if (w) w[i] = SQRT_2_OVER_PI * (x[i] + CUBIC * x[i] * x[i] * x[i]);                 /* (5.1) */
        if (t) t[i] = tanh(w[i]);                                                           /* (5.2) */
        if (e) e[i] = erf(x[i] / SQRT_2);                                                   /* (5.5) */
        y[i] = t ? 0.5 * x[i] * (1 + t[i]) : e ? 0.5 * x[i] * (1 + e[i]) : fmax(x[i], 0);   /* (5.3), (5.6), (5.8) */
    }
    return y;
}
static void activation_backward(const real *dy, const real *x, real *dx) {
    const real *t = get("mlp.gelu.tanh"), *e = get("mlp.gelu.erf");
    FOR(i, N * F) {
        double slope = x[i] > 0, square = (double)x[i] * x[i], dw = SQRT_2_OVER_PI * (1 + 3 * CUBIC * square);
        if (t) slope = 0.5 * (1 + t[i]) + 0.5 * x[i] * (1 - t[i] * t[i]) * dw;              /* (5.4) */
        if (e) slope = 0.5 * (1 + e[i]) + x[i] * exp(-square / 2) * SQRT_2_OVER_PI / 2;     /* (5.7) */
        dx[i] = dy[i] * slope;                                                              /* and (5.9) */
    }
}

/* §6 Softmax over rows of n numbers */
static real *softmax_forward(const char *part, const real *x, real *p, const char *row, const char *axes, long n) {
    real *max = make(in(part, "softmax.max"), row), *e = make(in(part, "softmax.exponentials"), axes);
    real *total = make(in(part, "softmax.sum"), row);
    long rows = count_of(row);
    FOR(r, rows) max[r] = x[r * n];
    FOR(i, rows * n) max[i / n] = fmax(max[i / n], x[i]);                                   /* (6.1) */
    FOR(i, rows * n) e[i] = exp(x[i] - max[i / n]);                                         /* (6.2) */
    FOR(r, rows) total[r] = sum(e + r * n, n);                                              /* (6.3) */
    FOR(i, rows * n) p[i] = e[i] / total[i / n];                                            /* (6.4) */
    return p;
}
static void softmax_backward(const real *dp, const real *p, real *dx, long rows, long n) {
    FOR(i, rows * n) dx[i] = p[i] * (dp[i] - dot(ROW(p, i, n), ROW(dp, i, n), n));          /* (6.5) */
}

/* §8 Attention. Row r of (B, H, T, D) is that of one b, h, t; in (B, T, width) the heads lie side by side. */
static void copy_heads(real *heads, real *side_by_side, long width, int split) {
    FOR(r, M / T) {
        real *head = heads + r * D, *place = side_by_side + (r / (H * T) * T + r % T) * width + r / T % H * D;
        copy(split ? head : place, split ? place : head, D);
    }
}
/* Score i of (B, H, T, S) is that of the query at entry query(i) of (B, H, T, D) and of the key at entry key(i). */
static long query(long i) { return i / T * D; }
static long key(long i) { return (i / T / T * T + i % T) * D; }

static real *attention_forward(const real *x) {
    real *q = make("attn.q", "BHTD"), *k = make("attn.k", "BHTD"), *v = make("attn.v", "BHTD");
    real *scores = make("attn.scores", "BHTS"), *scaled = make("attn.scaled", "BHTS");
    real *masked = make("attn.masked", "BHTS"), *weights = make("attn.weights", "BHTS");
    real *heads = make("attn.heads", "BHTD"), *merged = make("attn.merged", "BTC");
    real *qkv = linear_forward("attn.c_attn.", x, make("attn.qkv", "BTE"), C, 3 * C);       /* (8.1) */
    copy_heads(q, qkv, 3 * C, 1), copy_heads(k, qkv + C, 3 * C, 1), copy_heads(v, qkv + 2 * C, 3 * C, 1);
    FOR(i, M) scores[i] = dot(q + query(i), k + key(i), D);                                 /* (8.2) */
    FOR(i, M) scaled[i] = scores[i] / sqrt(BUG == 3 ? C : D);                               /* (8.3) */
    FOR(i, M) masked[i] = key(i) <= query(i) ? scaled[i] : -INFINITY;                       /* (8.4) */
    softmax_forward("attn.", masked, weights, "BHT", "BHTS", T);                            /* (8.5) */
    memset(heads, 0, (size_t)(N * C) * sizeof *heads);
    FOR(i, M) add(heads + query(i), weights[i], v + key(i), D);                             /* (8.6) */
    copy_heads(heads, merged, C, 0);                                                        /* (8.7) */
    return linear_forward("attn.c_proj.", merged, make("attn.out", "BTC"), C, C);           /* (8.8) */
}
static void attention_backward(const real *dout) {
    const real *q = get("attn.q"), *k = get("attn.k"), *v = get("attn.v"), *weights = get("attn.weights");
    real *dmerged = gradient("attn.merged"), *dheads = gradient("attn.heads"), *dweights = gradient("attn.weights");
    real *dmasked = gradient("attn.masked"), *dscaled = gradient("attn.scaled"), *dscores = gradient("attn.scores");
    real *dq = gradient("attn.q"), *dk = gradient("attn.k"), *dv = gradient("attn.v"), *dqkv = gradient("attn.qkv");
    linear_backward("attn.c_proj.", dout, get("attn.merged"), dmerged, C, C);               /* (8.9) */
    copy_heads(dheads, dmerged, C, 1);                                                      /* (8.10) */
    FOR(i, M) dweights[i] = dot(dheads + query(i), v + key(i), D);                          /* (8.11) */
    FOR(i, M) add(dv + key(i), weights[i], dheads + query(i), D);                           /* (8.12) */
    softmax_backward(dweights, weights, dmasked, M / T, T);                                 /* (8.13) */
    copy(dscaled, dmasked, M);                                                              /* (8.19) */
    FOR(i, M) dscores[i] = dscaled[i] / sqrt(BUG == 3 ? C : D);                             /* (8.14) */
    FOR(i, M) add(dq + query(i), dscores[i], k + key(i), D);                                /* (8.15) */
    FOR(i, M) add(dk + (BUG == 1 ? query : key)(i), dscores[i], q + (BUG == 1 ? key : query)(i), D); /* (8.16) */
    copy_heads(dq, dqkv, 3 * C, 0), copy_heads(dk, dqkv + C, 3 * C, 0), copy_heads(dv, dqkv + 2 * C, 3 * C, 0);
    linear_backward("attn.c_attn.", dqkv, get("ln_1.out"), gradient("ln_1.out"), C, 3 * C); /* (8.17) */
}

/* §9 Feed-forward */
static real *feed_forward_forward(const real *x) {
    real *hidden = linear_forward("mlp.c_fc.", x, make("mlp.hidden", "BTF"), C, F);         /* (9.1) */
    real *activated = activation_forward(hidden, make("mlp.activated", "BTF"));             /* (9.2) */
    return linear_forward("mlp.c_proj.", activated, make("mlp.out", "BTC"), F, C);          /* (9.3) */
}
static void feed_forward_backward(const real *dout) {
    real *dactivated = gradient("mlp.activated"), *dhidden = gradient("mlp.hidden");
    linear_backward("mlp.c_proj.", dout, get("mlp.activated"), dactivated, F, C);           /* (9.4) */
    activation_backward(dactivated, get("mlp.hidden"), dhidden);                            /* (9.5) */
    linear_backward("mlp.c_fc.", dhidden, get("ln_2.out"), gradient("ln_2.out"), C, F);     /* (9.6) */
}

/* §10 Block */
static real *block_forward(const real *x) {
    real *a = make("attn.residual", "BTC"), *y = make("mlp.residual", "BTC");
    const real *attended = attention_forward(layer_norm_forward("ln_1.", x));
    FOR(i, N * C) a[i] = x[i] + attended[i];                                                /* (10.1) */
    const real *fed = feed_forward_forward(layer_norm_forward("ln_2.", a));
    FOR(i, N * C) y[i] = a[i] + fed[i];                                                     /* (10.2) */
    return y;
}
static void block_backward(real *dx) { /* dy comes in dx */
    const real *dy = copy(gradient("mlp.residual"), dx, N * C);
    feed_forward_backward(copy(gradient("mlp.out"), dy, N * C));
    if (BUG == 2) add(gradient("ln_2.out"), 1, dy, N * C);
    real *da = copy(gradient("attn.residual"), layer_norm_backward("ln_2."), N * C);
    if (BUG != 2) add(da, 1, dy, N * C);                                                    /* (10.3) */
    attention_backward(copy(gradient("attn.out"), da, N * C));
    if (BUG == 2) add(gradient("ln_1.out"), 1, da, N * C);
    copy(dx, layer_norm_backward("ln_1."), N * C);
    if (BUG != 2) add(dx, 1, da, N * C);                                                    /* (10.4) */
}

/* §11 Cross-entropy, the mean over the targets that are not negative */
static void cross_entropy_forward(const real *logits) {
    real *losses = make("losses", "BT");
    softmax_forward("", logits, make("probabilities", "BTV"), "BT", "BTV", V);
    const real *max = get("softmax.max"), *total = get("softmax.sum");
    FOR(n, N) losses[n] = targets[n] < 0 ? 0 : log(total[n]) + (max[n] - logits[n * V + targets[n]]); /* (11.1) */
    *make("loss", "") = sum(losses, N) / counted;                                           /* (11.2) */
}
static void cross_entropy_backward(const real *p, real *dlogits) {
    FOR(i, N * V) if (targets[i / V] >= 0) dlogits[i] = (p[i] - (i % V == targets[i / V])) / counted; /* (11.3) */
}

/* §12 The whole model. The head is (V, C). */
static void gpt_forward(void) {
    const real *x = embedding_forward(), *head = get(tied ? "wte.weight" : "lm_head.weight"); /* (12.1) */
    FOR(l, L) enter_block(l), x = block_forward(x), leave_block();                          /* (12.2) */
    const real *out = layer_norm_forward("ln_f.", x);
    real *logits = make("logits", "BTV");
    FOR(n, N) FOR(u, V) logits[n * V + u] = dot(out + n * C, head + u * C, C);              /* (12.3) */
    cross_entropy_forward(logits);
}
static void gpt_backward(void) {
    const real *out = get("ln_f.out"), *head = get(tied ? "wte.weight" : "lm_head.weight");
    real *dlogits = gradient("logits"), *dout = gradient("ln_f.out"), *dx = gradient("embedding.sum");
    real *dhead = tied ? make("head.dweight", "VC") : gradient("lm_head.weight");
    real *dwte = tied ? make("embedding.dweight", "VC") : gradient("wte.weight");
    FOR(i, V * C) dhead[i] = dwte[i] = 0;
    cross_entropy_backward(get("probabilities"), dlogits);
    FOR(n, N) FOR(u, V) add(dout + n * C, dlogits[n * V + u], head + u * C, C);             /* (12.4) */
    FOR(n, N) FOR(u, V) add(dhead + u * C, dlogits[n * V + u], out + n * C, C);             /* (12.5) */
    copy(dx, layer_norm_backward("ln_f."), N * C);
    for (long l = L; l--;) enter_block(l), block_backward(dx), leave_block();
    embedding_backward(dx, dwte);
    if (tied) FOR(i, V * C) gradient("wte.weight")[i] = dhead[i] + dwte[i];                 /* (12.6) */
}

/* §13 Clipping by the global norm, then AdamW */
static real *like(const char *prefix, const Array *a) { return make(in(prefix, a->name), a->axes); }
static void update(double learning_rate) {
    double squares = 0;
    FOR(a, parameter_count) FOR(i, count_of(arrays[a].axes)) squares += pow(arrays[a].gradient[i], 2);
    double norm = sqrt(squares), scale = grad_clip > 0 ? fmin(1, grad_clip / (norm + 1e-6)) : 1; /* (13.1) */
    *make("clipping.norm", "") = norm, *make("clipping.scale", "") = scale;
    for (const Array *a = arrays; a < arrays + parameter_count; a++) {
        real *g = like("clipped.", a), *m = like("m.", a), *v = like("v.", a), *updated = like("updated.", a);
        double decay = strlen(a->axes) == 2 || BUG == 5 ? weight_decay : 0;
        FOR(i, count_of(a->axes)) {
            g[i] = scale * a->gradient[i];                                                  /* (13.2) */
            m[i] = beta1 * m[i] + (1 - beta1) * g[i];                                       /* (13.4) */
            v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];                                /* (13.5) */
            double m_hat = m[i] / (1 - pow(beta1, step)), v_hat = v[i] / (1 - pow(beta2, step)); /* (13.6), (13.7) */
            updated[i] = (1 - learning_rate * decay) * a->numbers[i];                       /* (13.3) */
            updated[i] -= learning_rate * m_hat / (sqrt(v_hat) + epsilon);                  /* (13.8) */
        }
    }
}

/* ---- The program ------------------------------------------------------------------------------------------------- */
static void read_model(void) {
    const char *inner[][2] = {
        {"ln_1.weight", "C"}, {"ln_1.bias", "C"}, {"attn.c_attn.weight", "CE"}, {"attn.c_attn.bias", "E"},
        {"attn.c_proj.weight", "CC"}, {"attn.c_proj.bias", "C"}, {"ln_2.weight", "C"}, {"ln_2.bias", "C"},
        {"mlp.c_fc.weight", "CF"}, {"mlp.c_fc.bias", "F"}, {"mlp.c_proj.weight", "FC"}, {"mlp.c_proj.bias", "C"}};
    V = number("config.vocab_size"), P = number("config.block_size"), L = number("config.n_layer");
    H = number("config.n_head"), C = number("config.n_embd"), D = C / H, F = 4 * C;
    biases = number("config.bias"), tied = number("config.tie_weights"), activation = number("config.activation");
    layer_norm_epsilon = number("config.layer_norm_epsilon"), weight_decay = number("optimizer.weight_decay");
    beta1 = number("optimizer.beta1"), beta2 = number("optimizer.beta2"), epsilon = number("optimizer.epsilon");
    grad_clip = number("optimizer.grad_clip");
    if (seek("mask.embedding.dropout")) fail("this port has no dropout", "");
    read_parameter("wte.weight", "VC"), read_parameter("wpe.weight", "PC");
    FOR(l, L) FOR(i, 12) enter_block(l), read_parameter(inner[i][0], inner[i][1]), leave_block();
    read_parameter("ln_f.weight", "C"), read_parameter("ln_f.bias", "C"), read_parameter("lm_head.weight", "VC");
}

static void put(const char *name, const char *axes, const real *numbers) {
    int shape[4];
    FOR(i, (long)strlen(axes)) shape[i] = (int)size_of(axes[i]);
    golden_put(name, numbers, sizeof(real) == 8 ? "f64" : "f32", (int)strlen(axes), shape, NULL);
}

/* Writes all arrays of a step, and makes its new weights those of the next one. */
static void end_step(void) {
    char d_name[sizeof arrays->name + 1];
    golden_step((int)step);
    golden_put("tokens", tokens, "i32", 2, (int[]){(int)B, (int)T}, NULL);
    golden_put("targets", targets, "i32", 2, (int[]){(int)B, (int)T}, NULL);
    for (Array *a = arrays; a < arrays + array_count; a++) {
        if (step == 1 || a >= arrays + parameter_count) put(a->name, a->axes, a->numbers);
        if (!a->has_gradient) continue;
        const char *dot = strrchr(a->name, '.'), *last = dot ? dot + 1 : a->name;
        strcpy(d_name, a->name), strcpy(strcpy(d_name + (last - a->name), "d") + 1, last); /* h.0.attn.q, h.0.attn.dq */
        put(d_name, a->axes, a->gradient);
        memset(a->gradient, 0, (size_t)count_of(a->axes) * sizeof(real));
    }
    FOR(p, parameter_count) copy(arrays[p].numbers, like("updated.", &arrays[p]), count_of(arrays[p].axes));
}

int main(int argc, char **argv) {
    if (argc != 3 || strlen(argv[1]) > 900) fail("usage: gpt PACK THEIRS", "");
    tsv = fopen(in(argv[1], "/golden.tsv"), "rb"), safetensors = fopen(in(argv[1], "/golden.safetensors"), "rb");
    if (!tsv || !safetensors) fail("no golden.tsv and golden.safetensors in ", argv[1]);
    read_model();
    golden_open(argv[2]);
    for (step = 1; (tokens = read_ids("tokens")) && (targets = read_ids("targets")); step++) {
        gpt_forward(), gpt_backward();
        update(number("learning_rate"));
        printf("step %ld: loss %.6f, norm of the gradient %.6f\n", step, *get("loss"), *get("clipping.norm"));
        end_step();
        free(tokens), free(targets);
    }
    golden_close();
    return 0;
}
