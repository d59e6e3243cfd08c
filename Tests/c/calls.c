#include "calls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Choices ---------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint32_t source_pick(struct source *s, uint32_t count)
{
    uint32_t value = 0;
    if (!s->data)
        return (uint32_t)((mix(&s->state) >> 32) * count >> 32);
    for (uint32_t range = count - 1; range; range >>= 8) {
        value = value << 8 | (s->size ? *s->data : 0);
        s->data += s->size > 0;
        s->size -= s->size > 0;
    }
    return value % count;
}

double source_unit(struct source *s)
{
    return source_pick(s, 65536) / 65537.0; /* no short binary fractions, with which arithmetic would be exact */
}

static int one_in(struct source *s, uint32_t count)
{
    return source_pick(s, count) == count - 1; /* false when a fuzzer's input has run out */
}

/* ---- Buffers ---------------------------------------------------------------------------------------------------- */

size_t call_dtype_size(int32_t dtype)
{
    static const size_t sizes[] = {0, 4, 8, 2, 2, 1, 4, 8};
    return sizes[dtype];
}

static void store(void *data, int32_t dtype, int64_t i, double x)
{
    uint32_t bits;
    float single = (float)x;
    _Float16 half = (_Float16)x;
    int32_t i32 = (int32_t)(dtype == FOCAL_DTYPE_I32 ? x : 0);
    int64_t i64 = (int64_t)(dtype == FOCAL_DTYPE_I64 ? x : 0);
    uint16_t brain;
    uint8_t byte = (uint8_t)(dtype == FOCAL_DTYPE_U8 ? (int)x : 0);
    memcpy(&bits, &single, 4);
    brain = (uint16_t)(bits >> 16);
    const void *from[] = {NULL, &single, &x, &brain, &half, &byte, &i32, &i64};
    size_t size = call_dtype_size(dtype);
    memcpy((char *)data + (size_t)i * size, from[dtype], size);
}

double call_load(const void *data, int32_t dtype, int64_t i)
{
    uint32_t bits;
    float single;
    switch (dtype) {
    case FOCAL_DTYPE_F32: memcpy(&single, (const float *)data + i, 4); return single;
    case FOCAL_DTYPE_F64: return ((const double *)data)[i];
    case FOCAL_DTYPE_BF16:
        bits = (uint32_t)((const uint16_t *)data)[i] << 16;
        memcpy(&single, &bits, 4);
        return single;
    case FOCAL_DTYPE_F16: return (double)((const _Float16 *)data)[i];
    case FOCAL_DTYPE_U8: return ((const uint8_t *)data)[i];
    case FOCAL_DTYPE_I32: return ((const int32_t *)data)[i];
    default: return (double)((const int64_t *)data)[i];
    }
}

struct maker {
    struct call *c;
    struct source *s;
    const struct call_limits *limits;
    call_memory memory;
    void *context;
    uint64_t fill; /* state of the generator that fills arrays: one choice a call, not one an element */
};

static void *buffer(struct maker *m, int64_t count, int32_t dtype, enum call_use use)
{
    struct call *c = m->c;
    size_t bytes = (size_t)count * call_dtype_size(dtype);
    void *data = m->memory(m->context, bytes, use);
    c->buffers[c->buffer_count].data = data;
    c->buffers[c->buffer_count].bytes = bytes;
    c->buffers[c->buffer_count].use = use;
    c->buffers[c->buffer_count++].dtype = dtype;
    if (use == CALL_OUTPUT && bytes)
        memset(data, 0xA5, bytes);
    return data;
}

static double fill_unit(struct maker *m)
{
    return (double)(mix(&m->fill) >> 11) * 0x1p-53;
}

static double fill_normal(struct maker *m) /* near enough: a sum of uniform numbers, without libm */
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += fill_unit(m);
    return sum;
}

static void *filled(struct maker *m, int64_t count, int32_t dtype, enum call_use use, double low, double high)
{
    void *data = buffer(m, count, dtype, use);
    for (int64_t i = 0; i < count; i++)
        store(data, dtype, i, low + (high - low) * fill_unit(m));
    return data;
}

static void *numbers(struct maker *m, int64_t count, int32_t dtype, double low, double high)
{
    return filled(m, count, dtype, CALL_INPUT, low, high);
}

static double *doubles(struct maker *m, int64_t count, double low, double high)
{
    return filled(m, count, FOCAL_DTYPE_F64, CALL_INPUT, low, high);
}

