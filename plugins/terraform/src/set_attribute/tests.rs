//! `terraform.set_attribute` over files as people write them. In each of them `«` and `»` stand around the bytes of the
//! value that is meant; everything else has to come out as it went in.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sluice_plugin::{Plugin as _, Problem};

use crate::plugin;
use crate::testing::{FakeHost, output_of, run};

const NEW: &str = r#"module.nats_cluster.service_ssm_prefixes["messenger"]"#;

/// A file and the place of the value in it: block, blocks inside it, attribute, keys in its value.
struct Accepted {
    name: &'static str,
    text: &'static str,
    block: &'static [&'static str],
    nested: &'static [&'static [&'static str]],
    attribute: &'static str,
    path: &'static [&'static str],
}

const fn module(name: &'static str, text: &'static str) -> Accepted {
    Accepted { name, text, block: &["module", "messenger"], nested: &[], attribute: "arn", path: &[] }
}

const fn top(name: &'static str, text: &'static str) -> Accepted {
    Accepted { name, text, block: &[], nested: &[], attribute: "arn", path: &[] }
}

const fn map(name: &'static str, text: &'static str) -> Accepted {
    let path = &["messenger", "arn"];
    Accepted { name, text, block: &["locals"], nested: &[], attribute: "services", path }
}

const ACCEPTED: &[Accepted] = &[
    module("a plain block", "module \"messenger\" {\n  source = \"./m\"\n  arn    = «\"old\"»\n}\n"),
    module(
        "as in the seed",
        "module \"messenger\" {\n  arn = «\"arn:aws:ssm:${var.region}:${local.acct}:parameter${module.nats.ssm_prefix}\"»\n}\n",
    ),
    module(
        "quotes inside a template",
        "module \"messenger\" {\n  arn = «\"p${module.n.prefixes[\"messenger\"]}/${x[\"}\"]}\"»\n}\n",
    ),
    module("quotes in quotes in quotes", "module \"messenger\" {\n  arn = «\"${f(\"${g(\"${h}\")}\")}\"»\n}\n"),
    module("a comment with a hash behind", "module \"messenger\" {\n  arn = «\"old\"» # arn = \"other\"\n}\n"),
    module("a comment with slashes behind", "module \"messenger\" {\n  arn = «\"old\"» // arn = \"other\"\n}\n"),
    module("a comment with stars behind", "module \"messenger\" {\n  arn = «\"old\"» /* arn = 1 */\n}\n"),
    module("a comment with stars before", "module \"messenger\" {\n  arn = /* x = */ «\"old\"»\n}\n"),
    module(
        "a comment of several lines",
        "/* module \"messenger\" {\n  arn = \"no\"\n} */\nmodule \"messenger\" {\n  arn = «1»\n}\n",
    ),
    module(
        "the same, commented out",
        "module \"messenger\" {\n  # arn = \"no\"\n  // arn = \"no\"\n  arn = «\"old\"»\n}\n",
    ),
    module(
        "a sign of a comment in a string",
        "module \"messenger\" {\n  url = \"http://x/*#\"\n  arn = «\"a//b#c/*\"»\n}\n",
    ),
    module(
        "a heredoc before",
        "module \"messenger\" {\n  text = <<EOT\n  arn = \"no\"\n}\nEOT\n  arn = «\"old\"»\n}\n",
    ),
    module(
        "an indented heredoc before",
        "module \"messenger\" {\n  text = <<-EOT\n    arn = \"no\" ${module.x}\n    EOT\n  arn = «\"old\"»\n}\n",
    ),
    module("a heredoc after", "module \"messenger\" {\n  arn = «\"old\"»\n  text = <<EOT\n  arn = \"no\"\nEOT\n}\n"),
    module("no space at all", "module \"messenger\" {\narn=«\"old\"»\n}\n"),
    module("tabs and many spaces", "module \"messenger\"\t{\n\targ\t=\t1\n\tarn \t =\t  «\"old\"»\t \n}\n"),
    module("spaces at the end of lines", "module \"messenger\" {   \n  arn = «\"old\"»   \n  \n}  \n"),
    module("no newline at the end", "module \"messenger\" {\n  arn = «\"old\"»\n}"),
    module("a block on one line", "module \"messenger\" { arn = «\"old\"» }\n"),
    module("a block on one line without a newline", "module \"messenger\" {arn=«\"old\"»}"),
    module("a name without quotes", "module messenger {\n  arn = «\"old\"»\n}\n"),
    module(
        "escapes stay",
        "module \"messenger\" {\n  name = \"caf\\u00e9 \\U0001F600 \\t\\\\\"\n  arn  = «\"\\u00e9\"»\n}\n",
    ),
    module(
        "letters beyond ASCII",
        "# größe 節 😀\nmodule \"messenger\" {\n  näme = \"日本\"\n  arn  = «\"é節\"» # ü\n}\n",
    ),
    module("doubled signs", "module \"messenger\" {\n  a   = \"$${no} %%{no}\"\n  arn = «\"$${old} %%{if}\"»\n}\n"),
    module("directives", "module \"messenger\" {\n  arn = «\"%{ if var.x }a%{ else }b%{ endif }\"»\n}\n"),
    module("a loop in a template", "module \"messenger\" {\n  arn = «\"%{ for x in var.l ~}${x}%{ endfor ~}\"»\n}\n"),
    module("a for-expression", "module \"messenger\" {\n  arn = «{ for k, v in var.m : k => v if v != \"\" }»\n}\n"),
    module(
        "a list over several lines",
        "module \"messenger\" {\n  arn = «[\n    \"a\", # one\n    \"b\",\n  ]»\n  x = 1\n}\n",
    ),
    module("a call over several lines", "module \"messenger\" {\n  arn = «join(\"/\", [\n    \"a\",\n  ])»\n}\n"),
    module("a condition", "module \"messenger\" {\n  arn = «var.x == 1 ? \"a\" : \"b\"» # c\n}\n"),
    module("sums and products", "module \"messenger\" {\n  arn = «1 + 2 * 3 - -4»\n}\n"),
    module("a negation", "module \"messenger\" {\n  arn = «!var.x && (var.y || false)»\n}\n"),
    module("a way with indexes", "module \"messenger\" {\n  arn = «module.nats[0].x[\"y\"].z»\n}\n"),
    module("a splat", "module \"messenger\" {\n  arn = «aws_x.y[*].z»\n}\n"),
    module("a number", "module \"messenger\" {\n  arn = «1.50e3»\n}\n"),
    module("nothing", "module \"messenger\" {\n  arn = «null»\n}\n"),
    module(
        "the same attribute in other blocks",
        "module \"other\" {\n  arn = \"no\"\n}\nmodule \"messenger\" {\n  arn = «\"old\"»\n}\nresource \"messenger\" \"arn\" {\n  arn = \"no\"\n}\n",
    ),
    module(
        "the same attribute in a block inside",
        "module \"messenger\" {\n  inner {\n    arn = \"no\"\n  }\n  arn = «\"old\"»\n}\n",
    ),
    module(
        "the same labels under another type",
        "data \"messenger\" {\n  arn = \"no\"\n}\nmodule \"messenger\" {\n  arn = «\"old\"»\n}\n",
    ),
    module(
        "more labels and fewer",
        "module \"messenger\" \"x\" {\n  arn = \"no\"\n}\nmodule {\n  arn = \"no\"\n}\nmodule \"messenger\" {\n  arn = «\"old\"»\n}\n",
    ),
    module(
        "a map beside it",
        "module \"messenger\" {\n  m = { arn = \"no\", \"arn\" : \"no\" }\n  arn = «\"old\"»\n}\n",
    ),
    module("a heredoc as the value", "module \"messenger\" {\n  arn = «<<EOT\nold ${x}\nEOT»\n  x = 1\n}\n"),
    module(
        "an indented heredoc as the value",
        "module \"messenger\" {\n  arn = «<<-EOT\n    old\n  EOT»\n  x = 1\n}\n",
    ),
    module("a heredoc that ends the file", "module \"messenger\" {\n  arn = «<<EOT\nold\nEOT»\n}"),
    top("the top level", "x = 1\narn = «\"old\"»\nmodule \"m\" {\n  arn = \"no\"\n}\n"),
    top("the top level, first and last", "arn = «\"old\"»"),
    top("lines without anything before it", "\n\n  \n# c\n\n  arn = «\"old\"»\n\n\n"),
    map("a map in locals", "locals {\n  services = {\n    messenger = {\n      arn = «\"old\"»\n    }\n  }\n}\n"),
    map(
        "a map on one line",
        "locals {\n  services = { a = { arn = 1 }, messenger = { x = 1, arn = «\"old\"», y = 2 } }\n}\n",
    ),
    map("keys in quotes", "locals {\n  services = {\n    \"messenger\" = { \"arn\" : «\"old\"» }\n  }\n}\n"),
    map(
        "commas and comments in maps",
        "locals {\n  services = { # all\n    messenger = { # one\n      arn = «\"old\"», # it\n    }, // end\n  }\n}\n",
    ),
    map(
        "keys that are computed beside it",
        "locals {\n  services = {\n    (var.x) = { arn = 1 }\n    \"${var.y}\" = 2\n    messenger = { arn = «var.z» }\n  }\n}\n",
    ),
    map(
        "a heredoc in a map",
        "locals {\n  services = {\n    messenger = {\n      x = <<EOT\narn = 1\nEOT\n      arn = «\"old\"»\n    }\n  }\n}\n",
    ),
    map(
        "several blocks of locals",
        "locals {\n  x = 1\n}\nlocals {\n  services = { messenger = { arn = «\"old\"» } }\n}\nlocals {}\n",
    ),
    Accepted {
        name: "a block in a block",
        text: "resource \"aws_x\" \"y\" {\n  arn = 0\n  a \"b\" {\n    c {\n      arn = «\"old\"»\n    }\n  }\n  d {\n    c {\n      arn = 1\n    }\n  }\n}\n",
        block: &["resource", "aws_x", "y"],
        nested: &[&["a", "b"], &["c"]],
        attribute: "arn",
        path: &[],
    },
    Accepted {
        name: "a whole map",
        text: "locals {\n  services = {\n    messenger = «{\n      arn = \"old\"\n    }»\n    other = { arn = 1 }\n  }\n}\n",
        block: &["locals"],
        nested: &[],
        attribute: "services",
        path: &["messenger"],
    },
    Accepted {
        name: "odd names are names",
        text: "module \"a b\\\"c\" {\n  x-y_1 = «\"old\"»\n}\n",
        block: &["module", "a b\"c"],
        nested: &[],
        attribute: "x-y_1",
        path: &[],
    },
];

