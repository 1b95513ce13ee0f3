//! Formulas of a step. Pure.
//!
//! `MathJax` and `KaTeX` know commands that set styles, make links or define others. A formula stays where it holds none
//! but the commands of [`COMMANDS`], which draw signs and place them.

/// Names after a `\`.
const COMMANDS: &str = "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi \
    varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon \
    Phi Psi Omega frac dfrac tfrac sqrt sum prod int iint iiint oint lim liminf limsup sup inf max min arg det dim exp \
    ln log sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan operatorname left right big Big bigg Bigg \
    bigl bigr Bigl Bigr lfloor rfloor lceil rceil langle rangle lbrace rbrace lbrack rbrack vert Vert lvert rvert lVert \
    rVert cdot cdots ldots dots vdots ddots times div pm mp ast star circ bullet oplus otimes cap cup in notin ni subset \
    supset subseteq supseteq setminus emptyset varnothing forall exists neg lnot land lor wedge vee to rightarrow \
    leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow mapsto longrightarrow infty partial nabla hbar ell Re \
    Im aleph prime leq le geq ge neq ne equiv approx sim simeq cong propto ll gg mid nmid parallel perp angle binom \
    overline underline hat widehat bar tilde widetilde vec dot ddot mathrm mathbf mathit mathcal mathbb mathfrak \
    mathsf mathtt boldsymbol text textrm textbf textit displaystyle textstyle scriptstyle limits nolimits quad qquad \
    begin end hline cr bmod pmod mod gcd overbrace underbrace overset underset stackrel middle";

/// What `\begin` may begin.
const ENVIRONMENTS: &str = "matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array cases equation equation* align \
    align* aligned gathered gather gather* split";

/// Whether a formula holds nothing but signs and their places.
pub(super) fn is_plain(source: &str) -> bool {
    let mut rest = source;
    while let Some((_, after)) = rest.split_once('\\') {
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, next) = after.split_at_checked(end).unwrap_or_default();
        let is_sign =
            name.is_empty() && next.starts_with(|c: char| "\\,;:! {}|%#$_&()[]\n".contains(c));
        let is_known = is_sign || COMMANDS.split_whitespace().any(|known| known == name);
        let is_set = matches!(name, "begin" | "end") && !begins_known(next);
        if !is_known || is_set {
            return false;
        }
        // The sign itself may be a backslash.
        rest = if is_sign { next.get(1..).unwrap_or_default() } else { next };
    }
    let begins_element = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?');
    // TeX reads two carets as the code of a sign, which may be a `\`.
    !source.contains("^^")
        && !source.split('<').skip(1).any(|text| text.starts_with(begins_element))
}

fn begins_known(after: &str) -> bool {
    let name = after.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
    name.is_some_and(|name| ENVIRONMENTS.split_whitespace().any(|known| known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_of_sympy_stay() {
        for source in [
            r"$\displaystyle \frac{x^{2}}{2} + \sqrt{\pi} \sin{\left(x \right)}$",
            r"$\left[\begin{matrix}1 & 2\\3 & 4\end{matrix}\right]$",
            r"$\displaystyle \int\limits_{0}^{\infty} e^{- x}\, dx$",
            r"$\begin{cases} 1 & \text{for}\: x > 0 \\0 & \text{otherwise} \end{cases}$",
        ] {
            assert!(is_plain(source), "{source}");
        }
    }

    #[test]
    fn what_sets_styles_links_or_defines_does_not() {
        for source in [
            r"\href{javascript:f()}{x}",
            r"\\\href{x}{y}",
            r"\style{position:fixed}{x}",
            r"\class{jp-Dialog}{x}",
            r"\cssId{a}{x}",
            r"\def\a{\href}\a{x}{y}",
            r"\require{html}",
            r"\begin{html}x\end{html}",
            r"\mmlToken{mi}[href='javascript:f()']{x}",
            r"\unicode{x3c}",
            r"x < y <img src=x>",
            r"^^5chref{javascript:f()}{x}",
            r"\",
        ] {
            assert!(!is_plain(source), "{source}");
        }
    }
}