/* ---- Arguments of the two families ------------------------------------------------------------------------------ */

static int64_t samples_of(const focal_args *a)
{
    return a->outer * a->inner;
}

static int64_t elements_of(const focal_args *a)
{
    return a->outer * a->classes * a->inner;
}

static int32_t pick_from(struct source *s, const int32_t *values, uint32_t count)
{
    return values[source_pick(s, count)];
}

static void make_shape(struct maker *m, int softmax)
{
    focal_args *a = &m->c->args;
    const struct call_limits *l = m->limits;
    static const int64_t classes[] = {1, 2, 3, 4, 5, 7, 8, 10, 16, 17, 21, 33, 80, 129};
    a->classes = classes[source_pick(m->s, l->exact >= 0 ? 6 : sizeof classes / sizeof classes[0])];
    if (!softmax && source_pick(m->s, 2) == 0)
        a->classes = 1;
    if (a->classes > l->elements)
        a->classes = 1;
    int64_t samples = l->elements / a->classes;
    if (l->exact >= 0)
        samples = l->exact;
    else if (!one_in(m->s, 16)) /* mostly short: tails are where things go wrong */
        samples = source_pick(m->s, (uint32_t)(samples < 140 ? samples : 140) + 1);
    else
        samples = source_pick(m->s, (uint32_t)samples + 1);
    a->outer = samples;
    if (one_in(m->s, 3)) {
        a->inner = samples;
        a->outer = 1;
    } else if (one_in(m->s, 4) && samples % 3 == 0) {
        a->inner = 3;
        a->outer = samples / 3;
    }
}

static void make_scores(struct maker *m)
{
    static const double specials[] = {0, -0.0, 1e-45, -1e-45, 88, -88, 104, -104, 3.4028234e38, -3.4028234e38,
                                      1, -1, 17, -17, INFINITY, -INFINITY, NAN};
    static const double widths[] = {1, 10, 100, 5};
    focal_args *a = &m->c->args;
    int64_t n = elements_of(a);
    int in_place = !m->limits->simple && one_in(m->s, 8);
    void *data = buffer(m, n, a->score_dtype, in_place ? CALL_OUTPUT : CALL_INPUT);
    int special = one_in(m->s, 4);
    double width = widths[source_pick(m->s, 4)];
    for (int64_t i = 0; i < n; i++) {
        double x = fill_normal(m) * width;
        if (special && fill_unit(m) < .2)
            x = specials[(int)(fill_unit(m) * (m->limits->simple ? 14 : 17))];
        if (a->input == FOCAL_INPUT_PROBABILITIES)
            x = special && fill_unit(m) < .2 ? (double)(fill_unit(m) < .5) : fill_unit(m);
        if (a->score_dtype == FOCAL_DTYPE_F16 && fabs(x) > 60000)
            x = copysign(60000, x);
        store(data, a->score_dtype, i, x);
    }
    a->scores = data;
    if (in_place) {
        a->grad = data;
        a->accumulate = 0;
    }
}

/* Labels of every sample, a few of them ignored or background where the call knows such labels. */
static void make_labels(struct maker *m, int64_t classes)
{
    static const int32_t dtypes[] = {FOCAL_DTYPE_I32, FOCAL_DTYPE_I64, FOCAL_DTYPE_U8};
    focal_args *a = &m->c->args;
    int64_t n = samples_of(a);
    a->target_kind = FOCAL_TARGETS_LABELS;
    a->target_dtype = pick_from(m->s, dtypes, 3);
    if (one_in(m->s, 3))
        a->ignore_index = a->target_dtype == FOCAL_DTYPE_U8 ? 255 : -100;
    if (one_in(m->s, 3))
        a->background_label = m->c->entry == CALL_SIGMOID ? classes : 0;
    void *data = buffer(m, n, a->target_dtype, CALL_INPUT);
    for (int64_t i = 0; i < n; i++) {
        double label = floor(fill_unit(m) * (double)classes), odd = fill_unit(m);
        if (odd < .1 && a->ignore_index != FOCAL_LABEL_NONE)
            label = (double)a->ignore_index;
        else if (odd > .8 && a->background_label != FOCAL_LABEL_NONE)
            label = (double)a->background_label;
        store(data, a->target_dtype, i, label);
    }
    a->targets = data;
}

/* What the merge over all shards could have given: a maximum no smaller than this shard's, a sum that has room for its
 * classes, and its own target's score.  Numbers that contradict the scores have no answer on which to agree. */
