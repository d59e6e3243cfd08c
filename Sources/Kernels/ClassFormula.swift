import CKernels

/// What becomes of each class.
protocol ClassFormula {
    associatedtype V: Lanes
    func value(_ class: V) -> V
}

/// A gradient or a probability, from an exponential.
struct Multiple<V: Lanes>: ClassFormula {
    let factor: V
    let lift: V
    @inline(__always) func value(_ e: V) -> V { factor * (lift * e) }
}

/// The Hessian's diagonal, from an exponential: of a vector of samples' numbers (or one sample's in every lane).
struct HessianFormula<V: Lanes>: ClassFormula {
    private let ratio, slope, bend, q, top, complement, probabilityTarget, scale, sign: V
    private let mode: Int32
    private let floor: V

    /// From the samples' doubles; `load` takes a column to lanes.
    @inline(__always) init(_ plan: Plan, _ samples: Samples, _ load: (UnsafeMutablePointer<Double>) -> V) {
        scale = load(samples.chunkScale)
        top = load(samples.top)
        complement = load(samples.complement)
        probabilityTarget = load(samples.probabilityTarget)
        ratio = load(samples.ratioScaled)
        slope = load(samples.slope)
        bend = load(samples.bend)
        q = load(samples.q)
        sign = V(plan.pointee.scale * plan.pointee.args.hessian_scale)
        mode = plan.pointee.args.hessian
        floor = V(plan.pointee.args.hessian_floor)
    }

    @inline(__always) func value(_ e: V) -> V { diagonal(e).atLeast(floor) }

    /// H_kk = a (f'' r^2 - f' r (1 - r)); Gauss-Newton: a |f'| r (1 - q r), where 1 - q r = p + q (1 - r).
    @inline(__always) private func diagonal(_ e: V) -> V {
        let r = ratio * e
        // Only the largest class's 1 - r could cancel.
        let rest = V.select(e * scale == top, complement, V.one - r)
        if mode == FOCAL_HESSIAN_GAUSS_NEWTON { return slope * r * q.times(rest, plus: probabilityTarget) }
        let exact = r * slope.times(rest, plus: bend * r)
        return mode == FOCAL_HESSIAN_ABSOLUTE ? exact.magnitude.flippingSign(where: sign) : exact
    }
}
