import CKernels

/// What the mathematics needs of lanes, each a few instructions, by way of clang's vector types (lanes.h).
protocol Arithmetic {
    associatedtype Scalar: LaneScalar
    /// A choice for each lane.
    associatedtype Mask

    static var count: Int { get }

    init(_ value: Scalar)
    init(_ double: Double)
    init(loading pointer: UnsafePointer<Scalar>)
    func store(to pointer: UnsafeMutablePointer<Scalar>)

    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    static prefix func - (a: Self) -> Self

    /// self * b + c, rounded once where the CPU has FMA and twice where not.
    func times(_ b: Self, plus c: Self) -> Self
    /// The rounding error of `product`, which is self * b rounded: exact.
    func error(of product: Self, times b: Self) -> Self

    var magnitude: Self { get }
    var squareRoot: Self { get }
    /// 1 / (2 sqrt self) to 3.5 percent; finite at 0.
    var roughHalfInverseRoot: Self { get }
    /// self with its sign changed where `other` is negative (its sign bit: -0.0 counts).
    func flippingSign(where other: Self) -> Self
    /// Where the sign bit is set: -0.0 counts.
    var isNegative: Mask { get }
    static func < (a: Self, b: Self) -> Mask
    static func == (a: Self, b: Self) -> Mask
    /// The larger of self and a bound; a NaN stays.
    func atLeast(_ bound: Self) -> Self
    func atMost(_ bound: Self) -> Self
    /// The larger of self and another's size; self where that is NaN.
    func atLeast(sizeOf other: Self) -> Self
    /// a where the mask holds, b elsewhere.
    static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self
    /// The bits of both.
    func intersection(_ other: Self) -> Self
    /// The largest of all tops, and the sum of all else: the upper half onto the lower, and again.  Lanes hold no NaN.
    static func fold(rest: Self, top: Self) -> (rest: Scalar, top: Scalar)

    // What depends on the format; each in the file of its idea.
    static var exponential: Exponential.Constants { get }
    static func exp(minus x: Self) -> Pair<Self>
    static func expm1(_ r: Self, steps: Self) -> Self
    static func power(_ steps: Self) -> Self
    static func log1p(_ e: Pair<Self>, ratio: Pair<Self>, isSharp: Bool) -> Pair<Self>

    /// Whether the sigmoid's loop is compiled for each of the usual gammas.
    static var hasEveryModulator: Bool { get }
}

/// Lanes of float.
protocol Singles: Arithmetic where Scalar == Float {
    /// One of four numbers for each lane, by its two lowest bits.
    func pick(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> Self
    // Of 16-bit types (ShortTerm.swift).
    init(bf16 p: UnsafeRawPointer)
    init(f16 p: UnsafeRawPointer)
    func store(bf16 p: UnsafeMutableRawPointer)
    func store(f16 p: UnsafeMutableRawPointer)
}

/// A fixed number of lanes of one floating-point type: 16 of Float, 8 of Double, on every instruction set with FMA, so that the
/// order of every sum, and with it every bit, is the same.  The baseline, whose products round differently anyway, takes a
/// register's worth at a time: 4 and 2, for a quarter of the code.
protocol Lanes: Arithmetic where Scalar.Vector == Self {
    /// The same in pieces of a register, where that is faster.
    associatedtype Register: Arithmetic where Register.Scalar == Scalar

    /// The first lanes alone; loaded ones stand before zeros.
    init(loading pointer: UnsafePointer<Scalar>, first count: Int)
    func store(to pointer: UnsafeMutablePointer<Scalar>, first count: Int)
    static func first(_ count: Int) -> Mask

    /// The bits of either.
    func union(_ other: Self) -> Self
    static func and(_ a: Mask, _ b: Mask) -> Mask
    static func not(_ mask: Mask) -> Mask
    static func any(_ mask: Mask) -> Bool
    /// Which of the targets at a place, stored as `dtype`, are `value`.
    static func match(_ dtype: Int32, _ p: UnsafeRawPointer, _ value: Int64) -> Mask
    /// V.count doubles, rounded.
    init(narrowing pointer: UnsafePointer<Double>)
    /// V.count doubles.
    func widen(to pointer: UnsafeMutablePointer<Double>)