impl Accepted {
    fn with(&self, text: &str, value: &str) -> Value {
        json!({
            "text": text, "block": self.block, "nested": self.nested, "attribute": self.attribute, "path": self.path,
            "value": value,
        })
    }

    /// Before, inside and behind the marks.
    fn parts(&self, saved: fn(&str) -> String) -> [String; 3] {
        let text = saved(self.text);
        let (before, rest) = text.split_once('«').unwrap();
        let (value, behind) = rest.split_once('»').unwrap();
        [before.to_owned(), value.to_owned(), behind.to_owned()]
    }
}

/// The ways in which an editor saves a file.
const SAVED: [fn(&str) -> String; 4] = [
    str::to_owned,
    |text| text.replace('\n', "\r\n"),
    |text| format!("\u{feff}{text}"),
    |text| format!("\u{feff}{}", text.replace('\n', "\r\n")),
];

fn set(with: Value) -> Result<Value, Problem> {
    run("set_attribute", &FakeHost::answers(200, &[], ""), with).map(|outcome| outcome.output)
}

#[test]
fn only_the_bytes_of_the_value_are_others() {
    assert!(ACCEPTED.len() >= 50, "{}", ACCEPTED.len());
    for (case, saved) in ACCEPTED.iter().flat_map(|case| SAVED.map(|saved| (case, saved))) {
        let [before, value, behind] = case.parts(saved);
        let text = [before.as_str(), &value, &behind].concat();
        let host = FakeHost::answers(200, &[], "");
        let output = output_of("set_attribute", &host, case.with(&text, NEW));
        assert_eq!(output["text"], [before.as_str(), NEW, &behind].concat(), "{}", case.name);
        assert_eq!((&output["before"], &output["after"]), (&json!(value), &json!(NEW)), "{}", case.name);
        assert_eq!(output["changed"], true, "{}", case.name);
        assert_eq!(output["line"], before.matches('\n').count() + 1, "{}", case.name);
        let again = output_of("set_attribute", &host, case.with(output["text"].as_str().unwrap(), NEW));
        assert_eq!((&again["text"], &again["changed"]), (&output["text"], &json!(false)), "{}", case.name);
        if !value.contains('\n') {
            let back = output_of("set_attribute", &host, case.with(output["text"].as_str().unwrap(), &value));
            assert_eq!(back["text"], text, "{}", case.name);
        }
        assert!(host.asked.lock().unwrap().is_empty());
    }
}

