/// The term of one vector of independent scores: of these numbers a caller takes what it was asked for.
struct SigmoidVector<V: Arithmetic, M: Modulator> {
    private let margin: Margin<V>
    private let weight: V  // a_t q^gamma with the sign of the target
    private let g: V
    let slope: V

    /// `signed` is the element's weight with the sign of its target; e = exp(-|score|), and 1 / (1 + e).
    @_transparent init(_: M.Type, score: V, signed: V, e: Pair<V>, reciprocal: V, gamma: Gamma<V>) {
        margin = Margin(score: score, target: signed, e: e, reciprocal: reciprocal, isSharp: M.isSharp)
        weight = signed * M.weight(margin, gamma)
        g = gamma.value.hi
        slope = margin.slope(weight, g, isSharp: M.isSharp)
    }

    @_transparent func curvature(_ mode: Int32) -> V {
        margin.curvature(weight.magnitude, g, slope: slope.magnitude, mode: mode)
    }
    @_transparent var loss: V { weight.magnitude * margin.loss(isSharp: M.isSharp) }
}
