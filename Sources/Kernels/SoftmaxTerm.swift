import CKernels

/// From the sums over classes to everything a sample's outputs are made of: the scalar function of the margin, in double for
/// every type of scores, a vector of samples at a time.
struct SoftmaxTerm {
    let plan: Plan
    let samples: Samples
    let count: Int
    /// Scores of at most float's digits: plain double holds what is computed of them.
    let isShort: Bool

    func run() {
        // Classes may have gammas of their own.
        let common = plan.pointee.args.gammas == nil ? plan.pointee.args.gamma : -1
        let isPlain = SoftmaxTerm.hasPlain && isShort && common >= 0 && GammaHalves.covers(common)
        // Short stages over all samples rather than a long one over each vector: more of their chains fit the reorder window.
        if isPlain {
            forEachVector { i in Sums(samples, i, target: nil).target.store(to: targets + i) }
            forEachVector { i in
                Logarithm.plain1p(Sums(samples, i, target: targets).odds).store(to: losses + i)
            }
        }
        forEachVector { i in
            // Each sample goes its own way: what stands beside it must not change its bits.
            var rest = Doubles.zero == Doubles.zero
            if isPlain {
                let sums = Sums(samples, i, target: targets), isModerate = sums.isModerate
                rest = Doubles.not(isModerate)
                if Doubles.any(isModerate) { store(sums.plain(gamma: common, loss: Doubles(loading: losses + i)), i, isModerate) }
            }
            if Doubles.any(rest) {
                store(Sums(samples, i, target: nil).exact(gamma: Doubles(loading: samples.gamma + i)), i, rest)
            }
        }
    }

    // Between the stages, where the results will stand.
    private var targets: UnsafeMutablePointer<Double> { samples.probability }
    private var losses: UnsafeMutablePointer<Double> { samples.loss }

    @inline(__always) private func forEachVector(_ body: (Int) -> Void) {
        var i = 0
        while i < count {
            body(i)
            i &+= Doubles.count
        }
    }

    /// The baseline, whose softmax is not fast in any case, has but the exact way: a second would not fit the library's size.
    private static var hasPlain: Bool {
        #if ISA_X86_64
            false
        #else
            true
        #endif
    }

    /// What all outputs are multiples of.
    private struct Term {
        let margin: Margin<Doubles>
        let gamma: Doubles
        let weight: Doubles  // q^gamma
        let slope: Doubles
        let probability: Doubles  // of an exponential of 1
        let total: Doubles  // of all classes
        let share: Pair<Doubles>  // 1 / others, 0 where no other class counts: the slope is 0 there too
    }

    /// The sums of a vector of samples.
    private struct Sums {
        let mass: Mass
        let score: Doubles  // of the target
        let isAbsent: Doubles.Mask  // the target is among the others, or is not to count
        let target: Doubles
        let others: Doubles

        /// target: those that an earlier stage has made, if any.
        @inline(__always) init(_ samples: Samples, _ i: Int, target made: UnsafeMutablePointer<Double>?) {
            mass = samples.mass(i)
            score = Doubles(loading: samples.target + i)
            isAbsent = Doubles(loading: samples.present + i) == Doubles.zero
            target = made.map { Doubles(loading: $0 + i) } ?? Doubles.select(isAbsent, Doubles.one, mass.exponential(score))
            others = mass.rest + mass.top
        }

        /// No number here, nor a quotient of two, leaves the range of the format; nor is one NaN.
        @inline(__always) var isModerate: Doubles.Mask {
            Doubles.and(Doubles(0x1p-500) < target, others < Doubles(0x1p400))
        }

        /// (1 - p) / p
        @inline(__always) var odds: Doubles { others / target }

        /// loss: -log p, which is log(1 + others / target) in one piece, whatever the margin's sign.
        @inline(__always) func plain(gamma: Double, loss: Doubles) -> Term {
            let total = target + others, inverse = Doubles.one / total
            let margin = Margin(
                u: Pair(Doubles.zero, Doubles.zero), log1p: Pair(loss, Doubles.zero), p: target * inverse,
                q: Pair(others * inverse, Doubles.zero))
            let weight = GammaHalves.weight(margin, Gamma(gamma))
            let share = Doubles.select(others == Doubles.zero, Doubles.zero, Doubles.one / others)
            return Term(
                margin: margin, gamma: Doubles(gamma), weight: weight,
                slope: margin.slope(weight, Doubles(gamma), isSharp: false),
                probability: Doubles.select(isAbsent, share, inverse), total: Doubles.select(isAbsent, others, total),
                share: Pair(share, Doubles.zero))
        }

        /// One way for every gamma: beside the classes' exponentials one power a sample costs little.
        @inline(__always) func exact(gamma: Doubles) -> Term {
            let others = mass.exactSum
            let none = Pair(Doubles.zero, Doubles.zero)
            let target = Pair.select(isAbsent, none, mass.exponentialPair(score))
            let (margin, total) = Margin.softmax(target: target, others: others, distance: mass.distance(score))
            let weight = GammaAny.weight(margin, Gamma(Pair(gamma, Doubles.zero)))
            let share = Pair(Doubles.one, Doubles.zero).quotient(others)
            return Term(
                margin: margin, gamma: gamma, weight: weight, slope: margin.slope(weight, gamma, isSharp: GammaAny.isSharp),
                probability: Doubles.one / total, total: total, share: Pair.select(others.hi == Doubles.zero, none, share))
        }
    }

    @inline(never) private func store(_ term: Term, _ i: Int, _ mask: Doubles.Mask) {
        func put(_ value: Doubles, _ column: UnsafeMutablePointer<Double>) {
            Doubles.select(mask, value, Doubles(loading: column + i)).store(to: column + i)
        }
        let args = plan.pointee.args
        let margin = term.margin, w = term.weight
        let a = Doubles(loading: samples.weight + i)
        let scaled = a * term.slope * Doubles(plan.pointee.scale)
        let rest = samples.mass(i).rest
        put(-scaled, samples.gradTarget)
        put(term.share * scaled, samples.gradFactor)
        put(Doubles.select(a == Doubles.zero, Doubles.zero, a * (w * margin.loss(isSharp: true))), samples.loss)
        put(term.probability, samples.probability)
        put(margin.p, samples.probabilityTarget)
        if args.log_sum_exp != nil {
            put(samples.mass(i).logarithm(term.total), samples.logSum)
        }
        guard args.hess != nil else { return }
        let scale = a * Doubles(plan.pointee.scale * args.hessian_scale)
        let bend = margin.curvature(w, term.gamma, slope: term.slope, mode: FOCAL_HESSIAN_EXACT)
        put(term.share.hi, samples.ratio)
        put(rest * term.share.hi, samples.complement)
        put(margin.q.hi, samples.q)
        put(scale * term.slope, samples.slope)
        put(scale * bend, samples.bend)
        let target = scale * margin.curvature(w, term.gamma, slope: term.slope, mode: args.hessian)
        put(target.atLeast(Doubles(args.hessian_floor)), samples.hessTarget)
    }
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
