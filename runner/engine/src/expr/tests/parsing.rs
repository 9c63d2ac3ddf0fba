//! What text becomes, and what is said of text that becomes nothing.

use super::super::{
    Expr, Kind, MAX_DEPTH, MAX_EXPRESSION, MAX_TEMPLATE, ParseCode, Piece, Template, parse, parse_template,
};
use super::shown;

#[test]
fn operators_bind_as_in_minijinja() {
    check("a or b and not c == d", "(or a (and b (not (c == d)))) <a or b and not c == d>");
    check("a < b not in c", "(a < b not in c) <a < b not in c>");
    check("not a", "(not a) <not a>");
    check("not a in b", "(not (a in b)) <not a in b>");
    check("a not in b", "(not (a in b)) <a not in b>");
    check("not not a", "(not (not a)) <not not a>");
    check("1 < 2 <= 3", "(1 < 2 <= 3) <1 < 2 <= 3>");
    check("-a.b", "(- a.b) <-a.b>");
    check("- 5", "(- 5) <- 5>");
    check("- - 1", "(- (- 1)) <- - 1>");
    check("-2 ** 2", "(** (- 2) 2) <-2 ** 2>");
    check("2 ** 3 ** 2", "(** (** 2 3) 2) <2 ** 3 ** 2>");
    check("-x | abs", "(|abs (- x) ) <-x | abs>");
    check("1 - 2 - 3", "(- (- 1 2) 3) <1 - 2 - 3>");
    check("1 + 2 * 3 ~ 4", "(+ 1 (~ (* 2 3) 4)) <1 + 2 * 3 ~ 4>");
    check("1 + (2 * 3)", "(+ 1 (* 2 3)) <1 + (2 * 3)>");
    check("(a or b) and (c)", "(and (or a b) c) <(a or b) and (c)>");
    check("a if b else c", "(if b a c) <a if b else c>");
    check("a if b else c if d else e", "(if b a (if d c e)) <a if b else c if d else e>");
    check(r#"a ~ "x" | lower"#, r#"(~ a (|lower "x" )) <a ~ "x" | lower>"#);
}

#[test]
fn names_literals_and_accesses() {
    check("a", "a <a>");
    check("loop", "loop <loop>");
    check("self.x", "self.x <self.x>");
    check("a.b.c", "a.b.c <a.b.c>");
    check(r#"a . b [ 0 ] ["x y"]"#, r#"a.b[0]["x y"] <a . b [ 0 ] ["x y"]>"#);
    check(r#"a["x"]["y z"]"#, r#"a.x["y z"] <a["x"]["y z"]>"#);
    check(r#"a["b"]"#, r#"a.b <a["b"]>"#);
    check("a[-1].b", "a[-1].b <a[-1].b>");
    check("a.0", "a[0] <a.0>");
    check("a[item]", "(item a item) <a[item]>");
    check("a.b[c.d].e", "(get (item a.b c.d) .e) <a.b[c.d].e>");
    check("(a)[0]", "a[0] <(a)[0]>");
    check("(a | first).name", "(get (|first a ) .name) <(a | first).name>");
    check(r#"[1, "a", none]"#, r#"[1 "a" null] <[1, "a", none]>"#);
    check("[]", "[] <[]>");
    check(r#"{"a": 1, "b": [2]}"#, r#"{a:1 b:[2]} <{"a": 1, "b": [2]}>"#);
    check("{}", "{} <{}>");
    check(r#"'a' "b""#, r#""ab" <'a' "b">"#);
    check(r#""a\n\"b\"""#, r#""a\n\"b\"" <"a\n\"b\"">"#);
    check("True and None == none", "(and true (null == null)) <True and None == none>");
    check("18446744073709551615", "18446744073709551615 <18446744073709551615>");
    check("1_000", "1000 <1_000>");
    check("0x1f", "31 <0x1f>");
    check("1.5", "1.5 <1.5>");
}

#[test]
fn filters_and_tests() {
    check(r#"a | sort(attribute="x")"#, r#"(|sort a _ "x") <a | sort(attribute="x")>"#);
    check("a | sort(true)", "(|sort a true _) <a | sort(true)>");
    check(r#"a | replace(from="x", to="y")"#, r#"(|replace a "x" "y") <a | replace(from="x", to="y")>"#);
    check(
        r#"a.b.c | map(attribute="x") | join(", ")"#,
        r#"(|join (|map a.b.c "x") ", ") <a.b.c | map(attribute="x") | join(", ")>"#,
    );
    check("a is not defined", "(not (is defined a)) <a is not defined>");
    check("x and a is not none", "(and x (not (is none a))) <x and a is not none>");
    check("a is defined and b is none", "(and (is defined a) (is none b)) <a is defined and b is none>");
}

#[test]
fn what_is_no_expression() {
    check("é", "Syntax |é| unexpected character");
    check(r#""é" ~ a.bb b"#, "Syntax |b| unexpected input after expression");
    check(r#""é" ~ "#, "Syntax |~| unexpected end of input, expected expression");
    check("a b", "Syntax |b| unexpected input after expression");
    check("", "Syntax || there is no expression");
    check(" ", "Syntax | | there is no expression");
    check("a +", "Syntax |+| unexpected end of input, expected expression");
    check("a.", "Syntax |.| unexpected end of input, expected identifier or integer");
    check("a..b", "Syntax |.| unexpected `.`, expected identifier or integer");
    check("a.é", "Syntax |é| unexpected character");
    check("a[", "Syntax |[| unexpected end of input, expected expression");
    check("a[]", "Syntax |]| unexpected `]`");
    check("(a", "Syntax |a| unexpected end of input, expected `)`");
    check("a)", "Syntax |)| unexpected input after expression");
    check("a }} b", "Syntax |}}| unexpected input after expression");
    check(r#""abc"#, "Syntax |c| unexpected end of string");
    check(r#""\x""#, r#"Syntax |"| bad string escape"#);
    check("0x", "Syntax |x| invalid integer (too large)");
    check("340282366920938463463374607431768211456", "Syntax |6| invalid integer (too large)");
    check("a\nb", "Syntax |b| unexpected input after expression");
}

#[test]
fn what_other_languages_write() {
    check("a && b", "Syntax |&| unexpected character; write `and`");
    check(
        "a || b",
        "Syntax ||| unexpected `|`, expected identifier; write `or`; a single `|` is followed by the name of a filter",
    );
    check("!a", "Syntax |!| unexpected character; write `not`");
    check("a = b", "Syntax |=| unexpected input after expression; `==` compares");
    check("a ? b : c", "Syntax |?| unexpected character; write `a if condition else b`");
    check("$a", "Syntax |$| unexpected character; names stand as they are: `inputs.name`");
    check(
        "{{ a }}",
        "NotAllowed |{{ a }}| `{{` stands inside an expression; leave out the `{{` and `}}`: names stand as they are",
    );
}

#[test]
fn what_is_left_out_on_purpose() {
    check("f(1)", "NotAllowed |f(1)| nothing can be called in an expression; there are filters only: `value | name`");
    check(
        "a.items()",
        "NotAllowed |.items()| nothing can be called in an expression; there are filters only: `value | name`",
    );
    check(
        "a.lower()",
        "NotAllowed |.lower()| nothing can be called in an expression; write it as a filter: `... | lower`",
    );
    check("a[1:2]", "NotAllowed |a[1:2]| slices are not supported; use one index, `| first` or `| last`");
    check("(1, 2)", "NotAllowed |(1, 2)| tuples are not supported; write a list: `[a, b]`");
    check("()", "NotAllowed |()| tuples are not supported; write a list: `[a, b]`");
    check("a if b", "NotAllowed |a if b| an `if` in an expression needs an `else`; write `a if condition else b`");
    check("a | replace(*b)", "NotAllowed |replace(*b)| `*` and `**` are not supported in arguments");
    check(
        r#"{"$secret": "x"}"#,
        r#"NotAllowed |"$secret"| `$secret` cannot be written in an expression: a secret comes from a step or from `secrets`"#,
    );
    check(r#"{"a": 1, "a": 2}"#, r#"NotAllowed |"a"| `a` stands twice"#);
    check("{a: 1}", "NotAllowed |a| the keys of an object are strings in quotes");
    check("{1: 2}", "NotAllowed |1| the keys of an object are strings in quotes");
    check("a[1.5]", "NotAllowed |1.5| an item is read by an integer or by a name");
    check("a[true]", "NotAllowed |true| an item is read by an integer or by a name");
    check("1e999", "TooLarge |1e999| the number is too large");
    check("99999999999999999999", "TooLarge |99999999999999999999| the number is too large");
}

#[test]
fn names_and_arguments_of_filters_and_tests() {
    check(
        "a | nope",
        "UnknownFilter |nope| there is no filter `nope`; there is `abs`, `contains`, `default`, `duration`, `endswith`, `first`, `float`, `int`, ...",
    );
    check("a | lowr", "UnknownFilter |lowr| there is no filter `lowr`; did you mean `lower`?");
    check("a | lower(1)", "BadArguments |1| `lower` is given too much; write `| lower`");
    check(r#"a | replace("x")"#, "BadArguments |replace| `replace` needs `to`; write `| replace(from, to)`");
    check(
        r#"a | replace("x", "y", "z")"#,
        r#"BadArguments |"z"| `replace` is given too much; write `| replace(from, to)`"#,
    );
    check(
        r#"a | replace("x", from="y")"#,
        r#"BadArguments |"y"| `replace` is given `from` twice; write `| replace(from, to)`"#,
    );
    check(
        r#"a | replace("x", too="y")"#,
        r#"BadArguments |"y"| `replace` takes no `too`; write `| replace(from, to)`"#,
    );
    check(
        "a is divisibleby(3)",
        "UnknownTest |divisibleby| there is no test `is divisibleby`; there is `boolean`, `defined`, `integer`, `list`, `none`, `number`, `object`, `string`, ...",
    );
    check("a is strin", "UnknownTest |strin| there is no test `is strin`; did you mean `string`?");
    check(
        r#"a is string "x""#,
        r#"BadArguments |string "x"| `is string` takes nothing after it; join conditions by `and` or `or`, with brackets around each"#,
    );
}

#[test]
fn what_is_too_large() {
    check(&format!("{}a{}", "(".repeat(20), ")".repeat(20)), "a <a>");
    check_code(&format!("{}a{}", "(".repeat(25), ")".repeat(25)), ParseCode::TooLarge);
    check_code(&format!("{}a{}", "[".repeat(4000), "]".repeat(40)), ParseCode::TooLarge);
    check_code(&"not ".repeat(1000), ParseCode::TooLarge);
    check_code(&format!("{}1", "-".repeat(2000)), ParseCode::TooLarge);
    check_code(&format!("{}a", "a if a else ".repeat(300)), ParseCode::TooLarge);
    check_code(&format!("a{}", " ~ a".repeat(1000)), ParseCode::TooLarge);
    check_code(&format!("a{}", "|abs".repeat(1000)), ParseCode::TooLarge);
    check_code(&format!("a{}", ".a".repeat(2000)), ParseCode::TooLarge);
    check_code(&"a".repeat(MAX_EXPRESSION + 1), ParseCode::TooLarge);
    assert!(parse(&"a".repeat(MAX_EXPRESSION)).is_ok());
    assert!(parse(&format!("a{}", " ~ a".repeat(MAX_DEPTH - 1))).is_ok());
    assert!(parse_template(&"a".repeat(MAX_TEMPLATE)).is_ok());
    assert_eq!(parse_template(&"a".repeat(MAX_TEMPLATE + 1)).unwrap_err().code, ParseCode::TooLarge);
}

#[test]
fn templates() {
    check_template("", r#"text """#);
    check_template("plain", r#"text "plain""#);
    check_template("{{ a }}", "whole a <a>");
    check_template("{{a}}", "whole a <a>");
    check_template(" {{ a }}", r#"" " + a <a>"#);
    check_template("{{ a }}\n", r#"a <a> + "\n""#);
    check_template("x {{ a }} y {{ b.c }}", r#""x " + a <a> + " y " + b.c <b.c>"#);
    check_template("{{ a }}{{ b }}", "a <a> + b <b>");
    check_template(r#"{"k": {{ a }}}"#, r#""{\"k\": " + a <a> + "}""#);
    check_template(r#"{{ "}}" }}"#, r#"whole "}}" <"}}">"#);
    check_template(r#"{{ {"a": {"b": 1}} }}"#, r#"whole {a:{b:1}} <{"a": {"b": 1}}>"#);
    check_template(r#"{{ {"a": {"b": 1}}}}"#, r#"whole {a:{b:1}} <{"a": {"b": 1}}>"#);
    check_template("{{ a }}}}", r#"a <a> + "}}""#);
    check_template("a }} b", r#"text "a }} b""#);
    check_template("{ {a} }", r#"text "{ {a} }""#);
    check_template("{{ '{%' }}", r#"whole "{%" <'{%'>"#);
}

#[test]
fn templates_that_are_none() {
    check_template(
        "{{ a",
        "Syntax |{{| `{{` is never closed; add `}}` after the expression; the two characters themselves are `{{ '{{' }}`",
    );
    check_template("{{ }}", "Syntax | | there is no expression");
    check_template("{{}}", "Syntax || there is no expression");
    check_template("é{{ a b }}", "Syntax |b| unexpected input after expression");
    check_template("é {{ a.é }}", "Syntax |é| unexpected character");
    check_template("ééé {{ a.b( }}", "Syntax |{{| `{{` is never closed; a bracket before `}}` is still open");
    check_template(r#"{{ "a }}"#, "Syntax |}| unexpected end of string");
    check_template(
        "{{ {{ a }} }}",
        "NotAllowed | {{ a }} | `{{` stands inside an expression; leave out the `{{` and `}}`: names stand as they are",
    );
    check_template(
        "{{- a }}",
        "NotAllowed |{{-| white space is not trimmed by `-` or `+` at `{{`; write `{{ `; a space makes it a sign",
    );
    check_template("{{ a -}}", "NotAllowed |-}}| white space is not trimmed by `-` or `+` at `}}`; write ` }}`");
    check_template(
        "{{-1}}",
        "NotAllowed |{{-| white space is not trimmed by `-` or `+` at `{{`; write `{{ `; a space makes it a sign",
    );
    check_template(
        "{% if a %}",
        "NotAllowed |{%| there are no blocks `{% %}`; use `when` or `for_each`; the two characters themselves are `{{ '{%' }}`",
    );
    check_template(
        "x {# c #}",
        "NotAllowed |{#| there are no comments `{# #}`; use a comment of YAML; the two characters themselves are `{{ '{#' }}`",
    );
    check_template(
        "x {{ a | nope }}",
        "UnknownFilter |nope| there is no filter `nope`; there is `abs`, `contains`, `default`, `duration`, `endswith`, `first`, `float`, `int`, ...",
    );
}

fn check(text: &str, expect: &str) {
    assert_eq!(parsed(text), expect, "{text}");
}

fn check_code(text: &str, expect: ParseCode) {
    assert_eq!(parse(text).unwrap_err().code, expect, "{text}");
}

fn check_template(text: &str, expect: &str) {
    assert_eq!(template(text), expect, "{text}");
}

/// The tree in brackets and the text it covers, or the error.
fn parsed(text: &str) -> String {
    match parse(text) {
        Ok(expr) => format!("{} <{}>", tree(&expr), &text[expr.span.start..expr.span.end]),
        Err(error) => shown(text, &error),
    }
}

fn template(text: &str) -> String {
    match parse_template(text) {
        Ok(Template::Text(text)) => format!("text {text:?}"),
        Ok(Template::Whole(expr)) => format!("whole {} <{}>", tree(&expr), &text[expr.span.start..expr.span.end]),
        Ok(Template::Parts(pieces)) => pieces.iter().map(|each| piece(text, each)).collect::<Vec<_>>().join(" + "),
        Err(error) => shown(text, &error),
    }
}

fn piece(text: &str, piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => format!("{text:?}"),
        Piece::Value(expr) => format!("{} <{}>", tree(expr), &text[expr.span.start..expr.span.end]),
    }
}

fn tree(expr: &Expr) -> String {
    let all = |exprs: &[&Expr]| exprs.iter().map(|expr| tree(expr)).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        Kind::Literal(value) => value.to_string(),
        Kind::List(items) => format!("[{}]", all(&items.iter().collect::<Vec<_>>())),
        Kind::Map(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}:{}", tree(value))).collect();
            format!("{{{}}}", fields.join(" "))
        }
        Kind::Path(path) => path.to_string(),
        Kind::Get { base, part } => format!("(get {} {})", tree(base), part.key),
        Kind::Item { base, index } => format!("(item {})", all(&[base, index])),
        Kind::Not(inner) => format!("(not {})", tree(inner)),
        Kind::Negate(inner) => format!("(- {})", tree(inner)),
        Kind::Arithmetic { op, left, right } => format!("({} {})", op.symbol(), all(&[left, right])),
        Kind::Concat { left, right } => format!("(~ {})", all(&[left, right])),
        Kind::Compare { first, rest } => {
            let rest: Vec<_> = rest.iter().map(|(op, right)| format!("{} {}", op.symbol(), tree(right))).collect();
            format!("({} {})", tree(first), rest.join(" "))
        }
        Kind::And { left, right } => format!("(and {})", all(&[left, right])),
        Kind::Or { left, right } => format!("(or {})", all(&[left, right])),
        Kind::If { condition, yes, no } => format!("(if {})", all(&[condition, yes, no])),
        Kind::Filter { filter, input, args } => {
            let args: Vec<_> = args.iter().map(|arg| arg.as_ref().map_or("_".to_owned(), tree)).collect();
            format!("(|{} {} {})", filter.name, tree(input), args.join(" "))
        }
        Kind::Test { test, input } => format!("(is {} {})", test.name(), tree(input)),
    }
}
