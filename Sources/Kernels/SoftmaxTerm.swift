import CKernels

/// The samples of one tile between the two passes over their classes: a column of doubles for each quantity, at most 64
/// samples.  What one stage no longer needs the next overwrites.
struct Samples {
    static let capacity = 64

    let base: UnsafeMutablePointer<Double>

    @inline(__always) private func column(_ index: Int) -> UnsafeMutablePointer<Double> { base + index &* Samples.capacity }

    // Known before the term.
    var shift: UnsafeMutablePointer<Double> { @inline(__always) get { column(0) } }
    var steps: UnsafeMutablePointer<Double> { @inline(__always) get { column(1) } }
    /// Over the classes beside the target: the largest exponential, and the sum of the others.
    var rest: UnsafeMutablePointer<Double> { @inline(__always) get { column(2) } }
    var top: UnsafeMutablePointer<Double> { @inline(__always) get { column(22) } }
    /// The target's score.
    var target: UnsafeMutablePointer<Double> { @inline(__always) get { column(3) } }
    /// alpha, class weight and sample weight; 0 where ignored.
    var weight: UnsafeMutablePointer<Double> { @inline(__always) get { column(4) } }
    var gamma: UnsafeMutablePointer<Double> { @inline(__always) get { column(5) } }
    /// 1 where the sums leave a target out, which then counts beside them (hessTarget, later): not an ignored sample's.
    var present: UnsafeMutablePointer<Double> { @inline(__always) get { column(14) } }

    // Made by the term.  A class's exponential E gives grad = gradFactor E, p = probability E and r = ratio E.
    var gradFactor: UnsafeMutablePointer<Double> { @inline(__always) get { column(6) } }
    var gradTarget: UnsafeMutablePointer<Double> { @inline(__always) get { column(7) } }
    var ratio: UnsafeMutablePointer<Double> { @inline(__always) get { column(8) } }
    var probability: UnsafeMutablePointer<Double> { @inline(__always) get { column(9) } }
    var probabilityTarget: UnsafeMutablePointer<Double> { @inline(__always) get { column(10) } }
    /// Of the largest class beside the target: 1 - r.
    var complement: UnsafeMutablePointer<Double> { @inline(__always) get { column(23) } }
    /// -a f' and a f'' times the Hessian's scale, and q.
    var slope: UnsafeMutablePointer<Double> { @inline(__always) get { column(11) } }
    var bend: UnsafeMutablePointer<Double> { @inline(__always) get { column(12) } }
    var q: UnsafeMutablePointer<Double> { @inline(__always) get { column(13) } }
    var hessTarget: UnsafeMutablePointer<Double> { @inline(__always) get { column(14) } }
    var loss: UnsafeMutablePointer<Double> { @inline(__always) get { column(15) } }
    var logSum: UnsafeMutablePointer<Double> { @inline(__always) get { column(16) } }
    /// What a chunk's exponentials stand relative to.
    var chunkShift: UnsafeMutablePointer<Double> { @inline(__always) get { column(20) } }
    var chunkSteps: UnsafeMutablePointer<Double> { @inline(__always) get { column(21) } }
    /// From a chunk's exponentials to the sample's.
    var chunkScale: UnsafeMutablePointer<Double> { @inline(__always) get { column(17) } }
    var gradScaled: UnsafeMutablePointer<Double> { @inline(__always) get { column(24) } }
    var ratioScaled: UnsafeMutablePointer<Double> { @inline(__always) get { column(25) } }
    var probabilityScaled: UnsafeMutablePointer<Double> { @inline(__always) get { column(26) } }
    /// The target's class here, or -1.
    var label: UnsafeMutablePointer<Double> { @inline(__always) get { column(18) } }
    /// A vector's sums on their way to the samples (the term's loss and log-sum, later).
    var chunkTop: UnsafeMutablePointer<Double> { @inline(__always) get { column(15) } }
    var chunkRest: UnsafeMutablePointer<Double> { @inline(__always) get { column(16) } }
    /// 1, or 0 for an ignored sample.
    var live: UnsafeMutablePointer<Double> { @inline(__always) get { column(19) } }

    @inline(__always) func mass(_ i: Int) -> Mass {
        Mass(
            shift: Doubles(loading: shift + i), steps: Doubles(loading: steps + i), rest: Doubles(loading: rest + i),
            top: Doubles(loading: top + i))
    }
    /// Adds a chunk's sums, whose references stand in the chunk's columns, to a vector of samples.
    @inline(__always) func add(rest: Doubles, top: Doubles, _ i: Int, isFirst: Bool) {
        let chunk = Mass(
            shift: Doubles(loading: chunkShift + i), steps: Doubles(loading: chunkSteps + i), rest: rest, top: top)
        setMass(isFirst ? chunk : mass(i) + chunk, i)
    }

