//! Runbooks that call others, checked together: everything that is wrong at once, each in its own file.

use serde_json::{Value, json};
use sluice_engine::diagnostic::{Code, Diagnostic, Paint, render};
use sluice_engine::runbook::checked::Kind;
use sluice_engine::runbook::{Book, Checked, Library, NoBook, load_book};
use sluice_engine::source::Source;
use sluice_plugin::inventory::{Cluster, Creds, CredsAt, Node, Ports};

use crate::actions::fake;

/// Texts by name. A table is one row with the path that was asked for.
struct Shelf<'a>(&'a [(&'a str, &'a str)]);

impl Library for Shelf<'_> {
    fn book(&self, name: &str, _: &Book) -> Result<Book, NoBook> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| NoBook::Missing { why: format!("no `{name}`"), help: None })?;
        Ok(book(name, text))
    }

    fn thresholds(&self, _: &Book, input: &str, default: Option<&str>) -> Result<Value, NoBook> {
        match default {
            Some("gone.yaml") => Err(NoBook::Missing { why: "no gone.yaml".into(), help: None }),
            default => Ok(json!([{ "id": input, "path": default }])),
        }
    }
}

fn book(name: &str, text: &str) -> Book {
    let source = Source::new(format!("{name}.yaml"), format!("runbook: {name}\n{text}"));
    Book { id: name.to_owned(), origin: "a shelf".to_owned(), source }
}

fn load(text: &str, shelf: &[(&str, &str)]) -> Result<Checked, Vec<Diagnostic>> {
    load_book(&book("top", text), &fake(), &Shelf(shelf)).map(|loaded| loaded.runbook)
}

fn good(text: &str, shelf: &[(&str, &str)]) -> Checked {
    load(text, shelf).unwrap_or_else(|found| panic!("{}", shown(&found)))
}

fn shown(found: &[Diagnostic]) -> String {
    found.iter().map(|one| render(one, Paint::Plain) + "\n").collect()
}

/// `file:line code` of each error, in the order in which they are told.
fn errors(text: &str, shelf: &[(&str, &str)]) -> Vec<String> {
    let found = load(text, shelf).err().unwrap_or_default();
    let place = |one: &Diagnostic| {
        let source = one.source.as_ref().unwrap();
        let line = one.labels.first().map_or(0, |label| source.position(label.span.start).line);
        format!("{}:{line} {}", source.name().trim_end_matches(".yaml"), one.code)
    };
    found.iter().filter(|one| one.is_error()).map(place).collect()
}

const ECHO: &str = "steps: [{ id: a, uses: base.echo, with: { value: 1 } }]\n";

#[test]
fn everything_wrong_in_all_files_is_told_at_once() {
    let one = "inputs: { n: { type: integer } }\nsteps:\n  - { id: a, uses: base.ecko }\n  - { id: b, call: two }\n\
               outputs: { n: '{{ steps.a }}' }\n";
    let two = "steps:\n  - { id: c, uses: base.echo, with: { valeu: 1 } }\n";
    let top = "steps:\n  - { id: x, call: one, with: { n: text } }\n  - { id: y, call: three }\n  \
               - { id: z, uses: base.echo, with: { value: '{{ steps.x.m }}' } }\n";
    let found = errors(top, &[("one", one), ("two", two)]);
    let expect = [
        "top:3 bad-field",
        "top:4 unknown-runbook",
        "top:5 undefined-name",
        "two:3 unknown-field",
        "one:4 unknown-action",
    ];
    assert_eq!(found, expect);
}

#[test]
fn what_is_given_is_compared_with_what_is_asked_for() {
    let one = format!(
        "inputs:\n  cluster: {{ type: cluster, default: main }}\n  node: {{ type: node, of: cluster }}\n  \
         soak: {{ type: duration, default: 30s }}\n  rows: {{ type: thresholds, default: mine.yaml }}\n  \
         n: {{ type: integer, minimum: 1, default: 2 }}\n{ECHO}"
    );
    let check = |with: &str, expect: &[&str]| {
        let top = format!(
            "inputs: {{ cluster: {{ type: cluster }}, node: {{ type: node, of: cluster }} }}\nsteps:\n  \
             - {{ id: x, call: one, with: {{ {with} }} }}\n"
        );
        let found = load(&top, &[("one", &one)]).err().unwrap_or_default();
        let found: Vec<&str> = found.iter().filter(|one| one.is_error()).map(|one| one.message.as_str()).collect();
        let fits = found.len() == expect.len() && found.iter().zip(expect).all(|(found, part)| found.contains(part));
        assert!(fits, "{with}: {found:?}");
    };
    let both = "cluster: '{{ inputs.cluster }}', node: '{{ inputs.node }}'";
    check(both, &[]);
    check(&format!("{both}, soak: 1m, n: 3, rows: [{{ id: x }}]"), &[]);
    check("node: '{{ inputs.node }}'", &["needs `cluster`"]);
    check("cluster: '{{ inputs.cluster }}', node: '{{ inputs.cluster }}'", &["`node`"]);
    check("cluster: main, node: '{{ inputs.node }}'", &["`cluster`"]);
    check(&format!("{both}, soak: soon"), &["`soak`: `soon`"]);
    check(&format!("{both}, n: 0"), &["`n`: 0"]);
    check(&format!("{both}, rows: other.yaml"), &["`rows`"]);
    check(&format!("{both}, sok: 1m"), &["`sok` is not a field"]);
}

