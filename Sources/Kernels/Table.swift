import CKernels

// The one thing a kernel module exports: its functions, under the name of its instruction set.

#if ISA_X86_64_V4
    @_cdecl("focal_kernels_x86_64_v4") @implementation
    public func focal_kernels_x86_64_v4(_ table: UnsafeMutablePointer<focal_kernels>!) { fill(table, "x86-64-v4") }
#elseif ISA_X86_64_V3
    @_cdecl("focal_kernels_x86_64_v3") @implementation
    public func focal_kernels_x86_64_v3(_ table: UnsafeMutablePointer<focal_kernels>!) { fill(table, "x86-64-v3") }
#elseif ISA_X86_64
    @_cdecl("focal_kernels_x86_64") @implementation
    public func focal_kernels_x86_64(_ table: UnsafeMutablePointer<focal_kernels>!) { fill(table, "x86-64") }
#elseif ISA_NEON
    @_cdecl("focal_kernels_neon") @implementation
    public func focal_kernels_neon(_ table: UnsafeMutablePointer<focal_kernels>!) { fill(table, "neon") }
#endif

private func fill(_ table: UnsafeMutablePointer<focal_kernels>, _ isa: StaticString) {
    table.pointee.isa = UnsafeRawPointer(isa.utf8Start).assumingMemoryBound(to: CChar.self)
    table.pointee.float_term = { SigmoidTerm<Floats.Register>.run($0, $1, $2, $3, $4, $5, $6) }
    table.pointee.double_term = { SigmoidTerm<Doubles>.run($0, $1, $2, $3, $4, $5, $6) }
    // The baseline takes the exact way for 16-bit types too.
    #if ISA_X86_64
        table.pointee.short_term = nil
    #else
        table.pointee.short_term = { ShortTerm<Floats.Register>.run($0, $1, $2, $3, $4, $5, $6) }
    #endif
    // The baseline's softmax is all in double.
    #if !ISA_X86_64
        table.pointee.float_rows = { SoftmaxBlocks<Floats.Register>.run($0) }
    #endif
    // AVX-512 has nothing to add to these, and their bits are those of x86-64-v3.
    #if !ISA_X86_64_V4
        table.pointee.is_any_soft = { plan, begin, count in
            Softness.isAnySoft(plan.unsafelyUnwrapped, Int(begin), Int(count)) ? 1 : 0
        }
        table.pointee.sigmoid = { plan, begin, end, scratch in
            let plan = plan.unsafelyUnwrapped, scratch = scratch.unsafelyUnwrapped
            #if ISA_X86_64_V3
                if SigmoidFew.serves(plan, Int(end &- begin)) {
                    return SigmoidFew(plan: plan, start: Int(begin), count: Int(end &- begin), scratch: Scratch(scratch)).run()
                }
            #endif
            return plan.pointee.args.score_dtype == FOCAL_DTYPE_F64
                ? Sigmoid<Doubles>.run(plan, Int(begin), Int(end), scratch)
                : Sigmoid<Floats>.run(plan, Int(begin), Int(end), scratch)
        }
        table.pointee.softmax = { plan, begin, end, scratch in
            let plan = plan.unsafelyUnwrapped, scratch = scratch.unsafelyUnwrapped
            #if ISA_X86_64
                // All in double: the baseline's half of the speed is not worth a second copy of the code.
                return Softmax<Doubles>.run(plan, Int(begin), Int(end), scratch)
            #else
                return plan.pointee.args.score_dtype == FOCAL_DTYPE_F64
                    ? Softmax<Doubles>.run(plan, Int(begin), Int(end), scratch)
                    : Softmax<Floats>.run(plan, Int(begin), Int(end), scratch)
            #endif
        }
        table.pointee.shard_stats = { plan, begin, end, _ in
            ShardStats(plan: plan.unsafelyUnwrapped, begin: Int(begin), end: Int(end)).run()
            return 0
        }
    #endif
    // But for the quick look a survey is bound by memory, whatever the registers.
    #if ISA_X86_64 || ISA_NEON
        table.pointee.survey = { plan, begin, end, survey in
            survey.unsafelyUnwrapped.pointee = Survey.run(plan.unsafelyUnwrapped, Int(begin), Int(end))
        }
    #endif
}
