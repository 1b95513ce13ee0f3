//! The exponential function of numbers that are not above zero, in loops that become vectors.

/// `e^x` for `x ≤ 0`, with a relative error below 2^-22; 0 where `x` is below -87, the end of the normal numbers.
/// `fused` is a constant of the caller's: whether a product and a sum are one instruction there.
///
/// # Source
/// S. Moshier's Cephes library, `expf`, <https://www.netlib.org/cephes/>: `e^x = 2^n e^r` with `|r| ≤ ln 2 / 2`, and
/// a polynomial of degree 7 for `e^r`.
#[inline(always)]
pub(crate) fn exp(x: f32, fused: bool) -> f32 {
    /// Added to a small number it leaves that rounded in the lowest bits, as an integer.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, of which the first has few bits.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
    // Without the instruction `mul_add` calls a slow function.
    let mul_add = |a: f32, b: f32, c: f32| if fused { a.mul_add(b, c) } else { a * b + c };
    let shifted = mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add(n, -LN_2.1, mul_add(n, -LN_2.0, x));
    let mut y = POLYNOMIAL[0];
    for coefficient in &POLYNOMIAL[1..] {
        y = mul_add(y, r, *coefficient);
    }
    let y = mul_add(y * r, r, r + 1.0);
    // 2^n by its exponent; what `ROUND` has above the integer is shifted out.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { y * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_keeps_its_bounds() {
        for fused in [false, true] {
            let mut worst = 0.0_f64;
            for step in 0..=1_040_000_u32 {
                #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
                let x = step as f32 * -1e-4;
                let found = exp(x, fused);
                if x < -87.0 {
                    assert!(found.abs() < f32::MIN_POSITIVE, "{x}: {found}");
                } else {
                    worst = worst.max((f64::from(found) / f64::from(x).exp() - 1.0).abs());
                }
            }
            assert!(worst < f64::from(2.0_f32.powi(-22)), "{worst}");
            assert!(exp(f32::NEG_INFINITY, fused).abs() < f32::MIN_POSITIVE);
            assert!((exp(0.0, fused) - 1.0).abs() < f32::EPSILON);
        }
    }
}
