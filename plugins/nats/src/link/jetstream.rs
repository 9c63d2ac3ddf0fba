//! The JetStream API of the account the credentials belong to. It is answered by leaders, so it is the leaders' view.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::Host;

use super::ask::{Unanswered, ask};
use super::connect::Link;
use super::subject::Subject;
use crate::health::view::Source;
use crate::monitor::model::{Account, Consumer, Stream};
use crate::names::StreamName;

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    total: u64,
    streams: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Consumers {
    #[serde(default)]
    total: u64,
    consumers: Option<Vec<Consumer>>,
    /// Those whose leaders did not answer; servers of some versions leave them out of `total`.
    missing: Option<Vec<String>>,
}

/// Who the connection is, as the server it reached sees it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Me {
    pub(crate) user: String,
    pub(crate) account: String,
    pub(crate) account_name: String,
    pub(crate) user_name: String,
}

#[derive(Deserialize)]
struct MeAnswer {
    #[serde(default)]
    data: Me,
}

pub(crate) async fn me(link: &Link) -> Result<Me, Unanswered> {
    ask::<MeAnswer>(link, &Subject::user_info(), &Value::Null).await.map(|answer| answer.data)
}

/// The names of the account's streams, all pages.
pub(crate) async fn stream_names(link: &Link) -> Result<Vec<String>, Unanswered> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let page: Names = ask(link, &Subject::stream_names(), &json!({ "offset": names.len() })).await?;
        let got = page.streams.unwrap_or_default();
        let end = got.is_empty();
        names.extend(got);
        if end || names.len() as u64 >= page.total {
            return Ok(names);
        }
    }
}

/// One stream as its leader tells it.
pub(crate) async fn stream_info(link: &Link, name: &StreamName) -> Result<Stream, Unanswered> {
    let mut stream: Stream = ask(link, &Subject::stream_info(name), &Value::Null).await?;
    stream.name = name.as_str().to_owned();
    stream.source = Source::JetstreamApi;
    Ok(stream)
}

/// The consumers of a stream, all pages, as their leaders tell them.
pub(crate) async fn consumers(link: &Link, stream: &StreamName) -> Result<Vec<Consumer>, Unanswered> {
    consumers_told(link, stream).await.map(|(consumers, _)| consumers)
}

/// The same, and whether those are all that the stream has: one is left out while its leader does not answer.
async fn consumers_told(link: &Link, stream: &StreamName) -> Result<(Vec<Consumer>, bool), Unanswered> {
    let mut told: Vec<Consumer> = Vec::new();
    let mut missing = false;
    loop {
        let page: Consumers = ask(link, &Subject::consumer_list(stream), &json!({ "offset": told.len() })).await?;
        let got = page.consumers.unwrap_or_default();
        let end = got.is_empty();
        told.extend(got);
        missing |= page.missing.is_some_and(|missing| !missing.is_empty());
        let all = told.len() as u64 >= page.total;
        if end || all {
            return Ok((told, all && !missing));
        }
    }
}

/// Everything of the account: streams with their consumers. A name no subject can hold is left out.
pub(crate) async fn account(link: &Link, me: &Me) -> Result<Account, Unanswered> {
    let mut streams = Vec::new();
    for name in stream_names(link).await?.iter().filter_map(|name| StreamName::parse(name, "").ok()) {
        let mut stream = match stream_info(link, &name).await {
            Err(unanswered) if unanswered.is_no_stream() => continue,
            other => other?,
        };
        stream.consumer_detail = consumers(link, &name).await?;
        for consumer in &mut stream.consumer_detail {
            consumer.source = Source::JetstreamApi;
        }
        streams.push(stream);
    }
    Ok(Account { name: me.account_name.clone(), id: me.account.clone(), stream_detail: streams })
}

/// The account as far as its leaders answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partly {
    /// Every stream there is, answered for or not.
    pub(crate) names: Vec<String>,
    pub(crate) account: Account,
    /// Streams that may have more consumers than were told.
    pub(crate) partly_told: Vec<String>,
}

/// Everything of the account, asked at one time. A leader that says nothing is waited for no longer than `patience`.
pub(crate) async fn partly(link: &Link, me: &Me, host: &dyn Host, patience: Duration) -> Result<Partly, Unanswered> {
    const AT_ONE_TIME: usize = 16;
    let names = stream_names(link).await?;
    let parsed = names.iter().filter_map(|name| StreamName::parse(name, "").ok());
    let asking: Vec<_> = parsed.map(|name| within(host, patience, with_consumers(link, name))).collect();
    let told = futures::stream::iter(asking).buffered(AT_ONE_TIME).filter_map(std::future::ready);
    let told: Vec<(Stream, bool)> = told.collect().await;
    let whole = |name: &String| told.iter().any(|(stream, all)| *all && stream.name == *name);
    Ok(Partly {
        partly_told: names.iter().filter(|name| !whole(name)).cloned().collect(),
        names,
        account: Account {
            name: me.account_name.clone(),
            id: me.account.clone(),
            stream_detail: told.into_iter().map(|(stream, _)| stream).collect(),
        },
    })
}

async fn within<T>(host: &dyn Host, patience: Duration, asking: impl Future<Output = Option<T>>) -> Option<T> {
    match select(pin!(asking), host.sleep(patience)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => None,
    }
}

/// None when its leader does not answer. Consumers whose leaders do not are left out; whether none was is told beside.
async fn with_consumers(link: &Link, name: StreamName) -> Option<(Stream, bool)> {
    let (stream, consumers) = futures::future::join(stream_info(link, &name), consumers_told(link, &name)).await;
    let mut stream = stream.ok()?;
    let (consumers, all) = consumers.unwrap_or_default();
    stream.consumer_detail = consumers;
    stream.consumer_detail.iter_mut().for_each(|consumer| consumer.source = Source::JetstreamApi);
    Some((stream, all))
}
