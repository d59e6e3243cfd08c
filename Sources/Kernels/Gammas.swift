/// What is done with a class of gamma that is only known at run time.
protocol ModulatorWork {
    func run<M: Modulator>(_: M.Type)
}

extension ModulatorWork {
    @inline(__always) func run(gamma: Double) {
        switch gamma {
        case 0: run(GammaZero.self)
        case 0.5: run(GammaHalf.self)
        case 1: run(GammaOne.self)
        case 1.5: run(GammaThreeHalves.self)
        case 2: run(GammaTwo.self)
        case 3: run(GammaThree.self)
        case 5: run(GammaFive.self)
        default: run(GammaAny.self)
        }
    }
}
