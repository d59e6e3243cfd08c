import CKernels

/// The arrays that a block passes through, in memory that the caller's stack lends and that stays in the first-level cache.
struct Scratch<V: Arithmetic> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Elements of a block: 2 KiB of each array, a multiple of the lanes.
    @inline(__always) static var capacity: Int { 2048 / MemoryLayout<V.Scalar>.stride }

    let base: UnsafeMutableRawPointer

    @inline(__always) init(_ memory: UnsafeMutableRawPointer) { base = memory }

    /// Two lines more than an array needs: at the same place in their pages, loads of one would wait for stores to another.
    @inline(__always) private func array(_ index: Int) -> Array {
        (base + index &* 2176).assumingMemoryBound(to: V.Scalar.self)
    }

    var scores: Array { @inline(__always) get { array(0) } }
    /// The element's weight with the sign of its target: -w is a negative.
    var weights: Array { @inline(__always) get { array(1) } }
    var e: Array { @inline(__always) get { array(2) } }
    /// A softmax's term finds here what its margins lost in rounding.
    var eLow: Array { @inline(__always) get { array(3) } }
    var loss: Array { @inline(__always) get { array(4) } }
    var grad: Array { @inline(__always) get { array(5) } }
    var reciprocal: Array { @inline(__always) get { array(6) } }
    /// 1, or 0 for an ignored element; filled only where something is ignored.
    var live: Array { @inline(__always) get { array(7) } }
    var hess: Array { @inline(__always) get { array(8) } }

    /// Each vector of a block's arrays, whole ones: what stands past the end is of no account.
    @inline(__always) func forEachVector(_ count: Int, _ body: (Int) -> Void) {
        var i = 0
        while i < count {
            body(i)
            i &+= V.count
        }
    }
}
