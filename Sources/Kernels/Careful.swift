import CKernels

/// Eight elements in double, for everything beside hard targets over logits: soft targets, label smoothing, probabilities.
struct Careful {
    let plan: Plan

    /// What one element's weights are made of.  The smoothed target serves the cross-entropy, `target` the rest.
    struct Element {
        var score: Doubles
        var target: Doubles
        var targetRest: Doubles  // 1 - target, without that subtraction's error
        var smoothed: Doubles
        var smoothedRest: Doubles
        var positiveAlpha: Doubles
        var negativeAlpha: Doubles
        var positiveWeight: Doubles
        var negativeWeight: Doubles
    }

    /// Loss, gradient and Hessian of one element, unweighted by sample or class and unscaled.
    struct Value {
        var loss: Doubles
        var grad: Doubles
        var hess: Doubles

        @inline(__always) static func + (a: Value, b: Value) -> Value {
            Value(loss: a.loss + b.loss, grad: a.grad + b.grad, hess: a.hess + b.hess)
        }
        @inline(__always) static func select(_ mask: Doubles.Mask, _ a: Value, _ b: Value) -> Value {
            Value(
                loss: Doubles.select(mask, a.loss, b.loss), grad: Doubles.select(mask, a.grad, b.grad),
                hess: Doubles.select(mask, a.hess, b.hess))
        }
    }

    /// The probability of a positive, that of a negative, and their negative logarithms, as functions of the score.
    struct Basis {
        let p, q, logP, logQ: Jet

        @inline(__always) init(logit z: Doubles) {
            let e = Doubles.exp(minus: z.magnitude)
            let m = Margin(score: z, target: Doubles.one, e: e, reciprocal: Doubles.one / (Doubles.one + e.hi), isSharp: false)
            let (p, q) = (m.p, m.q.hi)
            let pq = p * q
            let bend = pq * (q - p)
            // Finite, so that products with a modulator's derivative of 0 stay 0.
            let size = z.magnitude.atMost(Doubles(Double.greatestFiniteMagnitude))
            self.p = Jet(p, pq, bend)
            self.q = Jet(q, -pq, -bend)
            logP = Jet(m.log1p.hi + Doubles.select(z.isNegative, size, Doubles.zero), -q, pq)
            logQ = Jet(m.log1p.hi + Doubles.select(z.isNegative, Doubles.zero, size), p, pq)
        }

        /// At 0 and 1 a number next to them stands in, so that the products of limits stay numbers; `atEnds` restores these.
        @inline(__always) init(probability given: Doubles) {
            let (none, least) = (Doubles.zero, Doubles(1e-300))
            let rest = Doubles.one - given
            let p = Doubles.select(given == none, least, given), q = Doubles.select(rest == none, least, rest)
            let most = Doubles(Double.greatestFiniteMagnitude)
            let (ip, iq) = ((Doubles.one / p).atMost(most), (Doubles.one / q).atMost(most))
            self.p = Jet(p, Doubles.one, Doubles.zero)
            self.q = Jet(q, -Doubles.one, Doubles.zero)
            logP = Jet(Logarithm.negative(p, complement: q), -ip, ip * ip)
            logQ = Jet(Logarithm.negative(q, complement: p), iq, iq * iq)
        }
    }

    @inline(never) func value(_ element: Element) -> Value {
        let args = plan.pointee.args
        if args.input == FOCAL_INPUT_LOGITS {
            var value = soft(element, Basis(logit: element.score))
            let isInfinite = Doubles.and(element.score.magnitude == Doubles(Double.infinity), Doubles.zero < value.loss)
            value.loss = Doubles.select(isInfinite, Doubles(Double.infinity), value.loss)
            return value
        }
        let clip = Doubles(args.clip)
        let p = element.score.atLeast(clip).atMost(Doubles.one - clip)
        let isInside = p == element.score
        var element = element
        element.score = p
        let isHard = hardMask(element)
        var value = Value.select(isHard, hardProbability(element), atEnds(soft(element, Basis(probability: p)), p))
        value.grad = Doubles.select(isInside, value.grad, Doubles.zero)
        value.hess = Doubles.select(isInside, value.hess, Doubles.zero)
        return value
    }

    /// At p = 0 and p = 1, and where 1 / p overflows, what has grown beyond bounds is infinite.
    @inline(__always) private func atEnds(_ value: Value, _ p: Doubles) -> Value {
        let isEnd = p * (Doubles.one - p) < Doubles(0x1p-1024)
        func limit(_ x: Doubles, beyond bound: Double) -> Doubles {
            let infinite = Doubles(Double.infinity).flippingSign(where: x)
            return Doubles.select(Doubles.and(isEnd, Doubles(bound) < x.magnitude), infinite, x)
        }
        let isZero = p * (Doubles.one - p) == Doubles.zero
        return Value(
            loss: Doubles.select(isZero, limit(value.loss, beyond: 1e-30), value.loss), grad: limit(value.grad, beyond: 1e60),
            hess: limit(value.hess, beyond: 1e60))
    }

