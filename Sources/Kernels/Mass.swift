/// A sum of exponentials, relative to e^shift 2^steps: the true sum is e^shift 2^steps (rest + top).  The largest stands
/// apart, so that what is left without it, which 1 - p of that class needs, is not lost in the sum.
///
/// With z = n ln 2 + r, e^z is 2^n e^r: exact to an ulp however far z lies from 0 or from the maximum, because no difference
/// of two scores is ever rounded.  Only where |z| is large is `shift` the maximum itself, and there the differences that
/// matter are exact (Sterbenz's lemma).  Infinite maxima fit in: the shift is infinite, scores equal to it count 1.
struct Mass {
    var shift: F64x8
    var steps: F64x8
    var rest: F64x8
    var top: F64x8

    static var none: Mass {
        Mass(shift: F64x8(-Double.infinity), steps: F64x8.zero, rest: F64x8.zero, top: F64x8.zero)
    }

    @_transparent var sum: F64x8 { rest + top }
    /// The same without the addition's error, which a power of it would multiply.
    @_transparent var exactSum: Pair<F64x8> { Pair.sum(top, rest) }

    /// log of the reference.
    @_transparent var reference: F64x8 { steps.times(F64x8(0x1.62e42fefa39efp-1), plus: shift) }

    /// The sum of two, relative to the larger reference.  A difference of steps scales exactly.
    @inline(never) static func + (a: Mass, b: Mass) -> Mass {
        let sameShift = a.shift == b.shift
        let (ra, rb) = (a.reference, b.reference)
        let bIsLarger = F64x8.select(sameShift, a.steps, ra) < F64x8.select(sameShift, b.steps, rb)
        var scaleA = powerOfTwo(a.steps - b.steps), scaleB = powerOfTwo(b.steps - a.steps)
        if F64x8.any(F64x8.not(sameShift)) {
            scaleA = F64x8.select(sameShift, scaleA, F64x8.exp(minus: (rb - ra).atLeast(F64x8.zero)).hi)
            scaleB = F64x8.select(sameShift, scaleB, F64x8.exp(minus: (ra - rb).atLeast(F64x8.zero)).hi)
        }
        let one = F64x8.one
        let fa = F64x8.select(bIsLarger, scaleA, one), fb = F64x8.select(bIsLarger, one, scaleB)
        let (ta, tb) = (fa * a.top, fb * b.top)
        let isLess = ta < tb
        return Mass(
            shift: F64x8.select(bIsLarger, b.shift, a.shift), steps: F64x8.select(bIsLarger, b.steps, a.steps),
            rest: fa.times(a.rest, plus: fb * b.rest) + F64x8.select(isLess, ta, tb), top: F64x8.select(isLess, tb, ta))
    }

    /// What turns this mass's numbers into `other`'s, whose reference is no smaller (or by less than a step, where the other
    /// is that of all shards).
    @inline(never) func scale(to other: Mass) -> F64x8 {
        let sameShift = shift == other.shift
        let power = Mass.powerOfTwo(steps - other.steps)
        guard F64x8.any(F64x8.not(sameShift)) else { return power }
        let below = (other.reference - reference) + F64x8.one
        return F64x8.select(sameShift, power, F64x8.exp(minus: below).hi * F64x8(0x1.5bf0a8b145769p1))
    }

    /// 2^n for an integer n <= 0, 0 below the normal range; 1 for n > 0, where it is not used.
    @_transparent static func powerOfTwo(_ n: F64x8) -> F64x8 {
        let c = F64x8.exponential
        return F64x8.power(n.atMost(F64x8.zero).atLeast(F64x8(-c.bias)) + F64x8(c.magic))
    }

    /// e^z relative to this reference, z no larger than it (or equal to an infinite one).
    @inline(__always) func exponential(_ z: F64x8) -> F64x8 {
        let c = F64x8.exponential
        let x = F64x8.select(z == shift, F64x8.zero, z - shift)
        let top = steps * F64x8(0x1.62e42fefa39efp-1)
        return Exponential.relative(x, to: steps, lowest: top - F64x8(c.reach))
    }

    /// The same as hi + lo, relative error near that of the polynomial: for the one class of a sample whose error a power
    /// multiplies.
    @inline(never) func exponentialPair(_ z: F64x8) -> Pair<F64x8> {
        let c = F64x8.exponential
        let x = F64x8.select(z == shift, F64x8.zero, z - shift)
            .atLeast(steps.times(F64x8(0x1.62e42fefa39efp-1), plus: F64x8(-c.reach)))
        let (shifted, exact, r) = Exponential.reduce(x)
        let lost = (shifted - F64x8(c.magic)).times(F64x8(-c.stepLo), plus: exact - r)
        let power = F64x8.exp(minus: -r)
        let scale = F64x8.power((shifted - steps).atLeast(F64x8(c.magic - c.bias)))
        return Pair(power.hi * scale, power.hi.times(lost, plus: power.lo) * scale)
    }

    /// z less the log of the reference.
    @_transparent func distance(_ z: F64x8) -> F64x8 {
        let x = F64x8.select(z == shift, F64x8.zero, z - shift)
        return steps.times(F64x8(-0x1.3de6af278ece6p-42), plus: steps.times(F64x8(-0x1.62e42fefa3p-1), plus: x))
    }
}
