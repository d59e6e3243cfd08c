import CKernels

/// A fixed number of lanes of one floating-point type: 16 of Float, 8 of Double, on every instruction set, so that the order
/// of every sum, and with it every bit, is the same everywhere.
///
/// Only what the mathematics needs, each a few instructions, by way of clang's vector types (lanes.h).
protocol Lanes {
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
    /// The bits of both: 0 where both are 0.
    func union(_ other: Self) -> Self
    var squareRoot: Self { get }
    /// self with its sign changed where `other` is negative (its sign bit: -0.0 counts).
    func flippingSign(where other: Self) -> Self
    /// Where the sign bit is set: -0.0 counts.
    var isNegative: Mask { get }
    static func < (a: Self, b: Self) -> Mask
    static func == (a: Self, b: Self) -> Mask
    /// a where the mask holds, b elsewhere.
    static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self
    static func and(_ a: Mask, _ b: Mask) -> Mask
    static func not(_ mask: Mask) -> Mask
    static func any(_ mask: Mask) -> Bool
    /// V.count doubles, rounded.
    init(narrowing pointer: UnsafePointer<Double>)
    /// V.count doubles.
    func widen(to pointer: UnsafeMutablePointer<Double>)

    /// The largest lane; lanes hold no NaN.
    var largest: Scalar { get }
    /// The sum of the lanes: the upper half onto the lower, and again.
    var sum: Scalar { get }
    /// The largest of all tops, and the sum of all else, by the same tree.
    static func fold(rest: Self, top: Self) -> (rest: Scalar, top: Scalar)
    /// Adds all lanes to eight running sums in double, in a fixed order.
    func accumulate(into sums: inout SIMD8<Double>)

    // What depends on the format; each in the file of its idea.
    static var exponential: Exponential.Constants { get }
    static func exp(minus x: Self) -> Pair<Self>
    static func expm1(_ r: Self, steps: Self) -> Self
    static func power(_ steps: Self) -> Self
    static func log1p(_ e: Pair<Self>, ratio: Pair<Self>, isSharp: Bool) -> Pair<Self>

    /// The FOCAL_DTYPE_ of Scalar.
    static var dtype: Int32 { get }

    // Whole arrays of a stored type, as scratch of lanes and back.
    static func read(_ dtype: Int32, _ source: UnsafeRawPointer, _ count: Int, into array: UnsafeMutablePointer<Scalar>)
    static func write(
        _ array: UnsafeMutablePointer<Scalar>, _ count: Int, _ dtype: Int32, to target: UnsafeMutableRawPointer, stream: Bool)
}

/// A scalar that lanes are made of, with the constants that depend on its format.
protocol LaneScalar: BinaryFloatingPoint, SIMDScalar {
    associatedtype Vector: Lanes where Vector.Scalar == Self
}

extension Float: LaneScalar { typealias Vector = F32x16 }
extension Double: LaneScalar { typealias Vector = F64x8 }

extension Lanes {
    @_transparent static var zero: Self { Self(0.0) }
    @_transparent static var one: Self { Self(1.0) }

    /// The larger of self and a bound; a NaN stays.
    @_transparent func atLeast(_ bound: Self) -> Self { Self.select(self < bound, bound, self) }
    @_transparent func atMost(_ bound: Self) -> Self { Self.select(bound < self, bound, self) }
}

struct F32x16: Lanes {
    typealias Scalar = Float
    typealias Mask = SIMD16<Int32>

    var v: SIMD16<Float>