    @inline(__always) private func hardMask(_ element: Element) -> Doubles.Mask {
        let y = element.target
        return Doubles.and(y == element.smoothed, y * (Doubles.one - y) == Doubles.zero)
    }

    /// A hard target over a probability t of that target: F = q^g L with q = 1 - t and L = -log t.  With l = L / q (1 at
    /// q = 0) neither derivative divides by q:
    ///
    ///     F' = -q^g (g l + 1/t)        F'' = q^(g-1) (g (g-1) l + 2 g / t + q / t^2)
    @inline(__always) private func hardProbability(_ element: Element) -> Value {
        let gamma = plan.pointee.args.gamma
        let g = Doubles(gamma)
        let isPositive = Doubles(0.5) < element.target
        let p = element.score
        let complement = Doubles.one - p
        let t = Doubles.select(isPositive, p, complement)
        let q = Doubles.select(isPositive, complement, p)
        let a = Doubles.select(
            isPositive, element.positiveAlpha * element.positiveWeight, element.negativeAlpha * element.negativeWeight)
        let logT = Logarithm.negative(t, complement: q)
        let isExact = q == Doubles.zero, isLost = t == Doubles.zero
        let ratio = Doubles.select(q < Doubles(1e-290), Doubles.one, logT / q)
        let base = Doubles.select(isExact, Doubles.one, q)
        let w = gamma == 0 ? Doubles.one : Doubles.select(isExact, q, Power.of(base, gamma))
        let inverse = Doubles.one / t
        let slope = gamma == 0 ? -inverse : -(w * (g * ratio + inverse))
        let atExact = Doubles(gamma < 1 ? Double.infinity : gamma == 1 ? 1 : 0)
        let bend = Doubles(gamma * (gamma - 1)) * ratio + Doubles(2 * gamma) * inverse + q * inverse * inverse
        let curved = Doubles.select(isExact, atExact, Power.of(base, gamma - 1)) * bend
        let curvature = gamma == 0 ? inverse * inverse : Doubles.select(isLost, Doubles(Double.infinity), curved)
        return Value(loss: a * w * logT, grad: Doubles.select(isPositive, a * slope, -(a * slope)), hess: a * curvature)
    }

    /// One or two branches, each alpha x modulator^gamma x cross-entropy.
    @inline(never) private func soft(_ element: Element, _ basis: Basis) -> Value {
        let y = element.target
        let rest = element.targetRest
        switch plan.pointee.args.soft_rule {
        case FOCAL_SOFT_MIXTURE:
            // The two hard losses, each with its own cross-entropy; smoothing by the CE rule reaches inside both.
            let e = plan.pointee.args.smoothing_rule == FOCAL_SMOOTHING_CE ? plan.pointee.args.label_smoothing / 2 : 0
            return branch(element, basis, alpha: y * element.positiveAlpha, basis.q, Doubles(1 - e), Doubles(e))
                + branch(element, basis, alpha: rest * element.negativeAlpha, basis.p, Doubles(e), Doubles(1 - e))
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

    @inline(__always) private func alpha(_ element: Element) -> Doubles {
        element.target * element.positiveAlpha + element.targetRest * element.negativeAlpha
    }

    @inline(never) private func branch(
        _ element: Element, _ basis: Basis, alpha: Doubles, _ modulator: Jet, _ target: Doubles, _ rest: Doubles
    ) -> Value {
        let args = plan.pointee.args
        let positive = target * element.positiveWeight
        let negative = rest * element.negativeWeight
        // 0 times an infinite logarithm is 0 here: the term is absent.
        let entropy = Careful.weighted(positive, basis.logP) + Careful.weighted(negative, basis.logQ)
        let product = modulator.power(args.gamma) * entropy
        var hess = product.second
        if args.input == FOCAL_INPUT_LOGITS && args.hessian == FOCAL_HESSIAN_GAUSS_NEWTON {
            // (m^g W + g m^(g-1) (1 - m) CE) p q
            let pq = basis.p.first
            let m = Jet(modulator.value, pq, Doubles.zero).power(args.gamma)
            hess = m.value * (positive + negative) * pq + m.first * (Doubles.one - modulator.value) * entropy.value
        }
        return Value(loss: alpha * product.value, grad: alpha * product.first, hess: alpha * hess)
    }

    @inline(__always) private static func weighted(_ weight: Doubles, _ jet: Jet) -> Jet {
        let present = Doubles.zero < weight
        let product = weight * jet
        return Jet(
            Doubles.select(present, product.value, Doubles.zero), Doubles.select(present, product.first, Doubles.zero),
            Doubles.select(present, product.second, Doubles.zero))
    }
}
