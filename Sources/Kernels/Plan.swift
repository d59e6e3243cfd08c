import CKernels

typealias Plan = UnsafePointer<focal_plan>

extension focal_plan {
    /// Calls `body` for each run of consecutive elements of [start, start + count) that lie in one row (inner = 1: one sample,
    /// consecutive classes) or in one plane (inner > 1: one class, consecutive samples).
    @inline(__always) func forEachRun(_ start: Int, _ count: Int, _ body: (Run) -> Void) {
        let classes = Int(args.classes), inner = Int(args.inner), isRow = inner == 1, extent = isRow ? classes : inner
        // Divisions cost as much as a vector of elements: one block, one place to begin with.
        var line = start / extent, position = start &- line &* extent
        var group = isRow ? line : line / classes, klass = line &- group &* classes
        var offset = 0
        while offset < count {
            let length = min(count &- offset, extent &- position)
            body(
                isRow
                    ? Run(offset: offset, length: length, sample: line, klass: position, isRow: true)
                    : Run(offset: offset, length: length, sample: group &* inner &+ position, klass: klass, isRow: false))
            offset &+= length
            position = 0
            line &+= 1
            klass &+= 1
            if klass == classes {
                klass = 0
                group &+= 1
            }
        }
    }

    @inline(__always) func weight(_ index: Int) -> Double {
        guard let weights = args.weights else { return 1 }
        return args.weight_dtype == FOCAL_DTYPE_F64
            ? weights.loadUnaligned(fromByteOffset: index &* 8, as: Double.self)
            : Double(weights.loadUnaligned(fromByteOffset: index &* 4, as: Float.self))
    }

    @inline(__always) var kernels: focal_kernels { table.pointee }

    @inline(__always) var isLabels: Bool { args.target_kind == FOCAL_TARGETS_LABELS }
    /// Whether a unit of the mask (a sample, or an element of dense sigmoid targets) is left out by it.
    @inline(__always) func isMasked(_ unit: Int) -> Bool { args.ignore_mask.map { $0[unit] != 0 } ?? false }
    @inline(__always) func isIgnored(_ sample: Int, label: Int64) -> Bool { isMasked(sample) || label == args.ignore_index }
    @inline(__always) var ignores: Bool { args.ignore_index != focal_label_none || args.ignore_mask != nil }
    @inline(__always) var isDenseSoftmax: Bool { softmax != 0 && !isLabels }
    /// One label of a one-vs-rest problem stands for a score in every column.
    @inline(__always) var elementsPerUnit: Double { softmax == 0 && isLabels ? Double(args.classes) : 1 }
    @inline(__always) var labelLimit: Int64 { args.shard_total > 0 ? args.shard_total : args.classes }

    /// Whether a label makes a column of a one-vs-rest problem positive.
    @inline(__always) func isPositive(_ klass: Int, _ label: Int64) -> Bool {
        label == Int64(klass) && label != args.background_label
    }

    /// The weight of a target class of a softmax.
    @inline(__always) func labelWeight(_ klass: Int) -> Double { classAlpha(klass) * classWeight(klass) }
    @inline(__always) func classAlpha(_ klass: Int) -> Double {
        let alpha = args.alphas.map { $0[klass] } ?? args.alpha
        return alpha == FOCAL_ALPHA_OFF ? 1 : alpha
    }
    @inline(__always) func classWeight(_ klass: Int) -> Double { args.class_weights.map { $0[klass] } ?? 1 }
    @inline(__always) var outDtype: Int32 { args.out_dtype == 0 ? args.score_dtype : args.out_dtype }
    /// Whether scores and outputs are of one 16-bit type.
    @inline(__always) var isShort: Bool { size(of: args.score_dtype) == 2 && outDtype == args.score_dtype }
}

/// Consecutive elements: of one sample (a row, classes counting up from `klass`) or of one class (samples counting up).
struct Run {
    let offset: Int  // in the block
    let length: Int
    let sample: Int
    let klass: Int
    let isRow: Bool
}

@inline(__always) func size(of dtype: Int32) -> Int {
    switch dtype {
    case FOCAL_DTYPE_F64, FOCAL_DTYPE_I64: 8
    case FOCAL_DTYPE_BF16, FOCAL_DTYPE_F16: 2
    case FOCAL_DTYPE_U8: 1
    default: 4
    }
}
