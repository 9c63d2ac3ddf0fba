//! Remembers to which address the requests of one client go, so that an error can name it.
//!
//! The SDK works the address out for each request and does not tell it in its errors. This looks and changes nothing.

use std::sync::{Arc, OnceLock};

use aws_sdk_ssm::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_ssm::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ssm::error::BoxError;

/// Shared between one service client and the errors made from its answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoint(Arc<OnceLock<String>>);

impl Endpoint {
    /// `https://ssm.us-east-2.amazonaws.com`, once a request was on its way.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "SluiceEndpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.get_or_init(|| origin_of(context.request().uri()).to_owned());
        Ok(())
    }
}

fn origin_of(uri: &str) -> &str {
    let host = uri.find("://").map_or(0, |at| at + 3);
    let end = uri.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(uri.len(), |at| host + at);
    uri.get(..end).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_ends_before_the_path() {
        let check = |uri, expect| assert_eq!(origin_of(uri), expect);
        check("https://ssm.us-east-2.amazonaws.com/", "https://ssm.us-east-2.amazonaws.com");
        check("http://127.0.0.1:5599", "http://127.0.0.1:5599");
        check("http://127.0.0.1:5599?Action=X", "http://127.0.0.1:5599");
        check("", "");
    }
}