static void make_merged(struct maker *m)
{
    focal_args *a = &m->c->args;
    int64_t n = samples_of(a), k = a->classes;
    a->shard_max = doubles(m, n, -5, 5);
    a->shard_sum = doubles(m, n, (double)k, (double)k + 4);
    a->shard_target = doubles(m, n, -5, 5);
    for (int64_t i = 0; i < n; i++) {
        int64_t label = (int64_t)call_load(a->targets, a->target_dtype, i) - a->shard_offset;
        for (int64_t j = 0; j < k; j++) {
            double z = call_load(a->scores, a->score_dtype, (i / a->inner * k + j) * a->inner + i % a->inner);
            if (j == label)
                a->shard_target[i] = z;
            else if (z > a->shard_max[i])
                a->shard_max[i] = z;
        }
    }
}

static void make_dense(struct maker *m, int softmax)
{
    static const int32_t dtypes[] = {FOCAL_DTYPE_F32, FOCAL_DTYPE_F64, FOCAL_DTYPE_U8, FOCAL_DTYPE_I32, FOCAL_DTYPE_I64};
    focal_args *a = &m->c->args;
    int64_t n = elements_of(a), k = a->classes;
    a->target_dtype = pick_from(m->s, dtypes, 5);
    int soft = a->target_dtype <= FOCAL_DTYPE_F64 && source_pick(m->s, 2);
    if (!softmax && one_in(m->s, 4))
        a->ignore_index = a->target_dtype == FOCAL_DTYPE_U8 ? 255 : -1;
    a->target_check = one_in(m->s, 4) && a->ignore_index == FOCAL_LABEL_NONE;
    void *data = buffer(m, n, a->target_dtype, CALL_INPUT);
    for (int64_t i = 0; i < n; i++) {
        double y = soft ? fill_unit(m) : fill_unit(m) < .4;
        if (softmax && soft)
            y /= (double)k; /* a valid target needs only to lie in [0, 1] */
        if (a->ignore_index != FOCAL_LABEL_NONE && fill_unit(m) < .1)
            y = (double)a->ignore_index;
        store(data, a->target_dtype, i, y);
    }
    a->targets = data;
}

static void make_loss(struct maker *m, int softmax)
{
    static const double gammas[] = {2, 0, 1, .5, 1.5, 3, 5, .1, .75, 2.2, 4, 7.5};
    focal_args *a = &m->c->args;
    int64_t k = a->shard_total ? a->shard_total : a->classes;
    a->gamma = gammas[source_pick(m->s, 12)];
    if (one_in(m->s, 3))
        a->alpha = source_unit(m->s);
    if (one_in(m->s, 5))
        a->alphas = doubles(m, k, 0, 1);
    if (softmax && a->target_kind == FOCAL_TARGETS_LABELS && one_in(m->s, 6))
        a->gammas = doubles(m, k, 0, 5);
    if (one_in(m->s, 4))
        a->label_smoothing = source_unit(m->s);
    a->smoothing_rule = one_in(m->s, 3);
    a->soft_rule = (int32_t)source_pick(m->s, softmax ? 2 : 3);
}

static void make_weights(struct maker *m, int softmax)
{
    focal_args *a = &m->c->args;
    int64_t k = a->shard_total ? a->shard_total : a->classes;
    a->weight_dtype = one_in(m->s, 2) ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32;
    a->weight_layout = softmax ? FOCAL_WEIGHTS_SAMPLE : (int32_t)source_pick(m->s, 2);
    if (one_in(m->s, 3))
        a->weights = numbers(m, a->weight_layout == FOCAL_WEIGHTS_SAMPLE ? samples_of(a) : elements_of(a), a->weight_dtype,
                             0, 3);
    if (one_in(m->s, 5))
        a->class_weights = doubles(m, k, .1, 3);
    if (!softmax && one_in(m->s, 5))
        a->pos_weights = doubles(m, k, .1, 3);
    if (!softmax && one_in(m->s, 5)) {
        a->pos_weight = 4 * source_unit(m->s);
        a->neg_weight = 4 * source_unit(m->s);
    }
    if (one_in(m->s, 5)) {
        uint8_t *mask = buffer(m, softmax || a->target_kind == FOCAL_TARGETS_LABELS ? samples_of(a) : elements_of(a),
                               FOCAL_DTYPE_U8, CALL_INPUT);
        for (size_t i = 0; i < m->c->buffers[m->c->buffer_count - 1].bytes; i++)
            mask[i] = fill_unit(m) < .2;
        a->ignore_mask = mask;
    }
}

