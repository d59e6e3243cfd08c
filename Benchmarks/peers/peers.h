/* peers.h - what somebody would write in C instead of using libfocalloss, and the floor that memory sets.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every peer computes the sum of the losses and the gradient (not divided by anything) of float32 logits. */
#ifndef PEERS_H
#define PEERS_H

#include <stddef.h>
#include <stdint.h>

/* Binary: targets 0 or 1, n of each.  Returns the sum of the losses. */
typedef double (*binary_peer)(const float *logits, const float *targets, float *grad, size_t n, float alpha, float gamma);
double binary_avx2_1(const float *, const float *, float *, size_t, float, float);
double binary_avx2_4(const float *, const float *, float *, size_t, float, float);
double binary_avx512_1(const float *, const float *, float *, size_t, float, float);
double binary_avx512_4(const float *, const float *, float *, size_t, float, float);
double binary_libmvec_avx2(const float *, const float *, float *, size_t, float, float);
double binary_libmvec_avx512(const float *, const float *, float *, size_t, float, float);
double binary_sleef_avx2(const float *, const float *, float *, size_t, float, float);

/* Softmax over `classes` of [outer, classes, inner]; one label a sample.  Samples first .. first + count - 1 of the
 * outer * inner are computed.  Returns the sum of the losses. */
typedef double (*softmax_peer)(const float *logits, const int32_t *labels, float *grad, size_t classes, size_t inner,
                               size_t first, size_t count, float alpha, float gamma);
double softmax_avx2(const float *, const int32_t *, float *, size_t, size_t, size_t, size_t, float, float);
double softmax_avx512(const float *, const int32_t *, float *, size_t, size_t, size_t, size_t, float, float);

/* Reads a and b once and writes c and d once (each may be empty), side by side, with ordinary or streaming stores, and
 * does nothing else.  Returns a number that depends on all that was read. */
typedef struct { const void *a, *b; void *c, *d; size_t a_bytes, b_bytes, c_bytes, d_bytes; } floor_streams;
double floor_ordinary(const floor_streams *streams);
double floor_streaming(const floor_streams *streams);

/* The same on several threads (OpenMP, static partition).  A peer's name is its function's without the prefix
 * "binary_" or "softmax_".  NaN: there is no such peer, or this CPU cannot run it. */
double run_binary(const char *peer, const float *logits, const float *targets, float *grad, size_t n, float alpha,
                  float gamma, int threads);
double run_softmax(const char *peer, const float *logits, const int32_t *labels, float *grad, size_t outer,
                   size_t classes, size_t inner, float alpha, float gamma, int threads);
double run_floor(int streaming, const floor_streams *streams, int threads);

/* First touch of a buffer on as many threads, so that no timing pays for a page fault. */
void touch(void *buffer, size_t bytes, int threads);

#endif
