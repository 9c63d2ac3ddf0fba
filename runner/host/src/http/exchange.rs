//! Sends one request and follows its redirects: each hop is judged by the grants as if it were the first.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Body, Response};
use sluice_plugin::{ActionName, Header, HttpRequest, HttpResponse, Method, Problem, Purpose, SecretRef};
use url::{Host, Url};

use super::address::reach;
use super::clients::{Clients, Kind};
use super::failure::{self, Attempted};
use crate::grants::{Grants, HttpGrant, Origin, Scheme, bad_url, denied_for_good};
use crate::vault::Vault;

const MOST_REDIRECTS: usize = 10;

/// Everything one request is judged by.
pub(crate) struct Exchange<'a> {
    pub(crate) action: &'a ActionName,
    pub(crate) grants: &'a Grants,
    pub(crate) purpose: Purpose,
    pub(crate) clients: &'a Clients,
    pub(crate) vault: &'a Vault,
    /// Whether this call may use a secret at all.
    pub(crate) may_use: &'a (dyn Fn(&SecretRef) -> Result<(), Problem> + Sync),
}

/// One request on its way, and where it is by now.
struct Hop<'a> {
    request: &'a HttpRequest,
    url: Url,
    origin: Origin,
    /// It was sent on to another origin: what was meant for the first one stays behind.
    away: bool,
}

enum Answer {
    Whole(HttpResponse),
    GoTo(Url),
}

