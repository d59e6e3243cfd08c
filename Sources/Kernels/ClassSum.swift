/// A sum over the classes of a sample, with the part of its top class (`SoftmaxSample.top`) apart.  What is left without that
/// class, which its derivatives need, is then a sum of its own: taken from the whole it would be lost where the top's part is
/// nearly all.
struct ClassSum {
    private(set) var rest = Doubles.zero
    private(set) var top = Doubles.zero
    /// What the additions to `rest` lost: there may be hundreds of thousands.
    private var lost = Doubles.zero

    mutating func add(_ own: Doubles, isTop: Doubles.Mask) {
        let sum = Pair.sum(rest, Doubles.select(isTop, Doubles.zero, own))
        rest = sum.hi
        lost = lost + sum.lo
        top = top + Doubles.select(isTop, own, Doubles.zero)
    }

    /// The sums of all lanes, in every lane.
    var total: ClassSum {
        var folded = ClassSum()
        folded.rest = Doubles(rest.sum + lost.sum)
        folded.top = Doubles(top.sum)
        return folded
    }

    var all: Doubles { rest + top }

    /// The sum over all classes but each lane's own.  The subtraction is only for classes with p <= 1/2: an error of the size
    /// of their own part, times p, is small beside that part times 1 - p, which the derivatives have as well.
    func beside(_ own: Doubles, isTop: Doubles.Mask) -> Doubles { Doubles.select(isTop, rest, all - own) }
}

/// Some classes' probabilities, as the derivatives of sums over all classes need them.
struct ClassShares {
    let p: Doubles
    let q: Doubles  // 1 - p
    let loss: Doubles  // -log p
    let beside: Doubles  // the share among the classes beside the top
    let isTop: Doubles.Mask
}

/// The sum H of a function of each class's p, with their first two derivatives: by log p, but for the top class by its margin
/// u = log(p / q), so that no power of a tiny q meets a tiny p on its own.
struct ClassJetSum {
    private var value = ClassSum()
    private var first = ClassSum()
    private var second = ClassSum()

    mutating func add(_ own: Jet, isTop: Doubles.Mask) {
        value.add(own.value, isTop: isTop)
        first.add(own.first, isTop: isTop)
        second.add(own.second, isTop: isTop)
    }

    var total: ClassJetSum {
        var folded = ClassJetSum()
        folded.value = value.total
        folded.first = first.total
        folded.second = second.total
        return folded
    }

    var all: Doubles { value.all }

    /// H by one score z_j.  d log p_k / dz_j = [k = j] - p_j and, for the top and with r_j the share beside it,
    /// du / dz_j = -r_j.  Sums over the classes beside the top:
    ///
    ///     j the top   dH = h'_u - p_j sum h'_k                       d2H = h''_u + p_j^2 sum h''_k - p_j q_j sum h'_k
    ///     another     dH = h'_j - p_j sum h'_k - h'_u r_j
    ///                 d2H = h''_j (1 - 2 p_j) + p_j^2 sum h''_k - p_j q_j sum h'_k + h''_u r_j^2 - h'_u r_j (1 - r_j)
    func along(_ own: Jet, _ c: ClassShares) -> Jet {
        let (p, q, r) = (c.p, c.q, c.beside)
        let ownFirst = Doubles.select(c.isTop, Doubles.zero, own.first),
            ownSecond = Doubles.select(c.isTop, Doubles.zero, own.second)
        let topFirst = Doubles.select(c.isTop, Doubles.one, -r) * first.top
        let topBend = Doubles.select(c.isTop, second.top, r * (r * second.top - (Doubles.one - r) * first.top))
        return Jet(
            value.all, topFirst + (ownFirst * q - p * (first.rest - ownFirst)),
            topBend + (ownSecond * q * q + p * p * (second.rest - ownSecond) - p * q * first.rest))
    }

    /// p_j q_j times the sum of all h' by log p: what a Gauss-Newton curvature is made of.
    func pull(_ c: ClassShares) -> Doubles {
        c.p * c.q * first.rest + Doubles.select(c.isTop, c.p, c.beside * c.q) * first.top
    }
}
