//! What the actions over HTTP have in common: headers with secrets in them, time limits, and bodies as values.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sluice_plugin::by_hand::Word;
use sluice_plugin::{Header, Host, HttpResponse, Problem, SecretRef, parse_duration};

pub(crate) fn secret_headers(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": { "type": "string", "x-secret": true } })
}

/// All headers of a request: plain ones, those whose whole value is a secret, and a token.
pub(crate) fn headers(
    host: &dyn Host,
    plain: &BTreeMap<String, String>,
    secret: &BTreeMap<String, Value>,
    bearer: Option<&Value>,
) -> Result<Vec<Header>, Problem> {
    let mut headers: Vec<Header> = plain.iter().map(|(name, value)| Header::plain(name, value)).collect();
    for (name, leaf) in secret {
        headers.push(secret_header(host, name, "", leaf)?);
    }
    if let Some(leaf) = bearer {
        headers.push(secret_header(host, "authorization", "Bearer ", leaf)?);
    }
    Ok(headers)
}

/// A reference is filled in by the host; a plain text is given to it first.
fn secret_header(host: &dyn Host, name: &str, prefix: &str, leaf: &Value) -> Result<Header, Problem> {
    match SecretRef::from_json(leaf) {
        Some(reference) => Ok(Header::secret(name, prefix, reference)),
        // From here on the host treats it like any other secret: not without TLS, and not behind a redirect elsewhere.
        None => {
            let sealed = host.seal(&format!("/{name}"), host.reveal(leaf)?);
            let reference = SecretRef::from_json(&sealed).ok_or_else(|| {
                Problem::not_applied("internal", format!("the host gave no reference for header `{name}`"))
            })?;
            Ok(Header::secret(name, prefix, reference))
        }
    }
}

pub(crate) fn timeout(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| Problem::bad_input("/timeout", why))
}

/// What is wrong with a URL, as far as can be told before it is filled in.
pub(crate) fn no_scheme(url: &str, pointer: &str) -> Option<Problem> {
    // Text with an expression in it has no scheme yet.
    let fine = ["http://", "https://", "{{"].iter().any(|begin| url.starts_with(begin));
    (!fine).then(|| Problem::bad_input(pointer, "a URL begins with http:// or https://"))
}

pub(crate) fn content_type(response: &HttpResponse) -> Option<&str> {
    let (_, value) = response.headers.iter().find(|(name, _)| name == "content-type")?;
    Some(value)
}

/// The parsed document when the server says that it is JSON and it is; the text otherwise.
pub(crate) fn body(response: &HttpResponse) -> Value {
    let is_json = content_type(response).is_some_and(|kind| kind.contains("json"));
    let parsed = if is_json { serde_json::from_slice(&response.body).ok() } else { None };
    parsed.unwrap_or_else(|| String::from_utf8_lossy(&response.body).into())
}

/// What `curl` is given before the URL: headers with a secret in them come on its standard input, since a program's
/// arguments can be read by everybody on the machine.
pub(crate) fn by_hand<'a>(
    plain: impl IntoIterator<Item = (&'a String, &'a String)>,
    secret: &BTreeMap<String, Value>,
    bearer: Option<&Value>,
) -> (Vec<String>, Vec<Word>) {
    // To curl a header without a value is one that it leaves out, unless it ends like this.
    let header = |(name, value): (&String, &String)| match value.as_str() {
        "" => format!("{name};"),
        value => format!("{name}: {value}"),
    };
    let mut words: Vec<String> = plain.into_iter().flat_map(|each| ["--header".to_owned(), header(each)]).collect();
    let bearer = bearer.map(|leaf| ("authorization", "Bearer ", leaf));
    let whole = secret.iter().map(|(name, leaf)| (name.as_str(), "", leaf));
    let line = |(name, prefix, leaf)| [format!("{name}: {prefix}").into(), Word::secret(leaf), "\n".into()];
    let lines: Vec<Word> = bearer.into_iter().chain(whole).flat_map(line).collect();
    if !lines.is_empty() {
        words.extend(["--header", "@-"].map(str::to_owned));
    }
    (words, lines)
}