    /// The factors of a chunk's exponentials, for all samples: products in double, for a factor alone may be out of a float's
    /// range (where the exponential that it meets is 0).
    func scaleChunk(_ count: Int, largest: Double) {
        var i = 0
        while i < count {
            let chunk = Mass(
                shift: Doubles(loading: chunkShift + i), steps: Doubles(loading: chunkSteps + i), rest: Doubles.zero,
                top: Doubles.zero)
            setFactors(chunk.scale(to: mass(i)), i, Doubles(largest))
            i &+= Doubles.count
        }
    }

    /// The same for one sample, whose chunk's reference stands elsewhere.
    func scaleChunk(of i: Int, at place: Int, largest: Double) {
        let chunk = Mass(
            shift: Doubles(chunkShift[place]), steps: Doubles(chunkSteps[place]), rest: Doubles.zero, top: Doubles.zero)
        let sample = Mass(shift: Doubles(shift[i]), steps: Doubles(steps[i]), rest: Doubles.zero, top: Doubles.zero)
        let scale = chunk.scale(to: sample).v[0], ratio = scale * ratio[i]
        chunkScale[i] = scale
        gradScaled[i] = scale * gradFactor[i]
        ratioScaled[i] = ratio < largest ? ratio : largest
        probabilityScaled[i] = scale * probability[i]
    }

    private func setFactors(_ scale: Doubles, _ i: Int, _ largest: Doubles) {
        scale.store(to: chunkScale + i)
        (scale * Doubles(loading: gradFactor + i)).store(to: gradScaled + i)
        (scale * Doubles(loading: ratio + i)).atMost(largest).store(to: ratioScaled + i)
        (scale * Doubles(loading: probability + i)).store(to: probabilityScaled + i)
    }

    @inline(__always) func setMass(_ mass: Mass, _ i: Int) {
        mass.shift.store(to: shift + i)
        mass.steps.store(to: steps + i)
        mass.rest.store(to: rest + i)
        mass.top.store(to: top + i)
    }
}

/// From the sums over classes to everything a sample's outputs are made of: the scalar function of the margin, in double for
/// every type of scores, a vector of samples at a time.
struct SoftmaxTerm {
    let plan: Plan
    let samples: Samples
    let count: Int

    /// One way for every gamma: beside the classes' exponentials one power a sample costs little, and in double it is exact
    /// enough.
    func run() {
        let args = plan.pointee.args
        let needsHess = args.hess != nil || args.hess_full != nil
        var i = 0
        while i < count {
            let mass = samples.mass(i)
            let z = Doubles(loading: samples.target + i)
            let exact = mass.exactSum
            let isAbsent = Doubles(loading: samples.present + i) == Doubles.zero
            let target = Pair.select(isAbsent, Pair(Doubles.zero, Doubles.zero), mass.exponentialPair(z))
            let (margin, total) = Margin.softmax(target: target, others: exact, distance: mass.distance(z))
            let others = exact.hi
            let gamma = Gamma(Pair(Doubles(loading: samples.gamma + i), Doubles.zero))
            let w = GammaAny.weight(margin, gamma)
            let a = Doubles(loading: samples.weight + i)
            let slope = margin.slope(w, gamma.value.hi, isSharp: GammaAny.isSharp)
            // Where no other class counts the slope is 0 and so is its share.
            let quotient = Pair(Doubles.one, Doubles.zero).quotient(exact), isAlone = others == Doubles.zero
            let share = Doubles.select(isAlone, Doubles.zero, quotient.hi)
            let scaled = a * slope * Doubles(plan.pointee.scale)
            (-scaled).store(to: samples.gradTarget + i)
            Doubles.select(isAlone, Doubles.zero, quotient * scaled).store(to: samples.gradFactor + i)
            Doubles.select(a == Doubles.zero, Doubles.zero, a * (w * margin.loss)).store(to: samples.loss + i)
            let inverse = Doubles.one / total
            inverse.store(to: samples.probability + i)
            margin.p.store(to: samples.probabilityTarget + i)
            if args.log_sum_exp != nil { (mass.reference + Logarithm.natural(total)).store(to: samples.logSum + i) }
            if needsHess {
                let scale = a * Doubles(plan.pointee.scale * args.hessian_scale)
                let exact = margin.curvature(w, gamma.value.hi, slope: slope, mode: FOCAL_HESSIAN_EXACT)
                share.store(to: samples.ratio + i)
                (mass.rest * share).store(to: samples.complement + i)
                margin.q.hi.store(to: samples.q + i)
                (scale * slope).store(to: samples.slope + i)
                (scale * exact).store(to: samples.bend + i)
                let target = scale * margin.curvature(w, gamma.value.hi, slope: slope, mode: args.hessian)
                target.atLeast(Doubles(args.hessian_floor)).store(to: samples.hessTarget + i)
            }
            i &+= Doubles.count
        }
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
            let farther = Doubles.select(isWrong, Logarithm.natural(others.hi) - distance, Doubles(1e4))
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
