//! One way to write a JSON value, and its digest: what a person confirms and what an intent names must be the same bytes
//! wherever they are computed.
//!
//! The form: no white space; members sorted by the bytes of their names in UTF-8; strings with the shortest escape and
//! nothing else escaped; numbers in plain decimal digits without exponent, the fewest that read back as the same number,
//! so that `3`, `3.0` and `3e0` are one. It knows nothing of bindings.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use crate::ids::Sha256;

/// The SHA-256 of the canonical text.
pub fn digest(value: &Value) -> Sha256 {
    Sha256::of(canonical(value).as_bytes())
}

/// The one text of this value.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(is) => text.push_str(if *is { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&decimal(number)),
        Value::String(string) => quote(string, text),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                comma(at, text);
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
            text.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                comma(at, text);
                quote(name, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
    }
}

fn comma(at: usize, text: &mut String) {
    if at > 0 {
        text.push(',');
    }
}

/// Whole numbers exactly, others by the digits that tell them from every other double.
fn decimal(number: &Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), ..) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        (.., Some(0.0)) => "0".to_owned(),
        (.., Some(double)) => double.to_string(),
        (None, None, None) => number.to_string(),
    }
}

fn quote(string: &str, text: &mut String) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: &str) {
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(canonical(&value), expect, "{json}");
    }

    #[test]
    fn each_value_has_one_text() {
        check(r#" { "b" : 1 , "a" : [ true , null , { } ] } "#, r#"{"a":[true,null,{}],"b":1}"#);
        check(
            r#"{"é":1,"z":2,"Z":3,"":4,"aa":5,"a":6,"😀":7,"￿":8}"#,
            r#"{"":4,"Z":3,"a":6,"aa":5,"z":2,"é":1,"￿":8,"😀":7}"#,
        );
        check("[3, 3.0, 3e0, 0.3e1, -0, -0.0, 0e5]", "[3,3,3,3,0,0,0]");
        check("[18446744073709551615, -9223372036854775808]", "[18446744073709551615,-9223372036854775808]");
        check("[0.1, 1e-7, -2.5, 0.30000000000000004]", "[0.1,0.0000001,-2.5,0.30000000000000004]");
        check("[1e21, 123456789012345680000]", "[1000000000000000000000,123456789012345680000]");
        check(
            r#""a\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u00e9\u2028""#,
            "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}é\u{2028}\"",
        );
    }

    /// The digests are a format: a plan saved by one release is confirmed against by another. Reproduce with
    /// `printf '%s' '<text>' | sha256sum`.
    #[test]
    fn the_vector() {
        let json = r#"{
            "region": "us-east-2",
            "account": "123456789012",
            "action": "aws.terminate_instance",
            "with": { "instance": "i-0abc", "decrement": false, "wait": 2.50, "tries": 1.0, "note": "Zoë's \"own\"\n", "none": null },
            "digests": ["b", "a"]
        }"#;
        let value: Value = serde_json::from_str(json).unwrap();
        let text = concat!(
            r#"{"account":"123456789012","action":"aws.terminate_instance","digests":["b","a"],"region":"us-east-2","#,
            r#""with":{"decrement":false,"instance":"i-0abc","none":null,"note":"Zoë's \"own\"\n","tries":1,"wait":2.5}}"#
        );
        assert_eq!(canonical(&value), text);
        assert_eq!(digest(&value).to_hex(), "4818d9e265de2a02901f95f69e4899f553bf0e61b7cc19002e9d5089a184e092");
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        for bits in [1_u64, 0x3ff0_0000_0000_0001, 0x7fef_ffff_ffff_ffff, 0x0010_0000_0000_0000, 0x4340_0000_0000_0001]
        {
            let double = f64::from_bits(bits);
            let text = canonical(&serde_json::json!(double));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "{text}");
        }
    }
}