/// Where the program is there. It knows HCL better than anybody.
#[test]
fn terraform_finds_the_file_as_tidy_as_before() {
    let Some(terraform) = Terraform::here() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Where several lines become one, what stands beside them is lined up anew.
    let one_line = ACCEPTED.iter().filter(|case| !case.parts(str::to_owned)[1].contains('\n'));
    for (number, case) in one_line.enumerate() {
        for (way, saved) in SAVED.iter().enumerate() {
            let text = case.parts(*saved).concat();
            let after = set(case.with(&text, NEW)).unwrap()["text"].as_str().unwrap().to_owned();
            for (side, text) in [("before", text), ("after", after)] {
                let folder = folder.path().join(side);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("{number:02}-{way}.tf")), text).unwrap();
            }
        }
    }
    let [before, after] = ["before", "after"].map(|side| terraform.untidy(&folder.path().join(side)));
    // What was untidy inside an old value is gone with it.
    let new: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(before.len() - after.len() < 10 && before.len() < ACCEPTED.len() * SAVED.len());
}

struct Terraform;

impl Terraform {
    fn here() -> Option<Self> {
        Command::new("terraform").arg("version").output().is_ok().then_some(Self)
    }

    /// Names of the files that `fmt` would write anew. What it cannot read is an error.
    fn untidy(&self, folder: &Path) -> Vec<String> {
        let mut command = Command::new("terraform");
        let done = command.args(["fmt", "-check", "-list=true", "-no-color"]).current_dir(folder).output().unwrap();
        assert!(matches!(done.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

const SEED: &str = "module \"messenger\" {\n  arn = \"x:parameter${module.nats.ssm_prefix}\"\n}\n";

fn within(text: &str, from: &str, to: &str, more: Value) -> Value {
    let mut with = json!({
        "text": text, "block": ["module", "messenger"], "attribute": "arn", "replace": { "from": from, "to": to },
    });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with
}

#[test]
fn a_service_is_switched_and_switched_back() {
    let (from, to) =
        ("parameter${module.nats.ssm_prefix}", "parameter${module.nats_cluster.service_ssm_prefixes[@service@]}");
    let strings = json!({ "strings": { "service": "messenger" } });
    let there = set(within(SEED, from, to, strings.clone())).unwrap();
    assert_eq!(there["after"], format!("\"x:parameter${{{NEW}}}\""));
    assert_eq!(there["old_lines"], json!(["  arn = \"x:parameter${module.nats.ssm_prefix}\""]));
    assert_eq!(there["new_lines"], json!([format!("  arn = \"x:parameter${{{NEW}}}\"")]));
    let text = there["text"].as_str().unwrap();
    let again = set(within(text, from, to, strings.clone())).unwrap();
    assert_eq!((&again["changed"], &again["text"]), (&json!(false), &json!(text)));
    let back = set(within(text, to, from, strings)).unwrap();
    assert_eq!(back["text"], SEED);
}

#[test]
fn a_part_is_replaced_where_it_stands_once() {
    let check = |value: &str, from: &str, to: &str, expect: Result<&str, &str>| {
        let text = format!("# {from:?}\nmodule \"messenger\" {{\n  arn = {value}\n  x   = 1\n}}\n");
        let found = set(within(&text, from, to, json!({})));
        let found = found.map(|output| output["after"].as_str().unwrap().to_owned()).map_err(|problem| problem.code);
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{value} {from} {to}");
    };
    check(r#""a-b-c""#, "b", "d", Ok(r#""a-d-c""#));
    check(r#""a-b-b""#, "b", "d", Err("several_matches"));
    check(r#""a-b-c""#, "x", "d", Err("no_match"));
    check(r#""a-d-c""#, "b", "d", Ok(r#""a-d-c""#));
    check(r#""a-d-d""#, "b", "d", Err("no_match"));
    check(r#""a-b-d""#, "b", "d", Err("several_matches"));
    check(r#""aaa""#, "aa", "b", Err("several_matches"));
    // The old one is a part of the new one: done is done, and there is a way back.
    check(r#""old""#, "old", "older", Ok(r#""older""#));
    check(r#""older""#, "old", "older", Ok(r#""older""#));
    check(r#""older""#, "older", "old", Ok(r#""old""#));
    check(r#""old""#, "older", "old", Ok(r#""old""#));
    check(r#""old""#, "old", "old", Ok(r#""old""#));
    // Nothing to put in is a part left out.
    check(r#""a-b""#, "-b", "", Ok(r#""a""#));
    // Out of the value.
    check(r#""a-b""#, "b", "b\" x = \"", Err("bad_value"));
    check(r#""a-b""#, "b\"", "b", Err("bad_value"));
    check(r#""a-b""#, "b", "${c", Err("bad_value"));
    check(r#""a-b""#, "b\"", "b\" # ", Err("bad_value"));
    check(r#""a-b""#, "b\"", "b\" /* ", Err("bad_value"));
    check(r#""a-b""#, "b", "b\"\n  x = \"", Err("bad_value"));
    check(r#""a-b""#, "\"a-b\"", "[", Err("bad_value"));
    check("<<EOT\nb\nEOT", "b", "c", Ok("<<EOT\nc\nEOT"));
    check("<<EOT\nb\nEOT", "EOT\nb", "EOU b", Err("bad_value"));
}

#[test]
fn a_name_from_outside_stays_a_name() {
    let value = |name: &str| {
        let mut with = within(SEED, "", "", json!({ "value": "x[@service@]", "strings": { "service": name } }));
        with.as_object_mut().unwrap().remove("replace");
        set(with).map(|output| output["after"].as_str().unwrap().to_owned()).map_err(|problem| problem.path.unwrap())
    };
    assert_eq!(value("messenger").as_deref(), Ok("x[\"messenger\"]"));
    assert_eq!(value("a\"] + y[\"b").as_deref(), Ok(r#"x["a\"] + y[\"b"]"#));
    assert_eq!(value("@service@").as_deref(), Ok("x[\"@service@\"]"));
    assert_eq!(value("${file(\"/etc/passwd\")}"), Err("/strings/service".to_owned()));
    assert_eq!(value("a\nb"), Err("/strings/service".to_owned()));
    // In the midst of a string it is none.
    let inside = within(SEED, "module.nats.ssm_prefix", "\"a@service@b\"", json!({ "strings": { "service": "x" } }));
    assert_eq!(set(inside).unwrap_err().code, "bad_value");
    let nowhere = within(SEED, "x", "y", json!({ "strings": { "service": "x" } }));
    assert_eq!(set(nowhere).unwrap_err().path.as_deref(), Some("/strings/service"));
    // Signs that name nothing are text.
    let mail = within(SEED, "x:", "a@b.c@d", json!({}));
    assert_eq!(set(mail).unwrap()["after"], "\"a@b.c@dparameter${module.nats.ssm_prefix}\"");
}

#[test]
fn another_value_than_expected_is_left_alone() {
    let check = |change: Value, expect: &str, found: Result<bool, &str>| {
        let mut with = json!({ "text": "arn = \"a\" # c\n", "attribute": "arn", "expect": expect });
        with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let changed = set(with).map(|output| output["changed"].as_bool().unwrap()).map_err(|problem| problem.code);
        assert_eq!(changed.as_ref().map_err(String::as_str), found.as_ref().map_err(|code| *code), "{change} {expect}");
    };
    check(json!({ "value": "\"b\"" }), "\"a\"", Ok(true));
    check(json!({ "value": "\"b\"" }), "a", Err("unexpected_value"));
    check(json!({ "value": "\"b\"" }), "\"A\"", Err("unexpected_value"));
    check(json!({ "value": "\"b\"" }), "\"a\" ", Err("unexpected_value"));
    // It is there already.
    check(json!({ "value": "\"a\"" }), "\"b\"", Ok(false));
    check(json!({ "replace": { "from": "b", "to": "a" } }), "\"b\"", Ok(false));
    check(json!({ "replace": { "from": "b", "to": "a" } }), "\"xb\"", Err("unexpected_value"));
    check(json!({ "replace": { "from": "a", "to": "b" } }), "\"a\"", Ok(true));
}

#[test]
fn what_is_not_one_value_is_refused() {
    let refused = |value: &str| {
        let problem = set(json!({ "text": "arn = 1\n", "attribute": "arn", "value": value })).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.path.as_deref()), ("bad_value", Some("/value")), "{value}");
        assert!(problem.message.contains("not one HCL expression"), "{problem}");
    };
    for value in [
        "",
        " ",
        "\"a",
        "a\"",
        "\"a\" \"b\"",
        "1 2",
        "a = 1",
        "{",
        "}",
        "[1,",
        "f(",
        "1 +",
        "\"${a\"",
        "\"%{ if x }\"",
        "# c",
        "1 # c",
        "1 // c",
        "1 /* c */",
        "/* c */ 1",
        "1 /*",
        " 1",
        "1 ",
        "1\n",
        "1\nb = 2",
        "\"a\nb\"",
        "<<EOT\na\nEOT\n",
        "[\n1]",
        "1\r",
        "\u{feff}1",
        "1;",
        "'a'",
        "x[\"a]",
        "0x10",
    ] {
        refused(value);
    }
}

#[test]
fn a_place_that_is_not_one_is_refused_in_words() {
    let check = |text: &str, place: Value, code: &str, said: &[&str]| {
        let mut with = json!({ "text": text, "block": ["module", "messenger"], "attribute": "arn", "value": "1" });
        with.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        let problem = set(with).unwrap_err();
        assert_eq!(problem.code, code, "{text}: {problem}");
        assert!(!problem.retryable, "{problem}");
        for said in said {
            assert!(problem.message.contains(said), "{said}: {problem}");
        }
    };
    let none = json!({});
    check("", none.clone(), "no_block", &["`module \"messenger\"`", "there are none"]);
    check("module \"Messenger\" {\n}\n", none.clone(), "no_block", &["there are `module \"Messenger\"`"]);
    check("module \"messenger\" \"x\" {\n}\n", none.clone(), "no_block", &[]);
    check("# module \"messenger\" {}\n", none.clone(), "no_block", &[]);
    let twice = "module \"messenger\" {\n  arn = 1\n}\nmodule \"messenger\" {\n}\n";
    check(twice, none.clone(), "several_blocks", &["2 blocks", "by hand"]);
    let empty = "module \"messenger\" {\n  m = { arn = 1 }\n  arm = 1\n  arn {\n  }\n}\n";
    check(empty, none.clone(), "no_attribute", &["has no attribute `arn`", "`m`, `arm`"]);
    check("x = 1\n", json!({ "block": [] }), "no_attribute", &["the file's top level", "`x`"]);
    let nested = json!({ "nested": [["inner"]] });
    check("module \"messenger\" {\n  arn = 1\n}\n", nested.clone(), "no_block", &["`inner`"]);
    let twice = "module \"messenger\" {\n  inner {\n    arn = 1\n  }\n  inner {\n  }\n}\n";
    check(twice, nested, "several_blocks", &[]);
    let locals = json!({ "block": ["locals"] });
    check("locals {\n  arn = 1\n}\nlocals {\n  arn = 2\n}\n", locals.clone(), "several_attributes", &["2 blocks"]);
    let map = |path: &[&str]| json!({ "block": ["locals"], "attribute": "m", "path": path });
    let text = "locals {\n  m = { a = { arn = 1 }, \"b\" = f(x), c = 1, \"c\" = 2, (d) = 3 }\n}\n";
    check(text, map(&["x"]), "no_key", &["`m` has no key `x`", "`a`, `b`, `c`"]);
    check(text, map(&["a", "x"]), "no_key", &["`m.a`"]);
    check(text, map(&["b", "arn"]), "no_key", &["no map written with braces"]);
    check(text, map(&["d"]), "no_key", &[]);
    check(text, map(&["c"]), "several_keys", &["2 times"]);
    let not_hcl = "module \"messenger\" {\n  arn = 1\n  arn = 2\n}\n";
    check(not_hcl, none.clone(), "not_hcl", &["line 3, column 3", "unique attribute key"]);
    check("module \"messenger\" {\n  arn = \n}\n", none.clone(), "not_hcl", &["line 2"]);
    check("module \"messenger\" {\n", none.clone(), "not_hcl", &[]);
    check("\u{feff}\r\nx = = 1\r\n", none.clone(), "not_hcl", &["line 2, column 5"]);
    check("x = 1\ry = 2\n", none.clone(), "not_hcl", &["line 1", "carriage return"]);
    check("x = \"\0\"\n\0", none.clone(), "not_hcl", &[]);
    check("{\"module\": {}}", none, "not_hcl", &["line 1"]);
}

#[test]
fn depth_ends_in_words() {
    let text = format!("arn = {}1{}\n", "[".repeat(5000), "]".repeat(5000));
    let problem = set(json!({ "text": text, "attribute": "arn", "value": "1" })).unwrap_err();
    assert_eq!(problem.code, "not_hcl", "{problem}");
    let long = "x".repeat(super::LARGEST + 1);
    assert_eq!(
        set(json!({ "text": long, "attribute": "x", "value": "1" })).unwrap_err().path.as_deref(),
        Some("/text")
    );
}

#[test]
fn one_of_value_and_replace_is_written() {
    let plugin = plugin();
    let checked = |with: Value| plugin.check("set_attribute", &with).len();
    let replace = json!({ "from": "a", "to": "b" });
    assert_eq!(checked(json!({ "value": "1" })), 0);
    assert_eq!(checked(json!({ "replace": replace })), 0);
    assert_eq!(checked(json!({})), 1);
    assert_eq!(checked(json!({ "value": "1", "replace": replace })), 1);
    let both = json!({ "text": "x = 1", "attribute": "x", "value": "1", "replace": replace });
    assert_eq!(set(both).unwrap_err().code, "bad_input");
}
