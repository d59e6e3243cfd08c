import CKernels

/// Between the caller's arrays, any type and alignment, and the lanes that compute: whole vectors, and of the last one not a
/// byte beside the array; what is read stands before zeros.
protocol Convertible {
    associatedtype V: Lanes
    /// Bytes of one element.
    static var size: Int { get }
    static func load(_ p: UnsafeRawPointer) -> V
    static func store(_ v: V, _ p: UnsafeMutableRawPointer)
    static func load(_ p: UnsafeRawPointer, first count: Int) -> V
    static func store(_ v: V, _ p: UnsafeMutableRawPointer, first count: Int)
}

extension Convertible {
    /// By way of a small buffer.
    @inline(__always) static func load(_ p: UnsafeRawPointer, first count: Int) -> V {
        var buffer = SIMD16<Double>()
        return withUnsafeMutableBytes(of: &buffer) { buffer in
            focal_copy(buffer.baseAddress.unsafelyUnwrapped, p, count &* size)
            return load(buffer.baseAddress.unsafelyUnwrapped)
        }
    }

    @inline(__always) static func store(_ v: V, _ p: UnsafeMutableRawPointer, first count: Int) {
        var buffer = SIMD16<Double>()
        withUnsafeMutableBytes(of: &buffer) { buffer in
            store(v, buffer.baseAddress.unsafelyUnwrapped)
            focal_copy(p, buffer.baseAddress.unsafelyUnwrapped, count &* size)
        }
    }
}

enum Conversion {
    @inline(__always) static func read<C: Convertible>(
        _: C.Type, _ source: UnsafeRawPointer, _ count: Int, into array: UnsafeMutablePointer<C.V.Scalar>
    ) {
        let whole = count & ~(C.V.count &- 1)
        var i = 0
        while i < whole {
            C.load(source + i &* C.size).store(to: array + i)
            i &+= C.V.count
        }
        if whole < count { C.load(source + whole &* C.size, first: count &- whole).store(to: array + whole) }
    }

    @inline(__always) static func write<C: Convertible>(
        _: C.Type, _ array: UnsafeMutablePointer<C.V.Scalar>, _ count: Int, to target: UnsafeMutableRawPointer
    ) {
        let whole = count & ~(C.V.count &- 1)
        var i = 0
        while i < whole {
            C.store(C.V(loading: array + i), target + i &* C.size)
            i &+= C.V.count
        }
        if whole < count { C.store(C.V(loading: array + whole), target + whole &* C.size, first: count &- whole) }
    }
}

/// The lanes' own type.
enum Unchanged<Scalar: LaneScalar>: Convertible {
    typealias V = Scalar.Vector
    @_transparent static var size: Int { MemoryLayout<Scalar>.size }
    @_transparent static func load(_ p: UnsafeRawPointer) -> V { V(loading: p.assumingMemoryBound(to: Scalar.self)) }
    @_transparent static func store(_ v: V, _ p: UnsafeMutableRawPointer) { v.store(to: p.assumingMemoryBound(to: Scalar.self)) }
    @_transparent static func load(_ p: UnsafeRawPointer, first count: Int) -> V {
        V(loading: p.assumingMemoryBound(to: Scalar.self), first: count)
    }
    @_transparent static func store(_ v: V, _ p: UnsafeMutableRawPointer, first count: Int) {
        v.store(to: p.assumingMemoryBound(to: Scalar.self), first: count)
    }
}

enum SingleFromF64: Convertible {
    @_transparent static var size: Int { 8 }
    @_transparent static func load(_ p: UnsafeRawPointer) -> Floats { Floats(narrowing: p.assumingMemoryBound(to: Double.self)) }
    @_transparent static func store(_ v: Floats, _ p: UnsafeMutableRawPointer) {
        v.widen(to: p.assumingMemoryBound(to: Double.self))
    }
}

/// bfloat16: the upper half of a float, rounded to nearest even.
enum SingleFromBF16: Convertible {
    @inline(__always) static var size: Int { 2 }
    @_transparent static func load(_ p: UnsafeRawPointer) -> Floats { Floats(focal_load_bf16(p)) }
    @_transparent static func store(_ v: Floats, _ p: UnsafeMutableRawPointer) { focal_store_bf16(p, v.v) }
}

