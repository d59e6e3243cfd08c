// From C++: a thin class over the descriptor, with vectors and exceptions, and Newton's method with exact derivatives.
//
//     c++ -std=c++11 newton.cpp $(pkg-config --cflags --libs focalloss) -o newton
//
// A booster starts from one constant score for all samples.  For the focal loss that is not the logit of the prior; here
// it is found by Newton steps over the gradient and Hessian, and by the library's own focal_optimal_score.
#include <focalloss.h>

#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <vector>

// One configured loss.  The buffers are the caller's: nothing is copied.
class FocalLoss {
public:
    explicit FocalLoss(double gamma = 2.0, double alpha = FOCAL_ALPHA_OFF)
    {
        check(focal_args_init(&args_, sizeof args_));
        args_.gamma = gamma;
        args_.alpha = alpha;
        args_.reduction = FOCAL_REDUCTION_MEAN;
    }

    // Mean loss over scores and targets of the same length; fills grad and hess with its derivatives, one a score.
    double operator()(const std::vector<float> &scores, const std::vector<float> &targets, std::vector<float> &grad,
                      std::vector<float> &hess)
    {
        if (scores.size() != targets.size()) throw std::invalid_argument("scores and targets differ in length");
        grad.resize(scores.size());
        hess.resize(scores.size());
        double loss = 0;
        args_.outer = static_cast<int64_t>(scores.size());
        args_.scores = scores.data();
        args_.targets = targets.data();
        args_.grad = grad.data();
        args_.hess = hess.data();
        args_.reduced_loss = &loss;
        check(focal_sigmoid(&args_));
        return loss;
    }

private:
    static void check(int32_t status)
    {
        if (status != FOCAL_OK) throw std::runtime_error(focal_last_error());
    }

    focal_args args_;
};

int main()
{
    const double gamma = 2, alpha = 0.75;
    std::vector<float> targets(1000, 0.0f); // one positive in fifty
    for (std::size_t i = 0; i < targets.size(); i += 50) targets[i] = 1.0f;
    const double prior = std::accumulate(targets.begin(), targets.end(), 0.0) / static_cast<double>(targets.size());

    try {
        FocalLoss focal(gamma, alpha);
        std::vector<float> grad, hess;
        double score = 0, best = 0;
        for (int step = 0; step < 8; step++) {
            const std::vector<float> scores(targets.size(), static_cast<float>(score));
            const double loss = focal(scores, targets, grad, hess);
            std::printf("step %d   score %9.6f   loss %.6f\n", step, score, loss);
            score -= std::accumulate(grad.begin(), grad.end(), 0.0) / std::accumulate(hess.begin(), hess.end(), 0.0);
        }
        focal_optimal_score(prior, alpha, gamma, &best);
        std::printf("focal_optimal_score gives %9.6f; the prior's logit is %9.6f\n", best, std::log(prior / (1 - prior)));
        return std::fabs(score - best) < 1e-4 ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "newton: %s\n", error.what());
        return 1;
    }
}