    /// The largest lane; lanes hold no NaN.
    var largest: Scalar { get }
    /// The sum of the lanes: the upper half onto the lower, and again.
    var sum: Scalar { get }
    /// Adds all lanes to eight running sums in double, in a fixed order.
    func accumulate(into sums: inout SIMD8<Double>)

    /// The FOCAL_DTYPE_ of Scalar.
    static var dtype: Int32 { get }

    /// Transposes a matrix, whose rows stand `strideFrom` apart, into one whose rows stand `strideTo` apart.
    static func transpose(
        _ from: UnsafePointer<Scalar>, _ strideFrom: Int, rows: Int, columns: Int, to: UnsafeMutablePointer<Scalar>,
        _ strideTo: Int)

    // Whole arrays of a stored type, as scratch of lanes and back.
    static func read(_ dtype: Int32, _ source: UnsafeRawPointer, _ count: Int, into array: UnsafeMutablePointer<Scalar>)
    static func write(
        _ array: UnsafeMutablePointer<Scalar>, _ count: Int, _ dtype: Int32, to target: UnsafeMutableRawPointer)
}

/// A scalar that lanes are made of, with the constants that depend on its format.
protocol LaneScalar: BinaryFloatingPoint, SIMDScalar {
    associatedtype Vector: Lanes where Vector.Scalar == Self
}

extension Float: LaneScalar { typealias Vector = Floats }
extension Double: LaneScalar { typealias Vector = Doubles }

extension Arithmetic {
    @_transparent static var zero: Self { Self(0.0) }
    @_transparent static var one: Self { Self(1.0) }
    @_transparent func atLeast(sizeOf other: Self) -> Self { atLeast(other.magnitude) }
}

extension Lanes {
    /// One value for all of an array, not a lane more.
    @inline(never) static func fill(_ array: UnsafeMutablePointer<Scalar>, _ count: Int, with value: Scalar) {
        var i = 0
        while i &+ Self.count <= count {
            Self(value).store(to: array + i)
            i &+= Self.count
        }
        while i < count {
            array[i] = value
            i &+= 1
        }
    }

    /// Zeros for what an array's last vector has past the end.
    @inline(__always) static func pad(_ array: UnsafeMutablePointer<Scalar>, _ count: Int) {
        let rest = count & (Self.count &- 1), last = array + (count &- rest)
        if rest != 0 { Self(loading: last, first: rest).store(to: last) }
    }
}

struct Floats: Lanes, Singles {
    typealias Scalar = Float
    #if ISA_X86_64_V3
        typealias Register = Octets
    #else
        typealias Register = Floats
    #endif
    #if ISA_X86_64
        typealias Storage = SIMD4<Float>
        typealias Mask = SIMD4<Int32>
    #else
        typealias Storage = SIMD16<Float>
        typealias Mask = SIMD16<Int32>
    #endif

    var v: Storage

    @_transparent static var count: Int { Storage.scalarCount }
    #if ISA_X86_64
        @_transparent static var hasEveryModulator: Bool { false }
    #else
        @_transparent static var hasEveryModulator: Bool { true }
    #endif
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F32 }

