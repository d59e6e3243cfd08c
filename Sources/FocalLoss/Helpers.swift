import CFocalLoss
import CSystem

// The numbers that users get wrong.  Where a loss is needed these call the library itself.

@_cdecl("focal_suggest_alpha") @implementation
public func focal_suggest_alpha(_ positives: Double, _ negatives: Double, _ alpha: UnsafeMutablePointer<Double>!) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    let (positives, negatives) = (focal_settle(positives), focal_settle(negatives))
    guard let alpha else { return Failure(FOCAL_ERROR_NULL, "alpha is NULL").status }
    guard positives >= 0, positives.isFinite else { return Helpers.bad("positives", positives) }
    guard negatives >= 0, negatives.isFinite, positives + negatives > 0 else { return Helpers.bad("negatives", negatives) }
    // Halves: the sum of two finite counts may overflow.
    alpha.pointee = focal_settle((negatives / 2) / (positives / 2 + negatives / 2))
    return FOCAL_OK
}

@_cdecl("focal_class_balanced_weights") @implementation
public func focal_class_balanced_weights(
    _ counts: UnsafePointer<Double>!, _ classes: Int, _ beta: Double, _ weights: UnsafeMutablePointer<Double>!
) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard classes >= 0 else { return Failure(FOCAL_ERROR_SIZE, "classes is \(classes), too large").status }
    guard let counts, let weights else {
        return classes == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL, "counts or weights is NULL").status
    }
    guard beta >= 0, beta < 1 else { return Helpers.bad("beta", beta) }
    for c in 0..<classes {
        guard counts[c] >= 0, counts[c].isFinite else {
            return Failure(FOCAL_ERROR_VALUE, "counts[\(c)] is \(counts[c]), not finite and >= 0").status
        }
    }
    var sum = 0.0
    for c in 0..<classes {
        // 1 - beta^n without cancellation; the common factor 1 - beta leaves with the scale.
        weights[c] = counts[c] == 0 ? 0 : beta == 0 ? 1 : -1 / expm1(counts[c] * log1p(beta - 1))
        sum += weights[c]
    }
    if sum > 0 { for c in 0..<classes { weights[c] *= Double(classes) / sum } }
    return FOCAL_OK
}

@_cdecl("focal_prior_bias") @implementation
public func focal_prior_bias(_ prior: Double, _ bias: UnsafeMutablePointer<Double>!) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard let bias else { return Failure(FOCAL_ERROR_NULL, "bias is NULL").status }
    guard prior > 0, prior < 1 else { return Helpers.bad("prior", prior) }
    bias.pointee = Helpers.logit(prior)
    return FOCAL_OK
}

@_cdecl("focal_optimal_score") @implementation
public func focal_optimal_score(
    _ prior: Double, _ alpha: Double, _ gamma: Double, _ score: UnsafeMutablePointer<Double>!
) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard let score else { return Failure(FOCAL_ERROR_NULL, "score is NULL").status }
    guard prior > 0, prior < 1 else { return Helpers.bad("prior", prior) }
    guard alpha == FOCAL_ALPHA_OFF || (alpha > 0 && alpha < 1) else { return Helpers.bad("alpha", alpha) }
    // The expected slope prior a phi(z) - (1 - prior) (1 - a) phi(-z), phi = -f', falls in z: bisect its sign.
    let positive = prior * (alpha == FOCAL_ALPHA_OFF ? 1 : alpha)
    let negative = (1 - prior) * (alpha == FOCAL_ALPHA_OFF ? 1 : 1 - alpha)
    var (low, high) = (-800.0, 800.0)
    while true {
        let middle = low + (high - low) / 2
        if middle <= low || middle >= high {
            score.pointee = middle
            return FOCAL_OK
        }
        var slopes = (0.0, 0.0)
        let status = Helpers.slopes(middle, gamma, &slopes)
        if status != FOCAL_OK { return status }
        if positive * slopes.0 > negative * slopes.1 { low = middle } else { high = middle }
    }
}

@_cdecl("focal_posterior") @implementation
public func focal_posterior(
    _ scores: UnsafePointer<Double>!, _ n: Int, _ alpha: Double, _ gamma: Double, _ probabilities: UnsafeMutablePointer<Double>!
) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard n >= 0 else { return Failure(FOCAL_ERROR_SIZE, "n is too large").status }
    guard let scores, let probabilities else {
        return n == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL, "scores or probabilities is NULL").status
    }
    guard alpha == FOCAL_ALPHA_OFF || (alpha > 0 && alpha < 1) else { return Helpers.bad("alpha", alpha) }
    let (a, b) = alpha == FOCAL_ALPHA_OFF ? (1, 1) : (alpha, 1 - alpha)
    for i in 0..<n {
        var slopes = (0.0, 0.0)
        let status = Helpers.slopes(scores[i], gamma, &slopes)
        if status != FOCAL_OK { return status }
        let (positive, negative) = (a * slopes.0, b * slopes.1)
        probabilities[i] = negative / (positive + negative)
    }
    return FOCAL_OK
}

