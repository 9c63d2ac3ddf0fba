//! Reads parameters from the parameter store, ten at a time, and puts each answer under the name it was asked by.
//!
//! Values go straight into [`Secret`]; whether one really is a secret is for the caller to say.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::{Parameter, ParameterType};
use sluice_plugin::{Problem, Secret};

use super::request::ParameterName;
use crate::clients::ClientSet;

pub(super) const GET_PARAMETERS: &str = "ssm:GetParameters";

/// AWS takes at most this many names in one request.
const MOST_NAMES: usize = 10;

pub(super) struct Found {
    /// Without white space around it: a parameter put in by hand often ends with a newline.
    pub(super) value: Secret,
    pub(super) encrypted: bool,
    pub(super) version: i64,
}

/// Those of the names that exist.
pub(super) async fn fetch(
    aws: &ClientSet,
    names: impl Iterator<Item = &ParameterName>,
    decrypt: bool,
) -> Result<BTreeMap<ParameterName, Found>, Problem> {
    // The service refuses a request that holds a name twice.
    let names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = BTreeMap::new();
    for names in names.chunks(MOST_NAMES) {
        let asked: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
        let on = asked.join(", ");
        let answer = aws.ssm.client.get_parameters().set_names(Some(asked)).with_decryption(decrypt).send().await;
        let answer = answer.map_err(|error| aws.problem(&aws.ssm, GET_PARAMETERS, &on, &error))?;
        for name in names {
            let parameter = answer.parameters().iter().find(|parameter| answers(parameter, name));
            found.extend(parameter.map(|parameter| ((*name).clone(), Found::of(parameter))));
        }
    }
    Ok(found)
}

/// A parameter asked by version or label comes back under its plain name, with the selector beside it. Two versions of
/// one parameter may be asked at once, so the name alone is not enough.
fn answers(parameter: &Parameter, asked: &ParameterName) -> bool {
    let selector = parameter.selector().unwrap_or_default().trim_start_matches(':');
    let rests =
        [parameter.name(), parameter.arn()].into_iter().flatten().filter_map(|name| asked.as_str().strip_prefix(name));
    rests.into_iter().any(|rest| match rest.strip_prefix(':') {
        Some(version) => version == selector || version == parameter.version().to_string(),
        None => rest.is_empty() && selector.is_empty(),
    })
}

impl Found {
    fn of(parameter: &Parameter) -> Self {
        Self {
            encrypted: parameter.r#type() == Some(&ParameterType::SecureString),
            version: parameter.version(),
            value: Secret::new(parameter.value().unwrap_or_default().trim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_belongs_to_the_name_it_was_asked_by() {
        let check = |selector: Option<&str>, asked: &str, expect: bool| {
            let parameter = Parameter::builder().name("/a").arn("arn:aws:ssm:r:1:parameter/a").version(3);
            let parameter = parameter.set_selector(selector.map(str::to_owned)).build();
            assert_eq!(answers(&parameter, &ParameterName::parse(asked).unwrap()), expect, "{selector:?} {asked}");
        };
        check(None, "/a", true);
        check(None, "arn:aws:ssm:r:1:parameter/a", true);
        check(None, "/a:3", true);
        check(None, "/a:2", false);
        check(None, "/ab", false);
        check(Some(":3"), "/a:3", true);
        check(Some(":3"), "/a", false);
        check(Some("blue"), "/a:blue", true);
        check(Some(":blue"), "arn:aws:ssm:r:1:parameter/a:blue", true);
        check(Some(":blue"), "/a:green", false);
    }
}
