//! The forms one secret takes on its way through other people's programs: base64, URL-encoded, JSON-escaped.
//!
//! Only forms that hold the whole value are listed. What a form is found in is not known here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::SHORTEST;

/// A single line of a value of many lines is searched for by itself from this length on.
const LINE: usize = 16;

/// What each family of URL encoders leaves as it is, beside letters and digits.
const KEPT_IN_URLS: [&[u8]; 5] = [b"", b"-_.~", b"-_.!~*'()", b"*-._", b"-._~!$&'()*+,;=:@/?"];

/// The value itself and everything it may look like. Nothing shorter than [`SHORTEST`].
pub(super) fn forms(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for piece in pieces(value) {
        base64_forms(piece, &mut forms);
        url_forms(piece, &mut forms);
        json_forms(piece, &mut forms);
        forms.insert(piece.to_owned());
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// The value, the value without white space around it, and its long lines: a credentials file is often printed by line.
fn pieces(value: &str) -> BTreeSet<&str> {
    let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE && !line.starts_with("-----"));
    lines.chain([value, value.trim()]).collect()
}

fn base64_forms(value: &str, forms: &mut BTreeSet<String>) {
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.insert(engine.encode(value));
    }
    for shift in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.extend(inner(&engine.encode([&vec![0; shift], value.as_bytes()].concat()), shift, value.len()));
        }
    }
}

/// `user:secret` in base64 holds only those characters of the secret's own that no neighbour has a bit in.
fn inner(encoded: &str, shift: usize, length: usize) -> Option<String> {
    let start = (shift * 8).div_ceil(6);
    let end = (shift + length) * 8 / 6;
    encoded.get(start..end).filter(|core| core.len() >= SHORTEST + 2).map(str::to_owned)
}

fn url_forms(value: &str, forms: &mut BTreeSet<String>) {
    for kept in KEPT_IN_URLS {
        let upper = percent(value, kept, true);
        forms.insert(upper.replace("%20", "+"));
        forms.insert(upper);
        let lower = percent(value, kept, false);
        forms.insert(lower.replace("%20", "+"));
        forms.insert(lower);
    }
}

fn percent(value: &str, kept: &[u8], upper: bool) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        // Writing into a String cannot fail.
        let _ = match byte {
            byte if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.write_char(char::from(byte)),
            byte if upper => write!(out, "%{byte:02X}"),
            byte => write!(out, "%{byte:02x}"),
        };
    }
    out
}

/// As serde_json, Go (which escapes `<`, `>`, `&`), PHP (which escapes `/`) and Python (ASCII only) write it.
fn json_forms(value: &str, forms: &mut BTreeSet<String>) {
    let quoted = serde_json::Value::from(value).to_string();
    let plain = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let go = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let mut ascii = String::with_capacity(plain.len());
    for unit in plain.encode_utf16() {
        let _ = match char::from_u32(u32::from(unit)).filter(char::is_ascii) {
            Some(char) => ascii.write_char(char),
            None => write!(ascii, "\\u{unit:04x}"),
        };
    }
    forms.extend([plain.replace('/', "\\/"), ascii.replace('/', "\\/"), go, ascii, plain.to_owned()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_there() {
        let check = |value: &str, form: &str| assert!(forms(value).contains(form), "{form} of {value}");
        check("hunter2!", "hunter2!");
        check("hunter2!", "aHVudGVyMiE=");
        check("hunter2!", "aHVudGVyMiE");
        check("hunter2!", "hunter2%21");
        check("a?b>c~d\u{ff}e", "YT9iPmN+ZMO/ZQ==");
        check("a?b>c~d\u{ff}e", "YT9iPmN-ZMO_ZQ");
        check("pass word/=", "pass+word%2F%3D");
        check("pass word/=", "pass%20word%2f%3d");
        check("pass word/=", "pass%20word/=");
        check("quote\"back\\", "quote\\\"back\\\\");
        check("a/b/c/d/e", "a\\/b\\/c\\/d\\/e");
        check("a<b>c&d1", "a\\u003cb\\u003ec\\u0026d1");
        check("grüße-dich", "gr\\u00fc\\u00dfe-dich");
        check("  trimmed\n", "trimmed");
        check("first\nthe second, a long line\n", "the second, a long line");
    }

    #[test]
    fn a_secret_inside_a_longer_base64_text_leaves_a_core() {
        let secret = "correct-horse-battery";
        for before in ["", "u", "us", "usr", "user:"] {
            let encoded = STANDARD.encode(format!("{before}{secret}:after"));
            assert!(forms(secret).iter().any(|form| encoded.contains(form.as_str())), "{before}");
        }
    }

    #[test]
    fn nothing_short_is_searched_for() {
        assert!(forms("a b c d e f").iter().all(|form| form.len() >= SHORTEST));
        assert!(forms("ab").iter().all(|form| form.len() >= SHORTEST));
    }
}
