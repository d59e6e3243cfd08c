import CFocalLoss
import CSystem

// The numbers that users get wrong.  Where a loss is needed these call the library itself.

@_cdecl("focal_suggest_alpha") @implementation
public func focal_suggest_alpha(_ positives: Double, _ negatives: Double, _ alpha: UnsafeMutablePointer<Double>!) -> Int32 {
    guard let alpha else { return Failure(FOCAL_ERROR_NULL).says("alpha is NULL").status }
    guard positives >= 0, positives.isFinite else { return Helpers.bad("positives", positives) }
    guard negatives >= 0, negatives.isFinite, positives + negatives > 0 else { return Helpers.bad("negatives", negatives) }
    alpha.pointee = negatives / (positives + negatives)
    return FOCAL_OK
}

@_cdecl("focal_class_balanced_weights") @implementation
public func focal_class_balanced_weights(
    _ counts: UnsafePointer<Double>!, _ classes: Int, _ beta: Double, _ weights: UnsafeMutablePointer<Double>!
) -> Int32 {
    guard classes >= 0 else { return Failure(FOCAL_ERROR_SIZE).says("classes is ", Int64(classes), ", too large").status }
    guard let counts, let weights else {
        return classes == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL).says("counts or weights is NULL").status
    }
    guard beta >= 0, beta < 1 else { return Helpers.bad("beta", beta) }
    for c in 0..<classes {
        guard counts[c] >= 0, counts[c].isFinite else {
            return Failure(FOCAL_ERROR_VALUE).says("counts[", Int64(c), "] is ").says("", counts[c], ", not finite and >= 0").status
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
    guard let bias else { return Failure(FOCAL_ERROR_NULL).says("bias is NULL").status }
    guard prior > 0, prior < 1 else { return Helpers.bad("prior", prior) }
    bias.pointee = Helpers.logit(prior)
    return FOCAL_OK
}

@_cdecl("focal_optimal_score") @implementation
public func focal_optimal_score(
    _ prior: Double, _ alpha: Double, _ gamma: Double, _ score: UnsafeMutablePointer<Double>!
) -> Int32 {
    guard let score else { return Failure(FOCAL_ERROR_NULL).says("score is NULL").status }
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
    guard n >= 0 else { return Failure(FOCAL_ERROR_SIZE).says("n is too large").status }
    guard let scores, let probabilities else {
        return n == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL).says("scores or probabilities is NULL").status
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

enum Helpers {
    static func bad(_ name: StaticString, _ value: Double) -> Int32 {
        Failure(FOCAL_ERROR_VALUE).says("", name, " is ").says("", value, ", outside its range").status
    }

    /// log(p / (1 - p)), exact where p is near 1/2 too.
    static func logit(_ p: Double) -> Double { log1p((2 * p - 1) / (1 - p)) }

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
}