@_cdecl("focal_softmax_posterior") @implementation
public func focal_softmax_posterior(
    _ scores: UnsafePointer<Double>!, _ n: Int, _ classes: Int, _ alphas: UnsafePointer<Double>!, _ gamma: Double,
    _ probabilities: UnsafeMutablePointer<Double>!
) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard n >= 0, classes >= 1, Int64(n).times(Int64(classes)) != nil else {
        return Failure(FOCAL_ERROR_SIZE, "n x classes is negative or overflows").status
    }
    guard let scores, let probabilities else {
        return n == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL, "scores or probabilities is NULL").status
    }
    if let alphas {
        for c in 0..<classes where !(alphas[c] > 0 && alphas[c].isFinite) {
            return Failure(FOCAL_ERROR_VALUE, "alphas[\(c)] is \(alphas[c]), not finite and above 0").status
        }
    }
    for row in 0..<n {
        let status = Helpers.posterior(scores + row &* classes, classes, alphas, gamma, probabilities + row &* classes)
        if status != FOCAL_OK { return status }
    }
    return FOCAL_OK
}

enum Helpers {
    @inline(never) static func bad(_ name: StaticString, _ value: Double) -> Int32 {
        Failure(FOCAL_ERROR_VALUE, "\(name) is \(value), outside its range").status
    }

    /// log(p / (1 - p)): near 1/2 by the difference, which is exact there, elsewhere by the two logarithms.
    static func logit(_ p: Double) -> Double {
        p > 0.25 && p < 0.75 ? log1p((2 * p - 1) / (1 - p)) : log(p) - log1p(-p)
    }

    // Of libm only log1p and expm1, which every glibc has under its first version.
    @inline(never) static func log(_ x: Double) -> Double { Double(x.exponent) * 0.6931471805599453 + log1p(x.significand - 1) }
    @inline(never) static func exponential(_ x: Double) -> Double { x < 0 ? 1 / (expm1(-x) + 1) : expm1(x) + 1 }

    /// -f'(z) and -f'(-z): the pull of a positive and of a negative on the score.
    static func slopes(_ z: Double, _ gamma: Double, _ slopes: inout (Double, Double)) -> Int32 {
        var logits = (z, z), targets = (1.0, 0.0), grads = (0.0, 0.0)
        let status = withUnsafePointer(to: &logits) { logits in
            withUnsafePointer(to: &targets) { targets in
                withUnsafeMutablePointer(to: &grads) { grads in
                    focal_sigmoid_grad_hess_f64(
                        UnsafeRawPointer(logits).assumingMemoryBound(to: Double.self),
                        UnsafeRawPointer(targets).assumingMemoryBound(to: Double.self), 2, FOCAL_ALPHA_OFF, gamma,
                        FOCAL_HESSIAN_EXACT, UnsafeMutableRawPointer(grads).assumingMemoryBound(to: Double.self), nil)
                }
            }
        }
        slopes = (-grads.0, grads.1)
        return status
    }

    /// One row.  At the minimum of the expected loss the probability of class j is proportional to p_j q_j / (a_j s_j), s_j
    /// the pull -f'(u_j) that j feels as the target, with u_j = z_j - logsumexp of the others.
    static func posterior(
        _ scores: UnsafePointer<Double>, _ classes: Int, _ alphas: UnsafePointer<Double>?, _ gamma: Double,
        _ probabilities: UnsafeMutablePointer<Double>
    ) -> Int32 {
        var top = 0
        for k in 1..<max(1, classes) where scores[k] > scores[top] { top = k }
        let topMargin = scores[top] - logSum(scores, classes, without: top)
        let logAll = scores[top] + log1p(exponential(-topMargin))
        var sum = 0.0
        for k in 0..<classes {
            let logP = scores[k] - logAll
            let margin = k == top ? topMargin : logP - log1p(-exponential(logP))
            var pull = (0.0, 0.0)
            let status = slopes(margin, gamma, &pull)
            if status != FOCAL_OK { return status }
            let e = exponential(margin > 0 ? -margin : margin)
            let spread = e / ((1 + e) * (1 + e))
            probabilities[k] = spread / (pull.0 * (alphas.map { $0[k] } ?? 1))
            sum += probabilities[k]
        }
        for k in 0..<classes { probabilities[k] = classes == 1 ? 1 : probabilities[k] / sum }
        return FOCAL_OK
    }

    /// log of the sum of exponentials of all classes but one.
    private static func logSum(_ scores: UnsafePointer<Double>, _ classes: Int, without absent: Int) -> Double {
        var largest = -Double.infinity
        for k in 0..<classes where k != absent && scores[k] > largest { largest = scores[k] }
        var sum = 0.0
        for k in 0..<classes where k != absent { sum += scores[k] == largest ? 1 : exponential(scores[k] - largest) }
        return largest + log1p(sum - 1)
    }
}
