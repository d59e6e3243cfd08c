import CKernels

/// A stored target type.  Integers are hard: 0 or 1 where dense, a class where labels.
protocol Target {
    associatedtype Stored
    /// The FOCAL_DTYPE_ of Stored.
    static var dtype: Int32 { get }
    static var mayBeLabels: Bool { get }
    static func value(_ stored: Stored) -> Double
    static func label(_ stored: Stored) -> Int64
    static func isEqual(_ stored: Stored, _ number: Int64) -> Bool
    /// Whether the type has that class: no UInt8 is 300.
    static func holds(_ label: Int64) -> Bool
    /// 1 where strictly between 0 and 1 (or out of range), as a number so that a loop may gather it without a branch.
    static func softness(_ stored: Stored) -> UInt32
    /// 1 where outside [0, 1] or NaN; an integer other than 0 or 1.
    static func badness(_ stored: Stored) -> UInt32
    /// Whether all of these are 0 or 1: the quick look before a close one.
    static func areHard(_ targets: UnsafeRawPointer, _ count: Int) -> Bool
}

extension Target {
    @inline(__always) static func isHard(_ stored: Stored) -> Bool { softness(stored) == 0 }
    @inline(__always) static func isValid(_ stored: Stored) -> Bool { badness(stored) == 0 }
    @inline(__always) static var size: Int { MemoryLayout<Stored>.size }
    @inline(__always) static func at(_ base: UnsafeRawPointer, _ index: Int) -> Stored {
        base.loadUnaligned(fromByteOffset: index &* size, as: Stored.self)
    }

    /// Where each whole step begins; returns where the rest does.  Of many, eight pages in turn: one at a time leaves the memory
    /// idle, because the hardware's prefetchers stop at every page (15 GB/s instead of 11, one thread on an Ice Lake).
    @inline(__always) static func forEachStep(_ step: Int, _ count: Int, _ body: (Int) -> Void) -> Int {
        var i = 0
        #if !ISA_X86_64  // which is far from the memory's speed
            let page = 4096 / size
            while i &+ 8 &* page <= count {
                let end = i &+ page
                while i < end {
                    body(i)
                    body(i &+ page)
                    body(i &+ 2 &* page)
                    body(i &+ 3 &* page)
                    body(i &+ 4 &* page)
                    body(i &+ 5 &* page)
                    body(i &+ 6 &* page)
                    body(i &+ 7 &* page)
                    i &+= step
                }
                i &+= 7 &* page
            }
        #endif
        while i &+ step <= count {
            body(i)
            i &+= step
        }
        return i
    }
}

enum FloatTarget<Stored: LaneScalar>: Target {
    @inline(__always) static var dtype: Int32 { Stored.Vector.dtype }
    @inline(__always) static var mayBeLabels: Bool { false }
    @inline(__always) static func value(_ stored: Stored) -> Double { Double(stored) }
    @inline(__always) static func label(_ stored: Stored) -> Int64 { 0 }
    @inline(__always) static func isEqual(_ stored: Stored, _ number: Int64) -> Bool { stored == Stored(number) }
    @inline(__always) static func holds(_ label: Int64) -> Bool { true }
    @inline(__always) static func softness(_ stored: Stored) -> UInt32 { (stored == 1 ? 0 : 1) & (stored == 0 ? 0 : 1) }
    @inline(__always) static func badness(_ stored: Stored) -> UInt32 { (stored >= 0 ? 0 : 1) | (stored <= 1 ? 0 : 1) }
    /// x^2 - x is 0 for these two alone.
    @inline(__always) static func areHard(_ targets: UnsafeRawPointer, _ count: Int) -> Bool {
        typealias V = Stored.Vector
        var excess = V.zero
        var i = forEachStep(V.count, count) { i in
            let x = V(loading: (targets + i &* size).assumingMemoryBound(to: Stored.self))
            excess = excess.union(x.times(x, plus: -x))
        }
        var soft: UInt32 = 0
        while i < count {
            soft |= softness(at(targets, i))
            i &+= 1
        }
        return soft == 0 && !V.any(V.not(excess == V.zero))
    }
}

