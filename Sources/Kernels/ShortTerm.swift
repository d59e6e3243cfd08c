import CKernels

/// The term of 16-bit scores whose outputs are of their type: 8 or 11 bits hide what the exact way's low parts add to 24, so
/// each number is one float.  Errors stay below some 20 ulp of float, or 2 gamma L where a power is small: a hundredth of
/// the short type's own, but for what underflows there.
///
/// Scores are read, and outputs rounded, in the caller's arrays where nothing else is to be done to them.  There is one loop
/// for both types: which a call has is a branch that always goes the same way.
struct ShortTerm<V: Singles>: ModulatorWork {
    let plan: Plan
    let count: Int  // of the block, whole vectors
    let scores: UnsafeRawPointer
    let scratch: Scratch<V>
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

    /// The same place of the next block, as in SigmoidTerm; a line beside it where that is in the scratch.
    @inline(__always) private func prefetch(_ array: UnsafeRawPointer, _ i: Int) { focal_prefetch(array + (count &+ i) &* 2) }

    private func exponentials() {
        let stored = stored
        var i = 0
        while i < count {
            let score = stored.load(scores, i)
            prefetch(scores, i)
            let e = V.exp(minus: score.magnitude).hi
            score.store(to: scratch.scores + i)
            e.store(to: scratch.e + i)
            (V.one / (V.one + e)).store(to: scratch.reciprocal + i)
            i &+= V.count
        }
    }

    /// What stands in the scratch has been widened, and what goes there will be rounded later.
    private var stored: Short<V> {
        Short(dtype: scores == UnsafeRawPointer(scratch.scores) ? FOCAL_DTYPE_F32 : plan.pointee.args.score_dtype)
    }

    func run() {
        exponentials()
        run(gamma: plan.pointee.args.gamma, everyClass: false)
    }

    func run<M: Modulator>(_: M.Type) {
        let args = plan.pointee.args, stored = stored
        @inline(__always) func put(_ value: V, _ output: UnsafeMutableRawPointer, _ i: Int) {
            prefetch(output, i)
            stored.store(value, output, i)
        }
        let gamma = Gamma<V>(args.gamma), g = gamma.value.hi
        let gradScale = V(-plan.pointee.scale), hessScale = V(plan.pointee.scale * args.hessian_scale)
        let summed = args.reduced_loss == nil ? nil : scratch.loss
        var i = 0
        while i < count {
            let signed = V(loading: scratch.weights + i)
            let m = Margin(
                score: V(loading: scratch.scores + i), target: signed, e: V(loading: scratch.e + i),
                reciprocal: V(loading: scratch.reciprocal + i))
            let w = M.weigh(signed, m, gamma)
            let slope = m.slope(w, g, isSharp: false)
            if let hess {
                let curvature = m.curvature(w.magnitude, g, slope: slope.magnitude, mode: args.hessian)
                put(curvature * hessScale, hess, i)
            }
            if let loss { put(w.magnitude * m.loss, loss, i) }
            if let summed { (w.magnitude * m.loss).store(to: summed + i) }
            // The last, because rounding needs registers, and by now most are free.
            if let grad { put(slope * gradScale, grad, i) }
            i &+= V.count
        }
    }
}

extension Margin where V: Singles {
    /// Without low parts.
    @_transparent init(score: V, target: V, e: V, reciprocal: V) {
        let ratio = e * reciprocal
        let u = score.flippingSign(where: target)
        let isWrong = u.isNegative
        self.init(
            u: Pair(u, V.zero), log1p: Pair(V.log1p(e, ratio: ratio), V.zero), p: V.select(isWrong, ratio, reciprocal),
            q: Pair(V.select(isWrong, reciprocal, ratio), V.zero))
    }
}

/// Arrays of a 16-bit type, or of float.
private struct Short<V: Singles> {
    let dtype: Int32

    @inline(__always) func load(_ p: UnsafeRawPointer, _ i: Int) -> V {
        switch dtype {
        case FOCAL_DTYPE_BF16: V(bf16: p + i &* 2)
        case FOCAL_DTYPE_F16: V(f16: p + i &* 2)
        default: V(loading: p.assumingMemoryBound(to: Float.self) + i)
        }
    }

    @inline(__always) func store(_ v: V, _ p: UnsafeMutableRawPointer, _ i: Int) {
        switch dtype {
        case FOCAL_DTYPE_BF16: v.store(bf16: p + i &* 2)
        case FOCAL_DTYPE_F16: v.store(f16: p + i &* 2)
        default: v.store(to: p.assumingMemoryBound(to: Float.self) + i)
        }
    }
}