static void *output(struct maker *m, int64_t count, int32_t dtype)
{
    return m->c->args.accumulate ? filled(m, count, dtype, CALL_OUTPUT, 0, 1) : buffer(m, count, dtype, CALL_OUTPUT);
}

static void make_outputs(struct maker *m, int softmax)
{
    focal_args *a = &m->c->args;
    int64_t n = elements_of(a), s = samples_of(a);
    uint32_t wanted = source_pick(m->s, 64);
    int32_t dtype = a->out_dtype ? a->out_dtype : a->score_dtype;
    a->reduction = (int32_t)source_pick(m->s, 3);
    a->divisor = (int32_t)source_pick(m->s, 5);
    a->divisor_value = a->divisor == FOCAL_DIVISOR_VALUE ? 1 + 100 * source_unit(m->s) : 0;
    a->grad_scale = one_in(m->s, 4) ? 4 * source_unit(m->s) - 2 : 1;
    a->hessian = (int32_t)source_pick(m->s, 3);
    a->hessian_scale = one_in(m->s, 4) ? 2 : 1;
    a->hessian_floor = one_in(m->s, 4) ? 1e-16 : FOCAL_FLOOR_OFF;
    a->threads = m->limits->threads >= 0 ? m->limits->threads : (int32_t)source_pick(m->s, 5);
    if (one_in(m->s, 6))
        a->upstream = numbers(m, softmax ? s : n, dtype, -2, 2);
    if (wanted & 1 || !(wanted & 7))
        a->loss = output(m, softmax ? s : n, dtype);
    if (a->reduction != FOCAL_REDUCTION_NONE)
        a->reduced_loss = buffer(m, 1, FOCAL_DTYPE_F64, CALL_OUTPUT);
    if (wanted & 2 && !a->grad) {
        a->accumulate = !m->limits->simple && one_in(m->s, 8);
        a->grad = output(m, n, dtype);
    }
    if (wanted & 4)
        a->hess = buffer(m, n, dtype, CALL_OUTPUT);
    if (softmax && wanted & 8)
        a->probabilities = buffer(m, n, dtype, CALL_OUTPUT);
    if (softmax && wanted & 16 && !a->shard_total)
        a->log_sum_exp = buffer(m, s, dtype, CALL_OUTPUT);
    if (softmax && (wanted & 32) && !a->shard_total && a->target_kind == FOCAL_TARGETS_LABELS && a->classes <= 8 &&
        a->hessian == FOCAL_HESSIAN_EXACT && a->hessian_floor == FOCAL_FLOOR_OFF && a->label_smoothing == 0)
        a->hess_full = buffer(m, s * a->classes * a->classes, dtype, CALL_OUTPUT);
}

/* A parallel-for of the caller's: backwards and alone, which any order and any thread allows. */
static void backwards(void *context, int64_t count, focal_task task, void *task_context)
{
    (void)context;
    while (count-- > 0)
        task(task_context, count);
}

static void make_family(struct maker *m)
{
    static const int32_t floats[] = {FOCAL_DTYPE_F32, FOCAL_DTYPE_F64, FOCAL_DTYPE_BF16, FOCAL_DTYPE_F16};
    focal_args *a = &m->c->args;
    int softmax = m->c->entry != CALL_SIGMOID;
    a->score_dtype = pick_from(m->s, floats, 4);
    if (m->c->entry == CALL_SIGMOID && one_in(m->s, 5)) {
        a->input = FOCAL_INPUT_PROBABILITIES;
        a->clip = one_in(m->s, 2) ? 1e-4 : 0;
    }
    if (one_in(m->s, 6))
        a->out_dtype = one_in(m->s, 2) ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32;
    make_shape(m, softmax);
    make_scores(m);
    if (a->grad && a->out_dtype && a->out_dtype != a->score_dtype)
        a->out_dtype = 0; /* in place needs one dtype */
    if (m->c->entry == CALL_SHARD_STATS || m->c->entry == CALL_SHARD_SOFTMAX) {
        a->shard_offset = source_pick(m->s, 5);
        a->shard_total = a->shard_offset + a->classes + source_pick(m->s, 5);
        make_labels(m, a->shard_total);
    } else if (source_pick(m->s, 2))
        make_labels(m, a->classes);
    else
        make_dense(m, softmax);
    if (m->c->entry == CALL_SHARD_STATS) {
        a->grad = NULL;
        a->shard_max = buffer(m, samples_of(a), FOCAL_DTYPE_F64, CALL_OUTPUT);
        a->shard_sum = buffer(m, samples_of(a), FOCAL_DTYPE_F64, CALL_OUTPUT);
        a->shard_target = buffer(m, samples_of(a), FOCAL_DTYPE_F64, CALL_OUTPUT);
        return;
    }
    if (m->c->entry == CALL_SHARD_SOFTMAX)
        make_merged(m);
    make_loss(m, softmax);
    make_weights(m, softmax);
    make_outputs(m, softmax);
    if (one_in(m->s, 12))
        a->parallel_for = backwards;
}

