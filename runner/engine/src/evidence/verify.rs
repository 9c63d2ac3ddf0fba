//! What the file of an exported run shows: whether it is intact and complete, with the place of whatever is not.
//!
//! Also what it cannot show. Nobody signed it, so whoever could write the store could have written all of it anew.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use sluice_plugin::Timestamp;

use super::blobs_of;
use super::file::{Blob, EndLine, Header, Line};
use crate::ids::{RunId, Sha256};
use crate::journal::chain::{Fault, Verified, verify_one, version_of};
use crate::journal::{Envelope, Event, Outcome, Record, Version};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// As the file says, in the chain where the journal is new enough.
    pub run: String,
    pub runbook: Option<String>,
    /// Milliseconds since 1970.
    #[schemars(with = "Option<i64>")]
    pub started: Option<Timestamp>,
    pub by: Option<String>,
    #[schemars(with = "Option<OutcomeShape>")]
    pub outcome: Option<Outcome>,
    /// The program that wrote the file, as it says.
    pub written_by: String,
    pub events: u64,
    pub blobs: u64,
    /// The last event and its hash.
    #[schemars(with = "Option<HeadShape>")]
    pub head: Option<Version>,
    /// Every hash is right, every event follows the one before, and nothing contradicts what is known of the run.
    pub intact: bool,
    /// It goes from `started` to `ended`, with every blob.
    pub complete: bool,
    pub findings: Vec<Finding>,
    pub noted: Noted,
    /// By nobody: there are no signatures yet.
    pub signed: bool,
    /// Nowhere: heads are not yet kept by anybody else.
    pub anchored: bool,
    pub cannot_tell: Vec<String>,
}

/// What an [`Outcome`] looks like.
#[derive(JsonSchema)]
#[schemars(rename = "Outcome")]
#[expect(dead_code, reason = "only its schema is of use")]
struct OutcomeShape {
    /// `done`, `failed`, `stopped`, `cancelled`, `abandoned` or `interrupted`.
    is: String,
    /// The step that decided it, where one did.
    key: Option<String>,
    /// Of an abandoned run: acts that may have happened.
    #[schemars(default)]
    unknown: Vec<String>,
}

/// What a [`Version`] looks like.
#[derive(JsonSchema)]
#[schemars(rename = "Head")]
#[expect(dead_code, reason = "only its schema is of use")]
struct HeadShape {
    ordinal: u64,
    /// SHA-256, in hexadecimal.
    hash: String,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    pub about: About,
    /// Of the file; counts from 1.
    pub line: u64,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Intact,
    Complete,
}

/// The head that was noted earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Noted {
    NotGiven,
    /// It is the hash of this event: everything up to it is as it was then.
    Found {
        event: u64,
    },
    Missing,
}

/// Looks at the text of a file. `run` is the run it should be of, `noted` a hash that was shown as its head before.
pub fn verify(text: &str, run: Option<&RunId>, noted: Option<&Sha256>) -> Verdict {
    let mut seen = Seen::default();
    for (number, line) in (1..).zip(text.lines()) {
        seen.number = number;
        match Line::read(line) {
            Ok(line) => seen.line(line),
            Err(why) => seen.find(About::Intact, format!("the line {why}")),
        }
    }
    seen.number += 1;
    seen.over();
    seen.is_of(run);
    let noted = seen.noted(noted);
    seen.verdict(noted)
}

#[derive(Default)]
struct Seen {
    number: u64,
    header: Option<Header>,
    end: Option<EndLine>,
    version: Option<Version>,
    records: u64,
    hashes: BTreeMap<Sha256, u64>,
    blobs: BTreeMap<Sha256, Blob>,
    /// Events that were verified, with their lines; understood when all blobs are known.
    verified: Vec<(u64, Verified)>,
    started: Option<Envelope>,
    ended: Option<Outcome>,
    findings: Vec<Finding>,
    /// Some event is not understood: which blobs it names is unknown.
    not_understood: bool,
}

impl Seen {
    fn find(&mut self, about: About, what: String) {
        self.findings.push(Finding { about, line: self.number, what });
    }

    fn line(&mut self, line: Line) {
        if self.number > 1 && self.header.is_none() {
            self.find(About::Intact, "the file should begin with a `sluice_evidence`".to_owned());
            self.header = Some(nobody());
        }
        if self.end.is_some() {
            return self.find(About::Intact, "something stands behind the end of the file".to_owned());
        }
        match line {
            Line::SluiceEvidence(header) if self.header.is_none() => self.header = Some(header),
            Line::SluiceEvidence(_) => self.find(About::Intact, "a second file begins".to_owned()),
            Line::Record(record) => self.record(&record.record()),
            Line::Blob(blob) => match blob.blob() {
                Ok(blob) => self.blob(blob),
                Err(why) => self.find(About::Intact, format!("the blob {why}")),
            },
            Line::End(end) => self.end = Some(end),
        }
    }