    @_transparent init(_ v: Storage) { self.v = v }
    @_transparent init(_ value: Float) { v = focal_splat_floats(value) }
    @_transparent init(_ double: Double) { v = focal_splat_floats(Float(double)) }
    @_transparent init(loading pointer: UnsafePointer<Float>) { v = focal_load_floats(pointer) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Float>) { focal_store_floats(pointer, v) }
    @_transparent init(loading pointer: UnsafePointer<Float>, first count: Int) { v = focal_load_first_floats(pointer, count) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Float>, first count: Int) {
        focal_store_first_floats(pointer, v, count)
    }
    @_transparent static func first(_ count: Int) -> Mask { focal_first_floats(count) }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(focal_add_floats(a.v, b.v)) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(focal_subtract_floats(a.v, b.v)) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(focal_multiply_floats(a.v, b.v)) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(focal_divide_floats(a.v, b.v)) }
    @_transparent static prefix func - (a: Self) -> Self { Self(focal_negate_floats(a.v)) }

    #if ISA_X86_64
        @_transparent func times(_ b: Self, plus c: Self) -> Self { self * b + c }
        /// Dekker's product, of halves that multiply exactly.
        @_transparent func error(of product: Self, times b: Self) -> Self {
            let ah = Self(focal_upper_floats(v)), bh = Self(focal_upper_floats(b.v))
            let al = self - ah, bl = b - bh
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        }
    #else
        @_transparent func times(_ b: Self, plus c: Self) -> Self { Self(focal_fma_floats(v, b.v, c.v)) }
        @_transparent func error(of product: Self, times b: Self) -> Self { times(b, plus: -product) }
    #endif

    @_transparent var magnitude: Self { Self(focal_magnitude_floats(v)) }
    @_transparent func union(_ other: Self) -> Self { Self(focal_union_floats(v, other.v)) }
    @_transparent func intersection(_ other: Self) -> Self { Self(focal_intersection_floats(v, other.v)) }
    @_transparent var squareRoot: Self { Self(focal_root_floats(v)) }
    @_transparent var roughHalfInverseRoot: Self { Self(focal_rough_floats(v)) }
    @_transparent func flippingSign(where other: Self) -> Self { Self(focal_flip_floats(v, other.v)) }
    @_transparent func pick(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> Self { Self(focal_pick_floats(v, a, b, c, d)) }
    @_transparent static func power(_ steps: Self) -> Self { Self(focal_quarters_floats(steps.v)) }
    @_transparent init(bf16 p: UnsafeRawPointer) { v = focal_load_bf16_floats(p) }
    @_transparent init(f16 p: UnsafeRawPointer) { v = focal_load_f16_floats(p) }
    @_transparent func store(bf16 p: UnsafeMutableRawPointer) { focal_store_bf16_floats(p, v) }
    @_transparent func store(f16 p: UnsafeMutableRawPointer) { focal_store_f16_floats(p, v) }
    @_transparent var isNegative: Mask { focal_negative_floats(v) }
    @_transparent static func < (a: Self, b: Self) -> Mask { focal_less_floats(a.v, b.v) }
    @_transparent static func == (a: Self, b: Self) -> Mask { focal_equal_floats(a.v, b.v) }
    @_transparent func atLeast(_ bound: Self) -> Self { Self(focal_max_floats(v, bound.v)) }
    @_transparent func atLeast(sizeOf other: Self) -> Self { Self(focal_farther_floats(v, other.v)) }
    @_transparent func atMost(_ bound: Self) -> Self { Self(focal_min_floats(v, bound.v)) }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(focal_select_floats(mask, a.v, b.v)) }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { focal_and_floats(a, b) }
    @_transparent static func not(_ mask: Mask) -> Mask { focal_not_floats(mask) }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_floats(mask) != 0 }
    @_transparent static func match(_ dtype: Int32, _ p: UnsafeRawPointer, _ value: Int64) -> Mask {
        focal_match_floats(dtype, p, value)
    }

    @_transparent var largest: Float { focal_largest_floats(v) }
    @_transparent var sum: Float { focal_sum_floats(v) }
    @_transparent static func fold(rest: Self, top: Self) -> (rest: Float, top: Float) {
        let folded = focal_fold_floats(rest.v, top.v)
        return (folded[0], folded[1])
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) { sums = focal_accumulate_floats(sums, v) }
    @_transparent init(narrowing pointer: UnsafePointer<Double>) { v = focal_narrow_floats(pointer) }
    @inline(never) static func transpose(
        _ from: UnsafePointer<Float>, _ strideFrom: Int, rows: Int, columns: Int, to: UnsafeMutablePointer<Float>, _ strideTo: Int
    ) {
        focal_transpose_floats(from, strideFrom, rows, columns, to, strideTo)
    }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) { focal_widen_floats(pointer, v) }
}

struct Doubles: Lanes {
    typealias Scalar = Double
    typealias Register = Doubles
    #if ISA_X86_64
        typealias Storage = SIMD2<Double>
        typealias Mask = SIMD2<Int64>
    #else
        typealias Storage = SIMD8<Double>
        typealias Mask = SIMD8<Int64>
    #endif

    var v: Storage

