//! What a plain scalar is in YAML 1.2's core schema: `no` is text, `0755` is a number, `1_000` is text.

use super::{Kind, Style, Text};

/// The kind of a plain scalar, or why it cannot be one.
pub(super) fn resolve(text: &str) -> Result<Kind, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    if let Some((radix, digits)) = integer(text) {
        let number = i64::from_str_radix(digits, radix);
        return number.map(Kind::Int).map_err(|_| "the number does not fit into 64 bits");
    }
    if is_float(text) {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        return number.map(Kind::Float).ok_or("the number is too large");
    }
    if matches!(text.trim_start_matches(['-', '+']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("infinity and not-a-number are no values here");
    }
    Ok(Kind::Text(Text { value: text.to_owned(), style: Style::Plain }))
}

/// The radix and what [`i64::from_str_radix`] reads.
fn integer(text: &str) -> Option<(u32, &str)> {
    let all = |digits: &str, fits: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|byte| fits(&byte));
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |byte| (b'0'..=b'7').contains(byte)).then_some((8, digits));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit).then_some((16, digits));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    all(digits, u8::is_ascii_digit).then_some((10, text))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(left, right)| (left, Some(right)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_core_schema() {
        let text = |value: &str| Ok(Kind::Text(Text { value: value.to_owned(), style: Style::Plain }));
        let check =
            |written: &str, expect: Result<Kind, &'static str>| assert_eq!(resolve(written), expect, "{written}");
        for word in
            ["yes", "no", "on", "off", "y", "1_000", "0b1", "1e", ".", "-", "+", "e5", "0x", "0o8", "1.2.3", "30s"]
        {
            check(word, text(word));
        }
        check("", Ok(Kind::Null));
        check("~", Ok(Kind::Null));
        check("TRUE", Ok(Kind::Bool(true)));
        check("false", Ok(Kind::Bool(false)));
        check("0755", Ok(Kind::Int(755)));
        check("-7", Ok(Kind::Int(-7)));
        check("+7", Ok(Kind::Int(7)));
        check("0x1F", Ok(Kind::Int(31)));
        check("0o17", Ok(Kind::Int(15)));
        check("1.5", Ok(Kind::Float(1.5)));
        check("1.", Ok(Kind::Float(1.0)));
        check(".5", Ok(Kind::Float(0.5)));
        check("-1e3", Ok(Kind::Float(-1000.0)));
        check("99999999999999999999", Err("the number does not fit into 64 bits"));
        check("1e999", Err("the number is too large"));
        check("-.inf", Err("infinity and not-a-number are no values here"));
    }
}
