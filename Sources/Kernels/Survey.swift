import CKernels

/// The pass over the targets before anything is written: it finds the first that is out of range, counts what the divisor
/// needs and learns whether any target is soft.  A unit is an element (sigmoid, dense) or a sample.
struct Survey: TargetWork {
    let plan: Plan
    let begin: Int
    let end: Int

    static func run(_ plan: Plan, _ begin: Int, _ end: Int) -> focal_survey {
        let survey = Survey(plan: plan, begin: begin, end: end)
        return plan.pointee.isLabels
            ? survey.run(labels: plan.pointee.args.target_dtype) : survey.run(dtype: plan.pointee.args.target_dtype)
    }

    func run<T: Target>(_: T.Type) -> focal_survey {
        var survey = focal_survey(valid: 0, weights: 0, positives: 0, bad_index: -1, soft: 0)
        if onlyValidity && !plan.pointee.isDenseSoftmax {
            plain(T.self, &survey)
        } else {
            for unit in begin..<end where survey.bad_index < 0 { count(T.self, unit, &survey) }
        }
        return survey
    }

    /// Nothing is weighted, and nothing ignored but a label: the check is a loop without branches.
    private var onlyValidity: Bool {
        let args = plan.pointee.args
        return args.ignore_mask == nil && (plan.pointee.isLabels || args.ignore_index == focal_label_none)
            && (args.reduction != FOCAL_REDUCTION_MEAN || args.divisor < FOCAL_DIVISOR_WEIGHTS)
    }

    @inline(__always) private func plain<T: Target>(_: T.Type, _ survey: inout focal_survey) {
        let targets = plan.pointee.args.targets.unsafelyUnwrapped
        survey.valid = Double(end &- begin) * plan.pointee.elementsPerUnit
        var bad: UInt32 = 0, soft: UInt32 = 0
        if areLabels(T.self) {
            var ignored = 0
            for i in begin..<end {
                let label = T.label(T.at(targets, i)), isIgnored = isIgnored(label)
                bad |= isIgnored || isValidLabel(label) ? 0 : 1
                ignored &+= isIgnored ? 1 : 0
            }
            survey.valid -= Double(ignored) * plan.pointee.elementsPerUnit
        } else {
            if plan.pointee.kernels.is_any_soft(plan, Int64(begin), Int64(end &- begin)) == 0 { return }
            for i in begin..<end {
                let stored = T.at(targets, i)
                bad |= T.badness(stored)
                soft |= T.softness(stored)
            }
        }
        survey.soft = Int32(bitPattern: soft)
        if bad == 0 { return }
        var i = begin
        while isRight(T.self, T.at(targets, i)) { i &+= 1 }
        survey.bad_index = Int64(i)
    }

    @inline(__always) private func isRight<T: Target>(_: T.Type, _ stored: T.Stored) -> Bool {
        guard areLabels(T.self) else { return T.isValid(stored) }
        return isIgnored(T.label(stored)) || isValidLabel(T.label(stored))
    }

    @inline(__always) private func isIgnored(_ label: Int64) -> Bool {
        label == plan.pointee.args.ignore_index && label != focal_label_none
    }

    @inline(__always) private func areLabels<T: Target>(_: T.Type) -> Bool { T.mayBeLabels && plan.pointee.isLabels }

    @inline(__always) private func isValidLabel(_ label: Int64) -> Bool {
        UInt64(bitPattern: label) < UInt64(bitPattern: plan.pointee.labelLimit)
            || (plan.pointee.softmax == 0 && label == plan.pointee.args.background_label && label != focal_label_none)
    }

    @inline(__always) private func count<T: Target>(_: T.Type, _ unit: Int, _ survey: inout focal_survey) {
        let args = plan.pointee.args
        let targets = args.targets.unsafelyUnwrapped
        if plan.pointee.isMasked(unit) { return }
        if plan.pointee.isDenseSoftmax { return countSoftmax(T.self, unit, &survey) }
        let stored = T.at(targets, unit)
        let ignored = args.ignore_index
        if areLabels(T.self) {
            let label = T.label(stored)
            if label == ignored { return }
            guard isValidLabel(label) else { return survey.bad_index = Int64(unit) }
            survey.positives += label != args.background_label ? 1 : 0
            survey.weights += weight(unit, label)
        } else {
            if ignored != focal_label_none && T.value(stored) == Double(ignored) { return }
            guard T.isValid(stored) else { return survey.bad_index = Int64(unit) }
            survey.soft |= T.isHard(stored) ? 0 : 1
            survey.positives += T.value(stored)
            survey.weights += weight(unit, 0)
        }
        survey.valid += plan.pointee.elementsPerUnit
    }

    /// What a unit adds to the sum of weights.
    private func weight(_ unit: Int, _ label: Int64) -> Double {
        let args = plan.pointee.args
        guard args.divisor == FOCAL_DIVISOR_WEIGHTS else { return 0 }
        if plan.pointee.softmax != 0 { return plan.pointee.weight(unit) * plan.pointee.labelWeight(Int(label)) }
        if !plan.pointee.isLabels { return elementWeight(unit) }
        let classes = Int(args.classes), inner = Int(args.inner)
        let first = (unit / inner) &* classes &* inner &+ unit % inner
        var sum = 0.0
        for klass in 0..<classes { sum += elementWeight(first &+ klass &* inner) }
        return sum
    }

    private func elementWeight(_ element: Int) -> Double {
        let place = Place(plan, element)
        let byElement = plan.pointee.args.weight_layout == FOCAL_WEIGHTS_ELEMENT
        return plan.pointee.weight(byElement ? element : place.sample)
            * (plan.pointee.args.class_weights.map { $0[place.klass] } ?? 1)
    }

    /// A sample of class probabilities: torch's weighted mean counts each class's share.
    private func countSoftmax<T: Target>(_: T.Type, _ sample: Int, _ survey: inout focal_survey) {
        let args = plan.pointee.args
        let targets = args.targets.unsafelyUnwrapped
        let classes = Int(args.classes), inner = Int(args.inner)
        let first = (sample / inner) &* classes &* inner &+ sample % inner
        var weights = 0.0, background = 0.0
        for klass in 0..<classes {
            let stored = T.at(targets, first &+ klass &* inner)
            guard T.isValid(stored) else { return survey.bad_index = Int64(first &+ klass &* inner) }
            weights += T.value(stored) * plan.pointee.labelWeight(klass)
            if Int64(klass) == args.background_label { background = T.value(stored) }
        }
        survey.valid += 1
        survey.weights += plan.pointee.weight(sample) * weights
        survey.positives += 1 - background
    }
}

/// Whether any of a block's dense targets is soft.
struct Softness: TargetWork {
    let targets: UnsafeRawPointer
    let start: Int
    let count: Int

    static func isAnySoft(_ plan: Plan, _ start: Int, _ count: Int) -> Bool {
        Softness(targets: plan.pointee.args.targets.unsafelyUnwrapped, start: start, count: count)
            .run(dtype: plan.pointee.args.target_dtype)
    }

    func run<T: Target>(_: T.Type) -> Bool { !T.areHard(targets + start &* T.size, count) }
}
