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
    /// A power of two between an exponential and its factor, of which a gradient's may be out of a float's range.
    var lift: UnsafeMutablePointer<Double> { @inline(__always) get { column(27) } }
    /// The target's class here, or -1.
    var label: UnsafeMutablePointer<Double> { @inline(__always) get { column(18) } }
    /// A chunk's sums on their way to the samples (the term's loss and log-sum, later), and a block's.
    var chunkTop: UnsafeMutablePointer<Double> { @inline(__always) get { column(15) } }
    var chunkRest: UnsafeMutablePointer<Double> { @inline(__always) get { column(16) } }
    var blockTop: UnsafeMutablePointer<Double> { @inline(__always) get { column(6) } }
    var blockRest: UnsafeMutablePointer<Double> { @inline(__always) get { column(7) } }
    /// 1, or 0 for an ignored sample.
    var live: UnsafeMutablePointer<Double> { @inline(__always) get { column(19) } }

    /// Each vector of so many samples' columns.
    @inline(__always) func forEachVector(_ count: Int, _ body: (Int) -> Void) {
        var i = 0
        while i < count {
            body(i)
            i &+= Doubles.count
        }
    }

    @inline(__always) func mass(_ i: Int) -> Mass {
        Mass(
            shift: Doubles(loading: shift + i), steps: Doubles(loading: steps + i), rest: Doubles(loading: rest + i),
            top: Doubles(loading: top + i))
    }
    /// Adds a block's sums to those of its chunk.
    @inline(__always) func addBlock(rest: Doubles, top: Doubles, _ i: Int, isFirst: Bool) {
        var sums = isFirst ? Extremes() : Extremes(top: Doubles(loading: chunkTop + i), rest: Doubles(loading: chunkRest + i))
        sums.add(rest: rest, top: top)
        sums.top.store(to: chunkTop + i)
        sums.rest.store(to: chunkRest + i)
    }

    /// The sum of one sample's chunk.
    @inline(__always) func set(_ sum: PartSum, _ i: Int) {
        set(sum.reference, i)
        chunkRest[i] = sum.rest
        chunkTop[i] = sum.top
    }

    @inline(__always) func set(_ reference: PartReference, _ i: Int) {
        chunkShift[i] = reference.shift
        chunkSteps[i] = reference.steps
    }

    /// Adds a chunk's sums to those of its samples.
    @inline(never) func addChunk(_ count: Int, isFirst: Bool) {
        var i = 0
        while i < count {
            let chunk = Mass(
                shift: Doubles(loading: chunkShift + i), steps: Doubles(loading: chunkSteps + i),
                rest: Doubles(loading: chunkRest + i), top: Doubles(loading: chunkTop + i))
            setMass(isFirst ? chunk : mass(i) + chunk, i)
            i &+= Doubles.count
        }
    }

    /// The factors of a chunk's exponentials: products in double.  A gradient's, times a large scale or a small one, is lifted
    /// into a float's range, which no exponential that counts then leaves: their product is no more than the scale.
    /// Of ratios and probabilities those that the term has made: what else stands there may be subnormal, and slow.
    /// isWhole: the chunk is all of its samples, and the scale 1.
    @inline(never) func scaleChunk(_ count: Int, _ plan: Plan, isWhole: Bool, largest: Double) {
        let hasRatios = plan.pointee.args.hess != nil, hasProbabilities = plan.pointee.args.probabilities != nil
        var i = 0
        while i < count {
            let chunk = Mass(
                shift: Doubles(loading: chunkShift + i), steps: Doubles(loading: chunkSteps + i), rest: Doubles.zero,
                top: Doubles.zero)
            let scale = isWhole ? Doubles.one : chunk.scale(to: mass(i))
            let grad = scale * Doubles(loading: gradFactor + i), size = grad.magnitude
            func power(_ ofLarge: Double, _ ofSmall: Double) -> Doubles {
                let upTo = Doubles.select(size < Doubles(0x1p-100), Doubles(ofSmall), Doubles.one)
                return Doubles.select(Doubles(0x1p100) < size, Doubles(ofLarge), upTo)
            }
            (grad * power(0x1p-96, 0x1p96)).store(to: gradScaled + i)
            power(0x1p96, 0x1p-96).store(to: lift + i)
            if hasProbabilities { (scale * Doubles(loading: probability + i)).store(to: probabilityScaled + i) }
            if hasRatios {
                scale.store(to: chunkScale + i)
                (scale * Doubles(loading: ratio + i)).atMost(Doubles(largest)).store(to: ratioScaled + i)
            }
            i &+= Doubles.count
        }
    }

    @inline(__always) func setMass(_ mass: Mass, _ i: Int) {
        mass.shift.store(to: shift + i)
        mass.steps.store(to: steps + i)
        mass.rest.store(to: rest + i)
        mass.top.store(to: top + i)
    }

    @inline(__always) func setMass(_ i: Int, shift: Double, steps: Double, rest: Double, top: Double) {
        self.shift[i] = shift
        self.steps[i] = steps
        self.rest[i] = rest
        self.top[i] = top
    }
}
