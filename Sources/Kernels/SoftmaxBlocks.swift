import CKernels

/// The inner loop of a softmax over long rows: the exponentials of some blocks of a row, relative to their chunk's reference,
/// and the running sums of each block beside the target's.
struct SoftmaxBlocks<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    let scores: UnsafePointer<V.Scalar>
    let exponentials: Array
    let scratch: SoftmaxScratch<V>
    let count: Int
    /// The target's place among them, if it is one of them.
    let target: Int
    /// How far behind the scores those of the next tile lie: the hardware's prefetcher, which stops at every page, knows no tiles.
    let ahead: Int

    /// From what crosses C (kernels.h).
    @inline(__always) static func run(
        _ scores: UnsafeRawPointer?, _ exponentials: UnsafeMutableRawPointer?, _ scratch: UnsafeMutableRawPointer?,
        _ count: Int64, _ target: Int64, _ ahead: Int64, _ shift: Double, _ steps: Double
    ) {
        SoftmaxBlocks(
            scores: scores.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self),
            exponentials: exponentials.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self),
            scratch: SoftmaxScratch(scratch.unsafelyUnwrapped), count: Int(count), target: Int(target), ahead: Int(ahead)
        ).run(Reference(shift: V(shift), steps: V(steps)))
    }

    /// One loop for all vectors, the last one too, which goes by way of the scratch: its body is long.
    @inline(__always) private func run(_ reference: Reference<V>) {
        let block = SoftmaxScratch<V>.block
        let rest = count & (V.count &- 1), whole = count &- rest
        var from = scores, to = exponentials
        var sums = scratch.blockSums(0)
        var i = 0
        while i < count {
            let end = min(i &+ block, count), window = scratch.window(beside: target &- i) - i
            var now = Extremes<V>(), next = Extremes<V>()
            while i < end {
                if i == whole {
                    V(loading: from + i, first: rest).store(to: scratch.room)
                    from = UnsafePointer(scratch.room - i)
                    to = scratch.room - i
                }
                focal_prefetch(scores + (i &+ ahead))
                let exponential = reference.near(V(loading: from + i))
                exponential.store(to: to + i)
                let others = exponential.intersection(V(loading: window + i))
                now.add(top: i < whole ? others : V.select(V.first(rest), others, V.zero))
                if SoftmaxBlocks.takesTurns { swap(&now, &next) }
                i &+= V.count
            }
            if SoftmaxBlocks.takesTurns {
                if i & V.count != 0 { swap(&now, &next) }
                now.add(rest: next.rest, top: next.top)
            }
            now.rest.store(to: sums)
            now.top.store(to: sums + V.count)
            sums += 2 &* V.count
        }
        if rest > 0 { V(loading: scratch.room).store(to: exponentials + whole, first: rest) }
    }

    /// Whether every other vector has its own sums: where it has fewer lanes than a block has sums.
    private static var takesTurns: Bool { V.count < SoftmaxScratch<V>.sums }
}
