/// What is done with a class of gamma that is only known at run time.
protocol ModulatorWork {
    func run<M: Modulator>(_: M.Type)
}

extension ModulatorWork {
    /// everyClass: code for each of the usual gammas, for the loops that matter most; else one for all multiples of a half
    /// beside the commonest.
    @inline(__always) func run(gamma: Double, everyClass: Bool) {
        if gamma == 2 { return run(GammaTwo.self) }
        guard everyClass else {
            return GammaHalves.covers(gamma) ? run(GammaHalves.self) : run(GammaAny.self)
        }
        switch gamma {
        case 0: run(GammaZero.self)
        case 0.5: run(GammaHalf.self)
        case 1: run(GammaOne.self)
        case 1.5: run(GammaThreeHalves.self)
        case 3: run(GammaThree.self)
        case 5: run(GammaFive.self)
        default: run(GammaAny.self)
        }
    }
}

extension GammaAny {
    /// Whether no other type of modulator covers gamma, where the loop has code for each class of it.
    static func serves(_ gamma: Double) -> Bool {
        switch gamma {
        case 0, 0.5, 1, 1.5, 2, 3, 5: false
        default: true
        }
    }
}
