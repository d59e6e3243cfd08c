/* Every declared function through a pointer whose type is written out here: a declaration that changes, or a symbol that
 * the library lacks, does not build or does not link. */
#include <focalloss.h>
#include <stdio.h>
#include <string.h>

typedef int32_t (*of_args)(const focal_args *);
typedef int32_t (*args_init)(focal_args *, size_t);
typedef int32_t (*shard_merge)(int64_t, double *, double *, double *, const double *, const double *, const double *);
typedef int32_t (*loss_f32)(const float *, const float *, size_t, double, double, int32_t, float *, float *);
typedef int32_t (*loss_f64)(const double *, const double *, size_t, double, double, int32_t, double *, double *);
typedef int32_t (*label_f32)(const float *, const int32_t *, size_t, size_t, double, double, int32_t, float *, float *);
typedef int32_t (*label_f64)(const double *, const int32_t *, size_t, size_t, double, double, int32_t, double *,
                             double *);
typedef int32_t (*bce_f32)(const float *, const float *, size_t, int32_t, float *, float *);
typedef int32_t (*bce_f64)(const double *, const double *, size_t, int32_t, double *, double *);
typedef int32_t (*softmax_f32)(const float *, const int32_t *, size_t, size_t, const double *, double, int32_t, float *,
                               float *);
typedef int32_t (*softmax_f64)(const double *, const int32_t *, size_t, size_t, const double *, double, int32_t,
                               double *, double *);
typedef int32_t (*two_to_one)(double, double, double *);
typedef int32_t (*one_to_one)(double, double *);
typedef int32_t (*three_to_one)(double, double, double, double *);
typedef int32_t (*balanced)(const double *, size_t, double, double *);
typedef int32_t (*posterior)(const double *, size_t, double, double, double *);
typedef int32_t (*softmax_posterior)(const double *, size_t, size_t, const double *, double, double *);
typedef const char *(*text)(void);
typedef const char *(*status_text)(int32_t);
typedef int32_t (*number)(void);
typedef int32_t (*set_text)(const char *);
typedef int32_t (*set_number)(int32_t);

#define FUNCTIONS(X)                                                                                                   \
    X(args_init, focal_args_init)                                                                                      \
    X(of_args, focal_sigmoid)                                                                                          \
    X(of_args, focal_softmax)                                                                                          \
    X(of_args, focal_softmax_shard_stats)                                                                              \
    X(shard_merge, focal_softmax_shard_merge)                                                                          \
    X(loss_f32, focal_sigmoid_loss_f32)                                                                                \
    X(loss_f64, focal_sigmoid_loss_f64)                                                                                \
    X(loss_f32, focal_sigmoid_grad_hess_f32)                                                                           \
    X(loss_f64, focal_sigmoid_grad_hess_f64)                                                                           \
    X(label_f32, focal_sigmoid_label_loss_f32)                                                                         \
    X(label_f64, focal_sigmoid_label_loss_f64)                                                                         \
    X(bce_f32, focal_bce_f32)                                                                                          \
    X(bce_f64, focal_bce_f64)                                                                                          \
    X(loss_f32, focal_weighted_bce_f32)                                                                                \
    X(loss_f64, focal_weighted_bce_f64)                                                                                \
    X(softmax_f32, focal_softmax_loss_f32)                                                                             \
    X(softmax_f64, focal_softmax_loss_f64)                                                                             \
    X(softmax_f32, focal_softmax_grad_hess_f32)                                                                        \
    X(softmax_f64, focal_softmax_grad_hess_f64)                                                                        \
    X(two_to_one, focal_suggest_alpha)                                                                                 \
    X(balanced, focal_class_balanced_weights)                                                                          \
    X(one_to_one, focal_prior_bias)                                                                                    \
    X(three_to_one, focal_optimal_score)                                                                               \
    X(posterior, focal_posterior)                                                                                      \
    X(softmax_posterior, focal_softmax_posterior)                                                                      \
    X(text, focal_version)                                                                                             \
    X(number, focal_abi_version)                                                                                       \
    X(status_text, focal_status_string)                                                                                \
    X(text, focal_last_error)                                                                                          \
    X(text, focal_isa)                                                                                                 \
    X(text, focal_available_isas)                                                                                      \
    X(set_text, focal_set_isa)                                                                                         \
    X(set_number, focal_set_num_threads)                                                                               \
    X(number, focal_get_num_threads)

#define DECLARE(type, name) static type volatile use_##name = name;
FUNCTIONS(DECLARE)

int main(void)
{
#define SHOW(type, name) puts(use_##name ? #name : "missing");
    FUNCTIONS(SHOW)
    return strcmp(use_focal_version(), FOCAL_VERSION_STRING) != 0 || use_focal_abi_version() != FOCAL_ABI_VERSION;
}
