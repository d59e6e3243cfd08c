/* floor.c - the least that memory allows: the same bytes read and written, and no arithmetic.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The streams advance side by side, a piece of each at a time, as a fused pass does.  Streams of unequal width (1-byte
 * targets beside 4-byte scores, say) advance in proportion. */
#include <immintrin.h>
#include "peers.h"

/* Bytes of the widest stream a step: what measured fastest (streaming stores want long runs). */
#define ORDINARY_PIECE 2048
#define STREAMING_PIECE 16384

static inline __m256i read_piece(const char *p, size_t bytes, __m256i x) {
    __m256i y = x;
    size_t i = 0;
    for (; i + 64 <= bytes; i += 64) {
        x = _mm256_xor_si256(x, _mm256_loadu_si256((const __m256i *)(p + i)));
        y = _mm256_xor_si256(y, _mm256_loadu_si256((const __m256i *)(p + i + 32)));
    }
    for (; i < bytes; i++) x = _mm256_xor_si256(x, _mm256_set1_epi8(p[i]));
    return _mm256_xor_si256(x, y);
}

static inline void write_piece(char *p, size_t bytes, __m256i x, int streaming) {
    size_t i = 0;
    for (; i < bytes && ((uintptr_t)(p + i) & 31); i++) p[i] = 0;
    if (streaming)
        for (; i + 32 <= bytes; i += 32) _mm256_stream_si256((__m256i *)(p + i), x);
    else
        for (; i + 32 <= bytes; i += 32) _mm256_store_si256((__m256i *)(p + i), x);
    for (; i < bytes; i++) p[i] = 0;
}

/* Bytes of a stream that go with `piece` bytes of the widest, in whole vectors; a much thinner one comes last, at once. */
static size_t share(size_t bytes, size_t widest, size_t piece) { return bytes * piece / widest / 32 * 32; }

static inline __attribute__((always_inline)) double run(const floor_streams *s, int streaming) {
    const size_t piece = streaming ? STREAMING_PIECE : ORDINARY_PIECE;
    size_t widest = s->a_bytes > s->c_bytes ? s->a_bytes : s->c_bytes;
    if (s->b_bytes > widest) widest = s->b_bytes;
    if (!widest) return 0;
    const size_t a = share(s->a_bytes, widest, piece), b = share(s->b_bytes, widest, piece);
    const size_t c = share(s->c_bytes, widest, piece), d = share(s->d_bytes, widest, piece), steps = widest / piece;
    const char *ap = s->a, *bp = s->b;
    char *cp = s->c, *dp = s->d;
    __m256i x = _mm256_setzero_si256();
    for (size_t i = 0; i < steps; i++, ap += a, bp += b, cp += c, dp += d) {
        x = read_piece(ap, a, x);
        x = read_piece(bp, b, x);
        write_piece(cp, c, x, streaming);
        write_piece(dp, d, x, streaming);
    }
    x = read_piece(ap, s->a_bytes - steps * a, x);
    x = read_piece(bp, s->b_bytes - steps * b, x);
    write_piece(cp, s->c_bytes - steps * c, x, streaming);
    write_piece(dp, s->d_bytes - steps * d, x, streaming);
    if (streaming) _mm_sfence();
    return (double)(uint64_t)_mm256_extract_epi64(x, 0);
}

double floor_ordinary(const floor_streams *s) { return run(s, 0); }
double floor_streaming(const floor_streams *s) { return run(s, 1); }