    fn record(&mut self, record: &Record) {
        let before = self.version.unwrap_or(Version::START);
        self.records += 1;
        match verify_one(record, before) {
            Ok(verified) => self.verified.push((self.number, verified)),
            Err(Fault::Damaged(what)) => {
                self.not_understood = true;
                self.find(About::Intact, what);
            }
            Err(Fault::TooNew(what)) => self.newer(&what),
        }
        // What follows is compared with what this one says it is, so that each place is named once.
        self.version = Some(version_of(record));
        self.hashes.insert(record.hash, record.ordinal);
    }

    fn newer(&mut self, what: &str) {
        self.not_understood = true;
        self.find(About::Complete, format!("what it names cannot be told, a newer Sluice wrote it: {what}"));
    }

    fn blob(&mut self, blob: Blob) {
        if Sha256::of(&blob.bytes) != blob.hash {
            self.find(About::Intact, format!("blob {} was altered: its bytes do not match its hash", blob.hash));
        }
        if let Some(twice) = self.blobs.insert(blob.hash, blob) {
            self.find(About::Intact, format!("blob {} stands here a second time", twice.hash));
        }
    }

    /// Everything was read: what should be there and is not?
    fn over(&mut self) {
        let Some(header) = self.header.clone() else {
            self.header = Some(nobody());
            return self.find(About::Complete, "the file is empty".to_owned());
        };
        self.events();
        let head = self.version.unwrap_or(Version::START);
        let is = (self.records, u64::try_from(self.blobs.len()).unwrap_or(u64::MAX), head);
        match &self.end {
            None => {
                self.find(About::Complete, format!("the file was cut: it has no end, and {}", counted(&header, is)))
            }
            Some(end) if (end.records, end.blobs, end.head) != is => {
                self.find(
                    About::Complete,
                    format!("its last line does not fit what is before it, and {}", counted(&header, is)),
                );
            }
            Some(_) if (header.records, header.blobs, header.head) != is => {
                self.find(About::Complete, counted(&header, is));
            }
            Some(_) => {}
        }
    }

    fn events(&mut self) {
        let end = self.number;
        let mut named = BTreeSet::new();
        let verified = std::mem::take(&mut self.verified);
        let last = verified.last().map(|(_, verified)| verified.ordinal);
        for (number, verified) in verified {
            self.number = number;
            let ordinal = verified.ordinal;
            let Some(mut envelope) = self.understood(verified, &mut named) else { continue };
            for hash in blobs_of(&mut envelope.event) {
                self.name(ordinal, hash, &mut named);
            }
            if ordinal == 1 {
                self.started = matches!(envelope.event, Event::Started { .. }).then(|| envelope.clone());
            }
            match &envelope.event {
                Event::Ended { outcome } => self.ended = Some(outcome.clone()),
                // Only what becomes of the lock is told after the end.
                Event::Unlocked { .. } | Event::LockLost { .. } => {}
                _ => self.ended = None,
            }
        }
        self.number = end;
        if self.started.is_none() && !self.not_understood {
            self.find(About::Complete, "the journal does not begin with `started`".to_owned());
        }
        if self.ended.is_none() && !self.not_understood {
            let last = last.map_or_else(|| "there is no event".to_owned(), |last| format!("event {last} is the last"));
            self.find(About::Complete, format!("the journal does not end with `ended`: {last}"));
        }
        let nobodys: Vec<Sha256> = self.blobs.keys().filter(|hash| !named.contains(hash)).copied().collect();
        if !self.not_understood {
            for hash in nobodys {
                self.find(About::Intact, format!("no event names blob {hash}"));
            }
        }
    }

    fn understood(&mut self, verified: Verified, named: &mut BTreeSet<Sha256>) -> Option<Envelope> {
        let ordinal = verified.ordinal;
        let verified = match verified.body_elsewhere() {
            Some(hash) => {
                self.name(ordinal, hash, named);
                let Some(blob) = self.blobs.get(&hash) else {
                    self.not_understood = true;
                    return None;
                };
                verified.with_body(String::from_utf8_lossy(&blob.bytes).into_owned())
            }
            None => verified,
        };
        match verified.envelope() {
            Ok(envelope) => Some(envelope),
            Err(Fault::TooNew(what)) => {
                self.newer(&what);
                None
            }
            Err(Fault::Damaged(what)) => {
                self.not_understood = true;
                self.find(About::Intact, what);
                None
            }
        }
    }

