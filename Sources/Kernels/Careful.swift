import CKernels

/// Eight elements in double, for everything beside hard targets over logits: soft targets, label smoothing, probabilities.
struct Careful {
    let plan: Plan

    /// What one element's weights are made of.  The smoothed target serves the cross-entropy, `target` the rest.
    struct Element {
        var score: F64x8
        var target: F64x8
        var targetRest: F64x8  // 1 - target, without that subtraction's error
        var smoothed: F64x8
        var smoothedRest: F64x8
        var positiveAlpha: F64x8
        var negativeAlpha: F64x8
        var positiveWeight: F64x8
        var negativeWeight: F64x8
    }

    /// Loss, gradient and Hessian of one element, unweighted by sample or class and unscaled.
    struct Value {
        var loss: F64x8
        var grad: F64x8
        var hess: F64x8

        @inline(__always) static func + (a: Value, b: Value) -> Value {
            Value(loss: a.loss + b.loss, grad: a.grad + b.grad, hess: a.hess + b.hess)
        }
        @inline(__always) static func select(_ mask: F64x8.Mask, _ a: Value, _ b: Value) -> Value {
            Value(
                loss: F64x8.select(mask, a.loss, b.loss), grad: F64x8.select(mask, a.grad, b.grad),
                hess: F64x8.select(mask, a.hess, b.hess))
        }
    }

    /// The probability of a positive, that of a negative, and their negative logarithms, as functions of the score.
    struct Basis {
        let p, q, logP, logQ: Jet

        @inline(__always) init(logit z: F64x8) {
            let e = F64x8.exp(minus: z.magnitude)
            let m = Margin(score: z, target: F64x8.one, e: e, reciprocal: F64x8.one / (F64x8.one + e.hi), isSharp: false)
            let (p, q) = (m.p, m.q.hi)
            let pq = p * q
            let bend = pq * (q - p)
            // Finite, so that products with a modulator's derivative of 0 stay 0.
            let size = z.magnitude.atMost(F64x8(Double.greatestFiniteMagnitude))
            self.p = Jet(p, pq, bend)
            self.q = Jet(q, -pq, -bend)
            logP = Jet(m.log1p.hi + F64x8.select(z.isNegative, size, F64x8.zero), -q, pq)
            logQ = Jet(m.log1p.hi + F64x8.select(z.isNegative, F64x8.zero, size), p, pq)
        }

        /// At 0 and 1 a number next to them stands in, so that the products of limits stay numbers; `atEnds` restores these.
        @inline(__always) init(probability given: F64x8) {
            let (none, least) = (F64x8.zero, F64x8(1e-300))
            let rest = F64x8.one - given
            let p = F64x8.select(given == none, least, given), q = F64x8.select(rest == none, least, rest)
            let most = F64x8(Double.greatestFiniteMagnitude)
            let (ip, iq) = ((F64x8.one / p).atMost(most), (F64x8.one / q).atMost(most))
            self.p = Jet(p, F64x8.one, F64x8.zero)
            self.q = Jet(q, -F64x8.one, F64x8.zero)
            logP = Jet(Logarithm.negative(p, complement: q), -ip, ip * ip)
            logQ = Jet(Logarithm.negative(q, complement: p), iq, iq * iq)
        }
    }

    @inline(never) func value(_ element: Element) -> Value {
        let args = plan.pointee.args
        if args.input == FOCAL_INPUT_LOGITS {
            var value = soft(element, Basis(logit: element.score))
            let isInfinite = F64x8.and(element.score.magnitude == F64x8(Double.infinity), F64x8.zero < value.loss)
            value.loss = F64x8.select(isInfinite, F64x8(Double.infinity), value.loss)
            return value
        }
        let clip = F64x8(args.clip)
        let p = element.score.atLeast(clip).atMost(F64x8.one - clip)
        let isInside = p == element.score
        var element = element
        element.score = p
        let isHard = hardMask(element)
        var value = Value.select(isHard, hardProbability(element), atEnds(soft(element, Basis(probability: p)), p))
        value.grad = F64x8.select(isInside, value.grad, F64x8.zero)
        value.hess = F64x8.select(isInside, value.hess, F64x8.zero)
        return value
    }

    /// At p = 0 and p = 1, and where 1 / p overflows, what has grown beyond bounds is infinite.
    @inline(__always) private func atEnds(_ value: Value, _ p: F64x8) -> Value {
        let isEnd = p * (F64x8.one - p) < F64x8(0x1p-1024)
        func limit(_ x: F64x8, beyond bound: Double) -> F64x8 {
            let infinite = F64x8(Double.infinity).flippingSign(where: x)
            return F64x8.select(F64x8.and(isEnd, F64x8(bound) < x.magnitude), infinite, x)
        }
        return Value(
            loss: F64x8.select(p * (F64x8.one - p) == F64x8.zero, limit(value.loss, beyond: 1e-30), value.loss), grad: limit(value.grad, beyond: 1e60), hess: limit(value.hess, beyond: 1e60))
    }

    @inline(__always) private func hardMask(_ element: Element) -> F64x8.Mask {
        let y = element.target
        return F64x8.and(y == element.smoothed, y * (F64x8.one - y) == F64x8.zero)
    }