#[test]
fn outputs_have_types_and_only_they_are_seen() {
    let one = "inputs: { n: { type: integer, default: 1 } }\nsteps:\n  \
               - { id: a, uses: nats.health, with: { cluster: '{{ inputs.c }}' } }\n\
               outputs: { healthy: '{{ steps.a.healthy }}' }\n";
    let one = &one.replace("inputs: {", "inputs: { c: { type: cluster },");
    let check = |expr: &str, expect: Option<Code>| {
        let top = format!(
            "inputs: {{ c: {{ type: cluster }} }}\nsteps:\n  - {{ id: x, call: one, with: {{ c: '{{{{ inputs.c }}}}' }} }}\n  \
             - {{ id: y, when: \"{expr}\", uses: base.echo, with: {{ value: 1 }} }}\n"
        );
        let found = load(&top, &[("one", one)]).err().unwrap_or_default();
        assert_eq!(found.first().map(|one| one.code), expect, "{expr}: {}", shown(&found));
    };
    check("steps.x.healthy > 1", None);
    check("steps.x.healthy == 'many'", Some(Code::TypeMismatch));
    check("steps.x.a.healthy > 1", Some(Code::UndefinedName));
    check("steps.a.healthy > 1", Some(Code::UndefinedName));
    check("run.steps.x.status == 'done'", None);
}

#[test]
fn inside_only_its_own_names_are_seen() {
    let one = "steps:\n  - { id: a, uses: base.echo, with: { value: '{{ inputs.n }}' } }\n  \
               - { id: b, uses: base.echo, with: { value: '{{ item }}{{ steps.before }}' } }\n";
    let top = "inputs: { n: { type: integer, default: 1 } }\nsteps:\n  \
               - { id: before, uses: base.echo, with: { value: '{{ inputs.n }}' } }\n  - { id: x, for_each: [1], call: one }\n";
    assert_eq!(errors(top, &[("one", one)]), ["one:3 undefined-name", "one:4 undefined-name", "one:4 undefined-name"]);
}

#[test]
fn circles_and_depth_are_refused_with_the_way() {
    let call = |name: &str| format!("steps: [{{ id: a, call: {name} }}]\n");
    let message = |text: &str, shelf: &[(&str, &str)]| {
        let found = load(text, shelf).err().unwrap_or_default();
        assert_eq!(found.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::CallDepth], "{}", shown(&found));
        found[0].message.clone()
    };
    assert!(message(&call("top"), &[("top", &call("top"))]).contains("top.yaml -> top"));
    let (one, two) = (call("two"), call("one"));
    assert!(message(&call("one"), &[("one", &one), ("two", &two)]).contains("top.yaml -> one -> two -> one"));
    let names: Vec<String> = (1..=9).map(|at| format!("r{at}")).collect();
    let texts: Vec<String> = (2..=9).map(|at| call(&format!("r{at}"))).chain([ECHO.to_owned()]).collect();
    let mut shelf: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    assert!(message(&call("r1"), &shelf).contains("r7 -> r8 -> r9"));
    // Known from a shorter way already.
    let both = "steps: [{ id: a, call: r3 }, { id: b, call: r1 }]\n";
    assert!(message(both, &shelf).contains("more than 8 deep"));
    shelf.remove(8);
    shelf[7].1 = ECHO;
    assert_eq!(good(&call("r1"), &shelf).called().len(), 8);
}

#[test]
fn what_cannot_be_called_is_refused() {
    let session = format!("{ECHO}session: {{ command: ['true'] }}\n");
    let locked = format!("inputs: {{ n: {{ type: string, default: a }} }}\nlock: 'l/{{{{ inputs.n }}}}'\n{ECHO}");
    let shelf = [("session", session.as_str()), ("locked", &locked), ("plain", ECHO)];
    let check = |lock: &str, call: &str, expect: &[&str]| {
        let lock = if lock.is_empty() { String::new() } else { format!("lock: {lock}\n") };
        let top = format!("inputs: {{ n: {{ type: string, default: a }} }}\n{lock}steps: [{{ id: a, {call} }}]\n");
        assert_eq!(errors(&top, &shelf), expect, "{lock}{call}");
    };
    check("", "call: plain", &[]);
    check("", "call: session", &["top:3 not-callable"]);
    check("", "call: locked", &["top:3 not-callable"]);
    check("l/a", "call: locked", &[]);
    check("l/a", "call: plain", &[]);
    check("l/a", "call: locked, with: { n: b }", &["top:4 not-callable"]);
    check("l/b", "call: locked, with: { n: b }", &[]);
    // Only a run can tell.
    check("'l/{{ inputs.n }}'", "call: locked, with: { n: '{{ inputs.n }}' }", &[]);
    check("'l/{{ inputs.n }}'", "call: locked, with: { n: b }", &[]);
}

