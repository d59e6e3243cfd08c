/* parallel.c - the peers by name, and spread over threads by OpenMP's static partition.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "peers.h"

typedef struct { const char *name; binary_peer binary; softmax_peer softmax; int avx512; } peer;

static const peer peers[] = {
    {"avx2_1", binary_avx2_1, 0, 0},
    {"avx2_4", binary_avx2_4, 0, 0},
    {"avx512_1", binary_avx512_1, 0, 1},
    {"avx512_4", binary_avx512_4, 0, 1},
    {"libmvec_avx2", binary_libmvec_avx2, 0, 0},
    {"libmvec_avx512", binary_libmvec_avx512, 0, 1},
#ifdef HAVE_SLEEF
    {"sleef_avx2", binary_sleef_avx2, 0, 0},
#endif
    {"avx2", 0, softmax_avx2, 0},
    {"avx512", 0, softmax_avx512, 1},
};

static const peer *find(const char *name, int softmax) {
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
        if (!strcmp(peers[i].name, name) && (softmax ? peers[i].softmax != 0 : peers[i].binary != 0))
            return peers[i].avx512 && !__builtin_cpu_supports("avx512vl") ? 0 : &peers[i];
    return 0;
}

/* Less work than this is not worth waking a thread for: bytes of the widest array. */
#define SMALL (64 << 10)

/* Part i of `parts` of n, on whole cache lines of 4-byte elements. */
static size_t part(size_t n, int i, int parts) { return i == parts ? n : n / 16 * (size_t)i / (size_t)parts * 16; }

double run_binary(const char *name, const float *z, const float *y, float *g, size_t n, float alpha, float gamma,
                  int threads) {
    const peer *p = find(name, 0);
    if (!p) return NAN;
    if (threads == 1 || n * sizeof *z < SMALL) return p->binary(z, y, g, n, alpha, gamma);
    double sum = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
    for (int i = 0; i < threads; i++) {
        const size_t a = part(n, i, threads), b = part(n, i + 1, threads);
        sum += p->binary(z + a, y + a, g + a, b - a, alpha, gamma);
    }
    return sum;
}

double run_softmax(const char *name, const float *z, const int32_t *labels, float *g, size_t outer, size_t classes,
                   size_t inner, float alpha, float gamma, int threads) {
    const peer *p = find(name, 1);
    if (!p) return NAN;
    if (threads == 1 || outer * classes * inner * sizeof *z < SMALL) return p->softmax(z, labels, g, classes, inner, 0, outer * inner, alpha, gamma);
    double sum = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
    for (int i = 0; i < threads; i++) {
        const size_t a = part(outer * inner, i, threads), b = part(outer * inner, i + 1, threads);
        sum += p->softmax(z, labels, g, classes, inner, a, b - a, alpha, gamma);
    }
    return sum;
}

double run_floor(int streaming, const floor_streams *s, int threads) {
    double (*const floor)(const floor_streams *) = streaming ? floor_streaming : floor_ordinary;
    if (threads == 1 || (s->a_bytes < 16 * SMALL && s->c_bytes < 16 * SMALL)) return floor(s); /* waking costs more */
    double sum = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
    for (int i = 0; i < threads; i++) {
#define SHARE(field) const size_t field##0 = part(s->field, i, threads), field##1 = part(s->field, i + 1, threads)
        SHARE(a_bytes);
        SHARE(b_bytes);
        SHARE(c_bytes);
        SHARE(d_bytes);
        const floor_streams mine = {(const char *)s->a + a_bytes0, (const char *)s->b + b_bytes0, (char *)s->c + c_bytes0,
                                    (char *)s->d + d_bytes0,       a_bytes1 - a_bytes0,           b_bytes1 - b_bytes0,
                                    c_bytes1 - c_bytes0,           d_bytes1 - d_bytes0};
        sum += floor(&mine);
    }
    return sum;
}

void touch(void *buffer, size_t bytes, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        const size_t a = part(bytes, i, threads), b = part(bytes, i + 1, threads);
        memset((char *)buffer + a, 0, b - a);
    }
}