/* ---- Short functions and helpers -------------------------------------------------------------------------------- */

/* What the names say: which argument list, and whether the scores are f64. */
static void make_short(struct maker *m)
{
    focal_args *a = &m->c->args;
    enum call_entry e = m->c->entry;
    int label_sigmoid = e == CALL_SIGMOID_LABEL_LOSS_F32 || e == CALL_SIGMOID_LABEL_LOSS_F64;
    int softmax = e >= CALL_SOFTMAX_LOSS_F32, labels = softmax || label_sigmoid;
    int grad_hess = e == CALL_SIGMOID_GRAD_HESS_F32 || e == CALL_SIGMOID_GRAD_HESS_F64 || e >= CALL_SOFTMAX_GRAD_HESS_F32;
    a->score_dtype = (e - CALL_SIGMOID_LOSS_F32) % 2 ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32;
    make_shape(m, softmax);
    a->outer *= a->inner;
    a->inner = 1;
    if (!labels) {
        a->outer *= a->classes;
        a->classes = 1;
    }
    make_scores(m);
    int64_t n = elements_of(a);
    a->reduction = grad_hess ? FOCAL_REDUCTION_NONE : (int32_t)source_pick(m->s, 3);
    a->gamma = 5 * source_unit(m->s);
    a->hessian = (int32_t)source_pick(m->s, 3);
    if (one_in(m->s, 2))
        a->alpha = source_unit(m->s);
    a->pos_weight = 4 * source_unit(m->s);
    a->neg_weight = 4 * source_unit(m->s);
    if (labels) {
        int32_t *data = buffer(m, samples_of(a), FOCAL_DTYPE_I32, CALL_INPUT);
        for (int64_t i = 0; i < samples_of(a); i++)
            store(data, FOCAL_DTYPE_I32, i, floor(fill_unit(m) * (double)(a->classes + label_sigmoid)));
        a->targets = data;
        a->target_dtype = FOCAL_DTYPE_I32;
        a->target_kind = FOCAL_TARGETS_LABELS;
        if (softmax && one_in(m->s, 2))
            a->alphas = doubles(m, a->classes, 0, 1);
    } else {
        a->target_dtype = a->score_dtype;
        a->targets = numbers(m, n, a->score_dtype, 0, 1);
    }
    if (!grad_hess)
        a->loss = buffer(m, a->reduction ? 1 : softmax ? samples_of(a) : n, a->score_dtype, CALL_OUTPUT);
    if (!a->grad)
        a->grad = buffer(m, n, a->score_dtype, CALL_OUTPUT);
    if (grad_hess)
        a->hess = buffer(m, n, a->score_dtype, CALL_OUTPUT);
}

static void make_helper(struct maker *m)
{
    struct call *c = m->c;
    int64_t n = m->limits->exact >= 0 ? m->limits->exact : (int64_t)source_pick(m->s, 130), k = 1 + source_pick(m->s, 9);
    for (int i = 0; i < 3; i++)
        c->numbers[i] = (source_pick(m->s, 65534) + 1) / 65537.0; /* in (0, 1) */
    c->args.gamma = 5 * source_unit(m->s);
    c->args.outer = n;
    c->args.classes = k;
    switch (c->entry) {
    case CALL_SHARD_MERGE:
        for (int i = 0; i < 6; i++) /* merged into the first three */
            c->arrays[i] = filled(m, n, FOCAL_DTYPE_F64, i < 3 ? CALL_OUTPUT : CALL_INPUT, i % 3 == 1 ? 1 : -5, 5);
        break;
    case CALL_CLASS_BALANCED_WEIGHTS:
        c->arrays[0] = doubles(m, n, 0, 1000);
        c->arrays[1] = buffer(m, n, FOCAL_DTYPE_F64, CALL_OUTPUT);
        break;
    case CALL_POSTERIOR:
        k = 1;
        /* fall through */
    case CALL_SOFTMAX_POSTERIOR:
        c->arrays[0] = doubles(m, n * k, -20, 20);
        c->arrays[1] = buffer(m, n * k, FOCAL_DTYPE_F64, CALL_OUTPUT);
        if (c->entry == CALL_SOFTMAX_POSTERIOR && one_in(m->s, 2))
            c->arrays[2] = doubles(m, k, .1, 1);
        break;
    default:
        c->arrays[0] = buffer(m, 1, FOCAL_DTYPE_F64, CALL_OUTPUT);
    }
}