    @_transparent static var count: Int { 16 }
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F32 }

    @_transparent init(_ v: SIMD16<Float>) { self.v = v }
    @_transparent init(_ value: Float) { v = focal_splat_f32x16(value) }
    @_transparent init(_ double: Double) { v = focal_splat_f32x16(Float(double)) }
    @_transparent init(loading pointer: UnsafePointer<Float>) { v = focal_load_f32x16(pointer) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Float>) { focal_store_f32x16(pointer, v) }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(focal_add_f32x16(a.v, b.v)) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(focal_subtract_f32x16(a.v, b.v)) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(focal_multiply_f32x16(a.v, b.v)) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(focal_divide_f32x16(a.v, b.v)) }
    @_transparent static prefix func - (a: Self) -> Self { Self(focal_negate_f32x16(a.v)) }

    #if ISA_X86_64
        @_transparent func times(_ b: Self, plus c: Self) -> Self { self * b + c }
        /// Dekker's product, of halves that multiply exactly.
        @_transparent func error(of product: Self, times b: Self) -> Self {
            let ah = Self(focal_upper_f32x16(v)), bh = Self(focal_upper_f32x16(b.v))
            let al = self - ah, bl = b - bh
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        }
    #else
        @_transparent func times(_ b: Self, plus c: Self) -> Self { Self(focal_fma_f32x16(v, b.v, c.v)) }
        @_transparent func error(of product: Self, times b: Self) -> Self { times(b, plus: -product) }
    #endif

    @_transparent var magnitude: Self { Self(focal_magnitude_f32x16(v)) }
    @_transparent func union(_ other: Self) -> Self { Self(focal_union_f32x16(v, other.v)) }
    @_transparent var squareRoot: Self { Self(focal_root_f32x16(v)) }
    @_transparent func flippingSign(where other: Self) -> Self { Self(focal_flip_f32x16(v, other.v)) }
    @_transparent var isNegative: Mask { focal_negative_f32x16(v) }
    @_transparent static func < (a: Self, b: Self) -> Mask { focal_less_f32x16(a.v, b.v) }
    @_transparent static func == (a: Self, b: Self) -> Mask { focal_equal_f32x16(a.v, b.v) }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(focal_select_f32x16(mask, a.v, b.v)) }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { focal_and_f32x16(a, b) }
    @_transparent static func not(_ mask: Mask) -> Mask { focal_not_f32x16(mask) }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_f32x16(mask) != 0 }

    @_transparent var largest: Float { focal_largest_f32x16(v) }
    @_transparent var sum: Float { focal_sum_f32x16(v) }
    @_transparent static func fold(rest: Self, top: Self) -> (rest: Float, top: Float) {
        let folded = focal_fold_f32x16(rest.v, top.v)
        return (folded[0], folded[1])
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) { sums = focal_accumulate(sums, v) }
    @_transparent init(narrowing pointer: UnsafePointer<Double>) { v = focal_narrow_f64x16(pointer) }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) { focal_widen_f32x16(pointer, v) }
}

struct F64x8: Lanes {
    typealias Scalar = Double
    typealias Mask = SIMD8<Int64>

    var v: SIMD8<Double>

    @_transparent static var count: Int { 8 }
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F64 }

    @_transparent init(_ v: SIMD8<Double>) { self.v = v }
    @_transparent init(_ value: Double) { v = focal_splat_f64x8(value) }
    @_transparent init(loading pointer: UnsafePointer<Double>) { v = focal_load_f64x8(pointer) }
    @_transparent func store(to pointer: UnsafeMutablePointer<Double>) { focal_store_f64x8(pointer, v) }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(focal_add_f64x8(a.v, b.v)) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(focal_subtract_f64x8(a.v, b.v)) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(focal_multiply_f64x8(a.v, b.v)) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(focal_divide_f64x8(a.v, b.v)) }
    @_transparent static prefix func - (a: Self) -> Self { Self(focal_negate_f64x8(a.v)) }

    #if ISA_X86_64
        @_transparent func times(_ b: Self, plus c: Self) -> Self { self * b + c }
        /// Dekker's product, of halves that multiply exactly.
        @_transparent func error(of product: Self, times b: Self) -> Self {
            let ah = Self(focal_upper_f64x8(v)), bh = Self(focal_upper_f64x8(b.v))
            let al = self - ah, bl = b - bh
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        }
    #else
        @_transparent func times(_ b: Self, plus c: Self) -> Self { Self(focal_fma_f64x8(v, b.v, c.v)) }
        @_transparent func error(of product: Self, times b: Self) -> Self { times(b, plus: -product) }
    #endif

    @_transparent var magnitude: Self { Self(focal_magnitude_f64x8(v)) }
    @_transparent func union(_ other: Self) -> Self { Self(focal_union_f64x8(v, other.v)) }
    @_transparent var squareRoot: Self { Self(focal_root_f64x8(v)) }
    @_transparent func flippingSign(where other: Self) -> Self { Self(focal_flip_f64x8(v, other.v)) }
    @_transparent var isNegative: Mask { focal_negative_f64x8(v) }
    @_transparent static func < (a: Self, b: Self) -> Mask { focal_less_f64x8(a.v, b.v) }
    @_transparent static func == (a: Self, b: Self) -> Mask { focal_equal_f64x8(a.v, b.v) }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(focal_select_f64x8(mask, a.v, b.v)) }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { focal_and_f64x8(a, b) }
    @_transparent static func not(_ mask: Mask) -> Mask { focal_not_f64x8(mask) }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_f64x8(mask) != 0 }

    @_transparent var largest: Double { focal_largest_f64x8(v) }
    @_transparent var sum: Double { focal_sum_f64x8(v) }
    @_transparent static func fold(rest: Self, top: Self) -> (rest: Double, top: Double) {
        let folded = focal_fold_f64x8(rest.v, top.v)
        return (folded[0], folded[1])
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) { sums = focal_add_f64x8(sums, v) }
    @_transparent init(narrowing pointer: UnsafePointer<Double>) { v = focal_load_f64x8(pointer) }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) { store(to: pointer) }

    /// The unbiased exponent and the significand in [1, 2) of a positive normal number.
    @_transparent var exponent: Self { Self(focal_exponent(v)) }
    @_transparent var significand: Self { Self(focal_significand(v)) }
}
