/* The truth, from the definition alone: f(u) = (1 - p)^g (-log p) with p = 1 / (1 + e^-u), in MPFR, and its derivatives by
 * central differences.  Of TRUTH_BITS, the second difference loses 340, and f'' may be 2^-1060 where f is 2^10 (float64, the
 * hardest examples): more than 200 remain.  Shares no formula with the library or with scalar.h,
 * so a wrong derivation cannot hide in both. */
#ifndef TRUTH_H
#define TRUTH_H

#include <mpfr.h>

enum { TRUTH_BITS = 1700, TRUTH_STEP = -170 };

static mpfr_t truth_a, truth_b, truth_c, truth_d;

static void truth_start(void)
{
    mpfr_inits2(TRUTH_BITS, truth_a, truth_b, truth_c, truth_d, (mpfr_ptr)0);
}

/* out = f(u) */
static void truth_value(mpfr_t out, const mpfr_t u, double gamma)
{
    mpfr_t *e = &truth_d;
    if (mpfr_cmp_si(u, -100000) < 0) { /* e^-u would leave the range: log(1 + e^-u) = -u + log(1 + e^u) */
        mpfr_exp(*e, u, MPFR_RNDN);
        mpfr_log1p(out, *e, MPFR_RNDN);
        mpfr_sub(out, out, u, MPFR_RNDN);
    } else {
        mpfr_neg(*e, u, MPFR_RNDN);
        mpfr_exp(*e, *e, MPFR_RNDN);
        mpfr_log1p(out, *e, MPFR_RNDN);
    }
    if (gamma == 0)
        return;
    if (mpfr_cmp_si(u, 100000) > 0) { /* (1 - p)^g has underflowed every format for the gammas in question */
        mpfr_set_zero(out, 1);
        return;
    }
    mpfr_exp(*e, u, MPFR_RNDN); /* 1 - p = 1 / (1 + e^u) */
    mpfr_log1p(*e, *e, MPFR_RNDN);
    mpfr_mul_d(*e, *e, -gamma, MPFR_RNDN);
    mpfr_exp(*e, *e, MPFR_RNDN);
    mpfr_mul(out, out, *e, MPFR_RNDN);
}

/* order 0, 1, 2: f, f', f'' at u into out */
static void truth_derivative(mpfr_t out, double u, double gamma, int order)
{
    mpfr_set_d(truth_a, u, MPFR_RNDN);
    if (order == 0) {
        truth_value(out, truth_a, gamma);
        return;
    }
    mpfr_set_d(truth_b, u, MPFR_RNDN);
    mpfr_set_ui_2exp(truth_c, 1, TRUTH_STEP, MPFR_RNDN);
    mpfr_add(truth_a, truth_a, truth_c, MPFR_RNDN);
    mpfr_sub(truth_b, truth_b, truth_c, MPFR_RNDN);
    truth_value(out, truth_a, gamma);
    truth_value(truth_a, truth_b, gamma);
    if (order == 1) {
        mpfr_sub(out, out, truth_a, MPFR_RNDN);
        mpfr_mul_2si(out, out, -TRUTH_STEP - 1, MPFR_RNDN);
    } else {
        mpfr_add(out, out, truth_a, MPFR_RNDN);
        mpfr_set_d(truth_a, u, MPFR_RNDN);
        truth_value(truth_b, truth_a, gamma);
        mpfr_mul_2ui(truth_b, truth_b, 1, MPFR_RNDN);
        mpfr_sub(out, out, truth_b, MPFR_RNDN);
        mpfr_mul_2si(out, out, -2 * TRUTH_STEP, MPFR_RNDN);
    }
}

#endif