static int is_family(enum call_entry e)
{
    return e <= CALL_SHARD_SOFTMAX;
}

void call_make(struct call *c, enum call_entry entry, struct source *s, const struct call_limits *limits,
               call_memory memory, void *context)
{
    struct maker m = {c, s, limits, memory, context, 0};
    memset(c, 0, sizeof *c);
    c->entry = entry;
    focal_args_init(&c->args, sizeof c->args);
    m.fill = (uint64_t)source_pick(s, 65536) << 32 | entry;
    if (is_family(entry))
        make_family(&m);
    else if (entry >= CALL_SIGMOID_LOSS_F32 && entry <= CALL_SOFTMAX_GRAD_HESS_F64)
        make_short(&m);
    else
        make_helper(&m);
}

/* ---- Running ---------------------------------------------------------------------------------------------------- */

static int32_t run_information(void)
{
    focal_args a;
    int32_t status = focal_args_init(&a, sizeof a);
    for (int32_t i = -1; i < 12; i++)
        if (!focal_status_string(i)[0])
            status = FOCAL_ERROR_VALUE;
    if (!focal_version()[0] || focal_abi_version() != FOCAL_ABI_VERSION || !focal_isa()[0] || !focal_available_isas()[0] ||
        !focal_last_error() || focal_get_num_threads() < 1)
        status = FOCAL_ERROR_VALUE;
    return status;
}

