import CKernels

/// Eight elements in double, for everything beside hard targets over logits: soft targets, label smoothing, probabilities.
struct Careful {
    let plan: Plan

    /// What one element's weights are made of.  The smoothed target serves the cross-entropy, `target` the rest.
    struct Element {
        var score: F64x8
        var target: F64x8
        var smoothed: F64x8
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
            let e = Exponential.negative(-z.magnitude)
            let m = Margin(size: z.magnitude, right: z.isPositive, e: e)
            let (p, q) = (m.p, m.q.hi)
            let pq = p * q
            let bend = pq * (q - p)
            self.p = Jet(p, pq, bend)
            self.q = Jet(q, -pq, -bend)
            logP = Jet(m.finiteLoss, -q, pq)
            logQ = Jet(m.log1p + F64x8.select(z.isPositive, m.size, F64x8.zero), p, pq)
        }

        @inline(__always) init(probability p: F64x8) {
            let q = F64x8.one - p
            let (ip, iq) = (F64x8.one / p, F64x8.one / q)
            self.p = Jet(p, F64x8.one, F64x8.zero)
            self.q = Jet(q, -F64x8.one, F64x8.zero)
            logP = Jet(Logarithm.negative(p, complement: q), -ip, ip * ip)
            logQ = Jet(Logarithm.negative(q, complement: p), iq, iq * iq)
        }
    }

    @inline(__always) func value(_ element: Element) -> Value {
        let args = plan.pointee.args
        if args.input == FOCAL_INPUT_LOGITS { return soft(element, Basis(logit: element.score)) }
        let clip = F64x8(args.clip)
        let p = element.score.atLeast(clip).atMost(F64x8.one - clip)
        var element = element
        let outside = p.magnitude == element.score.magnitude
        element.score = p
        let isHard = hardMask(element)
        var value = Value.select(isHard, hardProbability(element), soft(element, Basis(probability: p)))
        value.grad = F64x8.select(outside, value.grad, F64x8.zero)
        value.hess = F64x8.select(outside, value.hess, F64x8.zero)
        return value
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
        let ratio = F64x8.select(q == F64x8.zero, F64x8.one, logT / q)
        let w = gamma == 0 ? F64x8.one : F64x8.select(q == F64x8.zero, q, Power.of(q.atLeast(F64x8(1e-300)), gamma))
        let inverse = F64x8.one / t
        let slope = -(w * (g * ratio + inverse))
        let curvature =
            gamma == 0
            ? inverse * inverse
            : Power.of(q.atLeast(F64x8(1e-300)), gamma - 1)
                * (F64x8(gamma * (gamma - 1)) * ratio + F64x8(2 * gamma) * inverse + q * inverse * inverse)
        return Value(loss: a * w * logT, grad: F64x8.select(isPositive, a * slope, -(a * slope)), hess: a * curvature)
    }

    /// One or two branches, each alpha x modulator^gamma x cross-entropy.
    @inline(__always) private func soft(_ element: Element, _ basis: Basis) -> Value {
        let y = element.target
        let rest = F64x8.one - y
        switch plan.pointee.args.soft_rule {
        case FOCAL_SOFT_MIXTURE:
            // The two hard losses, each with its own cross-entropy; smoothing by the CE rule reaches inside both.
            let e = plan.pointee.args.smoothing_rule == FOCAL_SMOOTHING_CE ? plan.pointee.args.label_smoothing / 2 : 0
            return branch(element, basis, alpha: y * element.positiveAlpha, basis.q, target: F64x8(1 - e))
                + branch(element, basis, alpha: rest * element.negativeAlpha, basis.p, target: F64x8(e))
        case FOCAL_SOFT_QUALITY:
            let distance = Jet(basis.p.value - y, basis.p.first, basis.p.second).magnitude
            return branch(element, basis, alpha: alpha(element), distance, target: element.smoothed)
        default:
            return branch(
                element, basis, alpha: alpha(element), y * basis.q + rest * basis.p, target: element.smoothed)
        }
    }

    @inline(__always) private func alpha(_ element: Element) -> F64x8 {
        element.target * element.positiveAlpha + (F64x8.one - element.target) * element.negativeAlpha
    }

    @inline(__always) private func branch(
        _ element: Element, _ basis: Basis, alpha: F64x8, _ modulator: Jet, target: F64x8
    ) -> Value {
        let args = plan.pointee.args
        let positive = target * element.positiveWeight
        let negative = (F64x8.one - target) * element.negativeWeight
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