enum IntegerTarget<Stored: FixedWidthInteger>: Target {
    @inline(__always) static var dtype: Int32 {
        switch size {
        case 1: FOCAL_DTYPE_U8
        case 4: FOCAL_DTYPE_I32
        default: FOCAL_DTYPE_I64
        }
    }
    @inline(__always) static var mayBeLabels: Bool { true }
    @inline(__always) static func value(_ stored: Stored) -> Double { Double(Int64(truncatingIfNeeded: stored)) }
    @inline(__always) static func label(_ stored: Stored) -> Int64 { Int64(truncatingIfNeeded: stored) }
    @inline(__always) static func isEqual(_ stored: Stored, _ number: Int64) -> Bool { label(stored) == number }
    @inline(__always) static func holds(_ label: Int64) -> Bool { self.label(Stored(truncatingIfNeeded: label)) == label }
    @inline(__always) static func softness(_ stored: Stored) -> UInt32 { 0 }
    @inline(__always) static func badness(_ stored: Stored) -> UInt32 { stored & ~1 == 0 ? 0 : 1 }
    /// Of all their bits together only the lowest is set.
    @inline(__always) static func areHard(_ targets: UnsafeRawPointer, _ count: Int) -> Bool {
        let step = Floats.count &* 4 / size
        var bits = Floats.zero
        var i = forEachStep(step, count) { i in
            bits = bits.union(Floats(loading: (targets + i &* size).assumingMemoryBound(to: Float.self)))
        }
        var bad: UInt32 = 0
        withUnsafeBytes(of: bits) { bits in
            for j in 0..<step { bad |= badness(Self.at(bits.baseAddress.unsafelyUnwrapped, j)) }
        }
        while i < count {
            bad |= badness(Self.at(targets, i))
            i &+= 1
        }
        return bad == 0
    }
}

/// What is done with targets of a type that is only known at run time.
protocol TargetWork {
    associatedtype Result
    func run<T: Target>(_: T.Type) -> Result
}

extension TargetWork {
    @inline(__always) func run(dtype: Int32) -> Result {
        switch dtype {
        case FOCAL_DTYPE_F64: run(FloatTarget<Double>.self)
        case FOCAL_DTYPE_U8: run(IntegerTarget<UInt8>.self)
        case FOCAL_DTYPE_I32: run(IntegerTarget<Int32>.self)
        case FOCAL_DTYPE_I64: run(IntegerTarget<Int64>.self)
        default: run(FloatTarget<Float>.self)
        }
    }

    /// Labels are integers.
    @inline(__always) func run(labels dtype: Int32) -> Result {
        switch dtype {
        case FOCAL_DTYPE_U8: run(IntegerTarget<UInt8>.self)
        case FOCAL_DTYPE_I64: run(IntegerTarget<Int64>.self)
        default: run(IntegerTarget<Int32>.self)
        }
    }
}

/// Targets one by one, where the type is looked up each time: for stages that cost more than the look.
struct TargetReader {
    private let base: UnsafeRawPointer
    private let dtype: Int32

    init(_ plan: Plan) {
        base = plan.pointee.args.targets.unsafelyUnwrapped
        dtype = plan.pointee.args.target_dtype
    }

    func value(_ index: Int) -> Double {
        switch dtype {
        case FOCAL_DTYPE_F32: Double(base.loadUnaligned(fromByteOffset: index &* 4, as: Float.self))
        case FOCAL_DTYPE_F64: base.loadUnaligned(fromByteOffset: index &* 8, as: Double.self)
        default: Double(label(index))
        }
    }

    func label(_ index: Int) -> Int64 {
        switch dtype {
        case FOCAL_DTYPE_U8: Int64(base.loadUnaligned(fromByteOffset: index, as: UInt8.self))
        case FOCAL_DTYPE_I64: base.loadUnaligned(fromByteOffset: index &* 8, as: Int64.self)
        default: Int64(base.loadUnaligned(fromByteOffset: index &* 4, as: Int32.self))
        }
    }
}
