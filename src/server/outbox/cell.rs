//! One cell of a file that people open in a spreadsheet: what a stranger wrote is text there, and never a
//! formula or a new line.

use std::borrow::Cow;

/// The text of a cell. What a spreadsheet would take for a formula gets an apostrophe before it, and
/// control characters become spaces.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let plain = text.replace(char::is_control, " ");
    Cow::Owned(if formula { format!("'{plain}") } else { plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_has_a_line_of_its_own() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+380671112233", "'+380671112233"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "' =1"),
            ("\r=1", "' =1"),
            ("Одеса", "Одеса"),
            ("а\nб\u{0}", "а б "),
            ("", ""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(defused(text), cell, "{text:?}");
        }
    }
}
