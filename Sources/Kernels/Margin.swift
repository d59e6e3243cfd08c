import CKernels

/// Everything the focal term needs of a margin u: the logit times +1 or -1, or its softmax counterpart.
///
///     p = sigma(u) = p_t      q = sigma(-u) = 1 - p_t      loss = softplus(-u) = -log p_t
///
/// All come from e = exp(-|u|), never from 1 - p, so that none loses digits at either end.
struct Margin<V: Arithmetic> {
    let u: V  // may be infinite
    let uLow: V  // what u lost in rounding
    let log1p: Pair<V>  // log(1 + e)
    let p: V
    let q: Pair<V>  // a pair: q^gamma multiplies its error by gamma

    /// From a score whose target has the sign of `target`, e = exp(-|score|) and 1 / (1 + e).  isSharp: see Modulator.
    @_transparent init(score: V, target: V, e: Pair<V>, reciprocal: V, isSharp: Bool) {
        let u = score.flippingSign(where: target)
        let isWrong = u.isNegative
        let ratio = e.hi * reciprocal
        // What the ratio lost is e - ratio (1 + e), formed exactly, over 1 + e; of e's low part 1 / (1 + e)^2 counts.
        let ratioLow = e.lo.times(reciprocal, plus: (-ratio).times(e.hi, plus: e.hi - ratio)) * reciprocal
        // What the reciprocal lost follows, for both add up to 1; the differences are exact (Sterbenz's lemma).
        let reciprocalLow = ((V.one - reciprocal) - ratio) - ratioLow
        self.init(
            u: Pair(u, V.zero), log1p: V.log1p(e, ratio: Pair(ratio, ratioLow), isSharp: isSharp),
            p: V.select(isWrong, ratio, reciprocal),
            q: Pair(V.select(isWrong, reciprocal, ratio), V.select(isWrong, reciprocalLow, ratioLow)))
    }

    @_transparent init(u: Pair<V>, log1p: Pair<V>, p: V, q: Pair<V>) {
        self.u = u.hi
        uLow = u.lo
        self.log1p = log1p
        self.p = p
        self.q = q
    }

    @_transparent var loss: V { log1p.hi - u.atMost(V.zero) }
    /// isSharp: with what the logarithm lost in rounding.
    @_transparent func loss(isSharp: Bool) -> V { isSharp ? loss + log1p.lo : loss }
    /// For products with p, which is 0 long before the bound matters.
    @_transparent var finiteLoss: V { loss.atMost(V(1024.0)) }

    /// -f' = w (q + g p L): both terms have one sign, nothing cancels.  Here 1 - q serves for p: its absolute error is that of
    /// q, and where p is small its term is too.  Where g L outweighs q the digits that L lost count: isSharp puts them back.
    @_transparent func slope(_ w: V, _ g: V, isSharp: Bool) -> V {
        let p = (V.one - q.hi) - q.lo
        if !isSharp { return w * (g * p).times(finiteLoss, plus: q.hi) }
        let product = Pair.product(p, finiteLoss)
        let sum = g.times(product.hi, plus: q.hi)
        let low = g.times(p.times(log1p.lo, plus: product.lo), plus: q.lo)
        return w.times(sum, plus: w * low)
    }

    /// f'' = w p (q (1 + 2g) + g L (g p - q)), its size, or the Gauss-Newton p |f'|.
    @_transparent func curvature(_ w: V, _ g: V, slope: V, mode: Int32) -> V {
        if mode == FOCAL_HESSIAN_GAUSS_NEWTON { return p * slope }
        // Where p is not small 1 - q is the more exact.
        let p = V.select(q.hi < V(0.75), (V.one - q.hi) - q.lo, p)
        let bend = g * finiteLoss * g.times(p, plus: -q.hi)
        let exact = (w * p) * q.hi.times((g + g) + V.one, plus: bend)
        return mode == FOCAL_HESSIAN_ABSOLUTE ? exact.magnitude : exact
    }
}
