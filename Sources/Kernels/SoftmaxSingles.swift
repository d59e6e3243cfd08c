import CKernels

/// The term of scores of at most float's digits: the sigmoid's, of each sample's margin u.  e = exp(-|u|) takes in what u lost
/// in rounding to float, and all that has the sample's weight or scale is left to doubles.
struct SoftmaxSingles {
    let plan: Plan
    let samples: Samples
    let count: Int
    let scratch: Scratch<Floats>

    /// Of sharded classes some samples have no target here, and of classes with gammas of their own the loop has many.  The
    /// baseline has the exact way alone: a second would not fit the library's size.
    static func serves(_ plan: Plan) -> Bool {
        #if ISA_X86_64
            return false
        #else
            let args = plan.pointee.args
            return args.score_dtype != FOCAL_DTYPE_F64 && args.gammas == nil && args.shard_total == 0
        #endif
    }

    /// Returns whether all samples are mild.
    @inline(never) func run() -> Bool {
        let isPower = GammaAny.serves(plan.pointee.args.gamma)
        var areMild = true
        samples.forEachVector(count) { i in areMild = fillMargins(i, isPower: isPower) && areMild }
        // Of this module, whatever the table has: a CPU takes its time to pass between registers of 256 and of 512 bits.
        typealias V = Floats.Register
        SigmoidTerm<V>(
            plan: plan, count: (count &+ V.count &- 1) & ~(V.count &- 1), scores: scratch.scores, scratch: Scratch(scratch.base),
            loss: scratch.loss, grad: scratch.grad, hess: plan.pointee.args.hess == nil ? nil : bends
        ).run()
        return areMild
    }

    private var bends: UnsafeMutablePointer<Float> { scratch.loss + Samples.capacity }

    /// u = z_t - log(sum of the others) as the sum of two floats, NaN where it is out of range; without others it is so large
    /// that the loss is 0.  And what q^gamma is to be multiplied by: where it is no product of q but exp(-gamma log(1 + e^u)),
    /// it lacks what u lost.
    @inline(__always) private func fillMargins(_ i: Int, isPower: Bool) -> Bool {
        let mass = samples.mass(i), others = mass.rest + mass.top
        let u = (Doubles(loading: samples.target + i) - mass.shift) - Logarithm.plain(others, binades: mass.steps)
        let isMild = others.times(Doubles(0x1p-900), plus: u.magnitude) < Doubles(1e30)
        DoubleFromF32.store(Doubles.select(isMild, u, Doubles(Double.nan)), scratch.scores + i)
        let lost = u - DoubleFromF32.load(scratch.scores + i)
        DoubleFromF32.store(lost, scratch.eLow + i)
        var weight = Doubles.one
        if isPower {
            let power = Doubles.select(u < Doubles.zero, Doubles.zero, Doubles(-plan.pointee.args.gamma))
            weight = lost.times(power, plus: weight)
        }
        DoubleFromF32.store(weight, scratch.weights + i)
        return !Doubles.any(Doubles.not(isMild))
    }

    /// Where neither the margin nor a sum is out of range, or NaN.
    @inline(__always) func isMild(_ i: Int) -> Doubles.Mask {
        let u = DoubleFromF32.load(scratch.scores + i)
        return u == u
    }

    @inline(__always) func slope(_ i: Int) -> SoftmaxSlope {
        SoftmaxSlope(loss: read(scratch.loss, i), slope: -read(scratch.grad, i), share: samples.share(i))
    }

    @inline(__always) func outcome(_ i: Int) -> SoftmaxOutcome {
        let mass = samples.mass(i), isAbsent = samples.isAbsent(i), isWrong = read(scratch.scores, i) < Doubles.zero
        let e = read(scratch.e, i) + read(scratch.eLow, i), larger = Doubles.one / (Doubles.one + e), smaller = e * larger
        let share = samples.share(i), q = Doubles.select(isWrong, larger, smaller)
        var logSum = Doubles.zero
        if plan.pointee.args.log_sum_exp != nil {
            let others = mass.logarithm(mass.rest + mass.top)
            let most = Doubles.select(isWrong, others, Doubles(loading: samples.target + i))
            logSum = Doubles.select(isAbsent, others, most + Logarithm.natural(Doubles.one + e))
        }
        return SoftmaxOutcome(
            p: Doubles.select(isWrong, smaller, larger), q: q, probability: Doubles.select(isAbsent, share, q * share),
            bend: read(bends, i), logSum: logSum)
    }

    @inline(__always) private func read(_ array: UnsafeMutablePointer<Float>, _ i: Int) -> Doubles {
        DoubleFromF32.load(array + i)
    }
}

extension Samples {
    /// Where the target is among the others, or is not to count.
    @inline(__always) func isAbsent(_ i: Int) -> Doubles.Mask { Doubles(loading: present + i) == Doubles.zero }
    /// 1 / others, 0 where no other class counts.
    @inline(__always) func share(_ i: Int) -> Doubles {
        let mass = mass(i), others = mass.rest + mass.top
        return Doubles.select(others == Doubles.zero, Doubles.zero, Doubles.one / others)
    }
}