    @_transparent static var count: Int { Storage.scalarCount }
    @_transparent static var hasEveryModulator: Bool { false }
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F64 }

    @_transparent init(_ v: Storage) { self.v = v }
    @_transparent init(_ value: Double) { v = focal_splat_doubles(value) }
    @_transparent init(loading pointer: UnsafePointer<Double>) { v = focal_load_doubles(pointer) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Double>) { focal_store_doubles(pointer, v) }
    @_transparent init(loading pointer: UnsafePointer<Double>, first count: Int) { v = focal_load_first_doubles(pointer, count) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Double>, first count: Int) {
        focal_store_first_doubles(pointer, v, count)
    }
    @_transparent static func first(_ count: Int) -> Mask { focal_first_doubles(count) }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(focal_add_doubles(a.v, b.v)) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(focal_subtract_doubles(a.v, b.v)) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(focal_multiply_doubles(a.v, b.v)) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(focal_divide_doubles(a.v, b.v)) }
    @_transparent static prefix func - (a: Self) -> Self { Self(focal_negate_doubles(a.v)) }

    #if ISA_X86_64
        @_transparent func times(_ b: Self, plus c: Self) -> Self { self * b + c }
        /// Dekker's product, of halves that multiply exactly.
        @_transparent func error(of product: Self, times b: Self) -> Self {
            let ah = Self(focal_upper_doubles(v)), bh = Self(focal_upper_doubles(b.v))
            let al = self - ah, bl = b - bh
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        }
    #else
        @_transparent func times(_ b: Self, plus c: Self) -> Self { Self(focal_fma_doubles(v, b.v, c.v)) }
        @_transparent func error(of product: Self, times b: Self) -> Self { times(b, plus: -product) }
    #endif

    @_transparent var magnitude: Self { Self(focal_magnitude_doubles(v)) }
    @_transparent func union(_ other: Self) -> Self { Self(focal_union_doubles(v, other.v)) }
    @_transparent func intersection(_ other: Self) -> Self { Self(focal_intersection_doubles(v, other.v)) }
    @_transparent var squareRoot: Self { Self(focal_root_doubles(v)) }
    @_transparent var roughHalfInverseRoot: Self { Self(focal_rough_doubles(v)) }
    @_transparent func flippingSign(where other: Self) -> Self { Self(focal_flip_doubles(v, other.v)) }
    @_transparent var isNegative: Mask { focal_negative_doubles(v) }
    @_transparent static func < (a: Self, b: Self) -> Mask { focal_less_doubles(a.v, b.v) }
    @_transparent static func == (a: Self, b: Self) -> Mask { focal_equal_doubles(a.v, b.v) }
    @_transparent func atLeast(_ bound: Self) -> Self { Self(focal_max_doubles(v, bound.v)) }
    @_transparent func atMost(_ bound: Self) -> Self { Self(focal_min_doubles(v, bound.v)) }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(focal_select_doubles(mask, a.v, b.v)) }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { focal_and_doubles(a, b) }
    @_transparent static func not(_ mask: Mask) -> Mask { focal_not_doubles(mask) }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_doubles(mask) != 0 }
    @_transparent static func match(_ dtype: Int32, _ p: UnsafeRawPointer, _ value: Int64) -> Mask {
        focal_match_doubles(dtype, p, value)
    }

    @_transparent var largest: Double { focal_largest_doubles(v) }
    @_transparent var sum: Double { focal_sum_doubles(v) }
    @_transparent static func fold(rest: Self, top: Self) -> (rest: Double, top: Double) {
        let folded = focal_fold_doubles(rest.v, top.v)
        return (folded[0], folded[1])
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) { sums = focal_accumulate_doubles(sums, v) }
    @_transparent init(narrowing pointer: UnsafePointer<Double>) { v = focal_load_doubles(pointer) }
    @inline(never) static func transpose(
        _ from: UnsafePointer<Double>, _ strideFrom: Int, rows: Int, columns: Int, to: UnsafeMutablePointer<Double>,
        _ strideTo: Int
    ) {
        focal_transpose_doubles(from, strideFrom, rows, columns, to, strideTo)
    }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) { store(to: pointer) }

    /// A positive normal number is 2^binades nearOne, the latter from sqrt .5 to sqrt 2.
    @_transparent var binades: Self { Self(focal_binades(v)) }
    @_transparent var nearOne: Self { Self(focal_near_one(v)) }
}