    fn name(&mut self, ordinal: u64, hash: Sha256, named: &mut BTreeSet<Sha256>) {
        if named.insert(hash) && !self.blobs.contains_key(&hash) {
            self.find(About::Complete, format!("blob {hash}, which event {ordinal} names, is missing"));
        }
    }

    /// The run that the header names, the one in the chain, and the one that was asked for.
    fn is_of(&mut self, wanted: Option<&RunId>) {
        self.number = 1;
        let Some(header) = self.header.clone() else { return };
        if RunId::parse(header.run.as_str()).is_none() {
            self.find(About::Intact, format!("`{}` is no run", header.run));
        }
        let bound = self.bound();
        if let Some(bound) = bound.filter(|bound| *bound != header.run) {
            self.find(About::Intact, format!("the file says run {}, its events are those of run {bound}", header.run));
        } else if let Some(wanted) = wanted.filter(|wanted| **wanted != header.run) {
            self.find(About::Intact, format!("this is run {}, not run {wanted}", header.run));
        }
    }

    fn bound(&self) -> Option<RunId> {
        match &self.started.as_ref()?.event {
            Event::Started { run, .. } => run.clone(),
            _ => None,
        }
    }

    fn noted(&mut self, noted: Option<&Sha256>) -> Noted {
        let Some(noted) = noted else { return Noted::NotGiven };
        match self.hashes.get(noted) {
            Some(event) => Noted::Found { event: *event },
            None => {
                self.number = 1;
                self.find(
                    About::Intact,
                    format!(
                        "no event has the hash {noted} that was noted: the journal was written anew, or is an older copy \
                         from before that was noted, or is another run's"
                    ),
                );
                Noted::Missing
            }
        }
    }

    fn verdict(self, noted: Noted) -> Verdict {
        let has = |about: About| self.findings.iter().any(|finding| finding.about == about);
        let (intact, complete) = (!has(About::Intact), !has(About::Complete));
        let cannot_tell = self.cannot_tell(noted);
        let bound = self.bound();
        let (runbook, started, by) = match &self.started {
            Some(Envelope { event: Event::Started { runbook, .. }, at, actor, .. }) => {
                (Some(runbook.clone()), Some(*at), Some(actor.clone()))
            }
            _ => (None, None, None),
        };
        let header = self.header.unwrap_or_else(nobody);
        Verdict {
            run: bound.unwrap_or(header.run).to_string(),
            runbook,
            started,
            by,
            outcome: self.ended,
            written_by: header.written_by,
            events: self.records,
            blobs: u64::try_from(self.blobs.len()).unwrap_or(u64::MAX),
            head: self.version,
            intact,
            complete,
            findings: self.findings,
            noted,
            signed: false,
            anchored: false,
            cannot_tell,
        }
    }

    fn cannot_tell(&self, noted: Noted) -> Vec<String> {
        let mut left = Vec::new();
        let last = self.version.map_or(0, |version| version.ordinal);
        match noted {
            Noted::NotGiven | Noted::Missing => left.push(
                "whether the whole journal was written anew, or is an older copy of it: give a head that was noted while \
                 the run was known to be right (--head)"
                    .to_owned(),
            ),
            Noted::Found { event } if event < last => {
                left.push(format!("whether what comes after event {event} was written anew, or is an older copy"));
            }
            Noted::Found { .. } => {}
        }
        if self.started.is_some() && self.bound().is_none() {
            left.push(
                "whether it is the journal of another run: it is from before runs were named in their chains"
                    .to_owned(),
            );
        }
        if self.ended == Some(Outcome::Interrupted) {
            left.push("whether the run was resumed afterwards: it was interrupted".to_owned());
        }
        left.push(
            "whether what was journaled is what happened: hashes only show that nothing was changed since".to_owned(),
        );
        left
    }
}

fn counted(header: &Header, (records, blobs, head): (u64, u64, Version)) -> String {
    if (header.records, header.blobs) == (records, blobs) {
        return format!("its first line says that it ends with {}, and it ends with {}", header.head.hash, head.hash);
    }
    format!(
        "its first line says {} of events and {} of blobs, and there are {records} and {blobs}",
        header.records, header.blobs
    )
}

/// In the place of a header that is not there.
fn nobody() -> Header {
    Header {
        version: super::VERSION,
        run: RunId::new(0, [0; 10]),
        written_by: String::new(),
        exported_by: String::new(),
        exported_at: Timestamp(0),
        records: 0,
        blobs: 0,
        head: Version::START,
    }
}
