/* Trains on a table with a rare class, with cross-entropy, weighted cross-entropy and focal losses, and compares them.
 *
 *     cc train.c $(pkg-config --cflags --libs focalloss) -lm -o train
 *     ./train abalone19.csv
 *
 * The file has a header line, then one sample a line: numbers separated by commas, the last one its class, 0 or 1.
 * Each loss trains logistic regression and a network with one hidden layer, by Adam over mini-batches in plain C; the
 * library gives the loss and its gradient with respect to the scores.  What is printed, the mean over a few random
 * splits of samples that were not trained on: average precision (AP), area under the ROC curve (AUC) and milliseconds an
 * epoch.
 */
#define _POSIX_C_SOURCE 199309L
#include <focalloss.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HIDDEN = 16, BATCH = 256, EPOCHS = 60, SPLITS = 5 };

/* ---- The losses that are compared ------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    double gamma, alpha;
    int weighted; /* positives weigh as much as negatives altogether */
} objective;

static const objective OBJECTIVES[] = {
    {"cross-entropy", 0, FOCAL_ALPHA_OFF, 0},     {"weighted cross-entropy", 0, FOCAL_ALPHA_OFF, 1},
    {"focal gamma 1", 1, FOCAL_ALPHA_OFF, 0},     {"focal gamma 2", 2, FOCAL_ALPHA_OFF, 0},
    {"focal alpha .25 gamma 2", 2, 0.25, 0},      {"focal alpha .75 gamma 2", 2, 0.75, 0},
    {"focal alpha .95 gamma 2", 2, 0.95, 0},      {"focal alpha .75 gamma 5", 5, 0.75, 0},
};

/* The library's call, prepared once and made for every batch: mean loss, and its gradient for each score. */
static focal_args prepare(const objective *o, double positives, double negatives)
{
    focal_args call;
    focal_args_init(&call, sizeof call);
    call.gamma = o->gamma;
    call.alpha = o->alpha;
    call.pos_weight = o->weighted ? negatives / positives : 1.0;
    call.reduction = FOCAL_REDUCTION_MEAN;
    return call;
}

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

typedef struct {
    int rows, columns;
    float *features; /* rows x columns */
    float *targets;  /* rows */
} table;

static void *get(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) {
        fprintf(stderr, "train: out of memory\n");
        exit(1);
    }
    return memory;
}

static table make_table(int rows, int columns)
{
    table t;
    t.rows = rows;
    t.columns = columns;
    t.features = get((size_t)rows * columns * sizeof(float));
    t.targets = get((size_t)rows * sizeof(float));
    return t;
}

static void free_table(table *t)
{
    free(t->features);
    free(t->targets);
}

static double count_positives(const table *t)
{
    double count = 0;
    for (int i = 0; i < t->rows; i++) count += t->targets[i];
    return count;
}

static table read_table(const char *path)
{
    static char line[1 << 16];
    FILE *file = fopen(path, "r");
    int rows = 0, columns = 0;
    if (!file || !fgets(line, sizeof line, file)) {
        perror(path);
        exit(1);
    }
    for (const char *c = line; *c; c++) columns += *c == ',';
    while (fgets(line, sizeof line, file)) rows++;
    if (rows == 0 || columns == 0) {
        fprintf(stderr, "%s: a header line and samples are needed\n", path);
        exit(1);
    }

    table t = make_table(rows, columns);
    rewind(file);
    if (!fgets(line, sizeof line, file)) exit(1); /* the header line */
    for (int i = 0; i < rows && fgets(line, sizeof line, file); i++) {
        char *cell = line, *end;
        for (int j = 0; j <= columns; j++, cell = end + 1) {
            float value = strtof(cell, &end);
            if (end == cell || (j < columns && *end != ',') || (j == columns && value != 0 && value != 1)) {
                fprintf(stderr, "%s:%d: column %d is not a %s\n", path, i + 2, j + 1, j < columns ? "number" : "class");
                exit(1);
            }
            if (j < columns) t.features[i * columns + j] = value;
            else t.targets[i] = value;
        }
    }
    fclose(file);
    return t;
}