int32_t call_run(const struct call *c)
{
    const focal_args *a = &c->args;
    const double *x = c->numbers;
    double *const *d = c->arrays;
    size_t n = (size_t)a->outer, k = (size_t)a->classes;
    const void *z = a->scores, *y = a->targets;
    switch (c->entry) {
    case CALL_SIGMOID: return focal_sigmoid(a);
    case CALL_SOFTMAX: return focal_softmax(a);
    case CALL_SHARD_STATS: return focal_softmax_shard_stats(a);
    case CALL_SHARD_SOFTMAX: return focal_softmax(a);
    case CALL_SHARD_MERGE: return focal_softmax_shard_merge(a->outer, d[0], d[1], d[2], d[3], d[4], d[5]);
    case CALL_SIGMOID_LOSS_F32: return focal_sigmoid_loss_f32(z, y, n, a->alpha, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_SIGMOID_LOSS_F64: return focal_sigmoid_loss_f64(z, y, n, a->alpha, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_SIGMOID_GRAD_HESS_F32:
        return focal_sigmoid_grad_hess_f32(z, y, n, a->alpha, a->gamma, a->hessian, a->grad, a->hess);
    case CALL_SIGMOID_GRAD_HESS_F64:
        return focal_sigmoid_grad_hess_f64(z, y, n, a->alpha, a->gamma, a->hessian, a->grad, a->hess);
    case CALL_SIGMOID_LABEL_LOSS_F32:
        return focal_sigmoid_label_loss_f32(z, y, n, k, a->alpha, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_SIGMOID_LABEL_LOSS_F64:
        return focal_sigmoid_label_loss_f64(z, y, n, k, a->alpha, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_BCE_F32: return focal_bce_f32(z, y, n, a->reduction, a->loss, a->grad);
    case CALL_BCE_F64: return focal_bce_f64(z, y, n, a->reduction, a->loss, a->grad);
    case CALL_WEIGHTED_BCE_F32:
        return focal_weighted_bce_f32(z, y, n, a->pos_weight, a->neg_weight, a->reduction, a->loss, a->grad);
    case CALL_WEIGHTED_BCE_F64:
        return focal_weighted_bce_f64(z, y, n, a->pos_weight, a->neg_weight, a->reduction, a->loss, a->grad);
    case CALL_SOFTMAX_LOSS_F32:
        return focal_softmax_loss_f32(z, y, n, k, a->alphas, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_SOFTMAX_LOSS_F64:
        return focal_softmax_loss_f64(z, y, n, k, a->alphas, a->gamma, a->reduction, a->loss, a->grad);
    case CALL_SOFTMAX_GRAD_HESS_F32:
        return focal_softmax_grad_hess_f32(z, y, n, k, a->alphas, a->gamma, a->hessian, a->grad, a->hess);
    case CALL_SOFTMAX_GRAD_HESS_F64:
        return focal_softmax_grad_hess_f64(z, y, n, k, a->alphas, a->gamma, a->hessian, a->grad, a->hess);
    case CALL_SUGGEST_ALPHA: return focal_suggest_alpha(x[0] * 1024, x[1] * 1024, d[0]);
    case CALL_CLASS_BALANCED_WEIGHTS: return focal_class_balanced_weights(d[0], n, x[0], d[1]);
    case CALL_PRIOR_BIAS: return focal_prior_bias(x[0], d[0]);
    case CALL_OPTIMAL_SCORE: return focal_optimal_score(x[0], x[1], a->gamma, d[0]);
    case CALL_POSTERIOR: return focal_posterior(d[0], n, x[1], a->gamma, d[1]);
    case CALL_SOFTMAX_POSTERIOR: return focal_softmax_posterior(d[0], n, k, d[2], a->gamma, d[1]);
    default: return run_information();
    }
}

const char *call_name(enum call_entry entry)
{
    static const char *const names[CALL_ENTRIES] = {
        "focal_sigmoid", "focal_softmax", "focal_softmax_shard_stats", "focal_softmax (sharded)",
        "focal_softmax_shard_merge", "focal_sigmoid_loss_f32", "focal_sigmoid_loss_f64", "focal_sigmoid_grad_hess_f32",
        "focal_sigmoid_grad_hess_f64", "focal_sigmoid_label_loss_f32", "focal_sigmoid_label_loss_f64", "focal_bce_f32",
        "focal_bce_f64", "focal_weighted_bce_f32", "focal_weighted_bce_f64", "focal_softmax_loss_f32",
        "focal_softmax_loss_f64", "focal_softmax_grad_hess_f32", "focal_softmax_grad_hess_f64", "focal_suggest_alpha",
        "focal_class_balanced_weights", "focal_prior_bias", "focal_optimal_score", "focal_posterior",
        "focal_softmax_posterior", "information"};
    return names[entry];
}

/* ---- Breaking --------------------------------------------------------------------------------------------------- */

static int32_t break_option(focal_args *a, struct source *s)
{
    int32_t *const options[] = {&a->score_dtype, &a->input,     &a->target_dtype, &a->target_kind, &a->target_check,
                                &a->soft_rule,   &a->reduction, &a->divisor,      &a->hessian,     &a->smoothing_rule,
                                &a->out_dtype,   &a->weight_layout};
    static const int32_t wrong[] = {99, -1, INT32_MAX, INT32_MIN};
    *options[source_pick(s, sizeof options / sizeof options[0])] = wrong[source_pick(s, 4)];
    return FOCAL_ERROR_OPTION;
}

static int32_t break_size(focal_args *a, struct source *s)
{
    int64_t *const sizes[] = {&a->outer, &a->classes, &a->inner};
    uint32_t which = source_pick(s, 3);
    switch (source_pick(s, 3)) {
    case 0: *sizes[which] = -1 - (int64_t)source_pick(s, 100); break;
    case 1: *sizes[which] = INT64_MIN; break;
    default:
        *sizes[which] = INT64_MAX - source_pick(s, 3);
        *sizes[(which + 1) % 3] = 3 + source_pick(s, 1000);
        *sizes[(which + 2) % 3] = 1;
    }
    return FOCAL_ERROR_SIZE;
}

static int32_t break_value(focal_args *a, struct source *s)
{
    static const double wrong[] = {NAN, -.5, -INFINITY, -1e300};
    double bad = wrong[source_pick(s, 4)];
    switch (source_pick(s, 4)) {
    case 0: a->gamma = bad; a->gammas = NULL; break;
    case 1: a->alpha = bad; a->alphas = NULL; break;
    case 2: a->label_smoothing = bad; break;
    default:
        a->label_smoothing = 1.5;
    }
    return FOCAL_ERROR_VALUE;
}

static int32_t break_pointer(focal_args *a, struct source *s)
{
    if (source_pick(s, 2))
        a->scores = NULL;
    else
        a->targets = NULL;
    if (!a->scores && a->grad)
        a->accumulate = 0;
    return FOCAL_ERROR_NULL;
}

static int32_t break_overlap(focal_args *a, struct source *s)
{
    size_t bytes = (size_t)elements_of(a) * call_dtype_size(a->score_dtype);
    if (bytes < 16 || !a->hess || (a->out_dtype && a->out_dtype != a->score_dtype))
        return FOCAL_OK;
    a->hess = (char *)(uintptr_t)a->scores + 1 + source_pick(s, 7); /* still inside one of the two buffers at its start */
    return FOCAL_ERROR_OVERLAP;
}

/* The wrong label next to the right ones, on either side. */
static int64_t wrong_label(const focal_args *a, struct source *s)
{
    int step = a->target_dtype != FOCAL_DTYPE_U8 && source_pick(s, 2) ? -1 : 1;
    int64_t label = step < 0 ? -1 : a->shard_total ? a->shard_total : a->classes;
    while (label == a->background_label || label == a->ignore_index)
        label += step;
    return label;
}

static int32_t break_target(struct call *c, struct source *s)
{
    focal_args *a = &c->args;
    int64_t n = a->target_kind == FOCAL_TARGETS_LABELS ? samples_of(a) : elements_of(a);
    static const double wrong[] = {120, 2, -.5, 1.5, -7, 1e9, NAN};
    if (n == 0 || a->ignore_mask || a->target_check == FOCAL_TARGETS_TRUSTED)
        return FOCAL_OK;
    double bad = wrong[source_pick(s, 7)];
    if (a->target_kind == FOCAL_TARGETS_LABELS)
        bad = (double)wrong_label(a, s);
    else if (a->target_dtype >= FOCAL_DTYPE_U8)
        bad = a->target_dtype == FOCAL_DTYPE_U8 ? 200 : -7;
    if (a->target_dtype == FOCAL_DTYPE_U8 && bad > UINT8_MAX)
        return FOCAL_OK;
    int64_t at = (int64_t)source_pick(s, (uint32_t)(n < 65536 ? n : 65536));
    store((void *)(uintptr_t)a->targets, a->target_dtype, at, bad);
    return FOCAL_ERROR_TARGET;
}

int32_t call_break(struct call *c, struct source *s)
{
    focal_args *a = &c->args;
    static const uint32_t sizes[] = {0, 4, 8, 1000000, UINT32_MAX, 7};
    if (!is_family(c->entry) || elements_of(a) == 0)
        return FOCAL_OK;
    switch (source_pick(s, 7)) {
    case 0: return break_option(a, s);
    case 1: return break_size(a, s);
    case 2: return break_value(a, s);
    case 3: return break_pointer(a, s);
    case 4: return break_overlap(a, s);
    case 5: return break_target(c, s);
    default: a->struct_size = sizes[source_pick(s, 6)]; return FOCAL_ERROR_SIZE;
    }
}

/* ---- Hashing ---------------------------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

/* The bits of element i, every NaN made one. */
static uint64_t bits_of(const char *data, int32_t dtype, size_t i)
{
    static const struct {
        uint64_t magnitude, infinity;
    } layout[] = {{0, 0}, {0x7fffffff, 0x7f800000}, {0x7fffffffffffffff, 0x7ff0000000000000}, {0x7fff, 0x7f80}, {0x7fff, 0x7c00}};
    uint64_t bits = 0;
    memcpy(&bits, data + i * call_dtype_size(dtype), call_dtype_size(dtype)); /* little-endian, as are all our targets */
    return (bits & layout[dtype].magnitude) > layout[dtype].infinity ? layout[dtype].magnitude : bits;
}

uint64_t call_hash(const struct call *c, int canonical)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int b = 0; b < c->buffer_count; b++) {
        if (c->buffers[b].use != CALL_OUTPUT)
            continue;
        if (!canonical || c->buffers[b].dtype > FOCAL_DTYPE_F16) {
            hash = hash_bytes(hash, c->buffers[b].data, c->buffers[b].bytes);
            continue;
        }
        for (size_t i = 0; i < c->buffers[b].bytes / call_dtype_size(c->buffers[b].dtype); i++) {
            uint64_t bits = bits_of(c->buffers[b].data, c->buffers[b].dtype, i);
            hash = hash_bytes(hash, &bits, sizeof bits);
        }
    }
    return hash;
}
