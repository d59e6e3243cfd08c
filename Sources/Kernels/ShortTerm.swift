import CKernels

/// The term of 16-bit scores whose outputs are of their type: 8 or 11 bits hide what the exact way's low parts add to 24, so
/// each number is one float.  Errors stay below some 20 ulp of float, or 2 gamma L where a power is small: a hundredth of
/// the short type's own, but for what underflows there.
///
/// Scores are read, and outputs rounded, in the caller's arrays where nothing else is to be done to them.  There is one loop
/// for both types and every gamma: what a call has is a branch that always goes the same way.
struct ShortTerm {
    let plan: Plan
    let count: Int  // of the block, whole vectors
    let scores: UnsafeRawPointer
    let scratch: Scratch<Floats>
    /// Where each output goes, or nil.
    let loss: UnsafeMutableRawPointer?
    let grad: UnsafeMutableRawPointer?
    let hess: UnsafeMutableRawPointer?

    /// From what crosses C (kernels.h).
    @inline(__always) static func run(
        _ plan: Plan?, _ count: Int64, _ scores: UnsafeRawPointer?, _ scratch: UnsafeMutableRawPointer?,
        _ loss: UnsafeMutableRawPointer?, _ grad: UnsafeMutableRawPointer?, _ hess: UnsafeMutableRawPointer?
    ) {
        ShortTerm(
            plan: plan.unsafelyUnwrapped, count: Int(count), scores: scores.unsafelyUnwrapped,
            scratch: Scratch(scratch.unsafelyUnwrapped), loss: loss, grad: grad, hess: hess
        ).run()
    }

    private func exponentials(_ stored: Short) {
        var i = 0
        while i < count {
            let score = stored.load(scores, i)
            let e = Floats.exp(minus: score.magnitude).hi
            score.store(to: scratch.scores + i)
            e.store(to: scratch.e + i)
            (Floats.one / (Floats.one + e)).store(to: scratch.reciprocal + i)
            i &+= Floats.count
        }
    }

    func run() {
        let args = plan.pointee.args
        // What stands in the scratch has been widened, and what goes there will be rounded later.
        let stored = Short(dtype: scores == UnsafeRawPointer(scratch.scores) ? FOCAL_DTYPE_F32 : args.score_dtype)
        exponentials(stored)
        let gradScale = Floats(-plan.pointee.scale), hessScale = Floats(plan.pointee.scale * args.hessian_scale)
        let gamma = ShortGamma(args.gamma)
        let summed = args.reduced_loss == nil ? nil : scratch.loss
        var i = 0
        while i < count {
            let signed = Floats(loading: scratch.weights + i)
            let m = Margin(
                score: Floats(loading: scratch.scores + i), target: signed, e: Floats(loading: scratch.e + i),
                reciprocal: Floats(loading: scratch.reciprocal + i))
            let w = gamma.weigh(signed, m)
            let slope = m.slope(w, gamma.value, isSharp: false)
            if let grad { stored.store(slope * gradScale, grad, i) }
            if let hess {
                let curvature = m.curvature(w.magnitude, gamma.value, slope: slope.magnitude, mode: args.hessian)
                stored.store(curvature * hessScale, hess, i)
            }
            if let loss { stored.store(w.magnitude * m.loss, loss, i) }
            if let summed { (w.magnitude * m.loss).store(to: summed + i) }
            i &+= Floats.count
        }
    }
}

extension Margin where V == Floats {
    /// Without low parts.
    @_transparent init(score: V, target: V, e: V, reciprocal: V) {
        let ratio = e * reciprocal
        let u = score.flippingSign(where: target)
        let isWrong = u.isNegative
        let log1p = V.log1p(Pair(e, V.zero), ratio: Pair(ratio, V.zero), isSharp: false)
        self.init(
            u: Pair(u, V.zero), log1p: Pair(log1p.hi, V.zero), p: V.select(isWrong, ratio, reciprocal),
            q: Pair(V.select(isWrong, reciprocal, ratio), V.zero))
    }
}

/// A gamma, and how its power is taken: by products where it is a multiple of a half up to 5, else by an exponential.
private struct ShortGamma {
    let value: Floats
    private let halves: Int
    private let isAny: Bool

    @inline(__always) init(_ gamma: Double) {
        value = Floats(gamma)
        isAny = !GammaHalves.covers(gamma)
        halves = isAny ? 0 : Int(gamma * 2)
    }

    /// w q^gamma
    @inline(__always) func weigh(_ w: Floats, _ m: Margin<Floats>) -> Floats {
        if isAny { return w * Floats.exp(minus: value * (m.u.atLeast(Floats.zero) + m.log1p.hi)).hi }
        let q = m.q.hi, square = q * q
        var power = w
        if halves & 1 != 0 { power = power * q.squareRoot }
        if halves & 2 != 0 { power = power * q }
        if halves & 4 != 0 { power = power * square }
        if halves & 8 != 0 { power = power * (square * square) }
        return power
    }
}

/// Arrays of a 16-bit type, or of float.
private struct Short {
    let dtype: Int32

    @inline(__always) func load(_ p: UnsafeRawPointer, _ i: Int) -> Floats {
        switch dtype {
        case FOCAL_DTYPE_BF16: SingleFromBF16.load(p + i &* 2)
        case FOCAL_DTYPE_F16: SingleFromF16.load(p + i &* 2)
        default: Unchanged<Float>.load(p + i &* 4)
        }
    }

    @inline(__always) func store(_ v: Floats, _ p: UnsafeMutableRawPointer, _ i: Int) {
        switch dtype {
        case FOCAL_DTYPE_BF16: focal_store_bf16_of_short(p + i &* 2, v.v)
        case FOCAL_DTYPE_F16: SingleFromF16.store(v, p + i &* 2)
        default: Unchanged<Float>.store(v, p + i &* 4)
        }
    }
}