static uint64_t random_state;

/* Uniform in [0, 1): xorshift64*. */
static double uniform(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (double)((random_state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static void shuffle(int *order, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(uniform() * (i + 1)), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* Seven tenths of each class for training, the rest for testing. */
static void split(const table *all, table *train, table *test)
{
    int *order = get(all->rows * sizeof *order);
    int train_rows = 0, seen[2] = {0, 0}, positives = (int)count_positives(all);
    int keep[2] = {(int)(0.7 * (all->rows - positives)), (int)(0.7 * positives)};
    for (int i = 0; i < all->rows; i++) order[i] = i;
    shuffle(order, all->rows);

    *train = make_table(keep[0] + keep[1], all->columns);
    *test = make_table(all->rows - train->rows, all->columns);
    for (int i = 0; i < all->rows; i++) {
        int from = order[i], class = (int)all->targets[from], in_train = seen[class]++ < keep[class];
        table *into = in_train ? train : test;
        int to = in_train ? train_rows++ : i - train_rows;
        memcpy(into->features + to * all->columns, all->features + from * all->columns, all->columns * sizeof(float));
        into->targets[to] = all->targets[from];
    }
    free(order);
}

/* Every column to mean 0 and deviation 1 over the training rows. */
static void standardise(table *train, table *test)
{
    for (int j = 0; j < train->columns; j++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < train->rows; i++) sum += train->features[i * train->columns + j];
        double mean = sum / train->rows;
        for (int i = 0; i < train->rows; i++) squares += pow(train->features[i * train->columns + j] - mean, 2);
        double deviation = squares > 0 ? sqrt(squares / train->rows) : 1;
        table *both[2] = {train, test};
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < both[k]->rows; i++) {
                float *x = &both[k]->features[i * train->columns + j];
                *x = (float)((*x - mean) / deviation);
            }
    }
}

/* ---- The model: inputs -> [hidden, ReLU ->] one score ------------------------------------------------------------ */

typedef struct {
    int inputs, hidden;               /* hidden 0: logistic regression */
    int count, steps;                 /* parameters; Adam's steps so far */
    float *weights, *grad, *m, *v;    /* count values each: hidden rows of inputs + 1, then the output row */
    float *activations, *upstream;    /* BATCH x hidden */
} model;

static int output_inputs(const model *net) { return net->hidden ? net->hidden : net->inputs; }
static float *output_row(const model *net, float *parameters)
{
    return parameters + (size_t)net->hidden * (net->inputs + 1);
}

static model make_model(int inputs, int hidden, double prior)
{
    model net = {0};
    double bias;
    net.inputs = inputs;
    net.hidden = hidden;
    net.count = hidden * (inputs + 1) + output_inputs(&net) + 1;
    float **arrays[] = {&net.weights, &net.grad, &net.m, &net.v};
    for (int k = 0; k < 4; k++) *arrays[k] = get(net.count * sizeof(float));
    net.activations = get((BATCH * hidden + 1) * sizeof(float));
    net.upstream = get((BATCH * hidden + 1) * sizeof(float));

    for (int h = 0; h < hidden; h++)
        for (int j = 0; j < inputs; j++)
            net.weights[h * (inputs + 1) + j] = (float)((2 * uniform() - 1) * sqrt(3.0 / inputs));
    float *output = output_row(&net, net.weights);
    for (int h = 0; h < hidden; h++) output[h] = (float)((2 * uniform() - 1) * sqrt(3.0 / hidden));
    focal_prior_bias(prior, &bias); /* start where every sample has the prior probability */
    output[output_inputs(&net)] = (float)bias;
    return net;
}

static void free_model(model *net)
{
    float *arrays[] = {net->weights, net->grad, net->m, net->v, net->activations, net->upstream};
    for (int k = 0; k < 6; k++) free(arrays[k]);
}

/* y[i][r] = bias[r] + x[i] . row[r], for n samples and `outputs` rows. */
static void linear(const float *rows, int outputs, int inputs, const float *x, int n, float *y)
{
    for (int i = 0; i < n; i++)
        for (int r = 0; r < outputs; r++) {
            const float *row = rows + r * (inputs + 1);
            float sum = row[inputs];
            for (int j = 0; j < inputs; j++) sum += row[j] * x[i * inputs + j];
            y[i * outputs + r] = sum;
        }
}

/* The gradient of the same rows, added up over the samples. */
static void linear_grad(float *grad, int outputs, int inputs, const float *x, int n, const float *upstream)
{
    for (int i = 0; i < n; i++)
        for (int r = 0; r < outputs; r++) {
            float *row = grad + r * (inputs + 1), g = upstream[i * outputs + r];
            for (int j = 0; j < inputs; j++) row[j] += g * x[i * inputs + j];
            row[inputs] += g;
        }
}

/* Scores of at most BATCH samples. */
static void forward(model *net, const float *x, int n, float *scores)
{
    if (net->hidden) {
        linear(net->weights, net->hidden, net->inputs, x, n, net->activations);
        for (int i = 0; i < n * net->hidden; i++) net->activations[i] = fmaxf(net->activations[i], 0);
        x = net->activations;
    }
    linear(output_row(net, net->weights), 1, output_inputs(net), x, n, scores);
}

/* From the gradient of the scores to that of the parameters. */
static void backward(model *net, const float *x, int n, const float *score_grad)
{
    const float *output = output_row(net, net->weights);
    memset(net->grad, 0, net->count * sizeof(float));
    linear_grad(output_row(net, net->grad), 1, output_inputs(net), net->hidden ? net->activations : x, n, score_grad);
    if (!net->hidden) return;
    for (int i = 0; i < n; i++)
        for (int h = 0; h < net->hidden; h++) {
            int k = i * net->hidden + h;
            net->upstream[k] = net->activations[k] > 0 ? score_grad[i] * output[h] : 0;
        }
    linear_grad(net->grad, net->hidden, net->inputs, x, n, net->upstream);
}

static void adam(model *net, float rate)
{
    net->steps++;
    float scale = rate * sqrtf(1 - powf(0.999f, (float)net->steps)) / (1 - powf(0.9f, (float)net->steps));
    for (int k = 0; k < net->count; k++) {
        net->m[k] = 0.9f * net->m[k] + 0.1f * net->grad[k];
        net->v[k] = 0.999f * net->v[k] + 0.001f * net->grad[k] * net->grad[k];
        net->weights[k] -= scale * net->m[k] / (sqrtf(net->v[k]) + 1e-8f);
    }
}

static void train_epoch(model *net, const table *data, focal_args *call, int *order)
{
    static float targets[BATCH], scores[BATCH], score_grad[BATCH];
    float *x = get(BATCH * data->columns * sizeof(float));
    shuffle(order, data->rows);
    for (int start = 0; start < data->rows; start += BATCH) {
        int n = data->rows - start < BATCH ? data->rows - start : BATCH;
        for (int i = 0; i < n; i++) {
            int from = order[start + i];
            memcpy(x + i * data->columns, data->features + from * data->columns, data->columns * sizeof(float));
            targets[i] = data->targets[from];
        }
        forward(net, x, n, scores);

        call->outer = n;
        call->scores = scores;
        call->targets = targets;
        call->grad = score_grad;
        if (focal_sigmoid(call) != FOCAL_OK) {
            fprintf(stderr, "train: %s\n", focal_last_error());
            exit(1);
        }

        backward(net, x, n, score_grad);
        adam(net, 0.01f);
    }
    free(x);
}

/* ---- How good it is --------------------------------------------------------------------------------------------- */

typedef struct {
    float score, target;
} ranked;

static int descending(const void *a, const void *b)
{
    float x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
    return (x < y) - (x > y);
}

/* Average precision and area under the ROC curve; samples of equal score count as one step of the curve. */
static void rank_quality(const ranked *sorted, int n, double positives, double *ap, double *auc)
{
    double hits = 0, misses = 0;
    *ap = *auc = 0;
    for (int i = 0; i < n;) {
        double new_hits = 0, new_misses = 0;
        float score = sorted[i].score;
        for (; i < n && sorted[i].score == score; i++) {
            new_hits += sorted[i].target;
            new_misses += 1 - sorted[i].target;
        }
        *auc += new_misses * (hits + new_hits / 2);
        hits += new_hits;
        misses += new_misses;
        *ap += new_hits / positives * hits / (hits + misses);
    }
    *auc /= positives * misses;
}

static void test_model(model *net, const table *data, double *ap, double *auc)
{
    static float scores[BATCH];
    ranked *sorted = get(data->rows * sizeof *sorted);
    for (int start = 0; start < data->rows; start += BATCH) {
        int n = data->rows - start < BATCH ? data->rows - start : BATCH;
        forward(net, data->features + start * data->columns, n, scores);
        for (int i = 0; i < n; i++) {
            sorted[start + i].score = scores[i];
            sorted[start + i].target = data->targets[start + i];
        }
    }
    qsort(sorted, data->rows, sizeof *sorted, descending);
    rank_quality(sorted, data->rows, count_positives(data), ap, auc);
    free(sorted);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

/* Trains on SPLITS splits, the same for every loss, and prints AP, AUC and milliseconds an epoch. */
static void compare(const table *all, const objective *o, int hidden)
{
    double ap = 0, auc = 0, time = 0, positives = count_positives(all);
    for (int s = 0; s < SPLITS; s++) {
        table train, test;
        random_state = 0x9e3779b97f4a7c15u + (uint64_t)s;
        split(all, &train, &test);
        standardise(&train, &test);
        model net = make_model(all->columns, hidden, positives / all->rows);
        focal_args call = prepare(o, positives, all->rows - positives);
        int *order = get(train.rows * sizeof *order);
        for (int i = 0; i < train.rows; i++) order[i] = i;

        double start = milliseconds(), split_ap, split_auc;
        for (int epoch = 0; epoch < EPOCHS; epoch++) train_epoch(&net, &train, &call, order);
        time += (milliseconds() - start) / EPOCHS / SPLITS;
        test_model(&net, &test, &split_ap, &split_auc);
        ap += split_ap / SPLITS;
        auc += split_auc / SPLITS;
        free(order);
        free_model(&net);
        free_table(&train);
        free_table(&test);
    }
    printf("  %6.4f %6.4f %8.3f", ap, auc, time);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: train TABLE.csv ...\n");
        return 2;
    }
    for (int a = 1; a < argc; a++) {
        table all = read_table(argv[a]);
        double positives = count_positives(&all);
        if (positives < 4 || all.rows - positives < 4) {
            fprintf(stderr, "%s: at least four samples of each class are needed\n", argv[a]);
            return 1;
        }
        printf("%s: %d samples, %d features, %.0f positives; test figures, mean of %d splits\n", argv[a], all.rows,
               all.columns, positives, SPLITS);
        printf("%-24s  %-23s  hidden layer of %d\n", "", "logistic regression", HIDDEN);
        printf("%-24s  %6s %6s %8s  %6s %6s %8s\n", "loss", "AP", "AUC", "ms/epoch", "AP", "AUC", "ms/epoch");
        for (size_t k = 0; k < sizeof OBJECTIVES / sizeof *OBJECTIVES; k++) {
            printf("%-24s", OBJECTIVES[k].name);
            compare(&all, &OBJECTIVES[k], 0);
            compare(&all, &OBJECTIVES[k], HIDDEN);
            printf("\n");
        }
        free_table(&all);
    }
    return 0;
}
