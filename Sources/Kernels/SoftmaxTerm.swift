import CKernels

/// From the sums over classes to everything a sample's outputs are made of: the scalar function of the margin, a vector of
/// samples at a time.
struct SoftmaxTerm {
    let plan: Plan
    let samples: Samples
    let count: Int
    /// Where the sigmoid's term has its arrays.
    let scratch: Scratch<Floats>

    func run() {
        let args = plan.pointee.args, everyLane = Doubles.zero == Doubles.zero
        let singles = SoftmaxSingles(plan: plan, samples: samples, count: count, scratch: scratch)
        let isShort = SoftmaxSingles.serves(plan)
        let wantsMore = args.hess != nil || args.probabilities != nil || args.log_sum_exp != nil
        if isShort {
            let areMild = singles.run()
            samples.forEachVector(count) { i in put(singles.slope(i), i, everyLane) }
            if areMild && !wantsMore { return }
        }
        samples.forEachVector(count) { i in
            // Each sample goes its own way: what stands beside it must not change its bits.
            let isMild = isShort ? singles.isMild(i) : Doubles.not(everyLane)
            if isShort && wantsMore { put(singles.outcome(i), singles.slope(i), i, isMild) }
            putExact(i, Doubles.not(isMild))
        }
    }

    /// In double, for any scores.  One way for every gamma: beside the classes' exponentials one power a sample costs little.
    @inline(never) private func putExact(_ i: Int, _ mask: Doubles.Mask) {
        guard Doubles.any(mask) else { return }
        let mass = samples.mass(i), gamma = Doubles(loading: samples.gamma + i), score = Doubles(loading: samples.target + i)
        let others = mass.exactSum
        let target = Pair.select(samples.isAbsent(i), Pair(Doubles.zero, Doubles.zero), mass.exponentialPair(score))
        let (margin, total) = Margin.softmax(target: target, others: others, distance: mass.distance(score))
        let weight = GammaAny.weight(margin, Gamma(Pair(gamma, Doubles.zero)))
        let slope = SoftmaxSlope(
            loss: weight * margin.loss(isSharp: true), slope: margin.slope(weight, gamma, isSharp: GammaAny.isSharp),
            share: samples.share(i))
        let outcome = SoftmaxOutcome(
            p: margin.p, q: margin.q.hi, probability: Doubles.one / total,
            bend: margin.curvature(weight, gamma, slope: slope.slope, mode: FOCAL_HESSIAN_EXACT),
            logSum: plan.pointee.args.log_sum_exp == nil ? Doubles.zero : mass.logarithm(total))
        put(slope, i, mask)
        put(outcome, slope, i, mask)
    }

    @inline(__always) private func put(_ value: Doubles, _ column: UnsafeMutablePointer<Double>, _ mask: Doubles.Mask) {
        Doubles.select(mask, value, Doubles(loading: column)).store(to: column)
    }

    @inline(__always) private func put(_ own: SoftmaxSlope, _ i: Int, _ mask: Doubles.Mask) {
        let a = Doubles(loading: samples.weight + i), scaled = a * own.slope * Doubles(plan.pointee.scale)
        put(-scaled, samples.gradTarget + i, mask)
        put(own.share * scaled, samples.gradFactor + i, mask)
        put(Doubles.select(a == Doubles.zero, Doubles.zero, a * own.loss), samples.loss + i, mask)
    }

    @inline(never) private func put(_ own: SoftmaxOutcome, _ slope: SoftmaxSlope, _ i: Int, _ mask: Doubles.Mask) {
        let args = plan.pointee.args, rest = samples.mass(i).rest
        put(own.probability, samples.probability + i, mask)
        put(own.p, samples.probabilityTarget + i, mask)
        if args.log_sum_exp != nil { put(own.logSum, samples.logSum + i, mask) }
        guard args.hess != nil else { return }
        let scale = Doubles(loading: samples.weight + i) * Doubles(plan.pointee.scale * args.hessian_scale)
        put(slope.share, samples.ratio + i, mask)
        put(rest * slope.share, samples.complement + i, mask)
        put(own.q, samples.q + i, mask)
        put(scale * slope.slope, samples.slope + i, mask)
        put(scale * own.bend, samples.bend + i, mask)
        var target = own.bend
        switch args.hessian {
        case FOCAL_HESSIAN_GAUSS_NEWTON: target = own.p * slope.slope
        case FOCAL_HESSIAN_ABSOLUTE: target = own.bend.magnitude
        default: break
        }
        put((scale * target).atLeast(Doubles(args.hessian_floor)), samples.hessTarget + i, mask)
    }
}

/// What losses and gradients of a vector of samples are made of, before they are weighted.
struct SoftmaxSlope {
    let loss: Doubles  // f of the margin
    let slope: Doubles  // -f'
    let share: Doubles  // 1 / others, 0 where no other class counts: the slope is 0 there too
}

/// What their other outputs are made of.
struct SoftmaxOutcome {
    let p, q: Doubles
    let probability: Doubles  // of an exponential of 1
    let bend: Doubles  // f'', where a Hessian is wanted
    let logSum: Doubles  // where it is wanted
}

extension Margin where V == Doubles {
    /// The margin of a softmax target, u = log(target / others), without forming 1 - p; and the sum of both.  Pairs, because
    /// q^gamma multiplies every error by gamma.
    /// distance: the target's log, relative to the reference of the sums; it serves where `target` underflows.
    @inline(never) static func softmax(
        target: Pair<Doubles>, others: Pair<Doubles>, distance: Doubles
    ) -> (margin: Margin, total: Doubles) {
        let isWrong = target.hi < others.hi
        let small = Pair.select(isWrong, target, others), large = Pair.select(isWrong, others, target)
        let e = small.quotient(large)
        // |u| from the quotient; from the scores where that is out of range.
        let log = Logarithm.pair(e.hi)
        var size = Pair.sum(-log.hi, -(log.lo + e.lo / e.hi))
        let isFar = e.hi < Doubles(0x1p-900)
        if Doubles.any(isFar) {
            let farther = Doubles.select(isWrong, Mass.log(others.hi) - distance, Doubles(1e4))
            size = Pair.select(isFar, Pair(farther, Doubles.zero), size)
        }
        let sum = Pair.sum(target.hi, others.hi)
        let total = Pair(sum.hi, sum.lo + (target.lo + others.lo))
        let margin = Margin(
            u: Pair.select(isWrong, Pair(-size.hi, -size.lo), size), log1p: Doubles.log1p(e), p: target.hi / total.hi,
            q: others.quotient(total))
        return (margin, total.hi)
    }
}
