/// A sum of exponentials, relative to e^shift 2^steps: the true sum is e^shift 2^steps (rest + top).  The largest stands
/// apart, so that what is left without it, which 1 - p of that class needs, is not lost in the sum.
///
/// With z = n ln 2 + r, e^z is 2^n e^r: exact to an ulp however far z lies from 0 or from the maximum, because no difference
/// of two scores is ever rounded.  Only where |z| is large is `shift` the maximum itself, and there the differences that
/// matter are exact (Sterbenz's lemma).  Infinite maxima fit in: the shift is infinite, scores equal to it count 1.
struct Mass {
    var shift: Doubles
    var steps: Doubles
    var rest: Doubles
    var top: Doubles

    static var none: Mass {
        Mass(shift: Doubles(-Double.infinity), steps: Doubles.zero, rest: Doubles.zero, top: Doubles.zero)
    }

    /// The sum without the addition's error, which a power of it would multiply.
    @_transparent var exactSum: Pair<Doubles> { Pair.sum(top, rest) }

    /// log of the reference without its headroom, which would cost logarithms their digits: that of the largest's binade.
    @_transparent var reference: Doubles { binade.times(Doubles(0x1.62e42fefa39efp-1), plus: shift) }
    @_transparent private var binade: Doubles { steps + Doubles(Exponential.headroom) }

    /// log of the true sum that `sum` stands for.
    @_transparent func logarithm(_ sum: Doubles) -> Doubles { shift + Logarithm.natural(sum, binades: steps) }

    /// log of a sum, less `reference`.
    @_transparent static func log(_ sum: Doubles) -> Doubles { Logarithm.natural(sum * Doubles(Exponential.underHeadroom)) }

    /// The sum of two, relative to the larger reference.  A difference of steps scales exactly.
    @inline(never) static func + (a: Mass, b: Mass) -> Mass {
        let sameShift = a.shift == b.shift
        let (ra, rb) = (a.reference, b.reference)
        let bIsLarger = Doubles.select(sameShift, a.steps, ra) < Doubles.select(sameShift, b.steps, rb)
        var scaleA = powerOfTwo(a.steps - b.steps), scaleB = powerOfTwo(b.steps - a.steps)
        if Doubles.any(Doubles.not(sameShift)) {
            scaleA = Doubles.select(sameShift, scaleA, Doubles.exp(minus: (rb - ra).atLeast(Doubles.zero)).hi)
            scaleB = Doubles.select(sameShift, scaleB, Doubles.exp(minus: (ra - rb).atLeast(Doubles.zero)).hi)
        }
        let one = Doubles.one
        let fa = Doubles.select(bIsLarger, scaleA, one), fb = Doubles.select(bIsLarger, one, scaleB)
        let (ta, tb) = (fa * a.top, fb * b.top)
        let isLess = ta < tb
        return Mass(
            shift: Doubles.select(bIsLarger, b.shift, a.shift), steps: Doubles.select(bIsLarger, b.steps, a.steps),
            rest: fa.times(a.rest, plus: fb * b.rest) + Doubles.select(isLess, ta, tb), top: Doubles.select(isLess, tb, ta))
    }

    /// What turns this mass's numbers into `other`'s, whose reference is no smaller (or by a step, where the other is that of all
    /// shards: a maximum near a whole binade may round to either in the lanes' format).
    @inline(never) func scale(to other: Mass) -> Doubles {
        let sameShift = shift == other.shift
        let power = Mass.powerOfTwo(steps - other.steps)
        guard Doubles.any(Doubles.not(sameShift)) else { return power }
        let below = (other.reference - reference) + Doubles.one
        return Doubles.select(sameShift, power, Doubles.exp(minus: below).hi * Doubles(0x1.5bf0a8b145769p1))
    }

    /// 2^n for an integer n <= 1, 0 below the normal range; 2 for larger ones, where it is not used.
    @_transparent static func powerOfTwo(_ n: Doubles) -> Doubles {
        let c = Doubles.exponential
        return Doubles.power(n.atMost(Doubles.one).atLeast(Doubles(-c.bias)) + Doubles(c.magic))
    }

    /// e^z relative to this reference, z no larger than it (or equal to an infinite one).
    @inline(__always) func exponential(_ z: Doubles) -> Doubles {
        let reference = Reference(shift: shift, steps: steps)
        return reference.near(reference.shifted(z))
    }

    /// The same as hi + lo, relative error near that of the polynomial: for the one class of a sample whose error a power
    /// multiplies.
    @inline(never) func exponentialPair(_ z: Doubles) -> Pair<Doubles> {
        let c = Doubles.exponential
        let x = Doubles.select(z == shift, Doubles.zero, z - shift)
            .atLeast(steps.times(Doubles(0x1.62e42fefa39efp-1), plus: Doubles(-c.reach)))
        let (shifted, exact, r) = Exponential.reduce(x)
        let lost = (shifted - Doubles(c.magic)).times(Doubles(-c.stepLo), plus: exact - r)
        let power = Doubles.exp(minus: -r)
        let scale = Doubles.power((shifted - steps).atLeast(Doubles(c.magic - c.bias)))
        return Pair(power.hi * scale, power.hi.times(lost, plus: power.lo) * scale)
    }

    /// z less `reference`.
    @_transparent func distance(_ z: Doubles) -> Doubles {
        let x = Doubles.select(z == shift, Doubles.zero, z - shift)
        return binade.times(Doubles(-0x1.3de6af278ece6p-42), plus: binade.times(Doubles(-0x1.62e42fefa3p-1), plus: x))
    }
}

/// What the exponentials of some classes of one sample are relative to.
struct PartReference {
    let shift: Double
    let steps: Double
    /// Relative to 1, and all in the format's range: see `Moderate`.
    let isModerate: Bool

    static var moderate: PartReference { PartReference(shift: 0, steps: 0, isModerate: true) }
}

/// Their sum.
struct PartSum {
    var reference: PartReference
    var rest: Double
    var top: Double

    /// As the sums of a block are added to those before it.
    @inline(__always) mutating func add(rest other: Double, top number: Double) {
        rest += other + min(top, number)
        top = max(top, number)
    }

    /// As masses are added.
    @inline(never) mutating func add(_ other: PartSum) {
        if reference.shift == other.reference.shift && reference.steps == other.reference.steps {
            rest = (rest + other.rest) + min(top, other.top)
            top = max(top, other.top)
        } else {
            let sum = mass + other.mass
            reference = PartReference(shift: sum.shift.v[0], steps: sum.steps.v[0], isModerate: false)
            rest = sum.rest.v[0]
            top = sum.top.v[0]
        }
    }

    private var mass: Mass {
        Mass(shift: Doubles(reference.shift), steps: Doubles(reference.steps), rest: Doubles(rest), top: Doubles(top))
    }
}
