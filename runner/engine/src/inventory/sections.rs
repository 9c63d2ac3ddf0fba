//! The sections beside the clusters. Where nothing reads a section yet, its keys are strict all the same.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use sluice_plugin::{Effect, PluginName};

use super::names::SecretName;
use super::{
    Axiom, Component, Confirm, HttpGrant, Person, PluginEntry, Rule, SecretAt, SecretEntry, StoreAt, Terraform, keys,
};
use crate::diagnostic::{Code, Diagnostic, Findings};
use crate::source::Span;
use crate::yaml::fields::{self, Fields};
use crate::yaml::{Kind, Map, Node};

/// A section that exists and has no keys in this version.
pub(super) fn empty(node: &Node, name: &str, findings: &mut Findings) {
    if matches!(node.kind, Kind::Null) {
        return;
    }
    for entry in fields::map(node, &format!("`{name}`"), findings).into_iter().flat_map(Map::iter) {
        let message = format!("`{name}` has no keys in this version");
        findings.helped(Code::NotYet, entry.key.span, message, "leave the section empty, or out");
    }
}

/// Text under a key that may be missing.
pub(super) fn optional(fields: &Fields<'_>, key: &str, findings: &mut Findings) -> Option<String> {
    fields.get(key).and_then(|node| fields::text(node, &format!("`{key}`"), findings)).map(str::to_owned)
}

/// A list of texts under a key that may be missing.
pub(super) fn texts(fields: &Fields<'_>, key: &str, findings: &mut Findings) -> Vec<String> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let what = format!("`{key}`");
    let Some(items) = fields::seq(node, &what, findings) else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| fields::text(item, &format!("an entry of {what}"), findings))
        .map(str::to_owned)
        .collect()
}

pub(super) fn labels(node: &Node, what: &str, findings: &mut Findings) -> BTreeMap<String, String> {
    let Some(map) = fields::map(node, what, findings) else { return BTreeMap::new() };
    map.iter()
        .filter_map(|entry| {
            let value = fields::text(&entry.value, &format!("the label `{}`", entry.key.name), findings)?;
            Some((entry.key.name.clone(), value.to_owned()))
        })
        .collect()
}

pub(super) fn secrets(node: &Node, findings: &mut Findings) -> IndexMap<SecretName, SecretEntry> {
    let Some(map) = fields::map(node, "`secrets`", findings) else { return IndexMap::new() };
    let mut secrets = IndexMap::new();
    for entry in map.iter() {
        let found = secret(&entry.value, findings);
        match (SecretName::parse(&entry.key.name), found) {
            (Some(name), Some(found)) => {
                secrets.insert(name, found);
            }
            (None, _) => {
                let message = format!("`{}` cannot name a secret", entry.key.name);
                findings.helped(Code::BadName, entry.key.span, message, SecretName::FORM);
            }
            (Some(_), None) => {}
        }
    }
    secrets
}

fn secret(node: &Node, findings: &mut Findings) -> Option<SecretEntry> {
    if let Kind::Text(_) = &node.kind {
        let help =
            "say where it is fetched: { env: NAME }, { ssm: /path } or { file: path }; never write the secret itself";
        // Without the line: it would show the secret.
        let line = findings.source().position(node.span.start).line;
        let message = format!("line {line} seems to hold a secret itself");
        findings.push(Diagnostic::error(Code::WrongType, message).of(findings.source()).help(help));
        return None;
    }
    let fields = Fields::open(node, "a secret", keys::SECRET, findings)?;
    let places = keys::SECRET.iter().copied().filter(|key| *key != "to" && fields.get(key).is_some());
    let places: Vec<&str> = places.collect();
    let [place] = places.as_slice() else {
        let message = "a secret is fetched from exactly one of `env`, `ssm` and `file`";
        findings.error(Code::BadValue, fields.head(findings), message, "");
        return None;
    };
    let text = fields::text(fields.get(place)?, &format!("`{place}`"), findings)?;
    let span = fields.get(place)?.span;
    let at = match *place {
        "env" => SecretAt::Env(text.to_owned()),
        "ssm" => SecretAt::Ssm(ssm_path(text, span, findings)?),
        _ => SecretAt::File(text.to_owned()),
    };
    let to = fields.get("to").map_or_else(Vec::new, |node| origins(node, findings));
    Some(SecretEntry { at, to })
}

fn origins(node: &Node, findings: &mut Findings) -> Vec<String> {
    let Some(items) = fields::seq(node, "`to`", findings) else { return Vec::new() };
    items.iter().filter_map(|item| origin(item, "`to`", findings)).collect()
}

