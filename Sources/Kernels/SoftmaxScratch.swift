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

    let base: UnsafeMutableRawPointer

    init(_ memory: UnsafeMutableRawPointer) { base = memory }

    /// Scores, then their exponentials.
    var tile: Array { base.assumingMemoryBound(to: V.Scalar.self) }
    /// Outputs on their way, where the tile is not in the caller's order.
    var out: Array { (base + 8192).assumingMemoryBound(to: V.Scalar.self) }
    /// In the first pass: two vectors for each of the sums.
    var slots: Array { (base + 16384).assumingMemoryBound(to: V.Scalar.self) }
    /// Of long rows instead: what all chunks of all rows of a tile are relative to.
    var references: UnsafeMutablePointer<PartReference> { (base + 16384).assumingMemoryBound(to: PartReference.self) }
    /// What the sigmoid's term needs for the samples: the starts of its first seven arrays, 64 floats each (the losses' 128), lie
    /// around the references (1,536 bytes) and end where the samples begin.
    var term: Scratch<Floats> { Scratch(base + 9216) }
    /// Room for a row of values and for what the caller's array held.
    var row: Array { (base + 18432).assumingMemoryBound(to: V.Scalar.self) }
    /// In the first pass: the largest score of each sample in a chunk, and the largest size of one.
    var peaks: Array { row }
    var reaches: Array { row + Samples.capacity }
    /// What the exponentials of a vector of samples stand relative to.
    @inline(__always) func setReference(_ lane: Int, _ reference: Reference<V>) {
        reference.shift.widen(to: samples.chunkShift + lane)
        reference.steps.widen(to: samples.chunkSteps + lane)
    }
    /// The same, from peaks and reaches.
    @inline(never) func setReference(_ lane: Int, _ plan: Plan) {
        let own = Reference(maximum: V(loading: peaks + lane))
        guard Moderate.exists(for: V.self, plan) else { return setReference(lane, own) }
        let isFar = V(Moderate.reach) < V(loading: reaches + lane)
        setReference(
            lane, Reference(shift: V.select(isFar, own.shift, V.zero), steps: V.select(isFar, own.steps, V.zero)))
    }
    /// Adds the sums of a vector of samples to those of their chunk.
    @inline(__always) func addBlock(rest: V, top: V, _ lane: Int, isFirst: Bool) {
        let samples = samples
        rest.widen(to: samples.blockRest)
        top.widen(to: samples.blockTop)
        var i = 0
        while i < V.count {
            samples.addBlock(
                rest: Doubles(loading: samples.blockRest + i), top: Doubles(loading: samples.blockTop + i), lane &+ i,
                isFirst: isFirst)
            i &+= Doubles.count
        }
    }
    /// Values that `old` has room for.
    static var capacity: Int { 2048 / MemoryLayout<V.Scalar>.stride }
    var old: Array { (base + 20480).assumingMemoryBound(to: V.Scalar.self) }
    var samples: Samples { Samples(base: (base + 22528).assumingMemoryBound(to: Double.self)) }

    /// All bits of every lane but one, with a block's lanes on both its sides and one more; then none of a vector's.
    private var ones: Array { (base + 36864).assumingMemoryBound(to: V.Scalar.self) }
    func fillWindow() {
        let words = UnsafeMutableRawPointer(ones).assumingMemoryBound(to: UInt64.self)
        for i in 0..<(SoftmaxScratch<V>.block &+ 1) &* 2 &* MemoryLayout<V.Scalar>.stride / 8 { words[i] = .max }
        ones[SoftmaxScratch<V>.block] = 0
        V.zero.store(to: ones + edge)
    }
    private var edge: Int { 2 &* (SoftmaxScratch<V>.block &+ 1) }
    /// What keeps the bits of the first lanes of a vector.
    @inline(__always) func edge(_ count: Int) -> UnsafePointer<V.Scalar> { UnsafePointer(ones + (edge &- count)) }
    /// What keeps the bits of a block's numbers but those of its target, where it has one.
    @inline(__always) func window(beside target: Int) -> UnsafePointer<V.Scalar> {
        let block = SoftmaxScratch<V>.block
        return UnsafePointer(ones + (block &- (target >= 0 && target < block ? target : -1)))
    }
    /// For the last vector of a block.
    var room: Array { (base + 39040).assumingMemoryBound(to: V.Scalar.self) }
}
