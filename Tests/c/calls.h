/* Calls to any entry point, made from a stream of choices: the common ground of the guard-page, same-bits, fork, thread
 * and fuzz tests, which differ in where the memory comes from and in what they compare afterwards.
 *
 * A call is valid: its status is FOCAL_OK, or FOCAL_ERROR_UNSUPPORTED for options that have no meaning together.
 * call_break then makes one thing wrong and says which status must follow.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "focalloss.h"

/* Choices come from bytes (a fuzzer's input; zeros when they run out), or, where data is NULL, from a generator. */
struct source {
    const uint8_t *data;
    size_t size;
    uint64_t state;
};

uint32_t source_pick(struct source *s, uint32_t count); /* in [0, count) */
double source_unit(struct source *s);                   /* in [0, 1) */

/* Memory for one buffer of a call.  Never NULL; contents need not be defined. */
enum call_use { CALL_INPUT, CALL_OUTPUT };
typedef void *(*call_memory)(void *context, size_t bytes, enum call_use use);

enum call_entry {
    CALL_SIGMOID,
    CALL_SOFTMAX,
    CALL_SHARD_STATS,
    CALL_SHARD_SOFTMAX,
    CALL_SHARD_MERGE,
    CALL_SIGMOID_LOSS_F32,
    CALL_SIGMOID_LOSS_F64,
    CALL_SIGMOID_GRAD_HESS_F32,
    CALL_SIGMOID_GRAD_HESS_F64,
    CALL_SIGMOID_LABEL_LOSS_F32,
    CALL_SIGMOID_LABEL_LOSS_F64,
    CALL_BCE_F32,
    CALL_BCE_F64,
    CALL_WEIGHTED_BCE_F32,
    CALL_WEIGHTED_BCE_F64,
    CALL_SOFTMAX_LOSS_F32,
    CALL_SOFTMAX_LOSS_F64,
    CALL_SOFTMAX_GRAD_HESS_F32,
    CALL_SOFTMAX_GRAD_HESS_F64,
    CALL_SUGGEST_ALPHA,
    CALL_CLASS_BALANCED_WEIGHTS,
    CALL_PRIOR_BIAS,
    CALL_OPTIMAL_SCORE,
    CALL_POSTERIOR,
    CALL_SOFTMAX_POSTERIOR,
    CALL_INFORMATION, /* version, status strings, ISA names, thread counts: everything that computes nothing */
    CALL_ENTRIES
};

enum { CALL_BUFFERS = 24 };

struct call {
    enum call_entry entry;
    focal_args args; /* short functions take what they need from here */
    struct {
        void *data;
        size_t bytes;
        enum call_use use;
        int32_t dtype;
    } buffers[CALL_BUFFERS];
    int buffer_count;
    /* Arguments of the helpers, and the arrays of focal_softmax_shard_merge. */
    double numbers[3];
    double *arrays[6];
};

struct call_limits {
    int64_t elements; /* most scores in a call */
    int64_t exact;    /* >= 0: exactly this many samples of few classes (tails, offsets) */
    int32_t threads;  /* args.threads; < 0: chosen */
    int simple;       /* no NaN and no infinity among the scores, no in-place outputs, no accumulation */
};

const char *call_name(enum call_entry entry);

/* Builds a valid call of that entry; outputs hold the byte 0xA5, or numbers where the call accumulates. */
void call_make(struct call *c, enum call_entry entry, struct source *s, const struct call_limits *limits,
               call_memory memory, void *context);
int32_t call_run(const struct call *c);

/* Makes one thing wrong; returns the status that must follow, or FOCAL_OK if nothing applied. */
int32_t call_break(struct call *c, struct source *s);

/* FNV-1a over the outputs.  canonical: every NaN counts the same (its payload is not promised across ISAs). */
uint64_t call_hash(const struct call *c, int canonical);

size_t call_dtype_size(int32_t dtype);
double call_load(const void *data, int32_t dtype, int64_t i); /* element i of an array of that type */

#endif