/// `/a/b`: starts with a slash and does not end with one.
pub(super) fn ssm_path(text: &str, span: Span, findings: &mut Findings) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte);
    if text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && !text.contains("//") && text.bytes().all(fits)
    {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is no path of the parameter store");
    findings.helped(
        Code::BadName,
        span,
        message,
        "it starts with `/`, does not end with it, and has letters, digits and `_.-/`",
    );
    None
}

pub(super) fn policy(node: &Node, findings: &mut Findings) -> Vec<Rule> {
    let Some(items) = fields::seq(node, "`policy`", findings) else { return Vec::new() };
    items.iter().filter_map(|item| rule(item, findings)).collect()
}

fn rule(node: &Node, findings: &mut Findings) -> Option<Rule> {
    let fields = Fields::open(node, "a rule of the policy", keys::RULE, findings)?;
    let overriders = fields.get("override").and_then(|node| Fields::open(node, "`override`", keys::OVERRIDE, findings));
    Some(Rule {
        when: fields.get("when").map_or_else(BTreeMap::new, |node| labels(node, "`when`", findings)),
        confirm: fields.get("confirm").and_then(|node| confirm(node, findings)).unwrap_or_default(),
        overriders: overriders.map_or_else(Vec::new, |fields| texts(&fields, "groups", findings)),
    })
}

fn confirm(node: &Node, findings: &mut Findings) -> Option<Confirm> {
    let fields = Fields::open(node, "`confirm`", keys::CONFIRM, findings)?;
    let people = fields.get("people").and_then(|node| fields::integer(node, "`people`", (1, 10), findings));
    let standard = Confirm::default();
    Some(Confirm {
        people: people.and_then(|people| u32::try_from(people).ok()).unwrap_or(standard.people),
        requester: fields
            .get("requester")
            .and_then(|node| fields::boolean(node, "`requester`", findings))
            .unwrap_or(standard.requester),
        groups: texts(&fields, "groups", findings),
        answer_within: fields
            .get("answer_within")
            .and_then(|node| fields::duration(node, "`answer_within`", findings))
            .map(|time| time.value),
    })
}

pub(super) fn people(node: &Node, findings: &mut Findings) -> IndexMap<String, Person> {
    let Some(map) = fields::map(node, "`people`", findings) else { return IndexMap::new() };
    map.iter()
        .filter_map(|entry| {
            let fields = Fields::open(&entry.value, "a person", keys::PERSON, findings)?;
            let person = Person {
                os: optional(&fields, "os", findings),
                slack: optional(&fields, "slack", findings),
                oidc: optional(&fields, "oidc", findings),
                groups: texts(&fields, "groups", findings),
            };
            Some((entry.key.name.clone(), person))
        })
        .collect()
}

pub(super) fn plugins(node: &Node, findings: &mut Findings) -> IndexMap<PluginName, PluginEntry> {
    let Some(map) = fields::map(node, "`plugins`", findings) else { return IndexMap::new() };
    let mut plugins = IndexMap::new();
    for entry in map.iter() {
        let read = plugin(&entry.value, findings);
        match (PluginName::parse(&entry.key.name), read) {
            (Ok(name), Some(read)) => {
                plugins.insert(name, read);
            }
            (Err(error), _) => findings.error(Code::BadName, entry.key.span, error.to_string(), ""),
            (Ok(_), None) => {}
        }
    }
    plugins
}

fn plugin(node: &Node, findings: &mut Findings) -> Option<PluginEntry> {
    let fields = Fields::open(node, "a plugin", keys::PLUGIN, findings)?;
    let grants = fields.get("grants").and_then(|node| Fields::open(node, "`grants`", keys::GRANTS, findings));
    let http = grants.as_ref().and_then(|grants| grants.get("http"));
    let http = http.and_then(|node| fields::seq(node, "`http`", findings)).unwrap_or_default();
    let names = grants.as_ref().map_or_else(Vec::new, |grants| texts(grants, "secrets", findings));
    let component = component(&fields, findings);
    let effects = fields.get("effects").map_or_else(BTreeMap::new, |node| effects(node, component.is_some(), findings));
    Some(PluginEntry {
        component,
        effects,
        http: http.iter().filter_map(|node| http_grant(node, findings)).collect(),
        // Names that are no names are found missing among the secrets.
        secrets: names.iter().filter_map(|name| SecretName::parse(name)).collect(),
    })
}

/// What the plugin's actions are at least.
fn effects(node: &Node, own: bool, findings: &mut Findings) -> BTreeMap<String, Effect> {
    if !own {
        let help = "a runbook may raise the effect of a single step: `effect: change`";
        findings.helped(Code::BadValue, node.span, "what ships with Sluice has the effects it has", help);
        return BTreeMap::new();
    }
    let Some(map) = fields::map(node, "`effects`", findings) else { return BTreeMap::new() };
    map.iter()
        .filter_map(|entry| {
            let what = format!("the effect of `{}`", entry.key.name);
            let effect = match fields::text(&entry.value, &what, findings)? {
                "change" => Effect::Change,
                "destroy" => Effect::Destroy,
                other => {
                    let message = format!("{what} cannot be raised to `{other}`");
                    findings.helped(Code::BadValue, entry.value.span, message, "`change` or `destroy`");
                    return None;
                }
            };
            Some((entry.key.name.clone(), effect))
        })
        .collect()
}

