import CKernels

/// The memory of a tile of a softmax: exponentials, what leaves for the caller, and the samples' doubles.
struct SoftmaxScratch<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Vectors of exponentials that a tile keeps (8 KiB).
    static var vectors: Int { 128 }
    /// Classes that are summed in V.Scalar before the sum goes on in double: 8 (16) additions a lane.
    static var block: Int { 128 }
    /// Running sums of a block, class k in sum k modulo 16.
    static var sums: Int { min(16, 2 &* V.count) }
    /// Classes whose exponentials have one reference, their maximum: no sample has more than `Samples.capacity` of them.
    static func chunk(of classes: Int) -> Int { max(2048, (classes / Samples.capacity / block &+ 1) &* block) }

    private let base: UnsafeMutableRawPointer

    init(_ memory: UnsafeMutableRawPointer) { base = memory }

    /// Scores, then their exponentials.
    var tile: Array { base.assumingMemoryBound(to: V.Scalar.self) }
    /// Outputs on their way, where the tile is not in the caller's order.
    var out: Array { (base + 8192).assumingMemoryBound(to: V.Scalar.self) }
    /// In the first pass: two vectors for each of the sums.
    var slots: Array { (base + 16384).assumingMemoryBound(to: V.Scalar.self) }
    /// Of long rows instead: the references of all chunks of all rows of a tile.
    var shifts: UnsafeMutablePointer<Double> { (base + 16384).assumingMemoryBound(to: Double.self) }
    var steps: UnsafeMutablePointer<Double> { shifts + Samples.capacity }
    /// Room for a row of values and for what the caller's array held.
    var row: Array { (base + 18432).assumingMemoryBound(to: V.Scalar.self) }
    /// Values that `old` has room for.
    static var room: Int { 2048 / MemoryLayout<V.Scalar>.stride }
    var old: Array { (base + 20480).assumingMemoryBound(to: V.Scalar.self) }
    var samples: Samples { Samples(base: (base + 22528).assumingMemoryBound(to: Double.self)) }
}
