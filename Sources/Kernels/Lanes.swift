import CKernels

/// A fixed number of lanes of one floating-point type: 16 of Float, 8 of Double, on every instruction set, so that the order
/// of every sum, and with it every bit, is the same everywhere.
///
/// Only what the mathematics needs, each a few instructions.  Swift's own SIMD generics would do, but their protocol
/// extensions compile to loops over lanes; these wrappers pick the concrete operation.
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
    var squareRoot: Self { get }
    /// self with its sign changed where `other` is negative (its sign bit: -0.0 counts).
    func flippingSign(where other: Self) -> Self
    /// Where the sign bit is clear.
    var isPositive: Mask { get }
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

    /// 2^n for each lane, from `n + magic` as `Exponential` leaves it: the integer stands in the low bits, bias included.
    var powerOfTwo: Self { get }
    /// The unbiased exponent and the significand in [1, 2) of a positive normal number.
    var exponent: Self { get }
    var significand: Self { get }

    /// The largest lane; lanes hold no NaN.
    var largest: Scalar { get }
    /// The sum of the lanes: the upper half onto the lower, and again.
    var sum: Scalar { get }
    /// Adds all lanes to eight running sums in double, in a fixed order.
    func accumulate(into sums: inout SIMD8<Double>)

    // What depends on the format; each in the file of its idea.
    static var exponential: Exponential.Constants { get }
    static func exponentialTail(_ r: Self) -> Self
    static func log1p(_ e: Pair<Self>, reciprocal: Self) -> Self

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
    typealias Mask = SIMDMask<SIMD16<Int32>>
    typealias Bits = SIMD16<UInt32>

    var v: SIMD16<Float>

    @_transparent static var count: Int { 16 }
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F32 }
    @_transparent init(_ v: SIMD16<Float>) { self.v = v }
    @_transparent init(_ value: Float) { v = SIMD16(repeating: value) }
    @_transparent init(_ double: Double) { v = SIMD16(repeating: Float(double)) }
    @_transparent init(loading pointer: UnsafePointer<Float>) {
        v = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Float>.self)
    }
    @_transparent func store(to pointer: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: v, as: SIMD16<Float>.self)
    }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(a.v + b.v) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(a.v - b.v) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(a.v * b.v) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(a.v / b.v) }
    @_transparent static prefix func - (a: Self) -> Self { Self(bits: a.bits ^ Bits(repeating: 0x8000_0000)) }

    @_transparent func times(_ b: Self, plus c: Self) -> Self {
        #if ISA_X86_64
            Self(v * b.v + c.v)
        #else
            Self(c.v.addingProduct(v, b.v))
        #endif
    }

    @_transparent func error(of product: Self, times b: Self) -> Self {
        #if ISA_X86_64
            // Dekker's product: halves of 12 bits multiply exactly.
            let (ah, bh) = (upperHalf, b.upperHalf)
            let (al, bl) = (self - ah, b - bh)
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        #else
            return times(b, plus: -product)
        #endif
    }
    @_transparent private var upperHalf: Self { Self(bits: bits & Bits(repeating: 0xFFFF_F000)) }

    @_transparent init(bits: Bits) { v = unsafeBitCast(bits, to: SIMD16<Float>.self) }
    @_transparent var bits: Bits { unsafeBitCast(v, to: Bits.self) }

    @_transparent var magnitude: Self { Self(bits: bits & Bits(repeating: 0x7FFF_FFFF)) }
    @_transparent var squareRoot: Self { Self(focal_sqrt_f32(v)) }
    @_transparent func flippingSign(where other: Self) -> Self {
        Self(bits: bits ^ (other.bits & Bits(repeating: 0x8000_0000)))
    }
    @_transparent var isPositive: Mask { unsafeBitCast(v, to: SIMD16<Int32>.self) .>= SIMD16(repeating: 0) }
    @_transparent static func < (a: Self, b: Self) -> Mask { a.v .< b.v }
    @_transparent static func == (a: Self, b: Self) -> Mask { a.v .== b.v }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self {
        Self(b.v.replacing(with: a.v, where: mask))
    }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { a .& b }
    @_transparent static func not(_ mask: Mask) -> Mask { .!mask }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_i32(unsafeBitCast(mask, to: SIMD16<Int32>.self)) != 0 }

    @_transparent init(narrowing pointer: UnsafePointer<Double>) {
        v = focal_narrow_f64x16(UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Double>.self))
    }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: focal_widen_f32x16(v), as: SIMD16<Double>.self)
    }

    @_transparent var powerOfTwo: Self { Self(bits: bits &<< Bits(repeating: 23)) }
    @_transparent var exponent: Self {
        // The biased exponent as the low bits of 2^23, less 2^23 and the bias.
        Self(bits: (bits &>> Bits(repeating: 23)) | Bits(repeating: 0x4B00_0000)) - Self(Float(0x1p23 + 127))
    }
    @_transparent var significand: Self {
        Self(bits: (bits & Bits(repeating: 0x007F_FFFF)) | Bits(repeating: 0x3F80_0000))
    }
    @_transparent var largest: Float {
        let a = v.lowHalf.replacing(with: v.highHalf, where: v.lowHalf .< v.highHalf)
        let b = a.lowHalf.replacing(with: a.highHalf, where: a.lowHalf .< a.highHalf)
        let c = b.lowHalf.replacing(with: b.highHalf, where: b.lowHalf .< b.highHalf)
        return c[0] < c[1] ? c[1] : c[0]
    }
    @_transparent var sum: Float {
        let a = v.lowHalf + v.highHalf
        let b = a.lowHalf + a.highHalf
        let c = b.lowHalf + b.highHalf
        return c[0] + c[1]
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) {
        sums += focal_widen_low(v)
        sums += focal_widen_high(v)
    }
}

