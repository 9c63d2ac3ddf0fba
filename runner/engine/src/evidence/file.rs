//! The file of an exported run: lines of JSON, and nothing in them that is not documented in `schemas/evidence.md`.
//!
//! Records stand in it byte for byte as they were stored. It does not know what the events in them mean.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sluice_plugin::Timestamp;

use crate::ids::{RunId, Sha256};
use crate::journal::chain::{blob_hash, verify};
use crate::journal::{Envelope, Record, StoreError, Version};
use crate::run::large_value;

/// Of the format. Another one is not read.
pub const VERSION: u16 = 1;

/// An exported run in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub header: Header,
    pub records: Vec<Record>,
    pub blobs: Vec<Blob>,
}

/// The first line. Of what stands here only run, counts and head can be compared with what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Of the format.
    pub version: u16,
    pub run: RunId,
    /// What wrote the file: `sluice 0.1.0`.
    pub written_by: String,
    /// Who had it written: `ana@laptop`.
    pub exported_by: String,
    /// Milliseconds since 1970.
    pub exported_at: Timestamp,
    pub records: u64,
    pub blobs: u64,
    pub head: Version,
}

/// Who writes a file, and when.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub program: String,
    pub actor: String,
    pub at: Timestamp,
}

/// Content that events name by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub hash: Sha256,
    pub bytes: Vec<u8>,
}

/// One line. A reader of this version refuses what it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    SluiceEvidence(Header),
    Record(RecordLine),
    Blob(BlobLine),
    /// The last line: a file without it was cut.
    End(EndLine),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    pub(super) ordinal: u64,
    /// SHA-256 of `bytes`.
    pub(super) hash: Sha256,
    /// The record as it was stored: a text of JSON.
    pub(super) bytes: String,
}

/// Has one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlobLine {
    pub(super) hash: Sha256,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub(super) records: u64,
    pub(super) blobs: u64,
    pub(super) head: Version,
}

impl File {
    /// The text of the file.
    pub fn text(&self) -> String {
        let Header { records, blobs, head, .. } = self.header;
        let header = Line::SluiceEvidence(self.header.clone());
        let record_lines = self.records.iter().map(|record| Line::Record(RecordLine::of(record)));
        let blob_lines = self.blobs.iter().map(|blob| Line::Blob(BlobLine::of(blob)));
        let end = Line::End(EndLine { records, blobs, head });
        let lines = [header].into_iter().chain(record_lines).chain(blob_lines).chain([end]);
        lines.map(|line| serde_json::to_string(&line).unwrap_or_default() + "\n").collect()
    }

    /// Reads a file and checks nothing in it but its form.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut header, mut records, mut blobs) = (None, Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            match Line::read(line).map_err(|why| format!("line {number} {why}"))? {
                Line::SluiceEvidence(first) => header = Some(first),
                Line::Record(record) => records.push(record.record()),
                Line::Blob(line) => blobs.push(line.blob().map_err(|why| format!("line {number} {why}"))?),
                Line::End(_) => {}
            }
        }
        let header = header.ok_or("it is no exported run: its first line should be a `sluice_evidence`")?;
        Ok(Self { header, records, blobs })
    }
}

impl File {
    pub fn blob(&self, hash: &Sha256) -> Option<&[u8]> {
        self.blobs.iter().find(|blob| blob.hash == *hash).map(|blob| blob.bytes.as_slice())
    }

    /// The events as they were meant, with what is kept as blobs in its place.
    pub fn envelopes(&self) -> Result<Vec<Envelope>, StoreError> {
        let missing = |hash: &Sha256| StoreError::Corrupt(format!("blob {hash} is missing"));
        let text = |hash: &Sha256| self.blob(hash).ok_or_else(|| missing(hash)).map(String::from_utf8_lossy);
        let mut envelopes = Vec::with_capacity(self.records.len());
        for verified in verify(&self.records, Version::START)? {
            let verified = match verified.body_elsewhere() {
                Some(hash) => verified.with_body(text(&hash)?.into_owned()),
                None => verified,
            };
            let mut envelope = verified.envelope()?;
            if let Some(value) = large_value(&mut envelope.event)
                && let Some(hash) = blob_hash(value)
            {
                let whole = serde_json::from_str(&text(&hash)?);
                *value = whole.map_err(|error| StoreError::Corrupt(format!("blob {hash}: {error}")))?;
            }
            envelopes.push(envelope);
        }
        Ok(envelopes)
    }
}

impl Line {
    /// The error continues "line 7".
    pub(super) fn read(line: &str) -> Result<Self, String> {
        // Looked at first: a newer line may have what this version does not know.
        if let Some(version) = version_of(line).filter(|version| *version != u64::from(VERSION)) {
            return Err(format!("says that the format is version {version}, and this Sluice reads version {VERSION}"));
        }
        serde_json::from_str(line).map_err(|error| format!("cannot be read: {error}"))
    }
}

fn version_of(line: &str) -> Option<u64> {
    if !line.starts_with(r#"{"sluice_evidence""#) {
        return None;
    }
    serde_json::from_str::<serde_json::Value>(line).ok()?.pointer("/sluice_evidence/version")?.as_u64()
}

impl RecordLine {
    fn of(record: &Record) -> Self {
        // What a store keeps was written as JSON, so it is text.
        let bytes = String::from_utf8_lossy(&record.bytes).into_owned();
        Self { ordinal: record.ordinal, hash: record.hash, bytes }
    }

    pub(super) fn record(self) -> Record {
        Record { ordinal: self.ordinal, hash: self.hash, bytes: self.bytes.into_bytes() }
    }
}

impl BlobLine {
    fn of(blob: &Blob) -> Self {
        match std::str::from_utf8(&blob.bytes) {
            Ok(text) => Self { hash: blob.hash, text: Some(text.to_owned()), base64: None },
            Err(_) => Self { hash: blob.hash, text: None, base64: Some(STANDARD.encode(&blob.bytes)) },
        }
    }

    pub(super) fn blob(self) -> Result<Blob, String> {
        let bytes = match (self.text, self.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => STANDARD.decode(text).map_err(|error| format!("holds no base64: {error}"))?,
            (Some(_), Some(_)) | (None, None) => return Err("should have either `text` or `base64`".to_owned()),
        };
        Ok(Blob { hash: self.hash, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let record = Record { ordinal: 1, hash: Sha256::of(b"{}"), bytes: b"{}".to_vec() };
        let blob = |bytes: &[u8]| Blob { hash: Sha256::of(bytes), bytes: bytes.to_vec() };
        let head = Version { ordinal: 1, hash: record.hash };
        let header = Header {
            version: VERSION,
            run: RunId::new(0, [7; 10]),
            written_by: "sluice 0".into(),
            exported_by: "ana@laptop".into(),
            exported_at: Timestamp(1),
            records: 1,
            blobs: 2,
            head,
        };
        let file = File { header, records: vec![record], blobs: vec![blob("ä\n".as_bytes()), blob(&[0xFF, 0])] };
        let text = file.text();
        assert_eq!(File::read(&text), Ok(file));
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains(r#""text":"ä\n""#) && text.contains(r#""base64":"/wA=""#), "{text}");
        let newer = text.replacen(r#""version":1"#, r#""version":2,"colour":"red""#, 1);
        let why = File::read(&newer).unwrap_err();
        assert!(why.starts_with("line 1 says that the format is version 2"), "{why}");
        assert!(File::read("{}").is_err() && File::read("").is_err());
    }
}
