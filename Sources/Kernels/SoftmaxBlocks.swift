import CKernels

/// The inner loop of a softmax over long rows of moderate scores: their exponentials, and the sums of these beside the target's.
struct SoftmaxBlocks<V: Arithmetic> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// From what crosses C (kernels.h).
    static func run(_ rows: UnsafePointer<focal_rows>?) -> Int64 {
        let given = rows.unsafelyUnwrapped.pointee
        return Int64(
            SoftmaxBlocks(
                scratch: SoftmaxScratch(given.scratch.unsafelyUnwrapped),
                scores: given.scores.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self),
                exponentials: given.exponentials.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self),
                stride: Int(given.stride), classes: Int(given.classes), start: Int(given.start), first: Int(given.first),
                rows: Int(given.count), isLast: given.is_last != 0
            ).run())
    }

    let scratch: SoftmaxScratch<V.Scalar.Vector>
    let scores: UnsafePointer<V.Scalar>
    let exponentials: Array
    /// From a row to the next, in both arrays.
    let stride: Int
    /// Of each row those from `start` on.
    let classes: Int
    let start: Int
    /// The first row's place among the samples.
    let first: Int
    let rows: Int
    /// Nothing behind the last row is to be touched.  Behind the others a vector is read, and overwritten.
    let isLast: Bool

    /// A page: the hardware's prefetchers stop at each.
    private static var ahead: Int { 4096 / MemoryLayout<V.Scalar>.size }

    /// Puts sums and targets among the samples, and returns how many rows came before the first that seems not moderate: what
    /// stands behind a row may make it seem so.
    @inline(__always) private func run() -> Int {
        var r = 0
        while r < rows && row(r) { r &+= 1 }
        return r
    }

    @inline(__always) private func row(_ r: Int) -> Bool {
        let samples = scratch.samples, sample = first &+ r, target = Int(samples.label[sample]) &- start
        let scores = scores + r &* stride, exponentials = exponentials + r &* stride
        if target >= 0 && target < classes { samples.target[sample] = Double(scores[target]) }
        var sum = PartSum(reference: .moderate, rest: 0, top: 0), farthest = V.zero
        var i = 0
        while i < classes {
            let count = min(SoftmaxScratch<V.Scalar.Vector>.block, classes &- i)
            let sums = block(scores + i, exponentials + i, count, target &- i, isLast: isLast && r &+ 1 == rows, &farthest)
            sum.add(rest: Double(sums.rest), top: Double(sums.top))
            i &+= count
        }
        samples.set(sum, sample)
        return V.fold(rest: farthest, top: farthest).top <= V.Scalar(Moderate.reach)
    }

    @inline(__always) private func block(
        _ scores: UnsafePointer<V.Scalar>, _ exponentials: Array, _ count: Int, _ target: Int, isLast: Bool, _ farthest: inout V
    ) -> (rest: V.Scalar, top: V.Scalar) {
        var from = scores, to = exponentials
        let rest = count & (V.count &- 1), isApart = rest != 0 && isLast
        if isApart {
            to = scratch.row
            from = UnsafePointer(to)
            V.zero.store(to: to + (count &- rest))
            focal_copy(to, scores, count &* MemoryLayout<V.Scalar>.stride)
        }
        var sums = BlockSums<V>(scratch, count, beside: target)
        var i = 0
        repeat {
            focal_prefetch(scores + (i &+ Self.ahead))
            focal_prefetch(exponentials + (i &+ Self.ahead))
            let z = V(loading: from + i)
            farthest = farthest.atLeast(sizeOf: z)
            let e = Exponential.plain(z)
            e.store(to: to + i)
            sums.add(e, at: i)
            i &+= V.count
        } while i < count
        if isApart { focal_copy(exponentials, to, count &* MemoryLayout<V.Scalar>.stride) }
        return sums.folded
    }
}

/// The sums of a block beside the target's part: class k in sum k modulo 16, whatever the lanes.
struct BlockSums<V: Arithmetic> {
    private var now = Extremes<V>(), next = Extremes<V>()
    private let window: UnsafePointer<V.Scalar>
    private let edge: UnsafePointer<V.Scalar>
    private let count: Int

    @inline(__always) init(_ scratch: SoftmaxScratch<V.Scalar.Vector>, _ count: Int, beside target: Int) {
        window = scratch.window(beside: target)
        edge = scratch.edge(count & (V.count &- 1))
        self.count = count
    }

    /// Whether every other vector has its own: where it has fewer lanes than there are sums.
    private static var takesTurns: Bool { V.count < SoftmaxScratch<V.Scalar.Vector>.sums }

    /// The exponentials of class i and those behind it, of which the last vector has some past the end.
    @inline(__always) mutating func add(_ exponentials: V, at i: Int) {
        var others = exponentials.intersection(V(loading: window + i))
        if i &+ V.count > count { others = others.intersection(V(loading: edge)) }
        now.add(top: others)
        if BlockSums.takesTurns { swap(&now, &next) }
    }

    @inline(__always) var folded: (rest: V.Scalar, top: V.Scalar) {
        let isTurned = BlockSums.takesTurns && (count &+ V.count &- 1) & V.count != 0
        var (sum, other) = isTurned ? (next, now) : (now, next)
        if BlockSums.takesTurns { sum.add(rest: other.rest, top: other.top) }
        return V.fold(rest: sum.rest, top: sum.top)
    }
}
