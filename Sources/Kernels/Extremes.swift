/// The largest of many numbers >= 0, and the sum of all others.
struct Extremes<V: Arithmetic> {
    var top = V.zero
    var rest = V.zero

    @inline(__always) mutating func add(top number: V) {
        let isLess = top < number
        rest = rest + V.select(isLess, top, number)
        top = V.select(isLess, number, top)
    }

    @inline(__always) mutating func add(rest other: V, top number: V) {
        let isLess = top < number
        rest = rest + (other + V.select(isLess, top, number))
        top = V.select(isLess, number, top)
    }
}
