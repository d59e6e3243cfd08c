#if ISA_X86_64_V3
    import CKernels

    /// Eight lanes of float, a register of AVX2, for loops that add no lanes to each other: sixteen are two registers, whose
    /// steps LLVM interleaves until it has to spill them.
    struct Octets: Singles {
        typealias Mask = SIMD8<Int32>

        var v: SIMD8<Float>

        @_transparent static var count: Int { 8 }
        @_transparent static var hasEveryModulator: Bool { true }

        @_transparent init(_ v: SIMD8<Float>) { self.v = v }
        @_transparent init(_ value: Float) { v = focal_splat_octets(value) }
        @_transparent init(_ double: Double) { v = focal_splat_octets(Float(double)) }
        @_transparent init(loading pointer: UnsafePointer<Float>) { v = focal_load_octets(pointer) }
        @_transparent func store(to pointer: UnsafeMutablePointer<Float>) { focal_store_octets(pointer, v) }

        @_transparent static func + (a: Self, b: Self) -> Self { Self(focal_add_octets(a.v, b.v)) }
        @_transparent static func - (a: Self, b: Self) -> Self { Self(focal_subtract_octets(a.v, b.v)) }
        @_transparent static func * (a: Self, b: Self) -> Self { Self(focal_multiply_octets(a.v, b.v)) }
        @_transparent static func / (a: Self, b: Self) -> Self { Self(focal_divide_octets(a.v, b.v)) }
        @_transparent static prefix func - (a: Self) -> Self { Self(focal_negate_octets(a.v)) }
        @_transparent func times(_ b: Self, plus c: Self) -> Self { Self(focal_fma_octets(v, b.v, c.v)) }
        @_transparent func error(of product: Self, times b: Self) -> Self { times(b, plus: -product) }

        @_transparent var magnitude: Self { Self(focal_magnitude_octets(v)) }
        @_transparent var squareRoot: Self { Self(focal_root_octets(v)) }
        @_transparent var roughHalfInverseRoot: Self { Self(focal_rough_octets(v)) }
        @_transparent func flippingSign(where other: Self) -> Self { Self(focal_flip_octets(v, other.v)) }
        @_transparent var isNegative: Mask { focal_negative_octets(v) }
        @_transparent static func < (a: Self, b: Self) -> Mask { focal_less_octets(a.v, b.v) }
        @_transparent static func == (a: Self, b: Self) -> Mask { focal_equal_octets(a.v, b.v) }
        @_transparent func atLeast(_ bound: Self) -> Self { Self(focal_max_octets(v, bound.v)) }
        @_transparent func atMost(_ bound: Self) -> Self { Self(focal_min_octets(v, bound.v)) }
        @_transparent static func select(_ mask: Mask, _ a: Self, _ b: Self) -> Self { Self(focal_select_octets(mask, a.v, b.v)) }
        @_transparent func intersection(_ other: Self) -> Self { Self(focal_intersection_octets(v, other.v)) }
        @_transparent static func fold(rest: Self, top: Self) -> (rest: Float, top: Float) {
            let folded = focal_fold_octets(rest.v, top.v)
            return (folded[0], folded[1])
        }
        @_transparent func pick(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> Self {
            Self(focal_pick_octets(v, a, b, c, d))
        }
        @_transparent static func power(_ steps: Self) -> Self { Self(focal_quarters_octets(steps.v)) }

        @_transparent init(bf16 p: UnsafeRawPointer) { v = focal_load_bf16_octets(p) }
        @_transparent init(f16 p: UnsafeRawPointer) { v = focal_load_f16_octets(p) }
        @_transparent func store(bf16 p: UnsafeMutableRawPointer) { focal_store_bf16_octets(p, v) }
        @_transparent func store(f16 p: UnsafeMutableRawPointer) { focal_store_f16_octets(p, v) }
    }
#endif
