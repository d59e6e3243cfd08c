/// A sum over the classes of a sample, with the part of its top class (`SoftmaxSample.top`) apart.  What is left without that
/// class, which its derivatives need, is then a sum of its own: taken from the whole it would be lost where the top's part is
/// nearly all.
struct ClassSum {
    private(set) var rest = Doubles.zero
    private var top = Doubles.zero

    mutating func add(_ own: Doubles, isTop: Doubles.Mask) {
        rest = rest + Doubles.select(isTop, Doubles.zero, own)
        top = top + Doubles.select(isTop, own, Doubles.zero)
    }

    /// The sums of all lanes, in every lane.
    var total: ClassSum {
        var folded = ClassSum()
        folded.rest = Doubles(rest.sum)
        folded.top = Doubles(top.sum)
        return folded
    }

    var all: Doubles { rest + top }

    /// The sum over all classes but each lane's own.  The subtraction is only for classes with p <= 1/2: an error of the size
    /// of their own part, times p, is small beside that part times 1 - p, which the derivatives have as well.
    func beside(_ own: Doubles, isTop: Doubles.Mask) -> Doubles { Doubles.select(isTop, rest, all - own) }
}

/// The sum H of functions h_k of log p_k, with their first two derivatives by it.
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

    var all: Jet { Jet(value.all, first.all, second.all) }

    /// H by one score z_j.  With d log p_k / dz_j = [k = j] - p_j, q = 1 - p and sums over k != j:
    ///
    ///     dH = h'_j q_j - p_j sum h'_k        d2H = h''_j q_j^2 + p_j^2 sum h''_k - p_j q_j (h'_j + sum h'_k)
    func along(_ own: Jet, p: Doubles, q: Doubles, isTop: Doubles.Mask) -> Jet {
        let besideFirst = first.beside(own.first, isTop: isTop), besideSecond = second.beside(own.second, isTop: isTop)
        return Jet(
            value.all, own.first * q - p * besideFirst,
            own.second * q * q + p * p * besideSecond - p * q * first.all)
    }
}