fn component(fields: &Fields<'_>, findings: &mut Findings) -> Option<Component> {
    if fields.get("component").is_none() && fields.get("sha256").is_none() {
        return None;
    }
    let file = fields.require("component", findings).and_then(|node| fields::text(node, "`component`", findings));
    let node = fields.require("sha256", findings)?;
    let sha256 = fields::text(node, "`sha256`", findings)?;
    if crate::ids::Sha256::from_hex(sha256).is_none() {
        findings.error(Code::BadValue, node.span, "`sha256` must be 64 hexadecimal digits", "");
        return None;
    }
    Some(Component { file: file?.to_owned(), sha256: sha256.to_ascii_lowercase() })
}

fn http_grant(node: &Node, findings: &mut Findings) -> Option<HttpGrant> {
    let fields = Fields::open(node, "a grant of `http`", keys::HTTP_GRANT, findings)?;
    let private = fields.get("private").and_then(|node| fields::boolean(node, "`private`", findings));
    let read = fields.get("read").and_then(|node| fields::seq(node, "`read`", findings)).unwrap_or_default();
    let read = read.iter().filter_map(|node| read_path(node, findings)).collect();
    let origin = origin(fields.require("origin", findings)?, "`origin`", findings)?;
    let write = fields.get("write").map(|_| texts(&fields, "write", findings));
    Some(HttpGrant { origin, read, write, private: private.unwrap_or(false) })
}

fn origin(node: &Node, what: &str, findings: &mut Findings) -> Option<String> {
    let origin = fields::text(node, what, findings)?;
    if is_origin(origin) {
        return Some(origin.to_owned());
    }
    let message = format!("`{origin}` is no origin");
    let help = "a scheme, a host and a port, without path, user and query: \"https://api.example.com:443\"";
    findings.helped(Code::BadValue, node.span, message, help);
    None
}

/// `http(s)://host[:port]`.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = bracketed.map_or_else(
        || !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)),
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// `POST /v1/datasets/_apl`
fn read_path(node: &Node, findings: &mut Findings) -> Option<(String, String)> {
    let text = fields::text(node, "an entry of `read`", findings)?;
    match text.split_once(' ') {
        Some((method, path)) if method.bytes().all(|byte| byte.is_ascii_uppercase()) && path.starts_with('/') => {
            Some((method.to_owned(), path.to_owned()))
        }
        _ => {
            let help = "a method, a space and a path: \"POST /v1/query\"";
            findings.helped(Code::BadValue, node.span, format!("`{text}` is no request that reads"), help);
            None
        }
    }
}

/// The names of secrets under `grants.secrets` of every plugin, with their places.
pub(super) fn granted_secrets(plugins: &Node) -> Vec<(String, Span)> {
    let inside = |node: &Node, key: &str| match &node.kind {
        Kind::Map(map) => map.get(key).map(|entry| entry.value.clone()),
        _ => None,
    };
    let Kind::Map(map) = &plugins.kind else { return Vec::new() };
    map.iter()
        .filter_map(|entry| inside(&inside(&entry.value, "grants")?, "secrets"))
        .filter_map(|node| if let Kind::Seq(items) = node.kind { Some(items) } else { None })
        .flatten()
        .filter_map(|item| if let Kind::Text(text) = item.kind { Some((text.value, item.span)) } else { None })
        .collect()
}

pub(super) fn axiom(node: &Node, findings: &mut Findings) -> Axiom {
    let fields = Fields::open(node, "`axiom`", keys::AXIOM, findings);
    Axiom { url: fields.and_then(|fields| optional(&fields, "url", findings)) }
}

pub(super) fn terraform(node: &Node, findings: &mut Findings) -> Terraform {
    let Some(fields) = Fields::open(node, "`terraform`", keys::TERRAFORM, findings) else {
        return Terraform::default();
    };
    Terraform {
        address: optional(&fields, "address", findings),
        organization: optional(&fields, "organization", findings),
        workspace: optional(&fields, "workspace", findings),
        repo: optional(&fields, "repo", findings),
        file: optional(&fields, "file", findings),
        block: optional(&fields, "block", findings),
    }
}

pub(super) fn store(node: &Node, findings: &mut Findings) -> StoreAt {
    let fields = Fields::open(node, "`store`", keys::STORE, findings);
    StoreAt { path: fields.and_then(|fields| optional(&fields, "path", findings)) }
}