struct F64x8: Lanes {
    typealias Scalar = Double
    typealias Mask = SIMDMask<SIMD8<Int64>>
    typealias Bits = SIMD8<UInt64>

    var v: SIMD8<Double>

    @_transparent static var count: Int { 8 }
    @_transparent static var dtype: Int32 { FOCAL_DTYPE_F64 }
    @_transparent init(_ v: SIMD8<Double>) { self.v = v }
    @_transparent init(_ value: Double) { v = SIMD8(repeating: value) }
    @_transparent init(loading pointer: UnsafePointer<Double>) {
        v = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Double>.self)
    }
    @_transparent func store(to pointer: UnsafeMutablePointer<Double>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: v, as: SIMD8<Double>.self)
    }

    @_transparent static func + (a: Self, b: Self) -> Self { Self(a.v + b.v) }
    @_transparent static func - (a: Self, b: Self) -> Self { Self(a.v - b.v) }
    @_transparent static func * (a: Self, b: Self) -> Self { Self(a.v * b.v) }
    @_transparent static func / (a: Self, b: Self) -> Self { Self(a.v / b.v) }
    @_transparent static prefix func - (a: Self) -> Self { Self(bits: a.bits ^ Bits(repeating: 1 << 63)) }

    @_transparent func times(_ b: Self, plus c: Self) -> Self {
        #if ISA_X86_64
            Self(v * b.v + c.v)
        #else
            Self(c.v.addingProduct(v, b.v))
        #endif
    }

    @_transparent func error(of product: Self, times b: Self) -> Self {
        #if ISA_X86_64
            // Dekker's product: halves of 26 bits multiply exactly.
            let (ah, bh) = (upperHalf, b.upperHalf)
            let (al, bl) = (self - ah, b - bh)
            return ((ah * bh - product) + ah * bl + al * bh) + al * bl
        #else
            return times(b, plus: -product)
        #endif
    }
    @_transparent private var upperHalf: Self { Self(bits: bits & Bits(repeating: 0xFFFF_FFFF_F800_0000)) }

    @_transparent init(bits: Bits) { v = unsafeBitCast(bits, to: SIMD8<Double>.self) }
    @_transparent var bits: Bits { unsafeBitCast(v, to: Bits.self) }

    @_transparent var magnitude: Self { Self(bits: bits & Bits(repeating: ~(1 << 63))) }
    @_transparent var squareRoot: Self { Self(focal_sqrt_f64(v)) }
    @_transparent func flippingSign(where other: Self) -> Self {
        Self(bits: bits ^ (other.bits & Bits(repeating: 1 << 63)))
    }
    @_transparent var isPositive: Mask { unsafeBitCast(v, to: SIMD8<Int64>.self) .>= SIMD8(repeating: 0) }
    @_transparent static func < (a: Self, b: Self) -> Mask { a.v .< b.v }
    @_transparent static func == (a: Self, b: Self) -> Mask { a.v .== b.v }
    @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self {
        Self(b.v.replacing(with: a.v, where: mask))
    }
    @_transparent static func and(_ a: Mask, _ b: Mask) -> Mask { a .& b }
    @_transparent static func not(_ mask: Mask) -> Mask { .!mask }
    @_transparent static func any(_ mask: Mask) -> Bool { focal_any_i64(unsafeBitCast(mask, to: SIMD8<Int64>.self)) != 0 }

    @_transparent init(narrowing pointer: UnsafePointer<Double>) { self.init(loading: pointer) }
    @_transparent func widen(to pointer: UnsafeMutablePointer<Double>) { store(to: pointer) }

    @_transparent var powerOfTwo: Self { Self(bits: bits &<< Bits(repeating: 52)) }
    @_transparent var exponent: Self {
        Self(bits: (bits &>> Bits(repeating: 52)) | Bits(repeating: 0x4330_0000_0000_0000)) - Self(0x1p52 + 1023)
    }
    @_transparent var significand: Self {
        Self(bits: (bits & Bits(repeating: 0x000F_FFFF_FFFF_FFFF)) | Bits(repeating: 0x3FF0_0000_0000_0000))
    }
    @_transparent var largest: Double {
        let a = v.lowHalf.replacing(with: v.highHalf, where: v.lowHalf .< v.highHalf)
        let b = a.lowHalf.replacing(with: a.highHalf, where: a.lowHalf .< a.highHalf)
        return b[0] < b[1] ? b[1] : b[0]
    }
    @_transparent var sum: Double {
        let a = v.lowHalf + v.highHalf
        let b = a.lowHalf + a.highHalf
        return b[0] + b[1]
    }
    @_transparent func accumulate(into sums: inout SIMD8<Double>) { sums += v }
}
