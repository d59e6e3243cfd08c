/* The focal term of one score in a wide type, for comparison with the library.  No include guard: included once for each
 * type, with REAL, EXP(x), LOG1P(x) and NAME(x) defined.
 *
 * shared_NAME holds what does not depend on gamma; term_NAME adds gamma.  `terms` is the sum of the sizes of the three
 * terms of the second derivative, in which its error is measured (it crosses zero). */
struct NAME(shared) {
    REAL p, q, loss, log_q; /* sigma(u), sigma(-u), softplus(-u), -softplus(u) */
};

struct NAME(term) {
    REAL value, first, second, terms;
};

static inline struct NAME(shared) NAME(shared_of)(REAL u)
{
    REAL size = u < 0 ? -u : u, e = EXP(-size), tail = LOG1P(e), near = 1 / (1 + e), far = e / (1 + e);
    struct NAME(shared) s;
    s.p = u < 0 ? far : near;
    s.q = u < 0 ? near : far;
    s.loss = u < 0 ? size + tail : tail;
    s.log_q = u < 0 ? -tail : -size - tail;
    return s;
}

static inline struct NAME(term) NAME(term_of)(const struct NAME(shared) *s, REAL gamma)
{
    REAL modulator = gamma == 0 ? 1 : EXP(gamma * s->log_q), curve = modulator * s->p;
    REAL a = curve * s->q * (1 + 2 * gamma), b = curve * gamma * s->loss * gamma * s->p,
         c = curve * gamma * s->loss * s->q;
    struct NAME(term) t = {modulator * s->loss, -modulator * (s->q + gamma * s->p * s->loss), a + b - c, a + b + c};
    return t;
}

#undef REAL
#undef EXP
#undef LOG1P
#undef NAME
