import CKernels

/// The classes of one sample in double, a vector at a time, for what is rare: class probabilities as targets, label smoothing,
/// the full Hessian.
struct SoftmaxSample {
    let plan: Plan
    let sample: Int
    let classes: Int
    private let first: Int
    private let stride: Int

    /// The class of the largest score, which alone may come so close to p = 1 that 1 - p would lose digits.
    private(set) var top = 0
    private(set) var maximum = -Double.infinity
    private var mass = Mass.none
    /// The sum of all exponentials, and that of all but the top's.
    private var total = 1.0
    private var rest = 0.0

    /// Two passes over the scores: the maximum, then the sums.  One class may be left out of both.
    init(_ plan: Plan, _ sample: Int, without absent: Int? = nil) {
        self.plan = plan
        self.sample = sample
        classes = Int(plan.pointee.args.classes)
        stride = Int(plan.pointee.args.inner)
        first = (sample / stride) &* classes &* stride &+ sample % stride
        for k in 0..<classes where k != absent && score(k) > maximum {
            maximum = score(k)
            top = k
        }
        let reference = Reference(maximum: Doubles(maximum))
        mass.shift = reference.shift
        mass.steps = reference.steps
        var sums = Doubles.zero
        forEachVector { k, count in sums = sums + lanes(k, count, beyond: 0) { $0 == top || $0 == absent ? 0 : exponential($0) } }
        rest = sums.sum
        total = rest + (top == absent ? 0 : exponential(top))
    }

    func element(_ klass: Int) -> Int { first &+ klass &* stride }

    func score(_ klass: Int) -> Double {
        let dtype = plan.pointee.args.score_dtype
        return scalar(dtype, plan.pointee.args.scores.unsafelyUnwrapped + element(klass) &* size(of: dtype))
    }

    var logSum: Double { mass.logarithm(Doubles(total)).v[0] }

    /// The sum of exponentials relative to the maximum.
    var sumFromMaximum: Double { total / mass.exponential(Doubles(maximum)).v[0] }

    private func exponential(_ klass: Int) -> Double { mass.exponential(Doubles(score(klass))).v[0] }

    /// Calls body with the first class of each vector and their number.
    @inline(__always) func forEachVector(_ body: (Int, Int) -> Void) {
        var k = 0
        while k < classes {
            body(k, min(Doubles.count, classes &- k))
            k &+= Doubles.count
        }
    }

    @inline(__always) func lanes(_ klass: Int, _ count: Int, beyond: Double, _ value: (Int) -> Double) -> Doubles {
        var v = Doubles.Storage(repeating: beyond)
        for i in 0..<count { v[i] = value(klass &+ i) }
        return Doubles(v)
    }

    /// Some classes' probabilities; those beyond the end have p = 0 and no loss.
    @inline(never) func shares(_ klass: Int, _ count: Int) -> ClassShares {
        let z = lanes(klass, count, beyond: -.infinity, score)
        let e = mass.exponential(z)
        let sum = Doubles(total)
        var p = e / sum, q = Doubles.one - p
        var loss = Mass.log(sum) - mass.distance(z), ofTop = Doubles.zero
        if top >= klass && top < klass &+ count {
            let i = top &- klass
            ofTop.v[i] = 1
            let ratio = Doubles(rest) / Doubles(e.v[i])
            q.v[i] = rest / total
            loss.v[i] = Doubles.log1p(Pair(ratio.atMost(Doubles.one), Doubles.zero)).hi.v[0]
            if ratio.v[0] > 1 { loss.v[i] = Logarithm.natural(Doubles(total / e.v[i])).v[0] }
        }
        for i in count..<Doubles.count {
            p.v[i] = 0
            loss.v[i] = 0
        }
        let beside = rest == 0 ? Doubles.zero : e / Doubles(rest)
        return ClassShares(p: p, q: q, loss: loss, beside: beside, isTop: ofTop == Doubles.one)
    }

    // MARK: - The margin of a label

    /// -f' and f'' of the label's margin.
    func derivatives(_ target: Int, gamma: Double) -> (slope: Double, bend: Double) {
        let z = Doubles(score(target))
        let others = Pair(Doubles(beside(target)), Doubles.zero)
        let margin = Margin.softmax(target: mass.exponentialPair(z), others: others, distance: mass.distance(z)).margin
        let g = Gamma<Doubles>(gamma)
        let w = GammaAny.weight(margin, g)
        let slope = margin.slope(w, g.value.hi, isSharp: GammaAny.isSharp)
        return (slope.v[0], margin.curvature(w, g.value.hi, slope: slope, mode: FOCAL_HESSIAN_EXACT).v[0])
    }

    /// Fills `ratios` with r_k, the shares of the classes among those beside the target (0 for the target), and returns the
    /// class with the largest and its 1 - r_k, the only one that could cancel.
    func fillRatios(_ ratios: UnsafeMutablePointer<Double>, beside target: Int) -> (largest: Int, complement: Double) {
        let others = beside(target)
        var largest = target == 0 && classes > 1 ? 1 : 0
        for k in 0..<classes {
            ratios[k] = k == target || others == 0 ? 0 : exponential(k) / others
            if k != target && ratios[k] > ratios[largest] { largest = k }
        }
        var complement = 0.0
        for k in 0..<classes where k != largest { complement += ratios[k] }
        return (largest, complement)
    }

    private func beside(_ target: Int) -> Double {
        if target == top { return rest }
        var sum = 0.0
        for k in 0..<classes where k != target { sum += exponential(k) }
        return sum
    }
}