    /// A hard target over a probability t of that target: F = q^g L with q = 1 - t and L = -log t.  With l = L / q (1 at
    /// q = 0) neither derivative divides by q:
    ///
    ///     F' = -q^g (g l + 1/t)        F'' = q^(g-1) (g (g-1) l + 2 g / t + q / t^2)
    @inline(__always) private func hardProbability(_ element: Element) -> Value {
        let gamma = plan.pointee.args.gamma
        let g = F64x8(gamma)
        let isPositive = F64x8(0.5) < element.target
        let p = element.score
        let complement = F64x8.one - p
        let t = F64x8.select(isPositive, p, complement)
        let q = F64x8.select(isPositive, complement, p)
        let a = F64x8.select(
            isPositive, element.positiveAlpha * element.positiveWeight, element.negativeAlpha * element.negativeWeight)
        let logT = Logarithm.negative(t, complement: q)
        let isExact = q == F64x8.zero, isLost = t == F64x8.zero
        let ratio = F64x8.select(q < F64x8(1e-290), F64x8.one, logT / q)
        let base = F64x8.select(isExact, F64x8.one, q)
        let w = gamma == 0 ? F64x8.one : F64x8.select(isExact, q, Power.of(base, gamma))
        let inverse = F64x8.one / t
        let slope = gamma == 0 ? -inverse : -(w * (g * ratio + inverse))
        let atExact = F64x8(gamma < 1 ? Double.infinity : gamma == 1 ? 1 : 0)
        let bend = F64x8(gamma * (gamma - 1)) * ratio + F64x8(2 * gamma) * inverse + q * inverse * inverse
        let curved = F64x8.select(isExact, atExact, Power.of(base, gamma - 1)) * bend
        let curvature = gamma == 0 ? inverse * inverse : F64x8.select(isLost, F64x8(Double.infinity), curved)
        return Value(loss: a * w * logT, grad: F64x8.select(isPositive, a * slope, -(a * slope)), hess: a * curvature)
    }

    /// One or two branches, each alpha x modulator^gamma x cross-entropy.
    @inline(__always) private func soft(_ element: Element, _ basis: Basis) -> Value {
        let y = element.target
        let rest = element.targetRest
        switch plan.pointee.args.soft_rule {
        case FOCAL_SOFT_MIXTURE:
            // The two hard losses, each with its own cross-entropy; smoothing by the CE rule reaches inside both.
            let e = plan.pointee.args.smoothing_rule == FOCAL_SMOOTHING_CE ? plan.pointee.args.label_smoothing / 2 : 0
            return branch(element, basis, alpha: y * element.positiveAlpha, basis.q, F64x8(1 - e), F64x8(e))
                + branch(element, basis, alpha: rest * element.negativeAlpha, basis.p, F64x8(e), F64x8(1 - e))
        case FOCAL_SOFT_QUALITY:
            // p - y without cancellation where either is near 1.
            let distance = rest * basis.p.value - y * basis.q.value
            let modulator = Jet(distance, basis.p.first, basis.p.second).magnitude
            return branch(element, basis, alpha: alpha(element), modulator, element.smoothed, element.smoothedRest)
        default:
            let modulator = y * basis.q + rest * basis.p
            return branch(element, basis, alpha: alpha(element), modulator, element.smoothed, element.smoothedRest)
        }
    }

    @inline(__always) private func alpha(_ element: Element) -> F64x8 {
        element.target * element.positiveAlpha + element.targetRest * element.negativeAlpha
    }

    @inline(never) private func branch(
        _ element: Element, _ basis: Basis, alpha: F64x8, _ modulator: Jet, _ target: F64x8, _ rest: F64x8
    ) -> Value {
        let args = plan.pointee.args
        let positive = target * element.positiveWeight
        let negative = rest * element.negativeWeight
        // 0 times an infinite logarithm is 0 here: the term is absent.
        let entropy = Careful.weighted(positive, basis.logP) + Careful.weighted(negative, basis.logQ)
        let product = modulator.power(args.gamma) * entropy
        var hess = product.second
        if args.input == FOCAL_INPUT_LOGITS && args.hessian == FOCAL_HESSIAN_GAUSS_NEWTON {
            let m = modulator.value
            let base = m.atLeast(F64x8(1e-150))
            let low = args.gamma == 0 ? F64x8.zero : F64x8(args.gamma) * Power.of(base, args.gamma - 2) * base
            let high = args.gamma == 0 ? F64x8.one : Power.of(base, args.gamma - 2) * m * m
            hess = (high * (positive + negative) + low * (F64x8.one - m) * entropy.value) * basis.p.first
        }
        return Value(loss: alpha * product.value, grad: alpha * product.first, hess: alpha * hess)
    }

    @inline(__always) private static func weighted(_ weight: F64x8, _ jet: Jet) -> Jet {
        let present = F64x8.zero < weight
        let product = weight * jet
        return Jet(
            F64x8.select(present, product.value, F64x8.zero), F64x8.select(present, product.first, F64x8.zero),
            F64x8.select(present, product.second, F64x8.zero))
    }
}