impl Exchange<'_> {
    /// `limit` is for the whole exchange. Only GET and HEAD follow redirects: anything else is answered with the
    /// redirect itself, because sending it again elsewhere is a new act.
    pub(crate) async fn send(&self, mut request: HttpRequest, limit: Duration) -> Result<HttpResponse, Problem> {
        let url = Url::parse(&request.url).map_err(|error| bad_url(format!("the URL cannot be read: {error}")))?;
        let origin = Origin::of(&url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad_url(format!(
                "the URL for {origin} holds a user or a password; use a header with a secret"
            )));
        }
        let body = std::mem::take(&mut request.body);
        let mut hop = Hop { request: &request, url, origin, away: false };
        let _turn = self.clients.turn().await;
        match tokio::time::timeout(limit, self.follow(&mut hop, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.attempted(&hop).too_late(limit)),
        }
    }

    async fn follow(&self, hop: &mut Hop<'_>, body: Vec<u8>) -> Result<HttpResponse, Problem> {
        let mut body = Some(body);
        for _ in 0..=MOST_REDIRECTS {
            match self.hop(hop, body.take().unwrap_or_default()).await? {
                Answer::Whole(response) => return Ok(response),
                Answer::GoTo(url) => self.go_on(hop, url)?,
            }
        }
        Err(self.attempted(hop).bad_redirect(&format!("redirected more than {MOST_REDIRECTS} times")))
    }

    async fn hop(&self, hop: &Hop<'_>, body: Vec<u8>) -> Result<Answer, Problem> {
        let grant = self.grants.http(self.action, self.purpose, hop.request.method, &hop.url)?;
        self.judge_literal(&grant)?;
        let kind = Kind {
            tls: hop.origin.scheme() == Scheme::Https,
            private: grant.private,
            fresh: !hop.request.method.reads() && self.purpose == Purpose::Act,
        };
        let mut outgoing = reqwest::Request::new(method(hop.request.method), hop.url.clone());
        *outgoing.headers_mut() = self.headers(hop, &grant)?;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(Body::from(body));
        }
        let sent = self.clients.get(kind)?.execute(outgoing).await;
        let response = sent.map_err(|error| self.failed(hop, &grant, &error))?;
        match target(hop, &response) {
            Some(Ok(url)) => Ok(Answer::GoTo(url)),
            Some(Err(why)) => Err(self.attempted(hop).bad_redirect(&why)),
            None => self.whole(hop, &grant, response).await.map(Answer::Whole),
        }
    }

    /// A name is judged by the addresses it resolves to when it is connected to; an address is not resolved, so here.
    fn judge_literal(&self, grant: &HttpGrant) -> Result<(), Problem> {
        let address = match grant.origin.host() {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => (*address).into(),
            Host::Ipv6(address) => (*address).into(),
        };
        if reach(address).allowed(grant.private, true) {
            return Ok(());
        }
        Err(grant.refuse_address(self.action.plugin(), address, true))
    }

    fn go_on(&self, hop: &mut Hop<'_>, url: Url) -> Result<(), Problem> {
        let origin = Origin::of(&url)?;
        if hop.origin.scheme() == Scheme::Https && origin.scheme() == Scheme::Http {
            let why = format!("redirected from https to {origin}, which anybody on the way could read");
            return Err(self.attempted(hop).bad_redirect(&why));
        }
        hop.away |= origin != hop.origin;
        hop.origin = origin;
        hop.url = url;
        Ok(())
    }

    fn headers(&self, hop: &Hop<'_>, grant: &HttpGrant) -> Result<HeaderMap, Problem> {
        let mut headers = HeaderMap::with_capacity(hop.request.headers.len() + 1);
        for header in &hop.request.headers {
            let name = header_name(&header.name)?;
            if hop.away && (header.secret.is_some() || is_credential(&name)) {
                continue;
            }
            let value = self.header_value(header, &hop.origin, grant)?;
            headers.append(name, value);
        }
        Ok(headers)
    }

    fn header_value(&self, header: &Header, origin: &Origin, grant: &HttpGrant) -> Result<HeaderValue, Problem> {
        let bad = || Problem::not_applied("bad_input", format!("the value of header `{}` cannot be sent", header.name));
        let Some(reference) = &header.secret else {
            return HeaderValue::from_str(&header.value).map_err(|_| bad());
        };
        (self.may_use)(reference)?;
        if origin.scheme() == Scheme::Http && !grant.private {
            let what = format!("the secret {} would go to {origin} without TLS; use https", reference.0);
            return Err(denied_for_good(what));
        }
        let secret = self.vault.reveal_to(reference, origin)?;
        let mut value = HeaderValue::from_bytes(&[header.value.as_bytes(), secret.expose().as_bytes()].concat())
            .map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn whole(&self, hop: &Hop<'_>, grant: &HttpGrant, mut response: Response) -> Result<HttpResponse, Problem> {
        let most = hop.request.max_body;
        let too_large = |length: usize| length > most && hop.request.method != Method::Head;
        let announced = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if too_large(announced) {
            return Err(self.attempted(hop).too_large(most));
        }
        // What a server announces is not yet there.
        let mut body = Vec::with_capacity(announced.min(most).min(64 << 10));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(hop, grant, &error))? {
            if too_large(body.len() + chunk.len()) {
                return Err(self.attempted(hop).too_large(most));
            }
            body.extend_from_slice(&chunk);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(HttpResponse { status: response.status().as_u16(), headers, body })
    }

    fn failed(&self, hop: &Hop<'_>, grant: &HttpGrant, error: &reqwest::Error) -> Problem {
        match failure::forbidden(error) {
            Some(forbidden) => grant.refuse_address(self.action.plugin(), forbidden.address, forbidden.grantable),
            None => self.attempted(hop).failed(error),
        }
    }

    fn attempted<'b>(&self, hop: &'b Hop<'_>) -> Attempted<'b> {
        let method = hop.request.method;
        let reads = method.reads() || self.purpose != Purpose::Act;
        Attempted { method, url: &hop.url, origin: &hop.origin, reads }
    }
}

/// Where a redirect leads, if it is one that is followed.
fn target(hop: &Hop<'_>, response: &Response) -> Option<Result<Url, String>> {
    if !hop.request.method.reads() || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let joined = location.to_str().map_err(|_| ()).and_then(|text| hop.url.join(text).map_err(|_| ()));
    let url = joined.map_err(|()| "redirected to something that is not a URL".to_owned());
    Some(url.and_then(|url| {
        let bare = url.username().is_empty() && url.password().is_none();
        bare.then_some(url).ok_or_else(|| "redirected to a URL that holds a user or a password".to_owned())
    }))
}

/// Headers that say how a message is framed or whom it is for are the host's alone.
fn header_name(text: &str) -> Result<HeaderName, Problem> {
    const OURS: [&str; 9] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "keep-alive",
    ];
    let name = HeaderName::from_bytes(text.as_bytes()).ok();
    let name = name.filter(|name| !OURS.contains(&name.as_str()) && !name.as_str().starts_with("proxy-"));
    name.ok_or_else(|| Problem::not_applied("bad_input", format!("`{text}` is not a header that a plugin can set")))
}

fn is_credential(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "cookie")
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}
