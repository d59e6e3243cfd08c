import CKernels

/// Everything the focal term needs of a margin u: the logit times +1 or -1, or its softmax counterpart.
///
///     p = sigma(u) = p_t      q = sigma(-u) = 1 - p_t      loss = softplus(-u) = -log p_t
///
/// All come from e = exp(-|u|), never from 1 - p, so that none loses digits at either end.
struct Margin<V: Lanes> {
    /// Where the score is on the other side, u < 0.
    let wrong: V.Mask
    let size: V  // |u|, bounded
    let sizeLow: V  // what |u| lost in rounding
    let log1p: V  // log(1 + e)
    let p: V
    let q: Pair<V>  // a pair: q^gamma multiplies its error by gamma
    let loss: V
    /// The loss, finite for infinite scores too: for products with p, which is 0 long before the bound matters.
    let finiteLoss: V

    /// From |u| and e = exp(-|u|).
    @_transparent init(size: V, wrong: V.Mask, e: Pair<V>) {
        let d = V.one + e.hi
        let reciprocal = V.one / d
        let ratio = e.hi * reciprocal

        // q = N / (1 + e) with N = e on the right side and 1 on the wrong one.  N - q (1 + e), formed exactly, corrects it.
        let high = V.select(wrong, reciprocal, ratio)
        let numerator = V.select(wrong, V.one, e.hi)
        let numeratorLow = V.select(wrong, V.zero, e.lo)
        let residual = (-high).times(e.lo, plus: (-high).times(e.hi, plus: numerator - high) + numeratorLow)
        self.init(
            wrong: wrong, size: Pair(size, V.zero), log1p: V.log1p(e, reciprocal: reciprocal),
            p: V.select(wrong, ratio, reciprocal), q: Pair(high, residual * reciprocal))
    }

    /// From its parts; size may be infinite.
    @_transparent init(wrong: V.Mask, size: Pair<V>, log1p: V, p: V, q: Pair<V>) {
        self.wrong = wrong
        self.size = size.hi.atMost(V(1024.0))
        sizeLow = size.lo
        self.log1p = log1p
        self.p = p
        self.q = q
        loss = log1p + V.select(wrong, size.hi, V.zero)
        finiteLoss = log1p + V.select(wrong, self.size, V.zero)
    }

    /// w L: the low part must not meet an infinite loss.
    @_transparent func weightedLoss(_ w: Pair<V>) -> V { w.hi.times(loss, plus: w.lo * finiteLoss) }

    /// -f' = w (q + g p L): both terms have one sign, nothing cancels.  Here 1 - q serves for p: its absolute error is that of
    /// q, and where p is small its term is too.
    @_transparent func slope(_ w: Pair<V>, _ g: V) -> V {
        let p = (V.one - q.hi) - q.lo
        let product = Pair.product(p, finiteLoss)
        let sum = g.times(product.hi, plus: q.hi)
        let low = g.times(product.lo, plus: q.lo)
        return w.hi.times(sum, plus: w.lo.times(sum, plus: w.hi * low))
    }

    /// f'' = w p (q (1 + 2g) + g L (g p - q)), its size, or the Gauss-Newton p |f'|.
    @_transparent func curvature(_ w: Pair<V>, _ g: V, slope: V, mode: Int32) -> V {
        if mode == FOCAL_HESSIAN_GAUSS_NEWTON { return p * slope }
        // Where p is not small 1 - q is the more exact.
        let p = V.select(q.hi < V(0.75), (V.one - q.hi) - q.lo, p)
        let bend = g * finiteLoss * g.times(p, plus: -q.hi)
        let exact = (w * p) * q.hi.times((g + g) + V.one, plus: bend)
        return mode == FOCAL_HESSIAN_ABSOLUTE ? exact.magnitude : exact
    }
}