/// IEEE binary16, by hardware where the instruction set has it.
enum SingleFromF16: Convertible {
    @inline(__always) static var size: Int { 2 }
    @_transparent static func load(_ p: UnsafeRawPointer) -> Floats { Floats(focal_load_f16(p)) }
    @_transparent static func store(_ v: Floats, _ p: UnsafeMutableRawPointer) { focal_store_f16(p, v.v) }
}

enum DoubleFromF32: Convertible {
    @_transparent static var size: Int { 4 }
    @_transparent static func load(_ p: UnsafeRawPointer) -> Doubles {
        Doubles(focal_widen_doubles(p.assumingMemoryBound(to: Float.self)))
    }
    @_transparent static func store(_ v: Doubles, _ p: UnsafeMutableRawPointer) {
        focal_narrow_doubles(p.assumingMemoryBound(to: Float.self), v.v)
    }
}

extension Floats {
    static func read(_ dtype: Int32, _ source: UnsafeRawPointer, _ count: Int, into array: UnsafeMutablePointer<Float>) {
        switch dtype {
        case FOCAL_DTYPE_BF16: Conversion.read(SingleFromBF16.self, source, count, into: array)
        case FOCAL_DTYPE_F16: Conversion.read(SingleFromF16.self, source, count, into: array)
        case FOCAL_DTYPE_F64: Conversion.read(SingleFromF64.self, source, count, into: array)
        default: Conversion.read(Unchanged<Float>.self, source, count, into: array)
        }
    }

    static func write(
        _ array: UnsafeMutablePointer<Float>, _ count: Int, _ dtype: Int32, to target: UnsafeMutableRawPointer
    ) {
        switch dtype {
        case FOCAL_DTYPE_BF16: Conversion.write(SingleFromBF16.self, array, count, to: target)
        case FOCAL_DTYPE_F16: Conversion.write(SingleFromF16.self, array, count, to: target)
        case FOCAL_DTYPE_F64: Conversion.write(SingleFromF64.self, array, count, to: target)
        default: Conversion.write(Unchanged<Float>.self, array, count, to: target)
        }
    }
}

extension Doubles {
    @inline(never) static func read(
        _ dtype: Int32, _ source: UnsafeRawPointer, _ count: Int, into array: UnsafeMutablePointer<Double>
    ) {
        switch dtype {
        case FOCAL_DTYPE_F64: Conversion.read(Unchanged<Double>.self, source, count, into: array)
        case FOCAL_DTYPE_F32: Conversion.read(DoubleFromF32.self, source, count, into: array)
        default:
            for i in 0..<count { array[i] = scalar(dtype, source + i &* size(of: dtype)) }
            pad(array, count)
        }
    }

    static func write(
        _ array: UnsafeMutablePointer<Double>, _ count: Int, _ dtype: Int32, to target: UnsafeMutableRawPointer
    ) {
        switch dtype {
        case FOCAL_DTYPE_F64: Conversion.write(Unchanged<Double>.self, array, count, to: target)
        case FOCAL_DTYPE_F32: Conversion.write(DoubleFromF32.self, array, count, to: target)
        default: for i in 0..<count { storeScalar(array[i], dtype, to: target + i &* size(of: dtype)) }
        }
    }
}

/// One number of a stored type.
func scalar(_ dtype: Int32, _ p: UnsafeRawPointer) -> Double {
    switch dtype {
    case FOCAL_DTYPE_F64: return p.loadUnaligned(as: Double.self)
    case FOCAL_DTYPE_F32: return Double(p.loadUnaligned(as: Float.self))
    default:
        var values = SIMD16<Float>()
        withUnsafeMutableBytes(of: &values) { bytes in
            Floats.read(dtype, p, 1, into: bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self))
        }
        return Double(values[0])
    }
}

/// Rounds a number to a stored type: by way of float where the type is shorter, as everywhere.
func storeScalar(_ value: Double, _ dtype: Int32, to p: UnsafeMutableRawPointer) {
    switch dtype {
    case FOCAL_DTYPE_F64: p.storeBytes(of: value, as: Double.self)
    case FOCAL_DTYPE_F32: p.storeBytes(of: Float(value), as: Float.self)
    default:
        var values = SIMD16<Float>(repeating: Float(value))
        withUnsafeMutableBytes(of: &values) { bytes in
            Floats.write(bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self), 1, dtype, to: p)
        }
    }
}