#[test]
fn nothing_short_lived_or_secret_is_passed_on() {
    let one = format!("inputs: {{ v: {{ type: object, default: {{}} }}, t: {{ type: string, default: x }} }}\n{ECHO}");
    let top = "inputs: { c: { type: cluster } }\nsteps:\n  - { id: creds, uses: nats.creds, with: { cluster: '{{ inputs.c }}' } }\n  \
               - { id: x, call: one, with: { t: '{{ steps.creds.jwt }}' } }\n  - { id: y, call: one, with: { t: '{{ secrets.key }}' } }\n";
    assert_eq!(errors(top, &[("one", &one)]), ["top:5 secret-misused", "top:6 secret-misused"]);
    let gives = "steps: [{ id: a, uses: base.echo, with: { value: 1 } }]\noutputs: { k: '{{ secrets.key }}' }\n";
    assert_eq!(errors("steps: [{ id: a, call: gives }]\n", &[("gives", gives)]), ["gives:3 secret-misused"]);
}

#[test]
fn each_runbook_is_read_once_and_its_tables_are_there() {
    let one = format!("inputs: {{ rows: {{ type: thresholds, default: mine.yaml }} }}\n{ECHO}");
    let gone = one.replace("mine", "gone");
    let runbook = good("steps: [{ id: a, call: one }, { id: b, call: one, with: { rows: [] } }]\n", &[("one", &one)]);
    let calls: Vec<_> = runbook.calls().collect();
    assert!(std::sync::Arc::ptr_eq(&calls[0].runbook, &calls[1].runbook));
    assert_eq!(calls[0].thresholds["rows"], json!([{ "id": "rows", "path": "mine.yaml" }]));
    assert!(calls[1].thresholds.is_empty());
    assert_eq!(runbook.actions.len(), 1);
    assert_eq!(errors("steps: [{ id: a, call: gone }]\n", &[("gone", &gone)]), ["top:2 unknown-runbook"]);
}

#[test]
fn values_are_looked_at_when_the_call_opens() {
    let one = format!(
        "inputs:\n  node: {{ type: node, of: cluster }}\n  nodes: {{ type: nodes, of: cluster }}\n  \
         cluster: {{ type: cluster }}\n  soak: {{ type: duration, default: 30s }}\n{ECHO}"
    );
    let top = "inputs: { c: { type: cluster } }\nsteps:\n  - { id: any, uses: base.echo, with: { value: 1 } }\n  - id: x\n    \
               call: one\n    with: { cluster: '{{ inputs.c }}', node: '{{ steps.any.value }}', nodes: '{{ steps.any.value }}' }\n";
    let runbook = good(top, &[("one", &one)]);
    let Kind::Call(call) = &runbook.steps[1].kind else { panic!() };
    let (main, other) = (cluster("main"), cluster("other"));
    let json = |thing: &dyn erased::Json| thing.json();
    let (first, second) = (json(&main.nodes[0]), json(&main.nodes[1]));
    let check = |node: &Value, nodes: Value, soak: Option<&str>, expect: Result<(), &str>| {
        let mut given = json!({ "cluster": json(&main), "node": node, "nodes": nodes });
        soak.into_iter().for_each(|soak| given["soak"] = json!(soak));
        match (call.inputs(&given), expect) {
            (Ok(inputs), Ok(())) => assert_eq!(inputs["soak"], soak.unwrap_or("30s")),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?}"),
        }
    };
    check(&first, json!([first, second]), None, Ok(()));
    check(&first, json!([]), Some("1h"), Ok(()));
    check(&json(&other.nodes[0]), json!([]), None, Err("`other-1` is no node of the cluster `main`"));
    check(&first, json!([json(&other.nodes[0])]), None, Err("`other-1` is no node"));
    check(&first, json!([first, first]), None, Err("twice"));
    check(&json!("main-1"), json!([]), None, Err("the input `node` of one"));
    check(&first, json!([]), Some("soon"), Err("`soon`"));
    check(&first, json!([{ "$secret": "x" }]), None, Err("secret"));
}

mod erased {
    /// Anything that has a JSON form.
    pub(super) trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

fn cluster(name: &str) -> Cluster {
    let node = |number: u32| Node {
        number,
        name: format!("{name}-{number}"),
        cluster: name.to_owned(),
        host: format!("{name}-{number}.local"),
        group: String::new(),
        ports: Ports { client: 4222, cluster: 6222, monitor: 8222 },
        aws: None,
    };
    let at = || CredsAt { jwt: "j".into(), seed: "s".into() };
    Cluster {
        name: name.to_owned(),
        labels: Default::default(),
        nodes: (1..=3).map(node).collect(),
        aws: None,
        ssm_prefix: "/p".into(),
        logs: None,
        streams: Vec::new(),
        services: Default::default(),
        creds: Creds { admin: at(), system: None },
    }
}
