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
        for parameter in answer.parameters.unwrap_or_default() {
            if let Some(name) = names.iter().find(|name| answers(&parameter, name)) {
                found.insert((*name).clone(), Found::of(parameter));
            }
        }
    }
    Ok(found)
}

/// A parameter asked by ARN, version or label comes back under its plain name, with the selector beside it.
fn answers(parameter: &Parameter, asked: &ParameterName) -> bool {
    let asked = asked.as_str();
    let asked = asked.strip_suffix(parameter.selector().unwrap_or_default()).unwrap_or(asked);
    [parameter.name(), parameter.arn()].contains(&Some(asked))
}

impl Found {
    fn of(parameter: Parameter) -> Self {
        Self {
            encrypted: parameter.r#type() == Some(&ParameterType::SecureString),
            version: parameter.version(),
            value: Secret::new(parameter.value().unwrap_or_default().trim()),
        }
    }
}
