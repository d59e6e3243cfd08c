/* rare_events.h - the data and the figures that both boosting examples share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RARE_EVENTS_H
#define RARE_EVENTS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 20000   /* each of training and held-out */
#define COLUMNS 8
#define ROUNDS 60
#define ALPHA 0.25
#define GAMMA 2.0

/* Stops the example with a message: an example has nothing to clean up. */
static void check(int ok, const char *what, const char *why)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* Uniform in (0, 1): xorshift64* (Vigna 2016). */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return ((double)((*state * 2685821657736338717ULL) >> 11) + 0.5) / 9007199254740992.0;
}

/* ROWS x COLUMNS features, row-major, and labels of which about 4 in 100 are 1. */
static void make_rare_events(uint64_t seed, float *features, float *labels)
{
    uint64_t state = seed;
    int row, column;
    for (row = 0; row < ROWS; row++) {
        float *x = features + (size_t)row * COLUMNS;
        double score;
        for (column = 0; column < COLUMNS; column++)
            x[column] = (float)(2.0 * uniform(&state) - 1.0);
        score = -5.5 + 3.0 * x[0] + 4.0 * x[1] * x[2] + 2.0 * fabs(x[3]);
        labels[row] = uniform(&state) < 1.0 / (1.0 + exp(-score)) ? 1.0f : 0.0f;
    }
}

static double mean_of_labels(const float *labels)
{
    double sum = 0;
    int row;
    for (row = 0; row < ROWS; row++)
        sum += labels[row];
    return sum / ROWS;
}

typedef struct {
    double probability;
    float label;
} prediction;

static int by_falling_probability(const void *a, const void *b)
{
    double x = ((const prediction *)a)->probability, y = ((const prediction *)b)->probability;
    return (x < y) - (x > y);
}

/* Prints average precision, and how the mean probability compares with the share of positives. */
static void report(const char *name, const double *probabilities, const float *labels)
{
    prediction *ranked = malloc(ROWS * sizeof *ranked);
    double positives = 0, precision_sum = 0, mean = 0;
    int row;
    check(ranked != NULL, name, "out of memory");
    for (row = 0; row < ROWS; row++) {
        ranked[row].probability = probabilities[row];
        ranked[row].label = labels[row];
        mean += probabilities[row] / ROWS;
    }
    qsort(ranked, ROWS, sizeof *ranked, by_falling_probability);
    for (row = 0; row < ROWS; row++)
        if (ranked[row].label > 0) {
            positives += 1;
            precision_sum += positives / (row + 1);
        }
    printf("%s average_precision %.4f mean_probability %.4f positives %.4f\n", name, precision_sum / positives, mean,
           positives / ROWS);
    free(ranked);
}

#endif /* RARE_EVENTS_H */
